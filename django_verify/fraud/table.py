"""The risk table: what the guard's rows say, as each process knows it.

One statement reads all rows, at most once in GUARD_REFRESH seconds for each process, whatever the
traffic. The table is replaced as a whole and never changed, so threads look at it without a lock.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.core.signals import setting_changed
from django.db import connections
from django.db.models import DateTimeField
from django.utils import timezone

from django_verify import conf
from django_verify.db import queries, reconnect
from django_verify.fraud import geo, levels, rules, spend, trips
from django_verify.fraud.rows import Row, Source

#: What is in the table; another kind of rows is one more source.
SOURCES: tuple[Source, ...] = (
    rules.SOURCE,
    geo.SOURCE,
    trips.SOURCE,
    spend.PRICES,
    spend.RATES,
    spend.CAPS,
    levels.SOURCE,
)
# How old the table may be for a start that comes while another one reads it anew, or where it
# cannot be read.
_OLDEST = dt.timedelta(seconds=4)


@dataclass(frozen=True, slots=True)
class Table:
    """What one reading found: for each source by name, what it makes of its rows."""

    read_at: dt.datetime
    parts: Mapping[str, Any]

    @property
    def rules(self) -> rules.Rules:
        """The operator's rules for ranges of numbers."""
        found: rules.Rules = self.parts[rules.SOURCE.name]
        return found

    @property
    def permissions(self) -> geo.Permissions:
        """The countries, by channel."""
        found: geo.Permissions = self.parts[geo.SOURCE.name]
        return found

    @property
    def trips(self) -> trips.Trips:
        """What the guard has closed, and what it guards."""
        found: trips.Trips = self.parts[trips.SOURCE.name]
        return found

    @property
    def prices(self) -> spend.Prices:
        """What messages cost."""
        found: spend.Prices = self.parts[spend.PRICES.name]
        return found

    @property
    def caps(self) -> Mapping[str, Sequence[spend.Cap]]:
        """What may be spent, by the SID of an account or a service."""
        found: Mapping[str, Sequence[spend.Cap]] = self.parts[spend.CAPS.name]
        return found

    @property
    def levels(self) -> Mapping[str, str]:
        """The guard's level of each service that has not the site's."""
        found: Mapping[str, str] = self.parts[levels.SOURCE.name]
        return found


class _Copy:
    """This process's table, and the database it is of; replaced as a whole."""

    content: tuple[str, Table] | None = None
    lock = threading.Lock()


def current() -> Table:
    """Return the table, which is read anew by the first caller after GUARD_REFRESH seconds."""
    now, refresh = timezone.now(), conf.current().GUARD_REFRESH
    if refresh is None:
        return _built((), now)
    using = queries.database()
    table = _copy(using)
    if table is not None and _is_younger(table, now, dt.timedelta(seconds=refresh)):
        return table
    # While one reads, the others go on with the table that they have, unless it is too old.
    if table is not None and _Copy.lock.locked() and _is_younger(table, now, _OLDEST):
        return table
    with _Copy.lock:
        table = _copy(using)
        if table is not None and _is_younger(table, now, dt.timedelta(seconds=refresh)):
            return table
        try:
            read = _read(using, now)
        except reconnect.FAILURES:
            # As behind a start that is written: its answer is not to fail for what it offers.
            if table is None or not _is_younger(table, now, _OLDEST):
                raise
            return table
        _Copy.content = using, read
    return read


def latest() -> Table | None:
    """Return the table that this process has, without a statement; None where it has none."""
    if conf.current().GUARD_REFRESH is None:
        return None
    return _copy(queries.database())


def forget(*, setting: str = "", **_: object) -> None:
    """Read the rows anew: also the receiver of Django's `setting_changed`."""
    if setting in {"", "DJANGO_VERIFY", "DATABASES", "DATABASE_ROUTERS", "USE_TZ"}:
        _Copy.content = None
    if setting:
        _compiled.cache_clear()


def _copy(using: str) -> Table | None:
    content = _Copy.content
    return content[1] if content is not None and content[0] == using else None


def _is_younger(table: Table, now: dt.datetime, age: dt.timedelta) -> bool:
    # By `abs`: a clock that is put back would otherwise keep the table until it has caught up.
    return abs(now - table.read_at) < age


def _read(using: str, now: dt.datetime) -> Table:
    connection, query = connections[using], _compiled(using)
    moments = {mark: _prepared(now - age, connection) for mark, age in query.marks.items()}
    with connection.cursor() as cursor:
        cursor.execute(query.sql, [moments.get(param, param) for param in query.params])
        found = cursor.fetchall()
    rows = query.compiler.apply_converters(found, query.converters)
    return _built(tuple(Row(*row) for row in rows), now)


@dataclass(frozen=True, slots=True)
class _Compiled:
    """The statement of all sources, compiled once: that costs ten times its execution."""

    sql: str
    params: Sequence[Any]
    #: The parameters that stand for a moment, with how long ago it is.
    marks: Mapping[Any, dt.timedelta]
    compiler: Any
    converters: Any


@lru_cache(maxsize=4)
def _compiled(using: str) -> _Compiled:
    connection = connections[using]
    # No row has this moment, and no source asks for it.
    mark = conf.stored(dt.datetime(1971, 2, 3, 4, 5, 6, 7, tzinfo=dt.UTC))
    # A model's own order is none of a union, whose columns are others.
    first, *others = (source.select(using, mark).order_by() for source in SOURCES)
    compiler: Any = first.union(*others, all=True).order_by().query.get_compiler(using)
    sql, params = compiler.as_sql()
    converters = compiler.get_converters([column for column, *_ in compiler.select])
    ages = (dt.timedelta(0), trips.REMEMBERED)
    marks = {_prepared(mark - age, connection): age for age in ages}
    return _Compiled(sql, params, marks, compiler, converters)


def _prepared(moment: dt.datetime, connection: Any) -> Any:
    return DateTimeField().get_db_prep_value(moment, connection)


def _built(rows: tuple[Row, ...], now: dt.datetime) -> Table:
    found: dict[str, list[Row]] = {source.name: [] for source in SOURCES}
    for row in rows:
        found[row.source].append(row)
    return Table(now, {source.name: source.build(found[source.name]) for source in SOURCES})


setting_changed.connect(forget)
