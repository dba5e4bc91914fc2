"""Reads and writes one row of a resource; what the database refuses becomes the wire's error."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.db import DatabaseError, IntegrityError, router
from django.db.models import Model, QuerySet

from django_verify.db import savepoints
from django_verify.exceptions import NotFound, VerifyError

Row = TypeVar("Row", bound=Model)


@contextmanager
def writing(model: type[Model], duplicate: Callable[[], VerifyError] = NotFound) -> Iterator[str]:
    """Run a block in a transaction on the database that it is given, where a model is written.

    Raises what `duplicate` returns where a constraint refuses the row: by default NotFound, because
    its parent was deleted meanwhile.
    """
    using = router.db_for_write(model)
    try:
        with savepoints.atomic(using):
            yield using
    except IntegrityError:
        raise duplicate() from None


def insert(row: Row, duplicate: Callable[[], VerifyError] = NotFound) -> Row:
    """Write a new row, as `writing` does."""
    with writing(type(row), duplicate) as using:
        row.save(using=using, force_insert=True)
    return row


def save_changes(
    row: Model, fields: list[str], duplicate: Callable[[], VerifyError] = NotFound
) -> None:
    """Write a row's changed fields, as `writing` does. Raises NotFound if it was deleted."""
    try:
        with writing(type(row), duplicate) as using:
            row.save(using=using, update_fields=fields)
    except DatabaseError:
        # Django 5.2 has no class of its own for an update that has met no row.
        using = router.db_for_write(type(row))
        if type(row)._default_manager.using(using).filter(pk=row.pk).exists():  # noqa: SLF001
            raise
        raise NotFound from None


def fault_of(row: Model) -> tuple[str, ValidationError] | None:
    """Return the first field that the model's validators refuse, and why; relations are ours."""
    fields = row._meta.fields  # noqa: SLF001 - a documented API
    try:
        row.clean_fields(exclude=[field.name for field in fields if field.is_relation])
    except ValidationError as error:
        name, reasons = next(iter(error.error_dict.items()))
        return name, reasons[0]
    return None


def only(rows: QuerySet[Any]) -> Any:
    """Return the one row, from the database that is written: a replica may not have it yet.

    Raises NotFound. `first` would order, which costs on a hot path.
    """
    try:
        return rows.using(router.db_for_write(rows.model)).get()
    except ObjectDoesNotExist:
        raise NotFound from None
