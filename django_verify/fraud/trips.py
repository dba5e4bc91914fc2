"""What is closed and what is guarded: the rows, as the risk table has them, and how they change."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet

from django_verify import signals
from django_verify.db import queries, savepoints
from django_verify.events import cloudevents
from django_verify.fraud import bars
from django_verify.fraud.rows import Row, Source, columns
from django_verify.models import GuardTrip

CLOSED, GUARDED = str(GuardTrip.State.CLOSED), str(GuardTrip.State.GUARDED)
#: How long one that has ended is remembered, as long as the evidence for it.
REMEMBERED = dt.timedelta(hours=72)


@dataclass(frozen=True, slots=True)
class Trip:
    """One row as a process knows it."""

    reason: str
    ends_at: dt.datetime | None

    def is_open(self, now: dt.datetime) -> bool:
        """Whether it is in force."""
        return self.ends_at is None or now < self.ends_at


@dataclass(frozen=True, slots=True)
class Trips:
    """All of them, by account and by level and state, then by key."""

    by_slot: Mapping[tuple[str, str], Mapping[str, Trip]] = field(default_factory=dict)

    def of(self, account_sid: str, level: str, state: str) -> Mapping[str, Trip]:
        """Return an account's, those that have ended included."""
        return self.by_slot.get((account_sid, f"{level} {state}"), {}) if self.by_slot else {}


def close(
    account_sid: str, level: str, state: str, kind: str, key: str, reason: str, now: dt.datetime
) -> bool:
    """Write down that something is closed, or guarded; return whether this process did it.

    Of several that see the same evidence one does, and signals it after the commit.
    """
    using, ends_at = queries.database(), now + bars.length(0)
    trip = GuardTrip(
        account_id=account_sid,
        level=level,
        state=state,
        kind=kind,
        key=key,
        reason=reason,
        started_at=now,
        ends_at=ends_at,
    )
    new = partial(trip.save, using=using, force_insert=True)
    if savepoints.tolerate(new, using=using, ignore=IntegrityError) is not None:
        again = _again(trip, now)
        if again is None:
            return False
        trip = again
    cloudevents.guard_tripped(trip)
    if state == CLOSED:
        send = partial(signals.guard_tripped.send_robust, sender=GuardTrip, trip=trip)
        transaction.on_commit(send, using=using)
    return True


def lift(account_sid: str, slot: str, key: str, now: dt.datetime) -> bool:
    """Open something again before its time; return whether this call did it."""
    return (
        _rows().filter(_open(now), account_id=account_sid, slot=slot, key=key).update(ends_at=now)
        > 0
    )


def keep(trip: GuardTrip) -> None:
    """Keep something closed until an operator opens it."""
    _rows().filter(pk=trip.pk).update(ends_at=None)


def _again(trip: GuardTrip, now: dt.datetime) -> GuardTrip | None:
    """Close anew what was closed before, for longer; None where another process has."""
    rows = _rows().filter(account_id=trip.account_id, slot=trip.slot, key=trip.key)
    row = rows.first()
    if row is None or not row.is_over(now):
        return None
    recent = row.ends_at is not None and now - row.ends_at < bars.WEEK
    times = row.times if recent else 0
    changes = {
        "started_at": now,
        "ends_at": now + bars.length(times),
        "times": times + 1,
        "reason": trip.reason,
    }
    if not rows.filter(ends_at=row.ends_at).update(**changes):
        return None
    for name, value in changes.items():
        setattr(row, name, value)
    return row


def _open(now: dt.datetime) -> Q:
    return Q(ends_at=None) | Q(ends_at__gt=now)


def _rows() -> QuerySet[GuardTrip]:
    return GuardTrip.objects.using(queries.database()).order_by()


def _build(rows: Sequence[Row]) -> Trips:
    found: dict[tuple[str, str], dict[str, Trip]] = {}
    for row in rows:
        slot = found.setdefault((row.account_sid or "", row.channels), {})
        slot[row.key] = Trip(row.value, row.ends_at)
    for row in rows:
        if row.ends_at is None:
            # What an operator keeps is kept whatever the level becomes.
            _level, _, state = row.channels.partition(" ")
            for level in bars.LEVELS:
                slot = found.setdefault((row.account_sid or "", f"{level} {state}"), {})
                slot[row.key] = Trip(row.value, None)
    return Trips(found)


def _select(using: str, now: dt.datetime) -> QuerySet[Any, Any]:
    live = GuardTrip.objects.using(using).filter(_open(now - REMEMBERED))
    return columns(
        SOURCE.name,
        live,
        account_sid="account_id",
        key="key",
        channels="slot",
        value="reason",
        ends_at="ends_at",
    )


SOURCE = Source("trips", _select, _build)
