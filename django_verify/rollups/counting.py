"""Counts rows: what the attempts and the guard's decisions of some hours come to."""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import (
    BooleanField,
    Case,
    Exists,
    OuterRef,
    Q,
    QuerySet,
    Sum,
    Value,
    When,
)
from django.db.models import Count as CountOf
from django.utils import timezone

from django_verify import conf, sids
from django_verify.db import queries
from django_verify.fraud import spend, table
from django_verify.models import GuardDecision, Verification, VerificationAttempt
from django_verify.models.rollups import begin_of

#: What the attempts of one line share.
KEYS = ("account_id", "service_id", "country", "channel", "sender", "locale", "template")
#: Seconds until an approval: those of a column took no longer, and longer than the column before.
BOUNDS = (5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 600, 1800, 3600, 86400)
TIMES = tuple(f"within_{seconds}" for seconds in BOUNDS)
COUNTED = ("starts", "verifications", "sent", "delivered", "failed", "converted", "approved")
#: The columns of a line. `MILLION` parts of the site's currency are one.
COUNTS = (*COUNTED, "spend", *TIMES)
MILLION = 1_000_000

_STARTS, _VERIFICATIONS, _SENT, _DELIVERED, _FAILED, _CONVERTED, _APPROVED, _SPEND = range(8)
_FIRST_TIME = len(COUNTED) + 1
#: Behind the columns: attempts whose verification may still be approved, which no line keeps.
UNDECIDED = len(COUNTS)

_Message = VerificationAttempt.MessageStatus
_ARRIVED = (_Message.DELIVERED, _Message.READ)
_SENT_ON = (_Message.SENT, _Message.UNDELIVERED, *_ARRIVED)
_LOST = (_Message.UNDELIVERED, _Message.FAILED)
# The last guess marks a verification as used up before it may approve it.
_MAY_CHANGE = (Verification.Status.PENDING, Verification.Status.MAX_ATTEMPTS_REACHED)

_COLUMNS = (
    *("account_id", "verification__service_id", "verification__country", "channel", "sender"),
    *("locale", "template", "via_channel", "messages", "price_value", "price_currency"),
    *("message_status", "provider_sid", "due_at", "verification__status", "verification__is_test"),
    *("verification__date_created", "verification__date_updated", "verification__expires_at"),
    *("is_first", "sid"),
)

# The same as `_add` counts, in SQL.
_APPROVED_ONE = Q(verification__status=Verification.Status.APPROVED)
_CONDITIONS = {
    "starts": Q(),
    "verifications": Q(is_first=True),
    "sent": Q(message_status__in=_SENT_ON)
    | (Q(message_status=_Message.FAILED) & ~Q(provider_sid="")),
    "delivered": Q(message_status__in=_ARRIVED),
    "failed": Q(message_status__in=_LOST),
    "converted": _APPROVED_ONE,
    "approved": _APPROVED_ONE & Q(is_first=True),
}

Line = list[int]
Lines = dict[tuple[Any, ...], Line]
Span = tuple[int, int]


@dataclass(slots=True)
class Count:
    """The lines of some rows by hour and `KEYS`, how many rows there were, and when they are final.

    `ends_at` is the last end of a verification that may still be approved, and `is_moving` is
    whether a message is still some worker's.
    """

    lines: Lines = field(default_factory=dict)
    rows: int = 0
    ends_at: dt.datetime | None = None
    is_moving: bool = False


def new() -> Line:
    """Return a line that has counted nothing."""
    return [0] * (len(COUNTS) + 1)


def in_hours(prefix: str, span: Span, name: str = "sid") -> Q:
    """Return the condition of the keys that were minted in these hours."""
    first, end = span
    bounds = {"gte": sids.first_of_hour(prefix, first), "lt": sids.first_of_hour(prefix, end)}
    return Q(**{f"{name}__{lookup}": bound for lookup, bound in bounds.items()})


def attempts(spans: Iterable[Span], **filters: Any) -> Count:
    """Count the attempts of these hours that the filters leave, as they are now."""
    found, now = Count(), timezone.now()
    prices, rates = table.current().prices, spend.rates()
    for span in spans:
        rows = queries.attempts().filter(in_hours("VL", span), **filters)
        for row in rows.annotate(is_first=_is_first()).values_list(*_COLUMNS).iterator():
            found.rows += 1
            _add(found, row, prices, rates, now)
    return found


def sums(
    spans: Iterable[Span], *keys: str, names: Sequence[str]
) -> list[tuple[tuple[Any, ...], tuple[int, ...]]]:
    """Return the same counts by columns of attempts, added up by the database.

    `names` are of `COUNTED`; for monitors, which ask often and need neither times nor money.
    """
    wanted = {f"n_{name}": CountOf("pk", filter=_CONDITIONS[name]) for name in names}
    found: list[tuple[tuple[Any, ...], tuple[int, ...]]] = []
    for span in spans:
        rows = queries.attempts().filter(in_hours("VL", span), verification__is_test=False)
        if "verifications" in names or "approved" in names:
            rows = rows.annotate(is_first=_is_first())
        counted = rows.values_list(*keys).annotate(**wanted)
        found += [(tuple(row[: len(keys)]), tuple(row[len(keys) :])) for row in counted]
    return found


def _is_first() -> Case:
    """Return whether an attempt is the first of its verification."""
    others = VerificationAttempt.objects.order_by()
    earlier = others.filter(verification_id=OuterRef("verification_id"), sid__lt=OuterRef("sid"))
    return Case(
        When(verification__sends=1, then=Value(True)),
        When(Exists(earlier), then=Value(False)),
        default=Value(True),
        output_field=BooleanField(),
    )


def _add(
    found: Count, row: Sequence[Any], prices: spend.Prices, rates: Any, now: dt.datetime
) -> None:
    account, service, country, channel, sender, locale, template, via, messages, *rest = row
    value, currency, message, provider_sid, due_at, status, is_test, began, ended, *rest = rest
    expires_at, is_first, sid = rest
    found.is_moving = found.is_moving or due_at is not None
    undecided = status in _MAY_CHANGE and expires_at > now
    if status in _MAY_CHANGE:
        found.ends_at = max(expires_at, found.ends_at or expires_at)
    if is_test:
        return
    text = template or {}
    spoken, named = text.get("locale") or locale, text.get("sid", "")
    key = (sids.hour_of(sid), account, service, country, channel, sender, spoken, named)
    line = found.lines.get(key)
    if line is None:
        line = found.lines[key] = new()
    line[_STARTS] += 1
    line[_VERIFICATIONS] += is_first
    left = message in _SENT_ON or (message == _Message.FAILED and provider_sid != "")
    line[_SENT] += left
    line[_DELIVERED] += message in _ARRIVED
    line[_FAILED] += message in _LOST
    line[UNDECIDED] += undecided
    if messages:
        where, receipt = (country, via, sender), (value, currency, messages)
        line[_SPEND] += round(spend.cost(prices, rates, where, receipt) * MILLION)
    if status != Verification.Status.APPROVED:
        return
    line[_CONVERTED] += 1
    if is_first:
        line[_APPROVED] += 1
        place = bisect_left(BOUNDS, (ended - began).total_seconds())
        line[_FIRST_TIME + min(place, len(BOUNDS) - 1)] += 1


BLOCK_KEYS = ("account_id", "service_id", "country", "channel", "cause", "outcome")


def decisions(spans: Iterable[Span], **filters: Any) -> dict[tuple[Any, ...], tuple[int, int]]:
    """Return how many starts of these hours the guard decided against, and what that has saved."""
    found: dict[tuple[Any, ...], tuple[int, int]] = {}
    for first, end in spans:
        rows: QuerySet[Any, Any] = GuardDecision.objects.using(queries.database()).filter(
            date_created__gte=conf.stored(begin_of(first)),
            date_created__lt=conf.stored(begin_of(end)),
            **filters,
        )
        grouped = rows.order_by().values_list(*BLOCK_KEYS)
        for *key, starts, saved in grouped.annotate(starts=CountOf("pk"), saved=Sum("price")):
            before = found.get(tuple(key), (0, 0))
            found[tuple(key)] = before[0] + starts, before[1] + round(saved * MILLION)
    return found
