"""The erasure of a person: all its rows in one transaction, and a receipt that names nobody."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterator
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
from django_verify.logs import logger
from django_verify.models import Entity, PrefixRule, Verification

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
    until `held_until`; the erasure is then asked for again. `kept` are rules of the operator, and
    `failed` the apps of the site that raised an error: they are asked again as well.
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
    failed: list[str] = field(default_factory=list)
    log_entries: int = 0

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left of the person."""
        return not (self.held or self.kept or self.failed)

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
            "failed": self.failed,
            "log_entries": self.log_entries,
        }


def erase(
    person: Person, *, dry_run: bool = False, release: bool = False, rules: bool = False
) -> Receipt:
    """Delete all rows of a person, and return the receipt.

    Wrong guesses of the last day stay counted, unless `release` says that an operator has
    identified the owner. Rules for the whole number stay, unless `rules` says that they go. With
    `dry_run` it counts and changes nothing. An app of the site with a method `erase_person` is
    asked too, and returns how many rows it has deleted; what it raises is logged by its type, and
    the others are asked all the same. No event is recorded and no signal of this
    package is sent, but those of verified numbers that are released.
    """
    receipt = _erase(person, dry_run=dry_run, release=release, rules=rules)
    for label, hook in tables.hooks("erase_person"):
        # What is above is committed, and its receipt must not be lost.
        try:
            receipt.apps[label] = int(hook(person, dry_run=dry_run))
        except Exception as error:  # noqa: BLE001 - of another app; its text may name the person
            logger.error("an erasure failed in the app %s: %s", label, type(error).__name__)
            receipt.failed.append(label)
    return receipt


@retry.on_conflict
def _erase(person: Person, *, dry_run: bool, release: bool, rules: bool) -> Receipt:
    receipt = Receipt(erased_at=timezone.now(), account=person.account, dry_run=dry_run)
    with savepoints.atomic(queries.database()):
        found = tables.collect(person)
        held = [] if release else _held(found[Verification], receipt)
        kept = [] if rules else found.pop(PrefixRule)
        if kept:
            receipt.kept[_name(PrefixRule)] = len(kept)
        receipt.log_entries = _clear_log(person, found, kept, dry_run=dry_run)
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
        if not receipt.dry_run:
            # Those without a guess too: none is to be made until they are gone.
            list(some.select_for_update().order_by("pk").values_list("pk"))
        guessed = some.filter(_GUESSED, expires_at__gt=since)
        for key, ends in guessed.values_list("pk", "expires_at"):
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


def _clear_log(person: Person, found: tables.Found, kept: list[Any], *, dry_run: bool) -> int:
    """Take the person's names out of the admin's log; who has done what to which SID stays.

    Return of how many entries. Those of rows that went before name them too.
    """
    if not apps.is_installed("django.contrib.admin"):
        return 0
    log = apps.get_model("admin", "LogEntry")
    of_rows = {
        key
        for model, keys in found.items()
        for some in tables.among(log, "object_id", [str(key) for key in keys])
        for key in _of_ours(some, _name(model)).values_list("pk", flat=True)
    }
    naming = set() if person.account else set(_naming(log, person, kept))
    if not dry_run:
        for some in tables.among(log, "pk", of_rows | naming):
            some.update(object_repr="")
        for some in tables.among(log, "pk", naming):
            some.update(change_message="")
    return len(of_rows | naming)


def _naming(log: type[Model], person: Person, kept: list[Any]) -> Iterator[Any]:
    """Yield the keys of the entries whose texts name a person, but for those of rules that stay."""
    where = Q(pk__in=())
    for text in person.spellings:
        where |= Q(object_repr__icontains=text) | Q(change_message__icontains=text)
    texts = _of_ours(tables.rows(log).filter(where))
    texts = texts.exclude(content_type__model=_name(PrefixRule), object_id__in=map(str, kept))
    for key, *each in texts.values_list("pk", "object_repr", "change_message"):
        if any(map(person.is_named_in, each)):
            yield key
    for identity in person.identities:
        named = tables.rows(log).filter(object_repr__iexact=identity)
        yield from _of_ours(named, _name(Entity)).values_list("pk", flat=True)


def _of_ours(entries: QuerySet[Any], name: str = "") -> QuerySet[Any]:
    """Return the entries about tables of this package, or about one of them."""
    entries = entries.filter(content_type__app_label="django_verify")
    return entries.filter(content_type__model=name) if name else entries


def _delete(model: type[Model], keys: list[Any]) -> None:
    """Delete by statements of their own; only what tables of the site refer to as Django does."""
    is_referred_to = any(
        not each.related_model._meta.app_label.startswith("django_verify")  # noqa: SLF001
        for each in model._meta.related_objects  # noqa: SLF001 - a documented API
    )
    for some in tables.among(model, "pk", keys):
        if is_referred_to:
            some.delete()
        else:
            some._raw_delete(router.db_for_write(model))  # noqa: SLF001


def _name(model: type[Model]) -> str:
    return str(model._meta.model_name)  # noqa: SLF001 - a documented API


def _written(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).isoformat(timespec="seconds")
