"""Attempts/Summary: how many attempts a time had, and how many of them converted."""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from time import monotonic
from typing import Any, NamedTuple

from django.db.models import Count, FilteredRelation, Q, QuerySet
from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from django_verify import rollups, sids
from django_verify.api import fields, wire
from django_verify.api.attempts import CHANNELS, WINDOW, AttemptResource
from django_verify.messages import channels
from django_verify.models import Verification, VerificationAttempt
from django_verify.models.rollups import begin_of, hour_at
from django_verify.rest import bodies
from django_verify.rest.answers import Answer, computed

_HOUR = dt.timedelta(hours=1)
# Hours from which on it is quicker to look which of them are counted than to count their rows.
_WORTH_IT = 3
# So many rows are not counted again within so long by one process: a monitor that asks all the time
# would otherwise read the same thousands of rows for each answer.
MANY, FRESH = 1000, 5.0
_KEPT_AT_MOST = 256
# Verifications that one statement looks up.
_TOGETHER = 500

_APPROVED = Verification.Status.APPROVED
_PREFIX = re.compile(r"\+[0-9]{1,15}\Z")

_Span = tuple[dt.datetime, dt.datetime | None]


class Prefix(fields.Formed):
    """The beginning of a phone number in E.164."""

    default_error_messages = {"prefix": "+ and 1–15 digits are required"}

    def to_internal_value(self, data: str) -> str:
        """Return the text."""
        if not _PREFIX.match(data):
            self.fail("prefix")
        return data


class SummaryFilters(wire.Parameters):
    """Of the summary."""

    VerifyServiceSid = fields.Sid("VA", required=False)
    DateCreatedAfter = fields.Moment(required=False)
    DateCreatedBefore = fields.Moment(required=False)
    Country = fields.Region(required=False)
    Channel = fields.OneOf(*CHANNELS, required=False)
    DestinationPrefix = Prefix(required=False)


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


class AttemptsSummaryViewSet(AttemptResource):
    """`/Attempts/Summary`: one object of figures."""

    path = "Attempts/Summary"
    filters = SummaryFilters
    answer = SummaryAnswer

    def list(self, request: Request, **kwargs: str) -> Response:
        """Count in the database; percentages are cut, not rounded, after nine decimals.

        Test numbers stay out: nothing was sent, and nobody converted.
        """
        asked = wire.reader(SummaryFilters).read(bodies.query_values(request._request))  # noqa: SLF001
        prefix = asked.pop("destination_prefix", None)
        after, before = (asked.pop(f"date_created_{end}", None) for end in ("after", "before"))
        oldest = timezone.now() - WINDOW
        span = max(after or oldest, oldest), before
        filters = _filters(self.account.sid, asked)
        attempts = _Attempts(self.get_queryset(), filters, prefix, oldest)
        found = attempts.counted(*span) if prefix else _figures(attempts, filters, *span)
        return Response(self.represent(found))


def percentage(part: int, whole: int) -> str:
    """Return part of whole in per cent, exact or cut after nine decimals; "0" of nothing."""
    units, billionths = divmod(part * 100 * 10**9 // max(whole, 1), 10**9)
    return f"{units}.{billionths:09}".rstrip("0").rstrip(".")


def _filters(account: str, asked: dict[str, Any]) -> rollups.Filters:
    channel = asked.get("channel")
    return rollups.Filters(
        account=account,
        service=asked.get("verify_service_sid"),
        country=asked.get("country"),
        channel=channel and channels.ALIASES.get(channel, channel),
    )


def _figures(
    attempts: _Attempts, filters: rollups.Filters, after: dt.datetime, before: dt.datetime | None
) -> Figures:
    """Return the figures of a time: of whole hours that are counted, and of rows for the rest."""
    first = hour_at(after - dt.timedelta.resolution) + 1
    soon = timezone.now() + _HOUR  # no line is of a later hour, and there may be millions of these
    end = hour_at(min(before or soon, soon))
    if end - first < _WORTH_IT:
        return attempts.counted(after, before)
    period = rollups.Period.of(first, end, None, purged=False)
    names = ("starts", "converted")
    by_channel = rollups.lines(period, filters, "channel", names=names)
    found = [Figures(0, 0)]
    found += [Figures(*counts) for (channel,), counts in by_channel if channel != "sna"]
    # What is before the first hour, in hours that are not counted, and behind the last.
    spans: list[_Span] = [(after, begin_of(first))]
    spans += [(begin_of(low), begin_of(high)) for low, high in period.rows]
    spans.append((begin_of(end), before))
    found += [attempts.counted(*span) for span in _joined(spans)]
    return Figures(*(sum(counts) for counts in zip(*found, strict=True)))


def _joined(spans: list[_Span]) -> list[_Span]:
    """Return spans with those as one that meet, and without those that are empty."""
    found: list[_Span] = []
    for begin, end in spans:
        if found and found[-1][1] == begin:
            found[-1] = found[-1][0], end
        elif begin != end:
            found.append((begin, end))
    return found


_kept: dict[tuple[Any, ...], tuple[float, Figures]] = {}


def forget() -> None:
    """Count everything anew; for measurements and tests."""
    _kept.clear()


class _Attempts:
    """The attempts that the filters leave, to be counted row by row.

    What thousands of rows came to is kept for `FRESH`.
    """

    def __init__(
        self,
        rows: QuerySet[VerificationAttempt],
        filters: rollups.Filters,
        prefix: str | None,
        oldest: dt.datetime,
    ) -> None:
        self._name, self._oldest = (rows.db, filters, prefix), oldest
        columns = {"service_id": filters.service, "country": filters.country}
        columns["to__startswith"] = prefix
        given = {name: value for name, value in columns.items() if value is not None}
        self._of_start: dict[str, Any] = {**given, "is_test": False}
        self._rows = rows if filters.channel is None else rows.filter(channel=filters.channel)

    def counted(self, after: dt.datetime, before: dt.datetime | None) -> Figures:
        """Count the rows from one moment up to another."""
        # From the first attempt that is shown: a question that is another one at each moment.
        begin = None if after == self._oldest else after
        name, now = (*self._name, begin, before), monotonic()
        if (known := _kept.get(name)) and now - known[0] < FRESH:
            return known[1]
        found = self._count(after, before)
        if found.attempts >= MANY:
            if len(_kept) >= _KEPT_AT_MOST:
                _kept.clear()
            _kept[name] = now, found
        return found

    def _count(self, after: dt.datetime, before: dt.datetime | None) -> Figures:
        rows = self._rows.filter(_between("VL", "sid", after, before))
        # Nearly all verifications have begun in the same time: these are read as one range of their
        # own keys, which the database does not see for itself.
        of_start = Q(**{f"verification__{name}": value for name, value in self._of_start.items()})
        near = of_start & _between("VE", "verification__sid", after, before)
        found = rows.annotate(start=FilteredRelation("verification", condition=near)).aggregate(
            attempts=Count("start__status"),
            converted=Count("pk", filter=Q(start__status=_APPROVED)),
        )
        # Those of the others are looked up: messages that were sent again at an edge.
        others = rows.exclude(_between("VE", "verification_id", after, before)).order_by()
        sends = Counter(others.values_list("verification_id", flat=True))
        sought = list(sends)
        for first in range(0, len(sought), _TOGETHER):
            some = sought[first : first + _TOGETHER]
            starts = Verification.objects.filter(sid__in=some, **self._of_start).order_by()
            for sid, status in starts.values_list("sid", "status"):
                found["attempts"] += sends[sid]
                found["converted"] += sends[sid] * (status == _APPROVED)
        return Figures(**found)


def _between(prefix: str, name: str, after: dt.datetime, before: dt.datetime | None) -> Q:
    """Return the condition of the keys from one moment up to another."""
    found = Q(**{f"{name}__gte": sids.first_at(prefix, after)})
    return found if before is None else found & Q(**{f"{name}__lt": sids.first_at(prefix, before)})
