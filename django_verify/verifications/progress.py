"""How far a client's message is, in the four words that an app or a page may know.

A message that is withheld looks like one that is not: nobody learns here why a guard refused.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from django.db.models import Exists, OuterRef, Subquery

from django_verify import conf, delivery, senders
from django_verify.crypto import codes
from django_verify.delivery import circuit_breakers
from django_verify.delivery.circuit_breakers import State
from django_verify.models import SenderState, Verification, VerificationAttempt, VerifyService

SENDING, SENT, DELIVERED, FAILED = WORDS = ("sending", "sent", "delivered", "failed")

_Status = VerificationAttempt.MessageStatus
_WORDS: dict[Any, str] = {
    _Status.SENT: SENT,
    _Status.DELIVERED: DELIVERED,
    _Status.READ: DELIVERED,
    _Status.UNDELIVERED: FAILED,
    _Status.FAILED: FAILED,
}
_STILL_TO_COME = (_Status.QUEUED, _Status.SENDING)
# Most reports of a delivery come within so many seconds.
_FIRST_REPORT, _LAST_REPORT = 2, 9
_FIELDS = ("message_status", "withheld", "due_at")


def latest() -> dict[str, Any]:
    """Return what a query of clients is annotated with: of the last attempt, and of the senders."""
    attempts = VerificationAttempt.objects.filter(verification_id=OuterRef("verification_id"))
    newest = attempts.order_by("-sid")
    columns: dict[str, Any] = {
        f"attempt_{name}": Subquery(newest.values(name)[:1]) for name in _FIELDS
    }
    return columns | {"senders_fail": Exists(SenderState.objects.filter(SenderState.TROUBLED))}


def of_row(client: Any, row: Verification, service: VerifyService, now: dt.datetime) -> str:
    """Return the word: of the attempt in hand, or of the last one by the columns of `latest`."""
    attempt = client.latest_attempt
    found = [
        getattr(client, f"attempt_{name}", None) if attempt is None else getattr(attempt, name)
        for name in _FIELDS
    ]
    status, withheld, due_at = found
    # Read for a message that is not withheld as well, which must cost no less.
    fails = getattr(service, "senders_fail", getattr(client, "senders_fail", False))
    known = circuit_breakers.states() if fails else {}
    if withheld:
        return SENDING if status in _STILL_TO_COME else _as_if_sent(row, service, now, known)
    # What was lost and is to be sent again is on its way.
    lost_again = due_at is not None and _WORDS.get(status) == FAILED
    return SENDING if lost_again else _WORDS.get(status, SENDING)


def _as_if_sent(
    row: Verification, service: VerifyService, now: dt.datetime, known: Mapping[str, State]
) -> str:
    """Return what a message would be by now that nobody has withheld."""
    aliases = delivery.route(service, row.channel, row.country, row.sid)
    if not aliases:
        return FAILED
    working = [one for one in aliases if one not in known or known[one].is_in_use(now)]
    if not working:
        return SENDING
    if not (conf.current().BASE_URL and senders.get(working[0]).reports_on(row.channel)):
        return SENT
    # The same moment each time it is asked for, and another one for each message.
    drawn = int(codes.fingerprint("report", row.sid, str(row.sends))[:8], 16)
    seconds = _FIRST_REPORT + drawn % (_LAST_REPORT - _FIRST_REPORT)
    return DELIVERED if now >= row.sent_at + dt.timedelta(seconds=seconds) else SENT
