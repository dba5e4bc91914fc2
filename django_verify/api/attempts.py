"""Attempts and their summary: what was sent in the last 30 days, and what it led to."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any, NamedTuple

from django.db.models import Count, Q, QuerySet
from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from django_verify import rollups, sids
from django_verify.api import fields, wire
from django_verify.api.mixins import Fetch, List
from django_verify.api.resource import PageParameters, Resource
from django_verify.contact import emails
from django_verify.exceptions import InvalidParameter
from django_verify.messages import channels
from django_verify.models import Verification, VerificationAttempt
from django_verify.models.rollups import begin_of, hour_at
from django_verify.rest import bodies
from django_verify.rest.answers import Answer, Time, computed

# Older attempts are not shown, whether or not their rows still exist.
WINDOW = dt.timedelta(days=30)
# The contract's, and our own Telegram.
CHANNELS = ("sms", "call", "email", "whatsapp", "rbm", "telegram")

# A verification begins with its first attempt and lives for a day at most; an hour is for clocks,
# and for what a start asks others before it is written.
_LIFE, _MARGIN = dt.timedelta(days=1), dt.timedelta(hours=1)
# Filters of the list that an index answers; what the others leave out is looked at.
_INDEXED = ("date_created_after", "date_created_before", "verification_sid")

_HOUR = dt.timedelta(hours=1)
# Hours from which on it is quicker to look which of them are counted than to count their rows.
_WORTH_IT = 3

_PREFIX = re.compile(r"\+[0-9]{1,15}\Z")
_CONVERTED = Q(verification__status=Verification.Status.APPROVED)
_THEIRS = {ours: theirs for theirs, ours in channels.ALIASES.items()}
# A call's progress in the vendor's words; "sent" means the provider's acceptance.
_CALL_STATUS = {
    "queued": "queued",
    "sending": "queued",
    "sent": "in-progress",
    "delivered": "completed",
    "read": "completed",
    "undelivered": "no-answer",
    "failed": "failed",
}


class Prefix(fields.Formed):
    """The beginning of a phone number in E.164."""

    default_error_messages = {"prefix": "+ and 1–15 digits are required"}

    def to_internal_value(self, data: str) -> str:
        """Return the text."""
        if not _PREFIX.match(data):
            self.fail("prefix")
        return data


class AttemptFilters(PageParameters):
    """Of the list."""

    DateCreatedAfter = fields.Moment(required=False)
    DateCreatedBefore = fields.Moment(required=False)
    ChannelData_To = wire.Text(required=False)
    Country = fields.Region(required=False)
    Channel = fields.OneOf(*CHANNELS, required=False)
    VerifyServiceSid = fields.Sid("VA", required=False)
    VerificationSid = fields.Sid("VE", required=False)
    Status = fields.OneOf("converted", "unconverted", any_case=True, required=False)


class SummaryFilters(wire.Parameters):
    """Of the summary."""

    VerifyServiceSid = fields.Sid("VA", required=False)
    DateCreatedAfter = fields.Moment(required=False)
    DateCreatedBefore = fields.Moment(required=False)
    Country = fields.Region(required=False)
    Channel = fields.OneOf(*CHANNELS, required=False)
    DestinationPrefix = Prefix(required=False)


class AttemptAnswer(Answer):
    """An attempt; the keys of `channel_data` depend on the channel."""

    sid = wire.SidOf("VL")
    account_sid = wire.CallersSid()
    service_sid = wire.SidOf("VA", source="verification.service_id", allow_null=True)
    verification_sid = wire.SidOf("VE", source="verification_id")
    date_created = Time()
    date_updated = Time()
    conversion_status = computed(
        serializers.ChoiceField(["converted", "unconverted"]),
        lambda row, view: "converted" if row.verification.valid else "unconverted",
    )
    channel = computed(
        serializers.ChoiceField(CHANNELS), lambda row, view: _THEIRS.get(row.channel, row.channel)
    )
    price = computed(
        serializers.DictField(child=serializers.CharField(), allow_null=True),
        lambda row, view: (
            {"value": row.price_value, "currency": row.price_currency.lower()}
            if row.price_value
            else None
        ),
    )
    channel_data = computed(
        serializers.DictField(), lambda row, view: _channel_data(row, row.verification)
    )
    url = wire.Link()


class Figures(NamedTuple):
    """How many attempts the filters leave, and how many of them converted."""

    attempts: int
    converted: int


class SummaryAnswer(Answer):
    """Figures of the attempts that the filters leave."""

    total_attempts = serializers.IntegerField(source="attempts")
    total_converted = serializers.IntegerField(source="converted")
    total_unconverted = computed(
        serializers.IntegerField(), lambda row, view: row.attempts - row.converted
    )
    conversion_rate_percentage = computed(
        serializers.RegexField(r"^[0-9]{1,3}(\.[0-9]{1,9})?$"),
        lambda row, view: percentage(row.converted, row.attempts),
    )
    url = wire.RequestUrl()


class AttemptResource(Resource):
    """What both resources share: the caller's attempts of the last 30 days."""

    model = VerificationAttempt

    def get_queryset(self) -> QuerySet[VerificationAttempt]:
        """Return the rows that are young enough and carry a code, as the vendor's attempts do."""
        oldest = sids.first_at("VL", timezone.now() - WINDOW)
        rows = VerificationAttempt.objects.filter(account_id=self.account.sid, sid__gte=oldest)
        return rows.exclude(channel="sna")


class AttemptViewSet(Fetch, List, AttemptResource):
    """`/Attempts`: list and fetch."""

    path = "Attempts"
    prefix = "VL"
    key = "attempts"
    timed_keys = True
    filters = AttemptFilters
    answer = AttemptAnswer

    def get_queryset(self) -> QuerySet[VerificationAttempt]:
        """Return the rows with their verifications, which hold the outcome."""
        return super().get_queryset().select_related("verification")

    def ground(self, rows: QuerySet[Any], query: dict[str, Any]) -> QuerySet[Any]:
        """Return the rows of the time, the verification or the recipient that is asked for."""
        indexed = {name: query.pop(name) for name in _INDEXED if name in query}
        if "channel_data_to" in query:
            about = _about(query.pop("channel_data_to"))
            rows = rows.filter(about, verification__account_id=self.account.sid)
        return rows.filter(**_columns(indexed))

    def narrow(self, rows: QuerySet[Any], **filters: Any) -> QuerySet[Any]:
        """Return the rows that every other filter leaves."""
        if status := filters.pop("status", ""):
            rows = rows.filter(_CONVERTED if status == "converted" else ~_CONVERTED)
        return rows.filter(**_columns(filters))


class AttemptsSummaryViewSet(AttemptResource):
    """`/Attempts/Summary`: one object of figures."""

    path = "Attempts/Summary"
    filters = SummaryFilters
    answer = SummaryAnswer

    def list(self, request: Request, **kwargs: str) -> Response:
        """Count in the database; percentages are cut, not rounded, after nine decimals.

        Test numbers stay out: nothing was sent, and nobody converted.
        """
        filters = wire.reader(SummaryFilters).read(bodies.query_values(request._request))  # noqa: SLF001
        prefix = filters.pop("destination_prefix", None)
        after, before = (filters.pop(f"date_created_{end}", None) for end in ("after", "before"))
        rows = self.get_queryset().filter(verification__is_test=False, **_columns(filters))
        oldest = timezone.now() - WINDOW
        time = max(after or oldest, oldest), before
        if prefix:
            found = _counted(rows.filter(verification__to__startswith=prefix), *time)
        else:
            found = _figures(rows, _lines_of(self.account.sid, filters), *time)
        return Response(self.represent(found))


def percentage(part: int, whole: int) -> str:
    """Return part of whole in per cent, exact or cut after nine decimals; "0" of nothing."""
    units, billionths = divmod(part * 100 * 10**9 // max(whole, 1), 10**9)
    return f"{units}.{billionths:09}".rstrip("0").rstrip(".")


def _columns(filters: dict[str, Any]) -> dict[str, Any]:
    """Return the filters of both resources as look-ups; from After on, up to but without Before."""
    lookups = {
        "date_created_after": "sid__gte",
        "date_created_before": "sid__lt",
        "country": "verification__country",
        "channel": "channel",
        "verify_service_sid": "verification__service_id",
        "verification_sid": "verification_id",
    }
    columns = {
        lookups[name]: sids.first_at("VL", value) if isinstance(value, dt.datetime) else value
        for name, value in filters.items()
    }
    if "channel" in columns:
        columns["channel"] = channels.ALIASES.get(columns["channel"], columns["channel"])
    return columns


def _figures(
    rows: QuerySet[VerificationAttempt],
    lines: rollups.Filters,
    after: dt.datetime,
    before: dt.datetime | None,
) -> Figures:
    """Return the figures of a time: of whole hours that are counted, and of rows for the rest."""
    first = hour_at(after - dt.timedelta.resolution) + 1
    end = hour_at(before or timezone.now() + _HOUR)
    if end - first < _WORTH_IT:
        return _counted(rows, after, before)
    period = rollups.Period.of(first, end, None, purged=False)
    names = ("starts", "converted")
    by_channel = rollups.lines(period, lines, "channel", names=names)
    found = [Figures(0, 0)]
    found += [Figures(*counts) for (channel,), counts in by_channel if channel != "sna"]
    # What is before the first hour, in hours that are not counted, and behind the last.
    spans: list[tuple[dt.datetime, dt.datetime | None]] = [(after, begin_of(first))]
    spans += [(begin_of(low), begin_of(high)) for low, high in period.rows]
    spans.append((begin_of(end), before))
    found += [_counted(rows, *span) for span in _joined(spans)]
    attempts, converted = (sum(counts) for counts in zip(*found, strict=True))
    return Figures(attempts, converted)


def _joined(
    spans: list[tuple[dt.datetime, dt.datetime | None]],
) -> list[tuple[dt.datetime, dt.datetime | None]]:
    """Return spans with those as one that meet, and without those that are empty."""
    found: list[tuple[dt.datetime, dt.datetime | None]] = []
    for begin, end in spans:
        if found and found[-1][1] == begin:
            found[-1] = found[-1][0], end
        elif begin != end:
            found.append((begin, end))
    return found


def _counted(
    rows: QuerySet[VerificationAttempt], after: dt.datetime, before: dt.datetime | None
) -> Figures:
    """Count the rows from one moment up to another."""
    # Between these keys the verifications are, so that no others are read.
    keys = {
        "sid__gte": sids.first_at("VL", after),
        "verification__sid__gte": sids.first_at("VE", after - _LIFE - _MARGIN),
    }
    if before is not None:
        keys["sid__lt"] = sids.first_at("VL", before)
        keys["verification__sid__lt"] = sids.first_at("VE", before + _MARGIN)
    counts = rows.filter(**keys).aggregate(
        attempts=Count("pk"), converted=Count("pk", filter=_CONVERTED)
    )
    return Figures(**counts)


def _lines_of(account: str, filters: dict[str, Any]) -> rollups.Filters:
    """Return the filters of the summary as lines have them."""
    channel = filters.get("channel")
    return rollups.Filters(
        account=account,
        service=filters.get("verify_service_sid"),
        country=filters.get("country"),
        channel=channel and channels.ALIASES.get(channel, channel),
    )


def _about(to: str) -> Q:
    """Return the condition for a destination: a phone number in every spelling, or an e-mail."""
    try:
        recipient = channels.parse_recipient(to)
    except InvalidParameter as error:
        raise InvalidParameter("ChannelData.To", error.reason) from None
    found = Q(verification__recipient_key=recipient.key)
    # The key of an e-mail address leaves out what stands after a plus sign.
    whole = "@" not in to or emails.is_mailbox(recipient.key)
    return found if whole else found & Q(verification__to__iexact=to)


def _channel_data(row: VerificationAttempt, verification: Verification) -> dict[str, Any]:
    status = "unconfirmed"
    if verification.valid:
        status = "confirmed"
    elif verification.is_over(timezone.now()):
        status = "expired"
    call = row.channel == "call"
    carrier = verification.lookup.get("carrier") or {}
    return {
        "verification_sid": verification.sid,
        "to": verification.to,
        "status": status,
        **(
            {"call_status": _CALL_STATUS[row.message_status]}
            if call
            else {"message_status": row.message_status}
        ),
        "error_code": row.error_code or None,
        "country": verification.country or None,
        "code_length": verification.code_length,
        "locale": (row.template or {}).get("locale") or row.locale,
        "mcc": carrier.get("mobile_country_code"),
        "mnc": carrier.get("mobile_network_code"),
        "carrier": carrier.get("name"),
    }
