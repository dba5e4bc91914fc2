"""Keeps the figures of the hours that are over: counts new ones, and again those that changed.

An hour is counted when it has been over for `MARGIN`. It stays due as long as anything in it may
change by itself: a verification that may be approved, a message on its way. After that a report
alone changes it, and marks it in the same transaction. A reader counts what is due from the rows,
so that figures are right at every moment, whether or not a worker has come by.
"""

from __future__ import annotations

import datetime as dt
import math
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from django.db import IntegrityError
from django.db.models import F, Q
from django.utils import timezone

from django_verify import conf, sids
from django_verify.db import queries, retry, savepoints
from django_verify.models import (
    AttemptRollup,
    BlockRollup,
    GuardDecision,
    RollupHour,
    RollupState,
)
from django_verify.models.rollups import begin_of, hour_at
from django_verify.retention import hours
from django_verify.rollups import counting

#: For clocks that differ, and for transactions that began before an hour was counted.
MARGIN = dt.timedelta(minutes=5)
# Of a worker that counts; another one takes over when it has died.
_LEASE = dt.timedelta(minutes=1)
# Rows that a clock which is behind writes into an hour that has been counted are looked for among
# so many hours, so often.
AUDITED, _AUDIT = 48, dt.timedelta(hours=1)

_Step = tuple[int, Callable[[], object]]


def open_from(now: dt.datetime) -> int:
    """Return the first hour that is not to be counted yet."""
    return hour_at(now - MARGIN)


@contextmanager
def changing(attempt_sid: str, now: dt.datetime) -> Iterator[None]:
    """Mark the hour of an attempt that is changed in this block, where it may have been counted.

    The block is a transaction then. An attempt of the present hour costs nothing.
    """
    hour = sids.hour_of(attempt_sid)
    if hour >= hour_at(now):
        yield
        return
    using = queries.database()
    with savepoints.atomic(using):
        # Before the change, so that a count waits for it or comes before it. What belongs to the
        # change may follow in a moment, so the hour is not due at once.
        _mark(hour, now + MARGIN)
        yield


def advance(seconds: float | None = None) -> int:
    """Count what is to be counted, for so many seconds or to the end; return how many hours.

    Any number of processes may call it: one counts, and the others return at once. It stops after
    the hour in hand.
    """
    until = math.inf if seconds is None else time.monotonic() + seconds
    now = timezone.now()
    if not _claim(now):
        return 0
    done = 0
    try:
        _set_right(now)
        for hour, progress in _to_count(now):
            _count(hour)
            progress()
            done += 1
            if time.monotonic() >= until:
                break
            _hold()
    finally:
        retry.alone(_rows().update, lease_until=None)
    return done


def rebuild(first: int | None = None, end: int | None = None) -> int:
    """Count the hours from the first up to the end again; return how many there were to count.

    Hours of which a purge may have taken rows stay as they were counted, and those that are not
    over are not counted yet. Without a first hour it begins at the first that was ever counted.
    Hours in which nothing happened, and which nobody counted, are left out.
    """
    state, limit = hours.state(), open_from(timezone.now())
    if first is None:
        known = RollupHour.objects.using(queries.database()).order_by("hour")
        first = known.values_list("hour", flat=True).first() or limit
    # A purge of decisions alone does not keep attempts from being counted.
    begin = max(first, min(state.attempts_from, state.decisions_from))
    done = 0
    for hour in _hours(begin, min(end or limit, limit)):
        _count(hour)
        done += 1
    return done


def _rows() -> Any:
    return RollupState.objects.using(queries.database()).filter(pk=hours.state().pk)


def _claim(now: dt.datetime) -> bool:
    # A lease that ends later than one that is taken now is a clock's that was ahead.
    free = Q(lease_until=None) | Q(lease_until__lte=now) | Q(lease_until__gt=now + 2 * _LEASE)
    return bool(retry.alone(_rows().filter(free).update, lease_until=now + _LEASE))


def _hold() -> None:
    retry.alone(_rows().update, lease_until=timezone.now() + _LEASE)


def _set_right(now: dt.datetime) -> None:
    """Let nothing be trusted that was counted by a clock which was ahead."""
    state, limit = hours.state(), open_from(now)
    if state.counted_to is None:
        _rows().update(counted_from=limit, counted_to=limit, audited_at=now)
    elif state.counted_to > limit:
        _rows().update(counted_from=min(state.counted_from or 0, limit), counted_to=limit)
    counted = RollupHour.objects.using(queries.database())
    counted.filter(hour__gte=limit - AUDITED, counted_at__gt=now + MARGIN).update(due_at=now)


def _to_count(now: dt.datetime) -> Iterator[_Step]:
    """Yield the hours that are to be counted: the newest, those that are due, and older ones.

    Each comes with what writes down that it has been counted.
    """
    yield from _newest(now)
    state = hours.state()
    _audit(state, now)
    due = RollupHour.objects.using(queries.database()).filter(due_at__lte=now)
    # The newest first: they are looked at most.
    for hour in list(due.order_by("-hour").values_list("hour", flat=True)):
        yield hour, _nothing
    yield from _older()


def _nothing() -> None:
    """The hour's own row has it all."""


def _newest(now: dt.datetime) -> Iterator[_Step]:
    state, limit = hours.state(), open_from(now)
    known = state.counted_to or limit
    for hour in _hours(known, limit):
        yield hour, partial(_rows().filter(counted_to=known).update, counted_to=hour + 1)
        known = hour + 1
    if known < limit:
        _rows().filter(counted_to=known).update(counted_to=limit)


def _older() -> Iterator[_Step]:
    """Yield the hours before all that are counted, backwards, as far as their rows are there."""
    while True:
        state = hours.state()
        first = state.counted_from
        if not first:
            return
        hour = _previous(first)
        if hour is None or hour < min(state.attempts_from, state.decisions_from):
            # Before it nothing is left to count, and nothing will be.
            _rows().filter(counted_from=first).update(counted_from=0)
            return
        yield hour, partial(_rows().filter(counted_from=first).update, counted_from=hour)


def _hours(first: int, end: int) -> Iterator[int]:
    """Yield the hours from the first up to the end in which there is anything to count."""
    hour = _next(first, end)
    while hour < end:
        yield hour
        hour = _next(hour + 1, end)


def _next(first: int, end: int) -> int:
    """Return the first hour from this one on that has rows or was counted before, or the end."""
    if first >= end:
        return end
    rows = queries.attempts().filter(sid__gte=sids.first_of_hour("VL", first)).order_by("sid")
    sid = rows.values_list("sid", flat=True).first()
    decisions = GuardDecision.objects.using(queries.database()).order_by("date_created")
    later = decisions.filter(date_created__gte=conf.stored(begin_of(first)))
    moment = later.values_list("date_created", flat=True).first()
    counted = RollupHour.objects.using(queries.database()).filter(hour__gte=first).order_by("hour")
    found = [end, *counted.values_list("hour", flat=True)[:1]]
    found += [sids.hour_of(sid)] if sid else []
    found += [hour_at(moment)] if moment else []
    return min(found)


def _previous(before: int) -> int | None:
    """Return the last hour before this one that has attempts or decisions."""
    rows = queries.attempts().filter(sid__lt=sids.first_of_hour("VL", before)).order_by("-sid")
    sid = rows.values_list("sid", flat=True).first()
    decisions = GuardDecision.objects.using(queries.database()).order_by("-date_created")
    moment = (
        decisions.filter(date_created__lt=conf.stored(begin_of(before)))
        .values_list("date_created", flat=True)
        .first()
    )
    found = [sids.hour_of(sid)] if sid else []
    found += [hour_at(moment)] if moment else []
    return max(found, default=None)


def _audit(state: RollupState, now: dt.datetime) -> None:
    """Mark the latest hours that have other rows than when they were counted."""
    if state.audited_at is not None and now - _AUDIT < state.audited_at <= now + MARGIN:
        return
    end = min(state.counted_to or 0, open_from(now))
    first = max(end - AUDITED, state.counted_from or 0, state.attempts_from)
    known = RollupHour.objects.using(queries.database()).filter(hour__gte=first, hour__lt=end)
    counted = dict(known.values_list("hour", "rows"))
    for hour in range(first, end):
        rows = queries.attempts().filter(counting.in_hours("VL", (hour, hour + 1))).count()
        if rows != counted.get(hour, 0):
            _mark_alone(hour, now)
    _rows().update(audited_at=now)


def _mark(hour: int, now: dt.datetime) -> None:
    """Let an hour be due, whether or not it has a row.

    In a transaction the row is locked from here on, and so another process's first count waits.
    """
    using = queries.database()
    rows = RollupHour.objects.using(using)
    if not rows.filter(hour=hour).update(due_at=now):
        first = partial(rows.create, hour=hour, due_at=now)
        if savepoints.tolerate(first, using=using, ignore=IntegrityError):
            rows.filter(hour=hour).update(due_at=now)


# Where it is no part of a transaction: MySQL may end one of several that insert the same row.
_mark_alone = retry.on_conflict(_mark)


def _count(hour: int) -> None:
    """Count an hour, as far as its rows are there."""
    using = queries.database()
    # Its row is there before the count: a change meanwhile waits for it, and marks it then.
    if not RollupHour.objects.using(using).filter(hour=hour).exists():
        _mark_alone(hour, timezone.now())
    _write(hour)


@retry.on_conflict
def _write(hour: int) -> None:
    using, span = queries.database(), [(hour, hour + 1)]
    with savepoints.atomic(using):
        state, now = hours.lock(), timezone.now()
        rows = RollupHour.objects.using(using).filter(hour=hour)
        rows.update(rows=F("rows"))
        changes: dict[str, object] = {"counted_at": now, "due_at": None}
        if hour >= state.attempts_from:
            found = counting.attempts(span)
            changes |= {"rows": found.rows, "due_at": _due_at(found, now)}
            _replace(AttemptRollup, hour, _lines(found.lines))
        if hour >= state.decisions_from:
            _replace(BlockRollup, hour, _blocks(hour))
        rows.update(**changes)


def _due_at(found: counting.Count, now: dt.datetime) -> dt.datetime | None:
    """Return when an hour is to be counted again; None where nothing changes by itself any more."""
    if found.is_moving:
        return now + MARGIN
    ends_at = found.ends_at and found.ends_at + MARGIN
    return ends_at if ends_at and ends_at > now else None


def _replace(model: Any, hour: int, rows: Iterable[Any]) -> None:
    table = model.objects.using(queries.database())
    table.filter(hour=hour).delete()
    table.bulk_create(rows)


def _lines(lines: counting.Lines) -> Iterator[AttemptRollup]:
    for key, counts in lines.items():
        named = dict(zip(("hour", *counting.KEYS), key, strict=True))
        yield AttemptRollup(**named, **dict(zip(counting.COUNTS, counts, strict=False)))


def _blocks(hour: int) -> Iterator[BlockRollup]:
    for key, (starts, saved) in counting.decisions([(hour, hour + 1)]).items():
        named = dict(zip(counting.BLOCK_KEYS, key, strict=True))
        yield BlockRollup(hour=hour, starts=starts, saved=saved, **named)
