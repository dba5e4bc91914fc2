"""Rows that a process may keep copies of: every change of one gives it another version."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, ClassVar, Self, TypeVar

from django.db import models, router, transaction
from django.db.models.signals import post_save, pre_delete, pre_save

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

    def bulk_create(
        self,
        objs: Iterable[AnyModel],
        batch_size: int | None = None,
        ignore_conflicts: bool = False,
        update_conflicts: bool = False,
        update_fields: Collection[str] | None = None,
        unique_fields: Collection[str] | None = None,
    ) -> list[AnyModel]:
        """Write new rows, or what is new of those that stand in their places."""
        rows: list[Any] = list(objs)
        for row in rows:
            row.version = new_version()
        if update_fields:
            update_fields = [*update_fields, "version"]
        return super().bulk_create(
            rows, batch_size, ignore_conflicts, update_conflicts, update_fields, unique_fields
        )


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


class PartQuerySet(models.QuerySet[AnyModel]):
    """A query set whose changes of many rows are changes of the versions of their owners."""

    def update(self, **changes: Any) -> int:
        """Change the rows; return how many they were."""
        if not _is_kept(self.model, changes):
            return super().update(**changes)
        self._for_write = True
        keys = list(self.values_list("pk", flat=True))
        # No more than these: a row that comes meanwhile may have another owner.
        with self._renewing(keys):
            return models.QuerySet.update(self.filter(pk__in=keys), **changes)

    update.alters_data = True  # type: ignore[attr-defined]

    def bulk_create(self, objs: Iterable[AnyModel], *args: Any, **options: Any) -> list[AnyModel]:
        """Write new rows, or what is new of those that stand in their places."""
        rows, owner = list(objs), _owner(self.model)
        self._for_write = True
        # What stands in the place of a new row may have another key.
        owners = {getattr(row, owner.attname) for row in rows}
        with self._renewing([row.pk for row in rows], owners):
            return super().bulk_create(rows, *args, **options)

    @contextmanager
    def _renewing(self, keys: Collection[Any], owners: Collection[Any] = ()) -> Iterator[None]:
        """Renew `owners`, and those that rows have before the block and after it, at once."""
        with _atomic(self.db):
            _renew_owners(self.model, keys, owners, self.db)
            yield
            _renew_owners(self.model, keys, owners, self.db)


class Part(models.Model):
    """A row of which processes keep copies under the version of another row, its owner.

    Django's own ways of writing and deleting it all change that version, in one transaction with
    the row, so that no process ever has the new version and the old row.
    """

    #: The relation to the owner, or to a part of it.
    part_of: ClassVar[str]
    #: The fields that the copies depend on; a change of others changes no version.
    kept: ClassVar[frozenset[str]]

    objects = PartQuerySet.as_manager()

    class Meta:
        abstract = True
        base_manager_name = "objects"

    def __init_subclass__(cls, **options: Any) -> None:
        """Listen for what goes past `save` and `delete`: a dump that is loaded, a cascade."""
        super().__init_subclass__(**options)
        for signal in (pre_save, post_save, pre_delete):
            signal.connect(_renew_owner, sender=cls)

    def save(self, *, using: str | None = None, **options: Any) -> None:
        """Write the row."""
        using = using or router.db_for_write(type(self), instance=self)
        with _atomic(using):
            super().save(using=using, **options)


def renew(model: type[models.Model], keys: Collection[Any], using: str) -> None:
    """Give rows another version; where they are parts, their owners."""
    if not keys:
        return
    if issubclass(model, Versioned):
        model._base_manager.using(using).filter(pk__in=keys).order_by().update()  # noqa: SLF001
        return
    _renew_owners(model, keys, (), using)


def _renew_owners(
    model: type[models.Model], keys: Collection[Any], owners: Collection[Any], using: str
) -> None:
    """Renew the owners that the database has of some parts, and others along with them.

    The owner that a part is about to get is one of them, though nobody has that part yet. To write
    the part, MariaDB and MySQL lock the owner's row for reading: two that did so first, and then
    asked for its version, would wait for each other.
    """
    owner = _owner(model)
    parts = model._base_manager.using(using).filter(pk__in=keys).order_by()  # noqa: SLF001
    found = {*owners, *parts.values_list(owner.attname, flat=True)}
    renew(owner.related_model, found - {None}, using)


def _renew_owner(
    sender: type[Part],
    instance: Part,
    using: str,
    update_fields: Collection[str] | None = None,
    **_: Any,
) -> None:
    if update_fields is None or _is_kept(sender, update_fields):
        owner = getattr(instance, _owner(sender).attname)
        _renew_owners(sender, [instance.pk], [owner], using)


def _owner(model: type[models.Model]) -> Any:
    return model._meta.get_field(model.part_of)  # type: ignore[attr-defined]  # noqa: SLF001


def _is_kept(model: type[Any], names: Iterable[str]) -> bool:
    return not model.kept.isdisjoint(model._meta.get_field(name).name for name in names)  # noqa: SLF001


def _atomic(using: str) -> Any:
    # Without a savepoint, as Django's own `delete` has it, so that none can be lost.
    return transaction.atomic(using=using, savepoint=False)  # noqa: TID251


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
