"""Sends what is due: claims an attempt that waits or whose message got lost, and has it sent.

Any number of processes may, each for itself; the row is the queue. What is due and not to be sent
any more is ended here.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from django_verify import signals
from django_verify.db import leases, queries
from django_verify.delivery import attempts, dispatch, outcomes
from django_verify.events import cloudevents
from django_verify.logs import logger
from django_verify.models import Verification, VerificationAttempt

_Status = VerificationAttempt.MessageStatus


def take(sid: str, *, woken: bool = False) -> bool:
    """Send one attempt if it is due and unclaimed; return whether it was ours.

    Any number of processes may call it for the same attempt. `woken` is for the job of a queue
    engine: it may come before the row's own moment by the clock of its machine.
    """
    now = timezone.now()
    due = attempts.LEASES.due(now)
    if woken:
        unsent = Q(message_status=_Status.QUEUED, tries=0)
        lost = Q(message_status__in=(_Status.UNDELIVERED, _Status.FAILED))
        due |= (unsent | lost) & Q(due_at__isnull=False)
    rows = queries.attempts().select_related("verification__service")
    attempt = rows.filter(due, sid=sid).first()
    if attempt is None:
        return False
    if reason := _obsolete(attempt, now):
        return _drop(attempt, reason, now)
    trail = _trail(attempt)
    if attempt.message_status in attempts.LOST and not attempts.plan(attempt, trail=trail):
        return _follow_later(attempt, trail, now)
    changes = {
        **attempts.counted(attempt, attempts.plan(attempt, trail=trail)),
        "trail": trail,
        "provider_sid": "",
    }
    # The same statement looks at the verification: one that is approved since the row was read must
    # not be followed by its code.
    if not attempts.LEASES.claim(attempt, now, attempts.wanted(now), **changes):
        return False  # another process has it, or its verification has just ended
    attempts.deliver(attempt)
    return True


def deliver_due(limit: int = 100, *, stop: Callable[[], bool] = lambda: False) -> int:
    """Send what is due, the longest waiting first; return how many attempts were claimed.

    Any number of processes may run it. A row that raises is put off and stops nobody; only a
    database that fails is raised.
    """
    return attempts.LEASES.deliver_due(take, limit, stop)


def requeue(attempt: VerificationAttempt) -> bool:
    """Make a failed attempt due at once, and wake a worker; False where it cannot be sent any more.

    It can while its code lives and a message is left to it.
    """
    now = timezone.now()
    failed = queries.attempts().filter(
        sid=attempt.sid,
        message_status=_Status.FAILED,
        due_at=None,
        messages__lt=attempts.MESSAGES_PER_ATTEMPT,
        sender_test=False,
        verification__status=Verification.Status.PENDING,
        verification__expires_at__gt=now,
        verification__service__isnull=False,
    )
    chosen = list(failed.values_list("sid", flat=True))  # MySQL joins no table in this update
    # A job that is woken takes what nobody has tried.
    again = {"message_status": _Status.QUEUED, "tries": 0, "due_at": now, "date_updated": now}
    unchanged = queries.attempts().filter(sid__in=chosen, message_status=_Status.FAILED)
    if not unchanged.filter(due_at=None).update(**again):
        return False
    wake = partial(dispatch.wake, attempt.sid)
    transaction.on_commit(wake, using=queries.database(), robust=True)
    return True


def may_send_again(attempt: VerificationAttempt, now: dt.datetime) -> bool:
    """Whether a message that got lost may be followed by one of another sender."""
    verification = attempt.verification
    return (
        attempt.messages < attempts.MESSAGES_PER_ATTEMPT
        and not attempt.sender_test
        and verification.service is not None
        and verification.current_status(now) == Verification.Status.PENDING
    )


def _trail(attempt: VerificationAttempt) -> Any:
    """Return the earlier messages, with one that may have left as the row was read."""
    if attempt.message_status in attempts.LOST:
        lost = (attempt.sender, attempt.via_channel, attempt.provider_sid, attempt.message_status)
        return [*attempt.trail, attempts.entry(*lost)]
    if attempt.message_status == _Status.SENDING and attempt.sender:
        return [*attempt.trail, attempts.entry(attempt.sender, attempt.via_channel)]
    return attempt.trail


def _obsolete(attempt: VerificationAttempt, now: dt.datetime) -> str:
    """Return why an attempt that is due is not to be sent, or nothing."""
    verification = attempt.verification
    if verification.service is None:
        return "the service was deleted before the message was sent"
    status = verification.current_status(now)
    if status == Verification.Status.EXPIRED:
        return "dropped: the code was over before the message was sent"
    if status != Verification.Status.PENDING:
        return "the verification was over before the message was sent"
    if attempt.messages >= attempts.MESSAGES_PER_ATTEMPT:
        return "given up: two messages may have left, and neither has an answer"
    if attempt.message_status in attempts.ARRIVED:
        return "it has arrived"
    if attempt.sender_test:
        return "a test is sent once, and its process ended before the outcome was known"
    return ""


def _follow_later(attempt: VerificationAttempt, trail: list[Any], now: dt.datetime) -> bool:
    """Put off the message after one that got lost, while each other sender is paused."""
    later = attempts.before_the_end(attempt)
    if not attempts.paused(attempt, trail) or later >= attempt.verification.expires_at:
        return _drop(attempt, "no other sender", now)
    return attempts.LEASES.unchanged(attempt).update(due_at=later) > 0


def _drop(attempt: VerificationAttempt, reason: str, now: dt.datetime) -> bool:
    """End an attempt that is not to be sent; what a provider has reported of it stays."""
    if attempt.message_status in (*attempts.LOST, *attempts.ARRIVED):
        return outcomes.settle(attempt)
    # A report may have settled the row since it was read, and what it has written stays.
    unchanged = attempts.LEASES.unchanged(attempt)
    changes = {
        "message_status": _Status.FAILED,
        "error_code": "",
        "error_message": reason,
        "lease": "",
        "due_at": None,
        "date_updated": now,
    }
    if not cloudevents.update_message(attempt, unchanged, changes):
        return False
    leases.assign(attempt, changes)
    logger.warning("%s was not sent: %s", attempt.sid, reason)
    signals.attempt_failed.send_robust(sender=VerificationAttempt, attempt=attempt)
    return True
