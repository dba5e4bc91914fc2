"""The life of a verification as CloudEvents for the event sinks: built and recorded, not sent.

An event is written in the transaction of its change, and `outbox` delivers it. A
verification reports for as long as it lives when its service did so at its start. An event that
cannot be written is logged and takes nothing back, least of all the charge of a guess: the change
is made again without it. If the connection dies while an event is written, the change is undone
with it, and the error goes up.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import uuid
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from django_verify import sids
from django_verify.db import config_cache, queries, reconnect, retry, savepoints, statements
from django_verify.db.statements import AnyRows, Rows, Select, Statement
from django_verify.events import outbox
from django_verify.logs import logger
from django_verify.models import (
    EventSink,
    GuardDecision,
    GuardTrip,
    SpendCap,
    Verification,
    VerificationAttempt,
    WebhookDelivery,
)
from django_verify.models.fields import SidField

Result = TypeVar("Result")

FAMILY = "com.twilio.accountsecurity.verify"
SCHEMAS = "https://events-schemas.twilio.com/AccountSecurity"
# The last guess ends a verification before it is compared, and may still win it: the end is posted
# this much later, unless the approval takes it back.
HOLD = dt.timedelta(seconds=10)

_Status = Verification.Status
_MESSAGES = frozenset({"sent", "delivered", "undelivered", "failed", "read"})
# Fixed for good: under another one, an event that is posted again would have a second id.
_NAMESPACE = uuid.UUID("5d6b5f0e-6b1c-4d0e-9f57-9c1b6a3f0c52").bytes


#: The models of the rows that a start makes.
STARTED = (Verification, VerificationAttempt, WebhookDelivery)

_SINKS = Select(
    lambda account: (
        EventSink.objects.filter(account_id=account, status=EventSink.Status.ENABLED)
        .order_by()
        .values_list("sid", "service_id")
    ),
    account=SidField("AC"),
)


class _Shown(NamedTuple):
    """What an event shows of an attempt that is not at hand, by the names of its columns."""

    sid: str
    date_created: dt.datetime
    channel: str
    locale: str
    tags: Mapping[str, str] = MappingProxyType({})
    custom_friendly_name: str = ""


_ATTEMPTS = Select(
    lambda verification: (
        VerificationAttempt.objects.filter(verification_id=verification)
        .order_by("sid")
        .values_list(*_Shown._fields)
    ),
    verification=SidField("VE"),
)


_AnyAttempts = Sequence[_Shown] | Sequence[VerificationAttempt]


class Event:
    """What a change reports, made when it is first asked for; and an event that it takes back."""

    def __init__(
        self, make: Callable[[], list[WebhookDelivery]], withdrawn: uuid.UUID | None = None
    ) -> None:
        self._make, self.withdrawn = make, withdrawn

    @cached_property
    def deliveries(self) -> list[WebhookDelivery]:
        """One for each sink that hears of it."""
        return self._make()

    def write(self) -> None:
        """Write it in the transaction of its change."""
        if self.withdrawn is not None:
            _withdraw(self.withdrawn)
        outbox.enqueue(self.deliveries)


class NotRecorded(Exception):
    """The event of a change cannot be written; its transaction has to be undone."""

    def __init__(self) -> None:
        super().__init__()
        self._connection = transaction.get_connection(queries.database())
        self._raw = self._connection.connection

    def forgo(self) -> None:
        """Log it, so that the change can be made without. Raises what a dead connection raised."""
        error = self.__cause__
        if isinstance(error, reconnect.FAILURES) and self._is_dead():
            raise error
        _log(error)

    def _is_dead(self) -> bool:
        return not reconnect.is_alive(self._connection, self._raw)


def insert(
    row: Verification,
    attempt: VerificationAttempt,
    *,
    quiet: bool,
    beside: Statement | None = None,
) -> None:
    """Write a start, with its event if the verification reports and it is not to be `quiet`.

    All of it or nothing, what is to be written `beside` it included. Raises NotRecorded. Without a
    transaction around it the models are to be one statement's, see `statements.are_one_statement`.
    """
    using, deliveries = queries.database(), []
    if row.reports and not quiet:
        deliveries = _record(partial(_of_status, row, _Status.PENDING, [attempt]))
    if not (deliveries and transaction.get_autocommit(using)):
        _insert_apart(row, attempt, deliveries, beside)
        return
    try:
        statements.insert(using, row, attempt, *deliveries, beside=beside)
    except IntegrityError:
        raise  # another start has taken the number: the caller reads again
    except Exception as error:
        if retry.is_deadlock(error):
            raise
        # Which of them could not be written, such as a row that was locked for too long, is seen
        # where each has a statement of its own.
        with savepoints.atomic(using):
            _insert_apart(row, attempt, deliveries, beside)


def _insert_apart(
    row: Verification,
    attempt: VerificationAttempt,
    deliveries: Sequence[WebhookDelivery],
    beside: Statement | None,
) -> None:
    """Write a start and then its event. Raises NotRecorded where that fails."""
    statements.insert(queries.database(), row, attempt, beside=beside)
    if deliveries:
        _record(partial(outbox.enqueue, deliveries))


def update(rows: AnyRows, changes: Mapping[str, object], event: Event | None) -> int:
    """Run a conditional update, with the event of its success in the same transaction, if any."""
    return rows.update(**changes) if event is None else _update(rows, changes, event)


@retry.on_conflict
def _update(rows: AnyRows, changes: Mapping[str, object], event: Event) -> int:
    using = queries.database()
    try:
        if event.withdrawn is None and transaction.get_autocommit(using):
            if not _record(lambda: event.deliveries):
                return rows.update(**changes)
            done = _update_at_once(rows, changes, event)
            if done is not None:
                return done
        with savepoints.atomic(using):
            hit = rows.update(**changes)
            if hit:
                _record(event.write)
            return hit
    except NotRecorded as failure:
        failure.forgo()
    # In a savepoint of its own the event would cost two statements more, each time.
    return rows.update(**changes)


def _update_at_once(rows: AnyRows, changes: Mapping[str, object], event: Event) -> int | None:
    """Write change and event by one statement; None where that takes more, or fails.

    Which of the two has failed is seen where each has a statement of its own.
    """
    if len(event.deliveries) > 1 or not isinstance(rows, Rows):
        return None
    try:
        return rows.update_and_insert(changes, event.deliveries[0])
    except Exception as error:
        if retry.is_deadlock(error):
            raise
        return None


def of_status(row: Verification, status: str, *, checks: int = 0, result: str = "") -> Event | None:
    """Return the event of a verification's new status; None where it reports nothing.

    `checks` is how many codes were tried by then, and `result` what became of the last of them.
    """
    if not row.reports:
        return None
    make = partial(_of_status, row, status, checks=checks or row.checks, result=result)
    # The last guess has ended the verification when it was charged.
    won_last = status == _Status.APPROVED and row.checks >= row.max_checks
    return Event(make, _id(row.sid, _Status.MAX_ATTEMPTS_REACHED) if won_last else None)


def update_message(
    attempt: VerificationAttempt,
    rows: AnyRows,
    changes: Mapping[str, object],
) -> int:
    """Run a conditional update of an attempt, with the event of the status that it brings."""
    status = str(changes.get("message_status", ""))
    if status not in _MESSAGES or not attempt.verification.reports:
        return rows.update(**changes)
    code = str(changes.get("error_code", ""))
    return update(rows, changes, Event(partial(_of_message, attempt, status, code)))


@sensitive_variables()
def guard_tripped(trip: GuardTrip) -> None:
    """Record that the guard has closed something of an account."""
    data = {
        "account_sid": trip.account_id,
        "kind": trip.kind,
        "state": trip.state,
        "level": trip.level,
        "reason": trip.reason,
        "started_at": _time(trip.started_at),
        "ends_at": trip.ends_at and _time(trip.ends_at),
    }
    # `times` begins anew after a quiet week.
    name = f"{trip.pk} {_time(trip.started_at)}"
    _try(partial(_record_guard, "guard.tripped", trip.account_id, None, name, data))


@sensitive_variables()
def start_blocked(decision: GuardDecision) -> None:
    """Record that a start was refused, withheld, or would have been."""
    data = {
        "account_sid": decision.account_id,
        "service_sid": decision.service_id or "",
        "attempt_sid": decision.attempt_sid,
        "channel": decision.channel.upper(),
        "country": decision.country,
        "cause": decision.cause,
        "outcome": decision.outcome,
        "reason": decision.reason,
    }
    account_sid, service_sid = decision.account_id, decision.service_id
    name = decision.attempt_sid
    _try(partial(_record_guard, "guard.start-blocked", account_sid, service_sid, name, data))


def spend_warning(cap: SpendCap, percent: int, period: str) -> None:
    """Record that a cap has reached a share of what it allows."""
    data = {
        "account_sid": cap.account_id,
        "service_sid": cap.service_id or "",
        "period": period,
        "percent": percent,
        "amount": str(cap.amount),
    }
    name = f"{cap.pk} {period} {percent}"
    _try(partial(_record_guard, "guard.spend-warning", cap.account_id, cap.service_id, name, data))


def _record_guard(
    kind: str, account_sid: str, service_sid: str | None, name: str, data: dict[str, Any]
) -> None:
    sinks = _sinks_of(account_sid, service_sid)
    if sinks:
        now, source = timezone.now(), f"/v1/Accounts/{account_sid}"
        event_id = _id(name, kind)
        event = _event(event_id, kind, source, "GuardEvent/1", data, _time(now))
        outbox.enqueue(_deliveries(sinks, event_id, event, now, now))


def _try(event: Callable[[], None]) -> None:
    """Record what belongs to no change that could be made again without it."""
    error = savepoints.tolerate(event, using=queries.database(), ignore=Exception)
    if error is not None:
        _log(error)


def _log(error: BaseException | None) -> None:
    # The text of a database error may hold the row.
    logger.error("an event was not recorded: %s", type(error).__name__)


def _record(write: Callable[[], Result]) -> Result:
    """Run what writes an event. Raises NotRecorded."""
    try:
        return write()
    except Exception as error:
        # A deadlock has ended the transaction, which is tried again as it is.
        if retry.is_deadlock(error):
            raise
        raise NotRecorded from error


@sensitive_variables()
def _of_status(
    row: Verification,
    status: str,
    attempts: _AnyAttempts = (),
    *,
    checks: int = 0,
    result: str = "",
) -> list[WebhookDelivery]:
    sinks = _sinks(row)
    if not sinks:
        return []
    now = timezone.now()
    time = _time(now)
    data = _facts(row, status, attempts or _attempts(row))
    if status == _Status.APPROVED:
        data["verified_at"] = time
    if row.is_test:
        data["is_test"] = True  # ours: an approval that proves nothing must be marked
    checked = [{"time": time, "status": result}] if result else []
    data["check_attempts"] = {"count": checks, "attempts": checked}
    kind = f"verification.{status.replace('_', '-')}"
    source = f"/v1/Accounts/{row.account_id}{_path(row)}"
    event_id, schema = _id(row.sid, status), "VerifyEventStreamEvent/3"
    event = _event(event_id, kind, source, schema, data, time)
    due_at = now + HOLD if status == _Status.MAX_ATTEMPTS_REACHED else now
    return _deliveries(sinks, event_id, event, now, due_at)


def _attempts(row: Verification) -> list[_Shown]:
    """Return what an event shows of each attempt; most rows have it in their log."""
    entries = [entry.split(" ") for entry in row.send_log.split(",") if entry]
    if any(len(entry) < 3 for entry in entries):
        rows = _ATTEMPTS.rows(queries.database(), verification=row.sid)
        return [_Shown(*columns) for columns in rows]
    return [_Shown(sid, sids.moment_of(sid), channel, tag) for channel, sid, tag in entries]


def _facts(row: Verification, status: str, attempts: _AnyAttempts) -> dict[str, Any]:
    service = queries.service_of(row)
    return {
        "account_sid": row.account_id,
        "service_sid": row.service_id or "",
        "verification_sid": row.sid,
        "friendly_name": service.friendly_name if service else "",
        "custom_friendly_name": attempts[-1].custom_friendly_name if attempts else "",
        "custom_code_enabled": bool(service and service.custom_code_enabled),
        "created_at": _time(row.date_created),
        "expired_at": _time(row.expires_at),
        "to": row.to,
        "verification_status": status.upper(),
        "country": row.country,
        "code_length": None if row.sealed_code else row.code_length,
        "send_code_attempts": {"count": len(attempts), "attempts": [_sent(a) for a in attempts]},
    }


def _sent(attempt: _Shown | VerificationAttempt) -> dict[str, Any]:
    return {
        "time": _time(attempt.date_created),
        "channel": attempt.channel.upper(),
        "attempt_sid": attempt.sid,
        "locale": attempt.locale,
        "tags": dict(attempt.tags),
    }


@sensitive_variables()
def _of_message(
    attempt: VerificationAttempt, status: str, error_code: str
) -> list[WebhookDelivery]:
    row = attempt.verification
    sinks = _sinks(row)
    if not sinks:
        return []
    now = timezone.now()
    carrier = (row.lookup or {}).get("carrier") or {}
    data = {
        "account_sid": row.account_id,
        "service_sid": row.service_id or "",
        "verification_sid": row.sid,
        "attempt_sid": attempt.sid,
        "channel": attempt.channel.upper(),
        "to": row.to,
        "message_status": status.upper(),
        "error_code": error_code,
        "mcc": carrier.get("mobile_country_code") or "",
        "mnc": carrier.get("mobile_network_code") or "",
        "number_segments": None,
        "has_fallback": bool(attempt.fallback_channel),
        "is_fallback": False,
        "created_at": _time(attempt.date_created),
        "tags": attempt.tags,
    }
    source = f"/v2{_path(row)}/Attempts/{attempt.sid}"
    event_id = _id(attempt.sid, status)
    event = _event(event_id, f"message.{status}", source, "MessageStatusEvent/2", data, _time(now))
    return _deliveries(sinks, event_id, event, now, now)


def _path(row: Verification) -> str:
    """Return where a verification is in its account; its service may be gone."""
    of_service = f"/Services/{row.service_id}" if row.service_id else ""
    return f"{of_service}/Verifications/{row.sid}"


def _sinks(row: Verification) -> list[str]:
    return _sinks_of(row.account_id, row.service_id, row.account_version)


def _sinks_of(account_sid: str, service_sid: str | None, version: int | None = None) -> list[str]:
    """Return the enabled sinks of an account that hear of a service."""
    found = config_cache.parts(account_sid, version, partial(_read_sinks, account_sid))
    return [sid for sid, only in found if only is None or only == service_sid]


def _read_sinks(account_sid: str) -> list[list[Any]]:
    return _SINKS.rows(queries.database(), account=account_sid)


def _event(
    event_id: uuid.UUID,
    kind: str,
    source: str,
    schema: str,
    data: Mapping[str, Any],
    time: str,
) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "type": f"{FAMILY}.{kind}",
        "source": source,
        "id": str(event_id),
        "dataschema": f"{SCHEMAS}.{schema}",
        "datacontenttype": "application/json",
        "time": time,
        "data": data,
    }


def _deliveries(
    sinks: Sequence[str],
    event_id: uuid.UUID,
    event: dict[str, Any],
    now: dt.datetime,
    due_at: dt.datetime,
) -> list[WebhookDelivery]:
    return [
        statements.new(
            WebhookDelivery,
            sid=sids.webhook_delivery(now),
            sink_id=sid,
            event_id=event_id,
            event_type=event["type"],
            payload=event,
            due_at=due_at,
            date_created=now,
            date_updated=now,
        )
        for sid in sinks
    ]


def _withdraw(event_id: uuid.UUID) -> None:
    # One that a worker has claimed cannot be taken back: its receiver gets the approval after it.
    held = WebhookDelivery.objects.using(queries.database()).filter(event_id=event_id, tries=0)
    held.filter(status=WebhookDelivery.Status.PENDING).delete()


def _id(sid: str, status: str) -> uuid.UUID:
    """Return an event's id: a state is reached once, so a second post has the same id."""
    # As `uuid.uuid5` does, which makes the bytes of the namespace anew each time.
    digest = hashlib.sha1(_NAMESPACE + f"{sid} {status}".encode(), usedforsecurity=False).digest()
    return uuid.UUID(bytes=digest[:16], version=5)


def _time(moment: dt.datetime) -> str:
    text = moment.astimezone(dt.UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")
