"""The purge: old rows are looked at in the order of an index, a batch in a transaction.

It can be stopped anywhere, also by a kill: what is gone is gone, and the next run begins at the
oldest row again. Any number may run at once, and rows that another transaction has are skipped.
"""

from __future__ import annotations

import datetime as dt
import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django.db import connections, router
from django.db.models import Q, QuerySet
from django.utils import timezone

from django_verify.db import retry, savepoints
from django_verify.retention import hours
from django_verify.retention.kinds import KINDS, Kind

BATCH = 5000
#: Rows of a batch at most: SQLite takes no more values in one statement.
LARGEST_BATCH = 10_000
#: The part of its time for which a purge keeps the database at work.
SHARE = 0.8

Place = tuple[Any, Any]


@dataclass(slots=True)
class Outcome:
    """What became of one kind: rows deleted, rows kept whose personal data were wiped.

    `finished` is false where the purge was stopped before it had seen all old rows.
    """

    kind: Kind
    deleted: int = 0
    wiped: int = 0
    finished: bool = False


def purge(
    kinds: Iterable[Kind] = KINDS,
    *,
    batch: int = BATCH,
    share: float = SHARE,
    seconds: float | None = None,
    stop: Callable[[], bool] = lambda: False,
    dry_run: bool = False,
) -> list[Outcome]:
    """Delete what is older than the settings say, and return what became of each kind.

    At most `batch` rows are locked at a time, and after each batch the purge sleeps, so that it is
    at work for a `share` of its time. It ends after a batch when `stop` returns true or after so
    many `seconds`. With `dry_run` it counts, and changes nothing.
    """
    until = math.inf if seconds is None else time.monotonic() + seconds
    outcomes = [Outcome(kind) for kind in kinds]
    for outcome in outcomes:
        for deleted, wiped in _paced(_batches(outcome.kind, batch, dry_run=dry_run), share):
            outcome.deleted += deleted
            outcome.wiped += wiped
            if stop() or time.monotonic() >= until:
                return outcomes
        outcome.finished = True
    return outcomes


def _paced(batches: Iterator[tuple[int, int]], share: float) -> Iterator[tuple[int, int]]:
    """Pass batches on, with a sleep behind each in proportion to the time that it took."""
    began = time.monotonic()
    for done in batches:
        yield done
        time.sleep((time.monotonic() - began) * (1 / share - 1))
        began = time.monotonic()


def _batches(kind: Kind, size: int, *, dry_run: bool) -> Iterator[tuple[int, int]]:
    """Yield how many rows were deleted and wiped of each batch of old rows."""
    now = timezone.now()
    cut = kind.cut(now)
    if cut is None:
        return
    treat = _count if dry_run else _purge
    if kind.counted and not dry_run:
        hours.leave(kind.counted, cut)
    for among in kind.among:
        old = _rows(kind.model).filter(among, **{f"{kind.key}__lt": kind.bound(cut)})
        for page in _pages(kind, old, size):
            yield treat(kind, page.filter(kind.over(cut)), now, size)


def _pages(kind: Kind, rows: QuerySet[Any], size: int) -> Iterator[QuerySet[Any]]:
    """Yield rows in ranges of the key that hold about `size` each.

    So many are looked at by one statement, also where few of them go. What is in a range is left to
    the database, for it may change until it is asked.
    """
    ordered = rows.order_by(kind.key, "pk").values_list(kind.key, "pk")
    after: Place | None = None
    while True:
        ahead = ordered.filter(_is_behind(kind, after)) if after else ordered
        full = ahead[size - 1 : size].first()
        # A page has two ends, or its plan would be one for all that is left.
        last = full or ahead.reverse().first()
        if last is None:
            return
        page = rows.filter(_is_behind(kind, after)) if after else rows
        yield page.filter(_is_up_to(kind, last))
        if full is None:
            return
        after = last


def _is_behind(kind: Kind, place: Place) -> Q:
    """Return the condition of the rows behind a place, in the order of the key and then of `pk`."""
    key, pk = place
    # The first part is what an index answers.
    return Q((f"{kind.key}__gte", key)) & (Q((f"{kind.key}__gt", key)) | Q(pk__gt=pk))


def _is_up_to(kind: Kind, place: Place) -> Q:
    key, pk = place
    return Q((f"{kind.key}__lte", key)) & (Q((f"{kind.key}__lt", key)) | Q(pk__lte=pk))


@retry.on_conflict
def _purge(kind: Kind, page: QuerySet[Any], now: dt.datetime, size: int) -> tuple[int, int]:
    """Delete the spare rows of a page, and wipe the others, in one transaction."""
    with savepoints.atomic(page.db):
        _plan_by_indexes(page.db)
        deleted = _delete_spare(kind, page, now, size) if kind.deletes else 0
        wiped = _wipe_kept(kind, page, size) if kind.wiped and deleted < size else 0
    return deleted, wiped


def _plan_by_indexes(using: str) -> None:
    """Have PostgreSQL plan this transaction for few rows, whatever its statistics say of many.

    While a purge runs they are behind, and a plan for what they promise reads whole tables, or is
    compiled for seconds.
    """
    if connections[using].vendor == "postgresql":
        with connections[using].cursor() as cursor:
            cursor.execute(
                "SELECT set_config('enable_seqscan', 'off', true), set_config('jit', 'off', true)"
            )


def _delete_spare(kind: Kind, page: QuerySet[Any], now: dt.datetime, size: int) -> int:
    """Delete the spare rows of a page after what belongs to them; return how many."""
    deleted, spare = 0, _locked(page.filter(kind.spare(now)), kind, size)
    while True:
        # In one statement where the database can, for the keys need not come and go then. MySQL
        # and MariaDB cannot, and parts need the keys.
        at_once = connections[page.db].features.allow_sliced_subqueries_with_in and not kind.parts
        found = spare.all() if at_once else list(spare.all())
        for model, reference in kind.parts:
            _delete(_rows(model).filter(**{f"{reference}__in": found}))
        count = _delete(_rows(kind.model).filter(pk__in=found))
        deleted += count
        # An approval can go when the wrong guesses before it have gone, so what is left is asked
        # once more.
        if not count or deleted >= size or not kind.wiped:
            return deleted


def _wipe_kept(kind: Kind, page: QuerySet[Any], size: int) -> int:
    """Empty columns of what is left of a page; return of how many rows."""
    kept = list(_locked(page.exclude(kind.blank), kind, size))
    return _rows(kind.model).filter(pk__in=kept).update(**kind.wiped) if kept else 0


def _count(kind: Kind, page: QuerySet[Any], now: dt.datetime, size: int) -> tuple[int, int]:
    """Count what a purge would delete of a page, and what it would wipe."""
    spare = page.filter(kind.spare(now)) if kind.deletes else page.none()
    kept = page.exclude(kind.blank) if kind.wiped else page.none()
    if kind.deletes:
        kept = kept.exclude(kind.spare(now))
    return spare.count(), kept.count()


def _locked(rows: QuerySet[Any], kind: Kind, size: int) -> QuerySet[Any]:
    """Return the keys of the rows that no other transaction has, locked when they are read."""
    skip = connections[rows.db].features.has_select_for_update_skip_locked
    locked = rows.order_by(kind.key, "pk").select_for_update(skip_locked=skip)
    return locked.values_list("pk", flat=True)[:size]


def _delete(rows: QuerySet[Any]) -> int:
    """Delete by one statement; nothing is read, and nothing along foreign keys."""
    return int(rows._raw_delete(rows.db) or 0)  # noqa: SLF001 - None where nothing is named


def _rows(model: Any) -> QuerySet[Any]:
    return QuerySet(model, using=router.db_for_write(model)).order_by()
