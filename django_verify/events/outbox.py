"""Events of factors and challenges to the webhooks of a service: recorded, signed, delivered.

An event is recorded in the caller's transaction, with the change it reports, as one row for each
webhook that asks for it; it is posted after the commit, by `deliver_due`, never in a request. The
events of verifications, for the sinks, take the same road from `cloudevents`.
"""

from __future__ import annotations

import datetime as dt
import json
import uuid
from collections.abc import Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from functools import partial
from typing import Any, Literal, Self

from django.core.exceptions import ValidationError
from django.db import connections, router
from django.db.models import Count, Min, Q, QuerySet
from django.utils import timezone

from django_verify import signals
from django_verify.db import leases, reconnect, retry, statements
from django_verify.events import post, signatures
from django_verify.logs import logger
from django_verify.models import Challenge, EventSink, Factor, Webhook, WebhookDelivery
from django_verify.models.webhooks import Receiver

# Seconds from a failed try to the next one; after the last of them a delivery is given up.
RETRIES = (5, 300, 1800, 7200, 18_000, 36_000, 36_000, 50_400, 72_000, 86_400)
# Seconds; renewed before each post. A receiver whose worker has died is left alone for as long.
LEASE = 2 * post.TIMEOUT
# How long nothing but failures is borne before the receiver is disabled.
ENDURANCE = dt.timedelta(days=5)
# How long a replaced secret still signs, next to the new one.
OVERLAP = dt.timedelta(hours=24)
# Receivers that are served at a time, and deliveries of one receiver in a round.
WORKERS = 8
TURN = 20
TURN_TIME = dt.timedelta(seconds=post.TIMEOUT)

_Status = WebhookDelivery.Status


def _deliveries() -> QuerySet[WebhookDelivery]:
    return WebhookDelivery.objects.using(router.db_for_write(WebhookDelivery)).order_by()


LEASES = leases.Leases(
    model=WebhookDelivery,
    seconds=lambda: LEASE,
    waits=RETRIES,
    far=2 * (post.PATIENCE + RETRIES[-1]),
    jitter=0.1,
    # Without its outcome an event is posted once more, and its receiver gets no other meanwhile.
    patience=8.0,
)
# What a delivery calls its receiver.
_FIELDS: dict[type[Receiver], str] = {Webhook: "webhook", EventSink: "sink"}
# A receiver has one request at a time: anyone who posts to it leases it first.
_RECEIVERS = {model: replace(LEASES, model=model, status="", counted=()) for model in _FIELDS}


def record(service_sid: str, event_type: str, params: Mapping[str, str]) -> int:
    """Write an event for each enabled webhook that asks for it; return how many.

    Call it inside the transaction that makes the event true: the rows stand and fall with it. The
    parameter `uuid` is the event's id, the same on every try. One query where no webhook asks.
    """
    using = router.db_for_write(Webhook)
    enabled = Webhook.objects.using(using).filter(
        service_id=service_sid, status=Webhook.Status.ENABLED
    )
    # Chosen here: SQLite has no `contains` for JSON, and a service has few webhooks.
    asked = [
        sid
        for sid, names in enabled.order_by().values_list("sid", "event_types")
        if "*" in names or event_type in names
    ]
    event_id = uuid.UUID(params["uuid"]) if "uuid" in params else uuid.uuid4()
    named = {"uuid": str(event_id), "type": event_type, **params}
    # A list, because PostgreSQL's jsonb and MySQL's JSON do not keep the order of an object's
    # members.
    pairs = [[name, value] for name, value in named.items()]
    return enqueue(
        WebhookDelivery(webhook_id=sid, event_id=event_id, event_type=event_type, payload=pairs)
        for sid in asked
    )


def enqueue(deliveries: Iterable[WebhookDelivery]) -> int:
    """Write deliveries, for `deliver_due` to find once they are committed; return how many."""
    rows = list(deliveries)
    statements.insert(router.db_for_write(WebhookDelivery), *rows)
    return len(rows)


def factor_event(kind: Literal["created", "verified", "deleted"], factor: Factor) -> int:
    """Record an event of a factor, as `record` does; return how many webhooks will get it."""
    return record(factor.service_id, f"factor.{kind}", _facts_of(factor))


def challenge_event(kind: Literal["approved", "denied"], challenge: Challenge) -> int:
    """Record the answer to a challenge, as `record` does; return how many webhooks will get it."""
    factor = challenge.factor
    assert factor is not None  # noqa: S101 - an answer names who has given it
    params = {
        **_facts_of(factor),
        "challenge_sid": challenge.sid,
        "challenge_details": _as_json(challenge.details),
        "challenge_hidden_details": _as_json(challenge.hidden_details),
        "challenge_metadata": _as_json(challenge.metadata),
    }
    return record(factor.service_id, f"challenge.{kind}", params)


def _facts_of(factor: Factor) -> dict[str, str]:
    return {
        "account_sid": factor.account_id,
        "service_sid": factor.service_id,
        "entity_identity": factor.entity.identity,
        "factor_sid": factor.sid,
        "factor_type": factor.factor_type,
        "factor_friendly_name": factor.friendly_name,
    }


def _as_json(value: Mapping[str, Any] | None) -> str:
    return "" if value is None else json.dumps(value)


def rotate_secret(receiver: Receiver, secret: str = "", overlap: dt.timedelta = OVERLAP) -> str:
    """Give a webhook or a sink a new signing secret and return it, the only time it is shown.

    The old one goes on signing beside it for a while. A given `secret` is one that the receiver
    knows already. Raises ValidationError for one that cannot sign.
    """
    if secret and not signatures.is_secret(secret):
        raise ValidationError("A signing secret is whsec_… or 24–128 ASCII characters.")
    secret = secret or signatures.new_secret()
    # The row in hand may be older than the last rotation, whose secret would stop signing at once.
    using = router.db_for_write(type(receiver))
    receiver.refresh_from_db(using=using, fields=["sealed_secret"])
    receiver.sealed_old_secret = receiver.sealed_secret
    receiver.old_secret_until = timezone.now() + overlap if receiver.sealed_secret else None
    receiver.sealed_secret = receiver.seal_secret(secret)
    receiver.save(
        using=using,
        update_fields=["sealed_secret", "sealed_old_secret", "old_secret_until", "date_updated"],
    )
    return secret


def replay(rows: QuerySet[WebhookDelivery]) -> int:
    """Make given-up deliveries due again, with all their tries; return how many were."""
    now = timezone.now()
    return rows.filter(status=_Status.DEAD).update(
        status=_Status.PENDING, tries=0, due_at=now, date_updated=now
    )


def backlog(now: dt.datetime) -> tuple[int, float]:
    """Return how many deliveries are overdue, and since how many seconds the oldest of them is."""
    found = _deliveries().filter(LEASES.due(now)).aggregate(count=Count("pk"), oldest=Min("due_at"))
    oldest = found["oldest"]
    return found["count"], max((now - oldest).total_seconds(), 0) if oldest else 0


def deliver_due(limit: int = 100, workers: int = WORKERS) -> int:
    """Post what is due, up to `limit` deliveries in all; return how many were tried.

    Any number of processes may run it. Each receiver has one request at a time. Several workers are
    threads, each with its own database connection.
    """
    waiting = _waiting(timezone.now())[:limit]
    if not waiting:
        return 0
    # In equal shares, or one receiver's backlog would take the whole pass.
    share = min(max(limit // len(waiting), 1), TURN)
    if len(waiting) == 1 or workers == 1:
        return sum(_round(model, sid, share) for model, sid in waiting)
    with ThreadPoolExecutor(min(workers, len(waiting))) as pool:
        rounds = [pool.submit(_round_in_thread, *who, share) for who in waiting]
        return sum(each.result() for each in rounds)


class Poster:
    """Posts what is due from threads, each with a receiver of its own; use it in a `with` block.

    A receiver that takes long has one worker, while the others go on serving everybody else. The
    end of the block waits for the requests under way.
    """

    def __init__(self, workers: int = WORKERS) -> None:
        self._workers = workers
        self._pool = ThreadPoolExecutor(workers)
        self._busy: set[Future[int]] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._pool.shutdown()

    def look(self, patience: float) -> bool:
        """Give the receivers that wait to idle workers; return whether to look again at once.

        Waits up to `patience` seconds for one of the busy. Raises what the database raised.
        """
        idle = self._workers - len(self._busy)
        waiting = _waiting(timezone.now())[:idle] if idle else []
        self._busy |= {self._pool.submit(_round_in_thread, *who, TURN) for who in waiting}
        if waiting or not idle:
            wait(self._busy, timeout=patience, return_when=FIRST_COMPLETED)
        return self._collect() and bool(waiting or not idle)

    def _collect(self) -> bool:
        """Take out what is done; return False where a round broke off for a fault of its own."""
        done = {each for each in self._busy if each.done()}
        self._busy -= done
        faults = [fault for each in done if (fault := each.exception())]
        for fault in faults:
            if isinstance(fault, reconnect.FAILURES) and not retry.is_deadlock(fault):
                raise fault
            # The text of an error may hold the row.
            logger.error("a round of deliveries broke off: %s", type(fault).__name__)
        return not faults


def _waiting(now: dt.datetime) -> list[tuple[type[Receiver], str]]:
    """Return the receivers with something due and nobody at it, the longest waiting first."""
    due = _deliveries().filter(LEASES.due(now))
    for model, field in _FIELDS.items():
        # A delivery has one of the two, or none any more: its receiver may have been deleted.
        missing = Q((f"{field}__lease__isnull", True))
        due = due.filter(_RECEIVERS[model].due(now, f"{field}__") | missing)
    found = due.values_list("webhook_id", "sink_id").annotate(first=Min("due_at"))
    return [
        (Webhook, webhook) if webhook else (EventSink, str(sink))
        for webhook, sink, _ in found.order_by("first")
    ]


def _round_in_thread(model: type[Receiver], sid: str, share: int) -> int:
    try:
        return _round(model, sid, share)
    finally:
        # A thread has connections of its own, which would stay open when the pool lets go of it.
        connections.close_all()


def _round(model: type[Receiver], sid: str, share: int) -> int:
    """Post a receiver's deliveries, oldest first, until one fails; return how many were tried."""
    started, leases = timezone.now(), _RECEIVERS[model]
    rows = leases.rows().filter(pk=sid)
    deliveries = _deliveries().filter(**{_FIELDS[model]: sid})
    receiver = rows.filter(leases.due(started)).first()
    before = leases.claim(receiver, started) if receiver else None
    if receiver is None or before is None:
        if not rows.exists():
            # Written while the receiver was deleted: the database does not enforce the reference.
            deliveries.delete()
        return 0
    due = deliveries.filter(LEASES.due(started))
    done, retry_after = 0, 0
    try:
        for row in list(due.order_by("due_at", "date_created")[:share]):
            # A round that took too long has lost its lease, or makes room for other receivers.
            mine, latest = leases.renew(receiver), rows.first()
            if not mine or latest is None or timezone.now() - started > TURN_TIME:
                break
            if latest.status != Receiver.Status.ENABLED:
                done += _give_up(due, "the receiver is disabled")
                break
            outcome = _deliver(row, latest)
            done += outcome is not None
            if outcome is not None and not outcome.accepted:
                # The event behind this one would meet the same trouble, and its post could make it
                # worse.
                retry_after = outcome.retry_after
                break
    finally:
        # Retry-After is about the receiver and not about one event, so its own row waits.
        if retry_after:
            leases.finish(receiver, {"due_at": timezone.now() + dt.timedelta(seconds=retry_after)})
        else:
            leases.give_back(receiver, before)
    return done


def _give_up(rows: QuerySet[WebhookDelivery], reason: str) -> int:
    now = timezone.now()
    return rows.update(status=_Status.DEAD, error=reason, lease="", due_at=now, date_updated=now)


def _deliver(row: WebhookDelivery, receiver: Receiver) -> post.Outcome | None:
    """Claim one delivery, post it and record the outcome; None when another process has it."""
    now = timezone.now()
    # The try is counted by the claim: an event at which each process dies is given up some day.
    before = LEASES.claim(row, now, tries=row.tries + 1, date_updated=now)
    if before is None:
        return None  # or it was deleted with its receiver
    try:
        outcome = _post(row, receiver, now)
    except reconnect.FAILURES:  # before anything was posted
        LEASES.give_back(row, before)
        raise
    _finish(row, outcome)
    if not outcome.ours:
        LEASES.persist(partial(_examine, receiver, outcome))
    return outcome


def _post(row: WebhookDelivery, receiver: Receiver, now: dt.datetime) -> post.Outcome:
    if row.tries > len(RETRIES) + 1:
        error = "given up after several interrupted tries"
        return post.Outcome(error=error, final=True, ours=True)
    return post.post(row, receiver, now)


def _examine(receiver: Receiver, outcome: post.Outcome) -> None:
    """Note how the receiver is, and disable one that is gone or has failed for too long."""
    now = timezone.now()
    row = post.receivers(type(receiver)).filter(pk=receiver.pk)
    if outcome.accepted:
        if receiver.failing_since:
            row.update(failing_since=None)
        return
    # The first failure has set the moment, and one that another process reports must not move it
    # on.
    row.filter(failing_since__isnull=True).update(failing_since=now)
    failing_since = receiver.failing_since or now
    if outcome.final:
        reason = Receiver.DisabledReason.GONE
    elif now - failing_since >= ENDURANCE:
        reason = Receiver.DisabledReason.FAILING
    else:
        return
    changes = {"status": Receiver.Status.DISABLED, "disabled_reason": reason}
    # Of the processes that see it fail, one disables the receiver and sends the signal.
    changed = row.filter(status=Receiver.Status.ENABLED).update(
        failing_since=None, date_updated=now, **changes
    )
    if changed:
        logger.warning("%s was disabled: %s", receiver.pk, reason.label)
        receiver.refresh_from_db(using=row.db)
        signals.webhook_disabled.send_robust(
            sender=type(receiver), receiver=receiver, reason=reason.value
        )


def _finish(row: WebhookDelivery, outcome: post.Outcome) -> None:
    """Record the outcome if the lease is still ours."""
    now = timezone.now()
    changes: dict[str, object] = {"response_status": outcome.status, "error": outcome.error}
    changes |= {"due_at": now, "date_updated": now}
    if outcome.accepted:
        # The payload names a person, and is kept no longer than its delivery takes.
        changes |= {"status": _Status.DELIVERED, "delivered_at": now, "payload": []}
    elif outcome.final or row.tries > len(RETRIES):
        changes["status"] = _Status.DEAD
        logger.warning("%s was given up: %s", row.sid, outcome.error)
    else:
        logger.warning("%s was not accepted and is tried again: %s", row.sid, outcome.error)
        changes |= {
            "status": _Status.PENDING,
            "due_at": LEASES.later(row.tries, outcome.retry_after),
        }
    if not LEASES.finish(row, changes):
        logger.warning("%s: the lease was lost before the outcome was known", row.sid)
