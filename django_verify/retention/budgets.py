"""Which old verifications the guess budget has done with, so that a purge gives no guess back.

The budget is read from a recipient's rows (`verifications.guess_budget`). It counts the wrong
guesses since the recipient was last approved, however old they are, and a start's number is built
on the newest row. Here are the same rules for rows that have been over for days.
"""

from __future__ import annotations

import datetime as dt

from django.db import IntegrityError
from django.db.models import Exists, OuterRef, Q, QuerySet

from django_verify import conf
from django_verify.db import queries
from django_verify.models import Verification

#: For clocks that differ, and for processes that have read the settings before a change.
MARGIN = dt.timedelta(days=1)

_PROOF = Q(status=Verification.Status.APPROVED, is_test=False)
_NO_WRONG_GUESS = Q(forgiven=True) | Q(checks=0) | Q(checks=1, confirmed=True)


def done_with() -> Q:
    """Return the condition of the verifications without which every budget stays what it is.

    They are those without a wrong guess, and those whose wrong guesses an approval has ended. The
    last approval is needed itself as long as there are wrong guesses from before it.
    """
    newer = _of_recipient().filter(_PROOF, serial__gt=OuterRef("serial"))
    # What began before an approval may have been guessed at after it, and counts then. All later
    # approvals are asked: the last one that was started may not be the last one that was given.
    outlived = newer.filter(date_updated__lt=OuterRef("expires_at"))
    counts = Exists(outlived.filter(date_updated__lt=OuterRef("date_updated")))
    may_count = Q(status=Verification.Status.PENDING) & Q(Exists(outlived))
    before = _of_recipient().filter(~_NO_WRONG_GUESS, serial__lt=OuterRef("serial"))
    is_ended = Q(Exists(newer)) & ~Q(counts) & ~may_count
    is_harmless = (_NO_WRONG_GUESS | is_ended) & (~_PROOF | Q(Exists(newer)))
    return is_harmless | (_PROOF & ~Q(Exists(newer)) & ~Q(Exists(before)))


def hold(row: Verification, now: dt.datetime) -> None:
    """Keep a recipient's newest verification from a purge until the caller's transaction ends.

    The number of the next one is built on it: of two starts, one that has read it and one that has
    not would take different numbers and not meet. Raises IntegrityError when it has just been
    deleted, so that the caller reads again. A row that is too young for a purge costs nothing.
    """
    if not may_be_purged(row, now):
        return
    held = queries.verifications().select_for_update().filter(sid=row.sid)
    if held.values_list("serial", flat=True).first() != row.serial:
        raise IntegrityError("the recipient's newest verification has changed")


def may_be_purged(row: Verification, now: dt.datetime) -> bool:
    """Whether a purge may come for a verification while a start that has read it is written."""
    days = conf.current().VERIFICATION_RETENTION_DAYS
    return days is not None and row.expires_at <= now - dt.timedelta(days=days) + MARGIN


def _of_recipient() -> QuerySet[Verification]:
    """Return the verifications of a row's recipient, for a condition of that row."""
    recipient = {"account_id": OuterRef("account_id"), "recipient_key": OuterRef("recipient_key")}
    return Verification.objects.filter(**recipient).order_by()
