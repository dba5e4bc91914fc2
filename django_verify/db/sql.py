"""The text of a statement and its values: what is bound, what is a word, and how columns are read.

Django makes the SQL; here its places are filled each time in the way that costs the driver least.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from json import JSONEncoder
from typing import Any, NamedTuple

from django.db import models
from django.db.models import Expression, Field

# What these fields hold, every driver takes as it is.
_PLAIN = (
    models.CharField,
    models.TextField,
    models.BooleanField,
    models.IntegerField,
    models.SmallIntegerField,
    models.PositiveIntegerField,
    models.PositiveSmallIntegerField,
    models.BigIntegerField,
)


class Open(Expression):
    """The place of a value in a statement, of the kind that `field` compares, or stores."""

    def __init__(self, key: str | int, field: Field[Any, Any], *, save: bool = False) -> None:
        super().__init__(output_field=field)
        self.key, self.save = key, save

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        """Return a place that the statement's parameters hold open."""
        return "%s", [Place(self.key, prepare(self.output_field, save=self.save))]


class Place(NamedTuple):
    """A value by its key, and how it is prepared for a driver; None: it is not."""

    key: str | int
    prepare: Callable[[Any, Any], Any] | None


# The values of a statement's places, by their keys.
Values = Mapping[Any, Any] | Sequence[Any]


class Sql:
    """A statement for one database."""

    def __init__(self, text: str, params: Sequence[Any]) -> None:
        self.text, self.params = _with_constants(text, params)
        self._head, *self._tails = self.text.split("%s")
        self._text = lru_cache(maxsize=100)(self._written)

    def bind(self, values: Any, connection: Any) -> tuple[str, list[Any]]:
        """Return the text and the parameters for these values.

        Half of the columns of a new row are empty, and a driver quotes a parameter at ten times
        the price of a word in the text. What has few values is a word, so that there are few texts.
        """
        words, params = [], []
        source = prepared_by = prepared = None
        for param in self.params:
            value = param
            if type(param) is Place:
                key, prepare = param
                value = values[key]
                if prepare is not None:
                    # Neighbours often hold one object, such as the moment that a row is made at.
                    if value is not source or prepare is not prepared_by:
                        source, prepared_by = value, prepare
                        prepared = prepare(value, connection)
                    value = prepared
                kind = type(value)
                words_of_kind = _WORDS.get(kind)
                if words_of_kind is not None:
                    word = words_of_kind.get(value)
                else:
                    word = value if kind is _Word else None
                if word is not None:
                    words.append(word)
                    continue
            params.append(value)
            words.append("%s")
        return self._text(tuple(words)), params

    def _written(self, words: tuple[str, ...]) -> str:
        pairs = zip(words, self._tails, strict=True)
        return self._head + "".join(word + tail for word, tail in pairs)


class _Word(str):
    """What is written into a statement, and not bound."""

    __slots__ = ()


# As every database writes them.
_WORDS: dict[type, dict[Any, str]] = {
    type(None): {None: "NULL"},
    bool: {True: "TRUE", False: "FALSE"},
    int: {digit: str(digit) for digit in range(10)},
    str: {"": "''"},
}
# A text that no database reads as anything else, such as a status.
_PLAIN_TEXT = re.compile(r"[a-z_]+\Z")


def _with_constants(text: str, params: Sequence[Any]) -> tuple[str, list[Any]]:
    """Return a statement with what is the same each time written into it: numbers, statuses."""
    head, *tails = text.split("%s")
    parts, left = [head], []
    for param, tail in zip(params, tails, strict=True):
        if isinstance(param, int) and not isinstance(param, bool):
            word = str(int(param))
        elif isinstance(param, str) and _PLAIN_TEXT.match(param):
            word = f"'{param}'"
        else:
            word = "%s"
            left.append(param)
        parts += [word, tail]
    return "".join(parts), left


class Converter(NamedTuple):
    """What makes a column's value what Python has.

    A backend's own converter belongs to the connection it was asked from, which may be another
    thread's and must not be kept: it is kept by its name.
    """

    position: int
    expression: Any
    own: str
    convert: Any

    def apply(self, rows: list[list[Any]], connection: Any) -> None:
        convert = getattr(connection.ops, self.own) if self.own else self.convert
        for row in rows:
            row[self.position] = convert(row[self.position], self.expression, connection)


def _converter(position: int, convert: Any, expression: Any, ops: Any) -> Converter:
    if getattr(convert, "__self__", None) is ops:
        return Converter(position, expression, convert.__name__, None)
    return Converter(position, expression, "", convert)


def prepare(field: Any, *, save: bool = False) -> Any:
    """Return the function that makes a field's value what the driver takes."""
    field = field.target_field if field.is_relation else field
    if type(field) in _PLAIN:
        return _choice if field.choices else None
    if type(field) is models.DateTimeField:
        return _moment
    if save and type(field) is models.UUIDField:
        return _uuid
    if save and type(field) is models.JSONField and field.encoder is None:
        return _json
    return field.get_db_prep_save if save else field.get_db_prep_value


# A driver takes longer over a moment, a UUID, an object of JSON, and a member of an enumeration,
# than over its text.
def _moment(value: Any, connection: Any) -> str | None:
    return None if value is None else str(connection.ops.adapt_datetimefield_value(value))


def _uuid(value: Any, connection: Any) -> str | None:
    made = _UUID.to_python(value)
    return None if made is None else made.hex


_UUID = models.UUIDField()


def _json(value: Any, connection: Any) -> str | None:
    return None if value is None else _encode(value)


# What is written is no object that holds itself.
_encode = JSONEncoder(check_circular=False).encode


def _choice(value: Any, connection: Any) -> Any:
    return _chosen(value) if isinstance(value, str) else value


@lru_cache(maxsize=1000)
def _chosen(value: str) -> str:
    text = str(value)
    return _Word(f"'{text}'") if _PLAIN_TEXT.match(text) else text


def converters_of(compiler: Any, columns: Sequence[Any]) -> list[Converter]:
    """Return what a row's columns go through."""
    return [
        _converter(position, convert, expression, compiler.connection.ops)
        for position, (converts, expression) in compiler.get_converters(columns).items()
        for convert in converts
    ]
