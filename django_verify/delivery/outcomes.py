"""What became of a verification, reported to the providers that want to know it.

The attempt's row is the queue, as it is for the message: one that is due though its verification is
over has an outcome to report. Which senders want that is said by `Sender.takes_outcomes`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection

from django.utils import timezone

from django_verify import conf, senders
from django_verify.db import queries
from django_verify.delivery import dispatch
from django_verify.logs import logger
from django_verify.models import Verification, VerificationAttempt

#: The states that are reported; what has expired here is over there as well.
REPORTED = (Verification.Status.APPROVED, Verification.Status.CANCELED)
#: Until another process may report what one has begun to; longer than a report takes.
WAIT = dt.timedelta(seconds=20)


def conclude(row: Verification, aliases: Collection[str]) -> None:
    """Have these senders report what became of a verification, once that is committed.

    Its messages at a sender share the provider's id, by which it is reported once. This process
    does it, or any worker, by `DISPATCH`.
    """
    sent = queries.attempts().filter(verification=row.sid, sender__in=aliases)
    newest: dict[tuple[str, str], VerificationAttempt] = {}
    for attempt in sent.filter(message_status="sent").exclude(provider_sid="").order_by("-sid"):
        newest.setdefault((attempt.sender, attempt.provider_sid), attempt)
    for attempt in newest.values():
        attempt.verification = row
        if conf.current().DISPATCH == dispatch.INLINE:
            settle(attempt)
        elif _move(attempt, timezone.now()):
            dispatch.wake(attempt.sid)


def settle(attempt: VerificationAttempt) -> bool:
    """Report the outcome of an attempt that is due, if it has one.

    Returns whether the row was settled by this process. What fails is due again, as long as the
    code would have lived; then it is left.
    """
    sender = senders.configured().get(attempt.sender)
    outcome = attempt.verification.status
    if sender is None or not sender.takes_outcomes or outcome not in REPORTED:
        return _move(attempt, None)
    again = timezone.now() + WAIT
    if not _move(attempt, again):
        return False
    try:
        sender.report_outcome(attempt.provider_sid, str(outcome))
    except Exception as error:  # noqa: BLE001 - a provider's bug must not stop the others
        # The text of a foreign error may hold anything.
        cause = type(error).__name__
        if isinstance(error, senders.SendError):
            cause = f"{error} ({error.code})" if error.code else str(error)
        logger.warning("%s: %r took no outcome: %s", attempt.sid, attempt.sender, cause)
        temporary = isinstance(error, senders.TemporarySendError) and not error.fault
        if temporary and again < attempt.verification.expires_at:
            return True
    return _move(attempt, None)


def _move(attempt: VerificationAttempt, due_at: dt.datetime | None) -> bool:
    """Set when an attempt is due, if it is still as it was read."""
    unchanged = queries.attempts().filter(
        sid=attempt.sid,
        lease=attempt.lease,
        message_status=attempt.message_status,
        due_at=attempt.due_at,
    )
    if not unchanged.update(due_at=due_at):
        return False
    attempt.due_at = due_at
    return True
