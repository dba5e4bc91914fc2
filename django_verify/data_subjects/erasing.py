"""The erasure of a person: all its rows in one transaction, and a receipt that names nobody."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass, field
from typing import Any

from django.apps import apps
from django.db import router
from django.db.models import Model, Q, QuerySet
from django.utils import timezone

from django_verify import retention
from django_verify.data_subjects import tables
from django_verify.data_subjects.people import Person
from django_verify.db import queries, retry, savepoints
from django_verify.models import PrefixRule, Verification

#: For how long wrong guesses stay counted at least: the day of the guess budget.
HELD = dt.timedelta(days=1)

_GUESSED = Q(checks__gt=0, forgiven=False) & ~Q(checks=1, confirmed=True)
_WIPED: dict[str, Any] = {
    name: value
    for kind in retention.KINDS
    if kind.name == "verifications"
    for name, value in kind.wiped.items()
}


@dataclass(slots=True, kw_only=True)
class Receipt:
    """What an erasure has done, as counts by table; no personal data are in it.

    `held` are verifications that stay for their wrong guesses, wiped but for the recipient's key,
    until `held_until`; the erasure is then asked for again. `kept` are rules of the operator.
    """

    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    erased_at: dt.datetime
    account: str = ""
    dry_run: bool = False
    deleted: dict[str, int] = field(default_factory=dict)
    held: int = 0
    held_until: dt.datetime | None = None
    kept: dict[str, int] = field(default_factory=dict)
    apps: dict[str, int] = field(default_factory=dict)
    log_entries: int = 0

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left of the person."""
        return not (self.held or self.kept)

    def as_json(self) -> dict[str, Any]:
        """Return the receipt as values of JSON; times are UTC, in ISO 8601."""
        return {
            "receipt": self.id,
            "erased_at": _written(self.erased_at),
            "account": self.account,
            "dry_run": self.dry_run,
            "complete": self.is_complete,
            "deleted": self.deleted,
            "held": {"verification": self.held} if self.held else {},
            "held_until": self.held_until and _written(self.held_until),
            "kept": self.kept,
            "apps": self.apps,
            "log_entries": self.log_entries,
        }


def erase(
    person: Person, *, dry_run: bool = False, release: bool = False, rules: bool = False
) -> Receipt:
    """Delete all rows of a person, and return the receipt.

    Wrong guesses of the last day stay counted, unless `release` says that an operator has
    identified the owner. Rules for the whole number stay, unless `rules` says that they go. With
    `dry_run` it counts and changes nothing. An app of the site with a method `erase_person` is
    asked too, and returns how many rows it has deleted. No event is recorded and no signal of this
    package is sent, but those of verified numbers that are released.
    """
    receipt = _erase(person, dry_run=dry_run, release=release, rules=rules)
    for label, hook in tables.hooks("erase_person"):
        receipt.apps[label] = int(hook(person, dry_run=dry_run))
    return receipt


@retry.on_conflict
def _erase(person: Person, *, dry_run: bool, release: bool, rules: bool) -> Receipt:
    receipt = Receipt(erased_at=timezone.now(), account=person.account, dry_run=dry_run)
    with savepoints.atomic(queries.database()):
        found = tables.collect(person)
        held = [] if release else _held(found[Verification], receipt)
        if not rules and found[PrefixRule]:
            receipt.kept[_name(PrefixRule)] = len(found.pop(PrefixRule))
        for entries in _log_entries(found):
            # Who has done what to which SID stays.
            receipt.log_entries += entries.count() if dry_run else entries.update(object_repr="")
        if not dry_run:
            _wipe(held)
        for model, keys in found.items():
            going = sorted(set(keys) - set(held)) if model is Verification else keys
            if not dry_run:
                _delete(model, going)
            if going:
                receipt.deleted[_name(model)] = len(going)
    return receipt


def _held(keys: list[Any], receipt: Receipt) -> list[Any]:
    """Return the verifications whose wrong guesses still count for the day."""
    since, held = receipt.erased_at - HELD, []
    for some in tables.among(Verification, "pk", keys):
        for key, ends in some.filter(_GUESSED, expires_at__gt=since).values_list(
            "pk", "expires_at"
        ):
            held.append(key)
            receipt.held_until = max(receipt.held_until or ends, ends + HELD)
    receipt.held = len(held)
    return held


def _wipe(keys: list[Any]) -> None:
    """Leave of verifications what the budget reads; one that is live is over then."""
    pending, now = Verification.Status.PENDING, timezone.now()
    for some in tables.among(Verification, "pk", keys):
        some.filter(status=pending).update(status=Verification.Status.CANCELED, date_updated=now)
        some.update(**_WIPED)


def _log_entries(found: tables.Found) -> list[QuerySet[Any]]:
    """Return the entries of the admin's log about these rows, which may hold a name of a row."""
    if not apps.is_installed("django.contrib.admin"):
        return []
    entries = apps.get_model("admin", "LogEntry")
    return [
        some.filter(content_type__app_label="django_verify", content_type__model=_name(model))
        for model, keys in found.items()
        for some in tables.among(entries, "object_id", [str(key) for key in keys])
    ]


def _delete(model: type[Model], keys: list[Any]) -> None:
    """Delete by statements of their own; nothing is read along foreign keys."""
    for some in tables.among(model, "pk", keys):
        some._raw_delete(router.db_for_write(model))  # noqa: SLF001


def _name(model: type[Model]) -> str:
    return str(model._meta.model_name)  # noqa: SLF001 - a documented API


def _written(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).isoformat(timespec="seconds")
