"""Rows that a process may keep copies of: every change of one gives it another version."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from types import MappingProxyType
from typing import Any, Self, TypeVar

from django.db import models

AnyModel = TypeVar("AnyModel", bound=models.Model)


def new_version() -> int:
    """Return a version that no row has had: one that was deleted may be made again."""
    return secrets.randbits(63)


class VersionedQuerySet(models.QuerySet[AnyModel]):
    """A query set whose changes of many rows are changes of their versions, too."""

    def update(self, **changes: Any) -> int:
        """Change the rows; return how many they were."""
        return super().update(**{"version": new_version(), **changes})

    update.alters_data = True  # type: ignore[attr-defined]

    def bulk_create(self, objs: Iterable[AnyModel], *args: Any, **options: Any) -> list[AnyModel]:
        """Write new rows, or what is new of those that stand in their places."""
        rows: list[Any] = list(objs)
        for row in rows:
            row.version = new_version()
        if options.get("update_fields"):
            options["update_fields"] = [*options["update_fields"], "version"]
        return super().bulk_create(rows, *args, **options)


class Versioned(models.Model):
    """A row whose copies in memory are compared with it by its `version`.

    Django's own ways of writing all change it; a statement that somebody sends past them must set
    it, too.
    """

    # No part of a dump: one that is loaded again, perhaps after it was edited, is a change.
    version = models.BigIntegerField(default=new_version, editable=False, serialize=False)

    objects = VersionedQuerySet.as_manager()

    class Meta:
        abstract = True
        base_manager_name = "objects"

    def save(self, *, update_fields: Iterable[str] | None = None, **options: Any) -> None:
        """Write the row with a new version."""
        self.version = new_version()
        if update_fields:
            update_fields = {*update_fields, "version"}
        super().save(update_fields=update_fields, **options)

    def frozen(self) -> Self:
        """Return this row, which several threads use from now on, closed to changes."""
        columns = vars(self)
        columns.update({name: _frozen(value) for name, value in columns.items()})
        columns["_is_frozen"] = True
        return self

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy of its own is made of, as `copy` and `pickle` do: open to changes."""
        state: dict[str, Any] = super().__getstate__()
        if state.pop("_is_frozen", False):
            state.update({name: _thawed(value) for name, value in state.items()})
        return state

    def __setattr__(self, name: str, value: object) -> None:
        if "_is_frozen" in self.__dict__:
            msg = (
                f"This {type(self).__name__} is the copy that the process keeps. Get your own to"
                f" change it: {type(self).__name__}.objects.get(pk={self.pk!r})"
            )
            raise TypeError(msg)
        super().__setattr__(name, value)


def _thawed(value: Any) -> Any:
    """Return a JSON value as it was before it was closed."""
    if isinstance(value, MappingProxyType):
        return {name: _thawed(member) for name, member in value.items()}
    return list(map(_thawed, value)) if isinstance(value, tuple) else value


def _frozen(value: Any) -> Any:
    """Return a JSON value closed to changes, however deep."""
    if isinstance(value, dict):
        return MappingProxyType({name: _frozen(member) for name, member in value.items()})
    return tuple(map(_frozen, value)) if isinstance(value, list) else value
