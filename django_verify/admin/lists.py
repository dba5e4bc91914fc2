"""Lists as people read them: countries and channels by their names, times by how long ago."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import FieldDoesNotExist
from django.db.models import CharField, DateTimeField, Field, Model
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html

from django_verify.admin import labels

_NAMES: dict[str, Callable[[str], Any]] = {"country": labels.country, "channel": labels.channel}


class ReadableList(ChangeList):
    """A list whose columns of times, countries and channels say what people call them."""

    def __init__(
        self,
        request: HttpRequest,
        model: type[Model],
        list_display: Iterable[Any],
        list_display_links: Iterable[Any] | None,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        shown = [(name, readable(model, name)) for name in list_display]
        made = dict(shown)
        links: Any = list_display_links  # None: no column is one
        if links is not None:
            links = [made.get(name, name) for name in links]
        columns = [column for _, column in shown]
        super().__init__(request, model, columns, links, *args, **kwargs)


def readable(model: type[Model], name: Any) -> Any:
    """Return a column of a list as people read it; what is no such field is returned as it is."""
    try:
        field = model._meta.get_field(name)  # noqa: SLF001 - a documented API
    except (FieldDoesNotExist, TypeError, AttributeError):
        return name
    if isinstance(field, DateTimeField):
        return _column(field, lambda value: labels.ago(value, timezone.now()))
    named = _NAMES.get(field.name)
    return _column(field, named) if named and isinstance(field, CharField) else name


def _column(field: Field[Any, Any], shown: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return what shows a field's value in words, sorted as the field is."""

    @admin.display(description=field.verbose_name, ordering=field.name)
    def column(obj: Any) -> Any:
        return shown(getattr(obj, field.attname))

    # The style sheets of lists name a column by it.
    column.__name__ = field.name
    return column


def clip(text: str, whole: str = "") -> str:
    """Return an element that cuts a long text off, and shows the whole one when pointed at."""
    return format_html(
        '<span class="django-verify-clip django-verify-short" title="{}">{}</span>',
        whole or text,
        text,
    )
