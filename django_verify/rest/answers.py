"""Declares each answer once: its members for the schema, and how a row becomes them.

Nothing here knows a resource.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar

from rest_framework import serializers

from django_verify.net import times

AnyField = TypeVar("AnyField", bound=serializers.Field[Any, Any, Any, Any])


class Answer(serializers.Serializer[Any]):
    """The shape of an object as it is answered; `represent` makes the object of a row.

    A field is read from the row's attribute of its name, or of its `source` as in REST framework.
    A field may also have one of three methods, and is then made

    - by `convert(value)`, of that attribute, unless it is None and the field allows null;
    - by `compute(row, view)`, of the row and the view that answers, see `computed`;
    - by `refer(answer, view)`, of the other members, which are there by then.

    A nested answer whose `source` is `"*"` is made of the same row; another is used as it is.
    """

    #: Takes a row, and the view where a field asks for it.
    represent: ClassVar[Callable[..., dict[str, Any]]]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.represent = staticmethod(_compile(cls._declared_fields))


def computed(field: AnyField, compute: Callable[[Any, Any], Any]) -> AnyField:
    """Return the field, made by a function of the row and the view that answers."""
    field.compute = compute  # type: ignore[attr-defined]
    return field


def constant(field: AnyField, value: Any) -> AnyField:
    """Return the field, which has the same value in every answer."""
    return computed(field, lambda row, view: value)


class Time(serializers.DateTimeField):
    """A time in UTC with whole seconds, whatever the host's settings say."""

    convert = staticmethod(times.timestamp)


class TextOrNull(serializers.CharField):
    """A text that is null where it is empty."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(allow_null=True, **kwargs)

    def convert(self, text: str) -> str | None:
        """Return the text, or None."""
        return text or None


def _compile(fields: Mapping[str, Any]) -> Callable[..., dict[str, Any]]:
    """Return a function that makes an object of a row, as one would write it by hand.

    Answers are made on the hot paths: REST framework's own way costs thirty times as much, and a
    loop over the fields still a fifth more than this.
    """
    names: dict[str, Any] = {}
    members, references = [], []
    for number, (name, field) in enumerate(fields.items()):
        function, value = f"f{number}", f"row.{field.source or name}"
        if isinstance(field, Answer) and field.source == "*":
            names[function] = field.represent
            value = f"{function}(row, view)"
        elif compute := getattr(field, "compute", None):
            names[function] = compute
            value = f"{function}(row, view)"
        elif refer := getattr(field, "refer", None):
            names[function] = refer
            value = "None"
            references.append(f"    answer[{name!r}] = {function}(answer, view)\n")
        elif convert := getattr(field, "convert", None):
            names[function] = convert
            unless = f"None if {value} is None else " if field.allow_null else ""
            value = f"{unless}{function}({value})"
        members.append(f"        {name!r}: {value},\n")
    code = (
        "def represent(row, view=None):\n"
        f"    answer = {{\n{''.join(members)}    }}\n{''.join(references)}    return answer\n"
    )
    exec(code, names)  # noqa: S102 - nothing of it comes from outside the declaration
    represent: Callable[..., dict[str, Any]] = names["represent"]
    return represent
