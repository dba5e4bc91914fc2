"""Attempts: what was sent in the last 30 days, and what it led to."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone
from rest_framework import serializers

from django_verify import sids
from django_verify.api import fields, wire
from django_verify.api.mixins import Fetch, List
from django_verify.api.resource import PageParameters, Resource
from django_verify.contact import emails
from django_verify.exceptions import InvalidParameter
from django_verify.messages import channels
from django_verify.models import Verification, VerificationAttempt
from django_verify.rest.answers import Answer, Time, computed

# Older attempts are not shown, whether or not their rows still exist.
WINDOW = dt.timedelta(days=30)
# The contract's, and our own Telegram.
CHANNELS = ("sms", "call", "email", "whatsapp", "rbm", "telegram")

# Filters of the list that an index answers; what the others leave out is looked at.
_INDEXED = ("date_created_after", "date_created_before", "verification_sid")

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


def _columns(filters: dict[str, Any]) -> dict[str, Any]:
    """Return filters as look-ups; from After on, up to but without Before."""
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
