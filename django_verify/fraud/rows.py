"""The shape that all rows of the risk table have, so that one statement reads them all."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.db.models import CharField, DateTimeField, F, Field, QuerySet, Value
from django.db.models.functions import Cast

from django_verify.models.fields import SidField


class Row(NamedTuple):
    """One row; what a source has no use for is empty, and `ends_at` None without an end."""

    source: str
    account_sid: str | None
    service_sid: str | None
    key: str
    channels: str
    value: str
    ends_at: dt.datetime | None


_FIELDS: dict[str, Field[Any, Any]] = {
    "account_sid": SidField("AC"),
    "service_sid": SidField("VA"),
    "key": CharField(max_length=64),
    "channels": CharField(max_length=64),
    "value": CharField(max_length=64),
    "ends_at": DateTimeField(),
}
_NULLABLE = {"account_sid", "service_sid", "ends_at"}


@dataclass(frozen=True, slots=True)
class Source:
    """Rows of one kind: their query, by database and moment, and what a process makes of them.

    `select` returns a query set of `columns`.
    """

    name: str
    select: Callable[[str, dt.datetime], QuerySet[Any, Any]]
    build: Callable[[Sequence[Row]], Any]


def columns(source: str, rows: QuerySet[Any, Any], **names: Any) -> QuerySet[Any, Any]:
    """Return a query set of rows in the shape of `Row`; `names` are the columns, or expressions."""
    given: dict[str, Any] = {"row_source": Cast(Value(source), CharField(max_length=16))}
    for name, kind in _FIELDS.items():
        column = names.get(name)
        given[f"row_{name}"] = (
            _empty(name, kind)
            if column is None
            else F(column)
            if isinstance(column, str)
            else column
        )
    return rows.order_by().values_list(*given.values())


def _empty(name: str, kind: Field[Any, Any]) -> Cast:
    # PostgreSQL takes a NULL without a type for a text, which no other column's type goes with.
    return Cast(Value(None if name in _NULLABLE else ""), kind)
