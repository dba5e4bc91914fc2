"""What is stored about a person, as JSON; it writes nothing."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db.models import Model
from django.utils import timezone
from phonenumber_field.phonenumber import PhoneNumber

from django_verify.data_subjects import tables
from django_verify.data_subjects.people import Person
from django_verify.models.fields import e164


def export(person: Person) -> dict[str, Any]:
    """Return all that is stored about a person, as values of JSON: rows by the name of their table.

    Each row has the columns of its table but for secrets: what opens a code or a factor is given
    to nobody. An app of the site with a method `export_person` is asked for its rows as well.
    """
    found = tables.collect(person)
    known = {
        table.model._meta.model_name: _rows(table, found[table.model])  # noqa: SLF001 - documented
        for table in tables.TABLES
    }
    others = {label: list(hook(person)) for label, hook in tables.hooks("export_person")}
    named = {"recipients": sorted(person.spellings), "identities": sorted(person.identities)}
    return {
        "exported_at": timezone.now().astimezone(dt.UTC).isoformat(timespec="seconds"),
        "asked_for": {**named, "account": person.account},
        "tables": known,
        "apps": others,
    }


def _rows(table: tables.Table, keys: list[Any]) -> list[dict[str, Any]]:
    found = [row for some in tables.among(table.model, "pk", keys) for row in some]
    found.sort(key=lambda row: str(row.pk))
    return [_columns(row, table.secrets) for row in found]


def _columns(row: Model, secrets: Any) -> dict[str, Any]:
    fields = row._meta.concrete_fields  # noqa: SLF001 - a documented API
    return {
        field.attname: _plain(field.value_from_object(row))
        for field in fields
        if field.name not in secrets
    }


def _plain(value: Any) -> Any:
    """Return a value of a column as JSON has it."""
    if isinstance(value, dict):
        return {str(name): _plain(member) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(member) for member in value]
    if isinstance(value, dt.datetime):
        return value.isoformat()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return e164(value) if isinstance(value, PhoneNumber) else str(value)
