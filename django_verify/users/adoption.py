"""Numbers that another package has verified for users, adopted in a migration of the site.

The functions `from_…` are what `migrations.RunPython` calls. They read the other package's tables
as they are, write this app's alone, send no signal and no message, and may run again.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby, islice
from typing import Any

from django.apps.registry import Apps
from django.db import router
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from django_verify import conf
from django_verify.contact import phones
from django_verify.db import retry, savepoints
from django_verify.logs import logger
from django_verify.models.fields import e164

BATCH = 500


@dataclass(frozen=True, slots=True)
class Found:
    """A number of a user, in international form; `user_id` is None where it is nobody's.

    `verified_at` is None where nobody has noted when it was verified. `is_primary` is a wish: the
    first one of a user that has it comes true, and else the first number.
    """

    user_id: Any
    number: str
    is_verified: bool = True
    verified_at: dt.datetime | None = None
    channel: str = ""
    is_primary: bool = False


#: One that was read.
Number = tuple[Found, phones.Phone]


@dataclass(slots=True)
class Adopted:
    """How many numbers were adopted as verified and as pending, and how many were left out.

    These could not be read, or their user is not there.
    """

    verified: int = 0
    pending: int = 0
    unreadable: int = 0
    without_user: int = 0


def from_two_factor(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> Adopted:
    """Adopt the confirmed phone devices of django-two-factor-auth; the default one is primary."""
    alias = schema_editor.connection.alias
    devices = _rows(_model(apps, "phonenumber.PhoneDevice"), alias).filter(confirmed=True)
    found = (
        Found(row.user_id, number, channel=row.method, is_primary=row.name == "default")
        for row, number in _with_numbers(devices, "number")
    )
    return adopt(apps, alias, found)


def from_drfpasswordless(
    apps: Apps,
    schema_editor: BaseDatabaseSchemaEditor,
    *,
    number: str = "mobile",
    verified: str = "mobile_verified",
) -> Adopted:
    """Adopt the numbers in the user model, by the names of the two columns.

    Those that the package has not marked are pending; with `verified=""` all of them are.
    """
    alias = schema_editor.connection.alias
    found = (
        Found(row.pk, text, is_verified=bool(verified and getattr(row, verified)), channel="sms")
        for row, text in _with_numbers(_rows(_user_model(apps), alias), number)
    )
    return adopt(apps, alias, found)


def from_phone_verify(
    apps: Apps,
    schema_editor: BaseDatabaseSchemaEditor,
    *,
    model: str = "",
    user: str = "pk",
    number: str = "phone_number",
) -> Adopted:
    """Adopt the numbers of django-phone-verify, which keeps those that were verified, and no users.

    The users come from the site: a `model` ("accounts.Profile"; by default the user model), its
    attribute with the `user`'s key ("user_id") and its column with the `number`, which no user may
    write without a check. A number that the package has verified is verified, as of the last time;
    any other is pending.
    """
    alias = schema_editor.connection.alias
    owners = _model(apps, model) if model else _user_model(apps)

    def found() -> Iterator[Found]:
        verified = _last_verified(apps, alias)
        for row, text in _with_numbers(_rows(owners, alias), number):
            at = verified.get(_key(text))
            user_id = getattr(row, user)
            yield Found(user_id, text, is_verified=at is not None, verified_at=at, channel="sms")

    return adopt(apps, alias, found())


def _last_verified(apps: Apps, alias: str) -> dict[str, dt.datetime]:
    """Return when django-phone-verify has last verified each number, by its key."""
    checked = _rows(_model(apps, "phone_verify.SMSVerification"), alias)
    verified: dict[str, dt.datetime] = {}
    for row, text in _with_numbers(checked.filter(is_verified=True), "phone_number"):
        key = _key(text)
        verified[key] = max(verified.get(key, row.modified_at), row.modified_at)
    return verified


def adopt(apps: Apps, alias: str, found: Iterable[Found]) -> Adopted:
    """Write numbers into the table of verified numbers, and log how many, without the numbers.

    What is verified here already stays. Pending stays what another user here has, what several
    users claim as verified, because which of them has it now nobody knows, and what exceeds
    USERS_PHONES. `apps` is the registry of a migration or Django's own. All numbers are in memory
    at a time, about 400 bytes each; the rows are written for `BATCH` users at a time.
    """
    model = _model(apps, "django_verify_users.VerifiedPhone")
    if not router.allow_migrate_model(alias, model):
        return Adopted()
    done, numbers = Adopted(), list[Number]()
    holders: dict[str, Any] = {}
    contested = set[str]()
    for each in found:
        try:
            phone = phones.read(each.number)
        except ValueError:
            done.unreadable += 1
            continue
        if each.user_id is None:
            done.without_user += 1
            continue
        numbers.append((each, phone))
        if each.is_verified and holders.setdefault(phone.key, each.user_id) != each.user_id:
            contested.add(phone.key)
    numbers.sort(key=_user)  # those of a user stay in their order
    users = ((user, list(mine)) for user, mine in groupby(numbers, _user))
    while batch := dict(islice(users, BATCH)):
        _adopt(model, alias, batch, contested, done)
    logger.log(
        logging.WARNING if done.unreadable or done.without_user else logging.INFO,
        "numbers adopted: %d verified, %d pending, %d unreadable, %d without a user",
        done.verified,
        done.pending,
        done.unreadable,
        done.without_user,
    )
    return done


def _user(number: Number) -> Any:
    return number[0].user_id


@retry.on_conflict
def _adopt(
    model: Any, alias: str, batch: dict[Any, list[Number]], contested: set[str], done: Adopted
) -> None:
    """Write the numbers of some users, in one transaction, and again where others were faster."""
    rows, users = _rows(model, alias), _rows(_of(model), alias)
    keys = {phone.key for numbers in batch.values() for _each, phone in numbers}
    with savepoints.atomic(alias):
        there = set(users.filter(pk__in=batch).values_list("pk", flat=True))
        claimed = set(rows.filter(claim__in=keys).values_list("claim", flat=True))
        here: dict[Any, dict[str, Any]] = defaultdict(dict)
        for row in rows.filter(user_id__in=batch):
            here[row.user_id][row.key] = row
        written: list[Any] = []
        for user_id, numbers in batch.items():
            if user_id not in there:
                continue
            written += _of_user(model, user_id, numbers, here[user_id], claimed | contested)
        old = [row for row in written if row.pk is not None]
        rows.bulk_create([row for row in written if row.pk is None])
        rows.bulk_update(old, ["claim", "is_primary", "channel", "verified_at", "replaces"])
    verified = sum(row.claim is not None for row in written)
    done.without_user += sum(len(mine) for user, mine in batch.items() if user not in there)
    done.verified += verified
    done.pending += len(written) - verified


def _of_user(
    model: Any,
    user_id: Any,
    numbers: list[Number],
    here: dict[str, Any],
    not_free: set[str],
) -> Iterator[Any]:
    """Yield the rows of a user that are new or become verified, the wished-for one first."""
    room = conf.current().USERS_PHONES - sum(row.claim is not None for row in here.values())
    has_primary = any(row.is_primary for row in here.values())
    # Verified before pending: the same number may stand there twice.
    for each, phone in sorted(numbers, key=lambda n: (not n[0].is_verified, not n[0].is_primary)):
        row, is_new = here.get(phone.key), phone.key not in here
        if row is None:
            row = here[phone.key] = model(user_id=user_id, number=phone.number, key=phone.key)
        may_verify = each.is_verified and row.claim is None and phone.key not in not_free
        if may_verify and room > 0:
            row.claim, row.channel, row.verified_at = phone.key, each.channel, each.verified_at
            row.is_primary = None if has_primary else True
            row.replaces = None  # what is verified here stays
            has_primary, room = True, room - 1
        elif not is_new:
            continue
        yield row


def _with_numbers(rows: Any, column: str) -> Iterator[tuple[Any, str]]:
    """Yield the rows that have a number, each with it in international form."""
    for row in rows.order_by("pk").iterator(BATCH):
        if value := getattr(row, column):
            yield row, e164(value)


def _key(number: str) -> str:
    """Return the key of a number; empty where it cannot be read."""
    try:
        return phones.read(number).key
    except ValueError:
        return ""


def _rows(model: Any, alias: str) -> Any:
    """Return all rows, whatever manager the model has."""
    return model._base_manager.using(alias)  # noqa: SLF001 - a documented API


def _user_model(apps: Apps) -> Any:
    """Return the user model as the migration has it."""
    return _of(_model(apps, "django_verify_users.VerifiedPhone"))


def _of(model: Any) -> Any:
    """Return the model of the users whose numbers a model has."""
    return model._meta.get_field("user").related_model  # noqa: SLF001 - a documented API


def _model(apps: Any, name: str) -> Any:
    """Return a model of a registry by its label and name."""
    return apps.get_model(name)
