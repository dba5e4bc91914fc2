"""The numbers of users: claim, confirm, release, choose the primary one; no page is here.

A number is verified for one user at most. What happens when another user verifies it is the
site's to decide: PHONE_CONFLICT_POLICY.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from functools import partial
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import DatabaseError, IntegrityError, router, transaction
from django.db.models import F, QuerySet
from django.utils import timezone
from django.utils.module_loading import import_string

from django_verify import conf
from django_verify.contact import phones
from django_verify.db import retry, savepoints
from django_verify.signals import NotRecorded
from django_verify.users import signals
from django_verify.users.models import VerifiedPhone

# How often a confirmation reads again after losing to another one.
MAX_TRIES = 8


class ClaimRefused(NotRecorded):
    """The number cannot be this user's; `reason` is for machines, `message` for the log."""

    message = ""

    def __init__(self) -> None:
        super().__init__(self.message)


class NumberTaken(ClaimRefused):
    """Another user has verified the number, and the site's policy is to deny."""

    reason = "number_in_use"
    message = "Another user has verified this number (PHONE_CONFLICT_POLICY decides what happens)"


class AnotherFactorRequired(ClaimRefused):
    """Another user has the number: the claimant must prove more before it is transferred."""

    reason = "another_factor_required"
    message = "Another user has this number: ask for more proof, then pass another_factor=True"


class TooManyNumbers(ClaimRefused):
    """The user has as many numbers as the site allows."""

    reason = "too_many_numbers"
    message = "The user has as many numbers as USERS_PHONES allows"


def verified(user: AbstractBaseUser) -> QuerySet[VerifiedPhone]:
    """Return the verified numbers of a user, the primary one first."""
    return _mine(user.pk)


def primary(user: AbstractBaseUser) -> VerifiedPhone | None:
    """Return the number by which a user is reached first."""
    return _rows().filter(user_id=user.pk, is_primary=True).first()


def pending(user: AbstractBaseUser) -> VerifiedPhone | None:
    """Return the number that a user claimed last and has not verified."""
    mine = _rows().filter(user_id=user.pk, claim__isnull=True)
    return mine.order_by("-date_created", "-pk").first()


def holder(number: str) -> VerifiedPhone | None:
    """Return the row of the user who has verified a number; None for no number as well."""
    try:
        key = phones.read(number).key
    except ValueError:
        return None
    return _rows().filter(claim=key).first()


def has_verified(user: Any, *, within: dt.timedelta | None = None) -> bool:
    """Whether a user has a verified number, verified no longer ago than `within`."""
    if not getattr(user, "is_authenticated", False):
        return False
    mine = _rows().filter(user_id=user.pk, claim__isnull=False)
    if within is not None:
        mine = mine.filter(verified_at__gt=timezone.now() - within)
    return mine.exists()


def claim(
    user: AbstractBaseUser, number: str, *, replaces: VerifiedPhone | None = None
) -> VerifiedPhone:
    """Note that a user is about to verify a number; whatever is verified already stays.

    With `replaces`, one of the user's own, that number goes when this one is confirmed. Raises
    ValueError for what is no number in international form, as people type it.
    """
    phone = phones.read(number)
    if replaces is not None and replaces.user_id != user.pk:
        raise ValueError("the number to replace is another user's")
    row, _new = _rows().get_or_create(
        user_id=user.pk, key=phone.key, defaults={"number": phone.number}
    )
    if not row.is_verified and row.replaces_id != getattr(replaces, "pk", None):
        row.replaces = replaces
        # This column alone: another request may be confirming the number.
        row.save(update_fields=["replaces"])
    return row


def confirm(
    user: AbstractBaseUser, number: str, *, channel: str = "", another_factor: bool = False
) -> VerifiedPhone:
    """Record that a user has verified a number; call it when a verification was approved.

    Confirming again renews the time. Raises NumberTaken, AnotherFactorRequired (unless
    `another_factor` states that the user has proved more) and TooManyNumbers; the claim stays
    pending then.
    """
    phone = phones.read(number)
    for _ in range(MAX_TRIES):
        row = claim(user, number, replaces=_replaced(user, phone.key))
        try:
            with savepoints.atomic(_using()):
                if not row.is_verified:
                    _make_room(user, row, another_factor=another_factor)
                return _settle(user, row, phone, channel)
        except DatabaseError as error:
            # Another user claimed the number, or the user's first one became primary.
            if not retry.is_conflict(error):
                raise
    raise NumberTaken


@retry.on_conflict
def release(phone: VerifiedPhone, *, reason: str = "removed") -> None:
    """Take a number from its user; the oldest one left becomes the primary one."""
    with savepoints.atomic(_using()):
        deleted, _ = _rows().filter(pk=phone.pk).delete()
        # Of two releases one deletes the row, and it sends the signal.
        if not deleted:
            return
        _promote(phone.user_id)
        _promote_later(phone.user_id)
        _notify(signals.phone_released, user=phone.user, number=phone.e164, reason=reason)


@retry.on_conflict
def make_primary(phone: VerifiedPhone) -> None:
    """Let this number be the one by which its user is reached first."""
    with savepoints.atomic(_using()):
        # Taken from the old one first, because at no moment may there be two.
        _rows().filter(user_id=phone.user_id, is_primary=True).update(is_primary=None)
        changed = _rows().filter(pk=phone.pk, claim__isnull=False).update(is_primary=True)
        if not changed:
            raise ValueError("only a verified number can be the primary one")
    phone.is_primary = True


def _settle(
    user: AbstractBaseUser, row: VerifiedPhone, phone: phones.Phone, channel: str
) -> VerifiedPhone:
    changes: dict[str, Any] = {
        "claim": phone.key,
        "number": phone.number,
        "channel": channel,
        "verified_at": timezone.now(),
        "replaces": None,
    }
    replaced = row.replaces
    if replaced is not None:
        release(replaced, reason="replaced")
    if not _rows().filter(user_id=user.pk, is_primary=True).exists():
        changes["is_primary"] = True
    elif replaced is not None and replaced.is_primary:
        _rows().filter(user_id=user.pk, is_primary=True).update(is_primary=None)
        changes["is_primary"] = True
    if not _rows().filter(pk=row.pk).update(**changes):
        raise IntegrityError  # released meanwhile: claimed anew
    for name, value in changes.items():
        setattr(row, name, value)
    _promote_later(user.pk)
    _notify(signals.phone_verified, phone=row)
    return row


def _make_room(user: AbstractBaseUser, row: VerifiedPhone, *, another_factor: bool) -> None:
    """Take the number from its present owner, where the site allows, and keep the user's limit."""
    holder = _rows().filter(claim=row.key).exclude(user_id=user.pk).first()
    if holder is not None:
        policy = _policy()(user, holder)
        if policy == "ask" and not another_factor:
            raise AnotherFactorRequired
        if policy not in {"ask", "transfer"}:
            raise NumberTaken  # an answer that is none of the three moves no number either
    if row.replaces_id is None:
        mine = _rows().filter(user_id=user.pk, claim__isnull=False).count()
        if mine >= conf.current().USERS_PHONES:
            raise TooManyNumbers
    if holder is not None:
        # The former claim goes first, in the same transaction: the column is unique.
        before = holder.user
        release(holder, reason="transferred")
        _notify(signals.phone_transferred, phone=row, from_user=before)


def _policy() -> Callable[[AbstractBaseUser, VerifiedPhone], str]:
    named = conf.current().PHONE_CONFLICT_POLICY
    if "." in named:
        decide: Callable[[AbstractBaseUser, VerifiedPhone], str] = import_string(named)
        return decide
    return lambda user, holder: named


def _replaced(user: AbstractBaseUser, key: str) -> VerifiedPhone | None:
    """Return what the pending claim of this number is to replace."""
    pending = _rows().filter(user_id=user.pk, key=key, claim__isnull=True)
    row = pending.select_related("replaces").first()
    return row.replaces if row else None


def _promote(user_id: Any) -> None:
    """Make the oldest number of a user the primary one, where none is."""
    heir = _mine(user_id).first()
    if heir is not None and not heir.is_primary:
        _rows().filter(pk=heir.pk).update(is_primary=True)


def _promote_later(user_id: Any) -> None:
    """Look again after the commit: neither of two transactions at once sees what the other did.

    One that gives the user a number finds the primary one still there; one that takes that away
    finds no heir yet.
    """
    transaction.on_commit(
        retry.on_conflict(partial(_promote, user_id)), using=_using(), robust=True
    )


def _using() -> str:
    return router.db_for_write(VerifiedPhone)


def _mine(user_id: Any) -> QuerySet[VerifiedPhone]:
    verified = _rows().filter(user_id=user_id, claim__isnull=False)
    return verified.order_by(F("is_primary").desc(nulls_last=True), "verified_at", "pk")


def _rows() -> QuerySet[VerifiedPhone]:
    """Return all rows of the database that is written, with their users, in no order."""
    return VerifiedPhone.objects.using(_using()).select_related("user").order_by()


def _notify(signal: Any, **facts: Any) -> None:
    send = partial(signal.send_robust, sender=VerifiedPhone, **facts)
    transaction.on_commit(send, using=_using())
