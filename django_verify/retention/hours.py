"""Which hours still have all their rows, so that a count of them is right.

The figures of an hour outlive its rows. Before a purge takes the first of them, it writes down that
the hour is to be counted no more.
"""

from __future__ import annotations

import datetime as dt

from django.db import IntegrityError
from django.db.models import F

from django_verify.db import queries, retry, savepoints
from django_verify.models import RollupState
from django_verify.models.rollups import hour_at

_ROW = 1


def leave(column: str, cut: dt.datetime) -> None:
    """Let the hours that have rows from before a moment never be counted again.

    A count that has begun ends first, for it holds the row that is written here.
    """
    hour = hour_at(cut) + 1
    state()
    rows = RollupState.objects.using(queries.database()).filter(pk=_ROW)
    retry.alone(rows.filter(**{f"{column}__lt": hour}).update, **{column: hour})


def state() -> RollupState:
    """Return how far hours are counted, from the database that is written."""
    using = queries.database()
    rows = RollupState.objects.using(using).filter(pk=_ROW)
    found = rows.first()
    if found is None:
        new = RollupState(pk=_ROW)
        savepoints.tolerate(
            lambda: new.save(using=using, force_insert=True), using=using, ignore=IntegrityError
        )
        found = rows.get()
    return found


def lock() -> RollupState:
    """Return the same for the caller's transaction alone, until its end."""
    rows = RollupState.objects.using(queries.database()).filter(pk=_ROW)
    # A write that changes nothing locks the row on every database, SQLite included.
    if not rows.update(attempts_from=F("attempts_from")):
        state()
        rows.update(attempts_from=F("attempts_from"))
    return rows.get()
