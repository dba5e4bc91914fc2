"""Delivery reports of providers: they move the status of an attempt forward, never back.

A report changes nothing but its attempt: no verification is approved, revived or charged by it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from django_verify import conf, rollups, sids, signals
from django_verify.db import queries, retry
from django_verify.delivery import dispatch, due, outcomes
from django_verify.events import cloudevents
from django_verify.logs import logger
from django_verify.models import VerificationAttempt
from django_verify.senders import Report
from django_verify.senders.causes import REPORTED

# How often a report is read against a row that changes under it.
MAX_TRIES = 5

_Status = VerificationAttempt.MessageStatus
# A message that did not arrive may still do so; one that did is final.
_RANK = {
    _Status.QUEUED: 0,
    _Status.SENDING: 0,
    _Status.SENT: 1,
    _Status.UNDELIVERED: 2,
    _Status.FAILED: 2,
    _Status.DELIVERED: 3,
    _Status.READ: 4,
}
_BAD = (_Status.UNDELIVERED, _Status.FAILED)
_ARRIVED = (_Status.DELIVERED, _Status.READ)


def record(alias: str, reports: Iterable[Report], attempt_sid: str = "") -> int:
    """Write down what a sender's provider reports; return how many reports changed anything.

    Idempotent, in any order. `attempt_sid` is the attempt that the callback's URL named: by it
    a report finds its row before the provider's id is known. Unknown messages are ignored.
    """
    return sum(_record(alias, report, attempt_sid) for report in reports)


def _record(alias: str, report: Report, attempt_sid: str) -> bool:
    if report.status not in _RANK or not _RANK[_Status(report.status)]:
        logger.warning("the sender %r reported an unknown status", alias)
        return False
    report = replace(report, provider_sid=_text("provider_sid", report.provider_sid))
    for _ in range(MAX_TRIES):
        attempt = _find(alias, report, attempt_sid)
        if attempt is None:
            return False
        changes = _changes(attempt, alias, report, timezone.now())
        if not changes:
            return False
        # Providers send reports twice, out of order and at one moment. One that no longer meets the
        # row it was compared with is compared again.
        unchanged = queries.attempts().filter(
            sid=attempt.sid,
            sender=attempt.sender,
            provider_sid=attempt.provider_sid,
            messages=attempt.messages,
            message_status=attempt.message_status,
        )
        if _write(attempt, unchanged, changes):
            _notify(attempt, changes)
            return True
    return False


@retry.on_conflict
def _write(
    attempt: VerificationAttempt, rows: QuerySet[VerificationAttempt], changes: dict[str, Any]
) -> int:
    """Run the update; the figures of an hour that is over learn of it."""
    with rollups.changing(attempt.sid, timezone.now()):
        return cloudevents.update_message(attempt, rows, changes)


def _find(alias: str, report: Report, attempt_sid: str) -> VerificationAttempt | None:
    rows = queries.attempts().select_related("verification__service")
    if sids.is_sid("VL", attempt_sid):
        return rows.filter(sid=sids.canonical(attempt_sid)).first()
    if not report.provider_sid:
        return None
    sent = rows.filter(sender=alias, provider_sid=report.provider_sid).order_by("-sid")
    # Each of the two partial indexes answers for its own rows; most are those that are not due.
    return sent.filter(due_at=None).first() or sent.exclude(due_at=None).first()


def _changes(
    attempt: VerificationAttempt, alias: str, report: Report, now: dt.datetime
) -> dict[str, Any]:
    """Return what the report changes in the row, or nothing."""
    status = _Status(report.status)
    if not attempt.messages or _RANK[_Status(attempt.message_status)] >= _RANK[status]:
        return {}
    owed = attempt.due_at if outcomes.is_owed(attempt) else None
    if not _is_latest(attempt, alias, report):
        # The word that an earlier message has arrived ends the matter; no other word of it does.
        if status in _BAD or not _is_earlier(attempt, alias, report):
            return {}
        return {"message_status": status, "due_at": owed, "date_updated": now}
    if status in _BAD and attempt.message_status == _Status.QUEUED:
        return {}  # it is to be sent again already
    changes: dict[str, Any] = {"message_status": status, "date_updated": now, "due_at": owed}
    for name in ("provider_sid", "price_value", "price_currency"):
        if value := _text(name, getattr(report, name)):
            changes[name] = value
    if status in _BAD:
        changes["error_code"] = _text("error_code", report.code)
        changes["error_message"] = REPORTED
        if due.may_send_again(attempt, now):
            changes["due_at"] = now
    elif (
        status == _Status.SENT
        and (timeout := conf.current().DELIVERY_REPORT_TIMEOUT)
        and not attempt.sender_test
    ):
        changes["due_at"] = now + dt.timedelta(seconds=timeout)
    else:
        changes |= {"error_code": "", "error_message": ""}
    return changes


def _is_latest(attempt: VerificationAttempt, alias: str, report: Report) -> bool:
    """Whether the report is about the message in the row's columns."""
    known = attempt.provider_sid
    return attempt.sender == alias and (not known or report.provider_sid in {"", known})


def _is_earlier(attempt: VerificationAttempt, alias: str, report: Report) -> bool:
    return any(
        row["sender"] == alias and row["provider_sid"] in {"", report.provider_sid}
        for row in attempt.trail
    )


def _text(name: str, value: object) -> str:
    """Return a provider's text as the column can hold it."""
    field = VerificationAttempt._meta.get_field(name)  # noqa: SLF001 - a documented API
    return str(value).replace("\0", "")[: getattr(field, "max_length", None)]


def _notify(attempt: VerificationAttempt, changes: dict[str, Any]) -> None:
    """After the commit send the signals, and wake a worker where the message is sent again."""
    arrived_before = attempt.message_status in _ARRIVED
    for name, value in changes.items():
        setattr(attempt, name, value)
    calls = []
    if attempt.message_status in _BAD:
        calls.append(partial(_signal, signals.attempt_undelivered, attempt))
        if attempt.due_at is not None:
            calls.append(partial(dispatch.wake, attempt.sid))
    elif attempt.message_status in _ARRIVED and not arrived_before:
        calls.append(partial(_signal, signals.attempt_delivered, attempt))
    for call in calls:
        transaction.on_commit(call, using=queries.database())


def _signal(signal: Any, attempt: VerificationAttempt) -> None:
    signal.send_robust(sender=VerificationAttempt, attempt=attempt)
