"""What became of a verification, reported to the providers that want to know it.

The attempt's row is the queue, as it is for the message: one that is due though its verification is
over has an outcome to report. Which senders want that is said by `Sender.takes_outcomes`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection

from django.utils import timezone

from django_verify import conf, senders
from django_verify.db import queries, retry
from django_verify.delivery import dispatch
from django_verify.logs import logger
from django_verify.models import Verification, VerificationAttempt

#: The states that are reported; what has expired here is over there as well.
REPORTED = (Verification.Status.APPROVED, Verification.Status.CANCELED)
#: Until another process may report what one has begun to; longer than a report takes.
WAIT = dt.timedelta(seconds=20)
#: How long a process asks a provider nothing that has failed, or each request that approves a
#: verification would wait for it again, and the worker for each of them; less than `WAIT`.
BACKOFF = dt.timedelta(seconds=15)

# The senders that have failed in this process, by alias, and when.
_failed: dict[str, tuple[senders.Sender, dt.datetime]] = {}


def conclude(row: Verification, aliases: Collection[str]) -> None:
    """Have these senders report what became of a verification, once that is committed.

    Its messages at a sender share the provider's id, by which it is reported once. This process
    does it, or any worker, by `DISPATCH`. Never raises: what is committed stands.
    """
    try:
        for attempt in _carried(row, aliases):
            _hand_over(attempt)
    except Exception as error:  # noqa: BLE001 - the answer is that of the verification
        # The text of an error may hold the row.
        logger.error("%s: its outcome was not reported: %s", row.sid, type(error).__name__)


def catch_up(attempt: VerificationAttempt) -> None:
    """Report an outcome that came while the message was handed over, before its id was known."""
    if not senders.get(attempt.sender).takes_outcomes:
        return
    over = queries.verifications().filter(sid=attempt.verification_id, status__in=REPORTED)
    for row in over:
        conclude(row, [attempt.sender])


def is_owed(attempt: VerificationAttempt) -> bool:
    """Whether an attempt is due because its outcome is still to be reported."""
    if attempt.due_at is None or attempt.verification.status not in REPORTED:
        return False
    sender = senders.configured().get(attempt.sender)
    return sender is not None and sender.takes_outcomes


def settle(attempt: VerificationAttempt) -> bool:
    """Report the outcome of an attempt that is due, if it has one.

    Returns whether the row was settled by this process. What fails, and what a provider is not
    asked because it has just failed, is due again as long as the code would have lived; then it is
    left.
    """
    sender = senders.configured().get(attempt.sender)
    if sender is None or not sender.takes_outcomes or not _has_outcome(attempt):
        return _move(attempt, None)
    again = timezone.now() + WAIT
    if not _move(attempt, again):
        return False
    if _report(sender, attempt) or again >= attempt.verification.expires_at:
        _move(attempt, None)
    return True


def _carried(row: Verification, aliases: Collection[str]) -> list[VerificationAttempt]:
    """Return the newest of the messages with each of the providers' ids."""
    sent = queries.attempts().filter(verification=row.sid, sender__in=aliases)
    sent = sent.exclude(message_status__in=("queued", "sending")).exclude(provider_sid="")
    newest: dict[tuple[str, str], VerificationAttempt] = {}
    for attempt in sent.order_by("-sid"):
        attempt.verification = row
        if newest.setdefault((attempt.sender, attempt.provider_sid), attempt) is attempt:
            continue
        if attempt.due_at is not None:
            _move(attempt, None)  # or a worker would report the same once more
    return list(newest.values())


def _hand_over(attempt: VerificationAttempt) -> None:
    """Report an outcome, or leave that to a worker."""
    if conf.current().DISPATCH == dispatch.INLINE:
        settle(attempt)
    elif _move(attempt, timezone.now()):
        dispatch.wake(attempt.sid)


def _has_outcome(attempt: VerificationAttempt) -> bool:
    """Whether there is something to report of the provider's id.

    One that another verification has joined since, of the same number, is not canceled.
    """
    row = attempt.verification
    if row.status not in REPORTED or not attempt.provider_sid:
        return False
    if row.status != Verification.Status.CANCELED:
        return True
    others = queries.attempts().filter(
        sender=attempt.sender,
        provider_sid=attempt.provider_sid,
        verification__status=Verification.Status.PENDING,
        verification__expires_at__gt=timezone.now(),
    )
    # Each of the two partial indexes answers for its own rows.
    return not any(
        rows.exists() for rows in (others.filter(due_at=None), others.exclude(due_at=None))
    )


def _report(sender: senders.Sender, attempt: VerificationAttempt) -> bool:
    """Report an outcome once; return False where that may succeed later."""
    if _has_just_failed(sender):
        return False
    try:
        sender.report_outcome(attempt.provider_sid, str(attempt.verification.status))
    except Exception as error:  # noqa: BLE001 - a provider's bug must not stop the others
        # The text of a foreign error may hold anything.
        cause = type(error).__name__
        if isinstance(error, senders.SendError):
            cause = f"{error} ({error.code})" if error.code else str(error)
        logger.warning("%s: %r took no outcome: %s", attempt.sid, attempt.sender, cause)
        if isinstance(error, senders.TemporarySendError) and not error.fault:
            _failed[sender.alias] = sender, timezone.now()
            return False
    _failed.pop(sender.alias, None)
    return True


def _has_just_failed(sender: senders.Sender) -> bool:
    failed, at = _failed.get(sender.alias, (None, timezone.now()))
    # By `abs`: a clock that is put back would otherwise leave it alone until it has caught up.
    return failed is sender and abs(timezone.now() - at) < BACKOFF


def _move(attempt: VerificationAttempt, due_at: dt.datetime | None) -> bool:
    """Set when an attempt is due, if it is due as it was read, and of the same message."""
    unchanged = queries.attempts().filter(
        sid=attempt.sid,
        lease=attempt.lease,
        provider_sid=attempt.provider_sid,
        due_at=attempt.due_at,
    )
    if not retry.alone(unchanged.update, due_at=due_at):
        return False
    attempt.due_at = due_at
    return True
