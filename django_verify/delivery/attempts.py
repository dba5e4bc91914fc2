"""Sends an attempt: leases its row, composes the message, calls a sender, records the outcome.

The row is the queue. No transaction is open while a provider is called; each message is counted
on the row before it may leave, so that whatever dies, one attempt costs two messages at most; the
statement that counts it looks at the verification again, so that none leaves after its end. The
outcome is accepted only from the holder of the lease, as `db.leases` has it; when that process
dies, another one takes over: what is due again is sent by `due`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from django_verify import conf, logs, senders, signals
from django_verify.db import leases, queries, reconnect
from django_verify.delivery import circuit_breakers, dispatch, outcomes
from django_verify.delivery.circuit_breakers import Step
from django_verify.events import cloudevents
from django_verify.logs import logger
from django_verify.messages import compose
from django_verify.models import Verification, VerificationAttempt, VerifyService
from django_verify.models.messaging import EVERYWHERE

# Where an answer got lost a message may have arrived, so only one more is sent in its place.
MESSAGES_PER_ATTEMPT = 2

_Status = VerificationAttempt.MessageStatus
# A row that is due in one of these has been sent, and its message is considered lost.
LOST = (_Status.SENT, _Status.UNDELIVERED, _Status.FAILED)
# One that is due in one of these has arrived, and an outcome to report.
ARRIVED = (_Status.DELIVERED, _Status.READ)

# A request that the provider refused as such, or that was never made, would fare no better later.
_NOT_REPEATED = (senders.REQUEST, senders.UNSUITED)

LONGEST_WAIT = 300
_SHORTEST_WAIT = dt.timedelta(seconds=5)
LEASES = leases.Leases(
    model=VerificationAttempt,
    seconds=lambda: conf.current().DELIVERY_LEASE,
    waits=(5, 10, 20, 40, 80, 160, LONGEST_WAIT),
    far=4 * LONGEST_WAIT,
    jitter=0.5,
    status="message_status",
    waiting=_Status.QUEUED,
    working=_Status.SENDING,
    late=(*LOST, *ARRIVED),
    counted=("tries", "messages"),
)


def route(
    service: VerifyService, channel: str, country: str = "", verification_sid: str = ""
) -> list[str]:
    """Return the sender aliases that a service's message to a country would try, in order.

    The country's messaging service comes first, then the one for all, then the service's own
    senders, then the site's. A SID that names no messaging service stands for the service's own,
    and so does a messaging service none of whose senders is configured any longer. By its SID a
    verification always takes the same sender first of those that the site's route weighs.
    """
    if service.only_sender:
        return senders.route(channel, [service.only_sender])
    countries = service.messaging_routes.get(channel, {})
    chosen = countries.get(country, countries.get(EVERYWHERE, ()))
    if chosen:
        if usable := senders.route(channel, chosen):
            return usable
        logger.warning("%s: no sender of its messaging service is configured", service.sid)
    return senders.route(channel, service.senders.get(channel, ()), country, verification_sid)


def prepare(attempt: VerificationAttempt, now: dt.datetime) -> None:
    """Give a row that is about to be written to this process, or to any worker, by `DISPATCH`.

    This process leases it, with its first message counted already; for workers it is due at once.
    """
    attempt.sender_test = bool(_service(attempt).only_sender)
    if conf.current().DISPATCH == dispatch.INLINE or attempt.sender_test:
        attempt.tries = attempt.messages = 0  # it may be prepared again, after a conflict
        leases.assign(attempt, {**LEASES.leased(now), **counted(attempt, plan(attempt))})
    else:
        leases.assign(attempt, {"message_status": _Status.QUEUED, "due_at": now})


def after_commit(attempt: VerificationAttempt) -> Callable[[], Any]:
    """Return what has a new attempt sent; to be called once its row is committed.

    A worker that is woken before finds no row, and a rollback must leave no message. A caller's
    transaction, and the receivers of `verification_started`, may end the verification before its
    message leaves, so it is looked at again.
    """
    if attempt.message_status == _Status.QUEUED:
        return partial(dispatch.wake, attempt.sid)
    late = transaction.get_connection(queries.database()).in_atomic_block
    late = late or signals.verification_started.has_listeners(Verification)
    return partial(deliver, attempt, claimed_before=late, contained=True)


@dataclass(slots=True)
class _Tries:
    """The outcome of the senders that one claim has tried."""

    used: int
    trail: list[dict[str, str]]
    error: dict[str, str] = field(default_factory=dict)
    temporary: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)
    wait: int = 0
    over: bool = False
    paused: bool = False

    def may_go_on(self, channel: str) -> bool:
        """Whether a further message, by this channel, is allowed and makes sense."""
        left = self.used < MESSAGES_PER_ATTEMPT and not self.over
        return left and channel not in self.refused

    def note(self, step: Step, error: Exception) -> None:
        """Learn from what a sender raised."""
        channel, alias = step
        uncertain = getattr(error, "uncertain", not isinstance(error, senders.SendError))
        if isinstance(error, senders.SendError):
            recorded = {"error_code": error.code, "error_message": str(error)}
        else:
            # A provider's bug must not lose the row; its text may hold the message, so only the
            # type is recorded. The message may have been sent before it.
            recorded = {"error_code": "", "error_message": f"{type(error).__name__} in the sender"}
            self.over = True
        self.error = {"sender": alias, "via_channel": channel, **recorded}
        if isinstance(error, senders.TemporarySendError):
            if error.fault not in _NOT_REPEATED:
                self.temporary.add(channel)
            asked = error.retry_after if isinstance(error.retry_after, int) else 0
            self.wait = max(self.wait, min(asked, LONGEST_WAIT))
        else:
            self.refused.add(channel)
        if uncertain:
            self.used += 1
            self.trail.append(entry(alias, channel))


@sensitive_variables()
def deliver(
    attempt: VerificationAttempt, *, claimed_before: bool = False, contained: bool = False
) -> bool:
    """Send an attempt whose lease the caller holds, and record what became of it.

    `claimed_before` is for a lease that was not claimed just now: the row is read again before
    its first message. Tries the route's senders in order while they fail temporarily; when all of
    them have, the row is due again later, as long as its code lives. Never raises for what a
    sender does, and for nothing else if it is `contained`. Returns whether the message was
    accepted.
    """
    with _contained(attempt, contained):
        tries = _Tries(attempt.messages - bool(attempt.sender), list(attempt.trail))
        if attempt.withheld:
            return _withhold(attempt, tries)
        if claimed_before and not LEASES.renew(attempt, wanted(timezone.now())):
            return _end_early(attempt, tries)
        tries.error = {"error_message": "no sender serves this channel"}
        for step in plan(attempt, probe=True) or _await_senders(attempt, tries):
            if not tries.may_go_on(step[0]):
                continue
            try:
                message = compose.message(attempt, *step)
            except reconnect.FAILURES:
                raise
            except Exception as error:  # noqa: BLE001 - the row must end, and its text may hold anything
                return _fail(attempt, tries, {"error_message": _not_composed(error)})
            # Written before the call: if this process dies in it, the next one knows what may have
            # left.
            if not _count(attempt, step, tries):
                return _end_early(attempt, tries)
            try:
                receipt = _receipt(senders.get(step[1]).send(message), step[1])
            except Exception as failure:  # noqa: BLE001 - distinguished by what a try notes
                _failed(attempt, tries, step, _as_send_error(failure))
            else:
                awaited = bool(message.callback_url) and receipt.report_asked is not False
                # The outcome before the breaker, whose write may fail: the provider's id must not
                # be lost.
                accepted = _accepted(attempt, tries, receipt, awaited=awaited)
                circuit_breakers.record(step[1], attempt)
                outcomes.catch_up(attempt)
                return accepted
        return _not_sent(attempt, tries)
    return False


@contextmanager
def _contained(attempt: VerificationAttempt, contained: bool) -> Iterator[None]:
    """Log an error of the block instead of raising it, where the caller's answer stands anyway."""
    try:
        yield
    except Exception as error:
        if not contained:
            raise
        # The row is written: its lease lapses, and a worker claims it again.
        logger.error("%s was interrupted: %s", attempt.sid, type(error).__name__)


def _withhold(attempt: VerificationAttempt, tries: _Tries) -> bool:
    """End an attempt that must not be sent.

    It is written, leased and ended like any other: the caller must not see that it is withheld.
    """
    outcome = {"error_message": f"withheld: {attempt.withheld}"}
    return _finish(attempt, _Status.CANCELED, tries.used, tries.trail, outcome, None)


def _as_send_error(failure: Exception) -> Exception:
    """Return a failure of a sender's own database as what it is: the next sender may do."""
    if isinstance(failure, reconnect.FAILURES):
        return senders.TemporarySendError("the sender's database failed", uncertain=True)
    return failure


def _failed(attempt: VerificationAttempt, tries: _Tries, step: Step, error: Exception) -> None:
    """Note, log and count a try that failed."""
    tries.note(step, error)
    code, cause = tries.error["error_code"], logs.without_numbers(tries.error["error_message"])
    cause += f" ({code})" if code else ""
    logger.warning("%s: the sender %r failed (%s): %s", attempt.sid, step[1], step[0], cause)
    circuit_breakers.record(step[1], attempt, error)


def _not_composed(error: Exception) -> str:
    if isinstance(error, LookupError):
        return "the key of the code is no longer configured, so the code is lost"
    return f"{type(error).__name__} while the message was composed"


def _receipt(answer: object, alias: str) -> senders.Receipt:
    """Return the receipt; a sender that returned something else has sent the message."""
    if isinstance(answer, senders.Receipt):
        return answer
    logger.warning("the sender %r returned no Receipt", alias)
    return senders.Receipt()


def plan(
    attempt: VerificationAttempt, *, trail: list[Any] | None = None, probe: bool = False
) -> list[Step]:
    """Return channel and sender of each message that may be tried, in order.

    The fallback's come after the channel's own. What was sent and got lost is not sent again by
    the same sender; failing senders come last. `trail` stands for the row's, before it is written.
    """
    service = _service(attempt)
    names = [name for name in (attempt.channel, attempt.fallback_channel) if name]
    steps, earlier = attempt.steps, attempt.trail if trail is None else trail
    if steps is None:
        steps = _steps(attempt, names)
    elif conf.current().has_weights:
        # A start resolves them before it knows its verification. What the guard has left out stays
        # out.
        steps = [step for step in _steps(attempt, names) if step in steps]
    elif not (earlier or getattr(service, "senders_fail", True)):
        return [] if attempt.withheld else list(steps)
    lost = _lost(earlier)
    left = [step for step in steps if step not in lost]
    ordered: list[Step] = []
    for name in names:
        own = [step for step in left if step[0] == name]
        if service.only_sender:
            ordered += own
            continue
        ordered += circuit_breakers.in_order(own, service, probe=probe and not ordered)
    # What is withheld has asked the database no less than what is sent.
    return [] if attempt.withheld else ordered


def _steps(attempt: VerificationAttempt, names: list[str]) -> list[Step]:
    """Return channel and sender of each message that the routes allow, in order."""
    service, country, key = _service(attempt), attempt.country, attempt.verification_id
    return [(name, alias) for name in names for alias in route(service, name, country, key)]


def _lost(trail: list[Any]) -> set[Step]:
    """Return channel and sender of the messages that were sent and did not arrive."""
    return {(row["channel"], row["sender"]) for row in trail if row["status"] != "unknown"}


def paused(attempt: VerificationAttempt, trail: list[Any]) -> list[str]:
    """Return the channels of which a sender is paused that has not lost this message."""
    service, lost = _service(attempt), _lost(trail)
    return [
        name
        for name in (attempt.channel, attempt.fallback_channel)
        if name
        and any(
            circuit_breakers.is_paused(alias, service) and (name, alias) not in lost
            for alias in route(service, name, attempt.country)
        )
    ]


def _await_senders(attempt: VerificationAttempt, tries: _Tries) -> list[Step]:
    """Note where there is no step because each sender is paused: later there may be one."""
    for name in paused(attempt, tries.trail):
        tries.error = {"error_message": "every sender of this channel is paused"}
        tries.temporary.add(name)
        tries.paused = True
    return []


def entry(alias: str, channel: str, provider_sid: str = "", status: str = "unknown") -> Any:
    return {"sender": alias, "channel": channel, "provider_sid": provider_sid, "status": status}


def counted(attempt: VerificationAttempt, steps: list[Step]) -> dict[str, Any]:
    """Return what a claim counts: the try, and the first message as if it had left already."""
    channel, alias = steps[0] if steps else ("", "")
    return {
        "tries": attempt.tries + 1,
        "messages": attempt.messages + bool(steps),
        "sender": alias,
        "via_channel": channel,
    }


def wanted(now: dt.datetime) -> Exists:
    """Return the condition of the attempts whose verification still waits for its code.

    A subquery and no join, which MySQL would run as a statement of its own before the update.
    """
    pending = queries.verifications().filter(
        sid=OuterRef("verification_id"),
        status=Verification.Status.PENDING,
        expires_at__gt=now,
        service__isnull=False,
    )
    return Exists(pending)


def _service(attempt: VerificationAttempt) -> VerifyService:
    service = attempt.verification.service
    assert service is not None  # noqa: S101 - a start has one, and _obsolete looks for it
    return service


def _count(attempt: VerificationAttempt, step: Step, tries: _Tries) -> bool:
    """Write down the message that is about to leave; False when it must not.

    The first one of a claim was counted by the insert or the claim, and costs no statement. Before
    any other the verification is looked at again: while a sender kept silent, its message may have
    arrived and its code may have been entered.
    """
    channel, alias = step
    columns = {"sender": alias, "via_channel": channel, "messages": tries.used + 1}
    if all(getattr(attempt, name) == value for name, value in columns.items()):
        return True
    changes: dict[str, object] = {**columns, "trail": tries.trail}

    def write() -> int:
        return LEASES.held(attempt).filter(wanted(timezone.now())).update(**changes)

    if not LEASES.persist(write):
        return False
    leases.assign(attempt, changes)
    return True


def _end_early(attempt: VerificationAttempt, tries: _Tries) -> bool:
    """End an attempt before its next message, unless a report or another process was faster."""
    outcome = {"error_message": "the verification was over before another sender was tried"}
    return _finish(attempt, _Status.FAILED, tries.used, tries.trail, outcome, None)


def _accepted(
    attempt: VerificationAttempt, tries: _Tries, receipt: senders.Receipt, *, awaited: bool
) -> bool:
    followed = awaited and not attempt.sender_test
    timeout = conf.current().DELIVERY_REPORT_TIMEOUT if followed else None
    outcome = {
        "provider_sid": receipt.provider_sid,
        "price_value": receipt.price_value,
        "price_currency": receipt.price_currency,
        "error_code": "",
        "error_message": "",
    }
    later = timezone.now() + dt.timedelta(seconds=timeout) if timeout else None
    return _finish(attempt, _Status.SENT, tries.used + 1, tries.trail, outcome, later)


def _not_sent(attempt: VerificationAttempt, tries: _Tries) -> bool:
    """Put the attempt off, or end it where another try cannot help or the code would be over."""
    again = not attempt.sender_test and tries.may_go_on("")
    if again and tries.temporary - tries.refused:
        later = LEASES.later(attempt.tries, tries.wait)
        if tries.paused:
            later = min(later, before_the_end(attempt))
        if later < attempt.verification.expires_at:
            return _finish(attempt, _Status.QUEUED, tries.used, tries.trail, tries.error, later)
    return _fail(attempt, tries, tries.error)


def before_the_end(attempt: VerificationAttempt) -> dt.datetime:
    """Return when to look again whether a sender was resumed: halfway to the end of the code."""
    now = timezone.now()
    return now + max((attempt.verification.expires_at - now) / 2, _SHORTEST_WAIT)


def _fail(attempt: VerificationAttempt, tries: _Tries, outcome: dict[str, str]) -> bool:
    if outcome is not tries.error or "sender" not in outcome:  # the try's own warning has the cause
        logger.warning("%s was not sent: %s", attempt.sid, outcome["error_message"])
    return _finish(attempt, _Status.FAILED, tries.used, tries.trail, outcome, None)


def _finish(
    attempt: VerificationAttempt,
    status: str,
    messages: int,
    trail: list[dict[str, str]],
    outcome: dict[str, str],
    later: dt.datetime | None,
) -> bool:
    """Record the outcome if the lease is still ours, and send the signals.

    Where a report has come before it, the report's word on the status stands.
    """
    # Providers put anything into their answers; a NUL would not be stored.
    texts = {name: str(value).replace("\0", "")[: _width(name)] for name, value in outcome.items()}
    changes: dict[str, Any] = {**texts, "messages": messages, "trail": trail, "due_at": later}
    changes |= {"message_status": status, "date_updated": timezone.now()}
    if not LEASES.finish(attempt, changes, partial(cloudevents.update_message, attempt)):
        facts = {name: text for name, text in texts.items() if text and "error" not in name}
        reported = queries.attempts().filter(sid=attempt.sid, lease=attempt.lease)
        if not LEASES.persist(partial(reported.update, **facts, lease="")):
            logger.warning("%s: the lease was lost before the outcome was known", attempt.sid)
            return False
        attempt.refresh_from_db(using=reported.db, fields=["message_status", *facts])
    if status == _Status.SENT:
        signals.attempt_sent.send_robust(sender=VerificationAttempt, attempt=attempt)
    elif attempt.message_status == _Status.FAILED:
        signals.attempt_failed.send_robust(sender=VerificationAttempt, attempt=attempt)
    return status == _Status.SENT


@cache
def _width(name: str) -> int | None:
    # PostgreSQL and MySQL refuse a text that is longer than its column.
    field_ = VerificationAttempt._meta.get_field(name)  # noqa: SLF001 - a documented API
    return getattr(field_, "max_length", None)
