"""Counts that a start takes part in by its own statement, so that parallel starts share no place.

One row a new country or a spend cap; each is a bucket that drains. Whether there
was room is decided by the database, under the lock of the row.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.db import connections
from django.db.models import F

from django_verify.db import queries, retry
from django_verify.models import GuardCount

# A row is kept so long at least, and longer while it is counted in.
KEPT = dt.timedelta(days=1)
# Seconds by which a row may be ahead. One that is more was counted by a clock that was wrong, and
# would have no room until that time has come.
_AHEAD = 3600


@dataclass(frozen=True, slots=True, order=True)
class Count:
    """What one message takes of a bucket: `cost` of `room`, which drains by `drain` a second."""

    key: str
    cost: float
    room: float
    drain: float
    ends_at: dt.datetime | None = None


def take(counts: Sequence[Count], now: dt.datetime) -> dict[str, tuple[bool, float]]:
    """Count a message in every bucket; return for each key whether it had room, and its level.

    One statement, in the caller's transaction. A bucket without room is left as it is.
    """
    if not counts:
        return {}
    using = queries.database()
    connection: Any = connections[using]
    # In one order, so that two starts never wait for each other in a circle.
    rows = sorted(counts)
    returns = connection.vendor != "mysql" or connection.mysql_is_mariadb
    values: list[Any] = []
    for row in rows:
        ends_at = connection.ops.adapt_datetimefield_value(row.ends_at or now + KEPT)
        fits = row.cost <= row.room
        cost = row.cost if fits else 0.0
        values += [row.key, cost, row.room, row.drain, now.timestamp(), fits, ends_at]
    with connection.cursor() as cursor:
        cursor.execute(_statement(using, len(rows), returns=returns), values)
        if returns:
            found = cursor.fetchall()
    if not returns:  # MySQL returns nothing; the rows are ours until the transaction ends
        mine = GuardCount.objects.using(using).filter(key__in=[row.key for row in rows])
        found = list(mine.values_list("key", "passed", "level"))
    return {key: (bool(passed), float(level)) for key, passed, level in found}


def give(key: str, amount: float) -> None:
    """Change what a bucket holds, where a message cost more or less than was counted."""
    retry.alone(
        GuardCount.objects.using(queries.database()).filter(key=key).update,
        level=F("level") + amount,
    )


def level(key: str) -> float:
    """Return what a bucket that does not drain holds."""
    rows = GuardCount.objects.using(queries.database()).filter(key=key)
    return rows.values_list("level", flat=True).first() or 0.0


@lru_cache(maxsize=32)
def _statement(using: str, number: int, *, returns: bool) -> str:
    connection = connections[using]
    quote, mysql = connection.ops.quote_name, connection.vendor == "mysql"
    table = quote(GuardCount._meta.db_table)  # noqa: SLF001 - a documented API
    names = ("key", "level", "room", "drain", "counted_at", "passed", "ends_at")
    columns = ", ".join(map(quote, names))
    rows = ", ".join(["(" + ", ".join(["%s"] * len(names)) + ")"] * number)

    def old(name: str) -> str:
        return f"{table}.{quote(name)}"

    def new(name: str) -> str:
        return f"VALUES({quote(name)})" if mysql else f"excluded.{quote(name)}"

    waited = f"({new('counted_at')} - {old('counted_at')})"
    drained = f"(CASE WHEN {waited} < -{_AHEAD} THEN 0 ELSE {waited} END) * {new('drain')}"
    left = f"(CASE WHEN {old('level')} > {drained} THEN {old('level')} - {drained} ELSE 0 END)"
    # What costs more than there ever is room for has none in a new row either.
    fits = f"{new('passed')} AND {left} + {new('level')} <= {new('room')}"
    # MySQL sees what is assigned to its left: what others are computed from comes last.
    changes = (
        ("passed", f"CASE WHEN {fits} THEN {_bool(True, mysql)} ELSE {_bool(False, mysql)} END"),
        ("level", f"CASE WHEN {fits} THEN {left} + {new('level')} ELSE {left} END"),
        ("room", new("room")),
        ("drain", new("drain")),
        ("counted_at", new("counted_at")),
    )
    target = "ON DUPLICATE KEY UPDATE" if mysql else f"ON CONFLICT ({quote('key')}) DO UPDATE SET"
    changed = ", ".join(f"{quote(name)} = {value}" for name, value in changes)
    returning = f" RETURNING {quote('key')}, {quote('passed')}, {quote('level')}" if returns else ""
    # Names of ours alone; what is counted is bound.
    return f"INSERT INTO {table} ({columns}) VALUES {rows} {target} {changed}{returning}"  # noqa: S608


def _bool(value: bool, mysql: bool) -> str:
    return str(int(value)) if mysql else str(value).upper()
