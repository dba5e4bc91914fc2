"""Health checks of database, queue, senders and workers, for load balancers and monitors."""

from __future__ import annotations

import datetime as dt
import math
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from django.db import Error, IntegrityError, transaction
from django.utils import timezone

from django_verify import conf, senders
from django_verify.db import queries, savepoints
from django_verify.delivery import attempts, circuit_breakers
from django_verify.events import outbox
from django_verify.models import SenderState, WorkerHeartbeat

OK, DEGRADED, FAILING = "ok", "degraded", "failing"


@dataclass(frozen=True, slots=True)
class Check:
    """One question and its answer; `numbers` may be shown to anybody, `detail` to operators."""

    name: str
    status: str
    numbers: dict[str, int] = field(default_factory=dict)
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Health:
    """Every check, and what they come to."""

    checks: list[Check]

    @property
    def status(self) -> str:
        """The worst of the checks."""
        found = {check.status for check in self.checks}
        return next((status for status in (FAILING, DEGRADED) if status in found), OK)

    @property
    def ready(self) -> bool:
        """Whether traffic may come."""
        return self.status != FAILING

    def public(self) -> dict[str, Any]:
        """Return what the URL shows: no name of a sender, a host or a version."""
        checks = {check.name: {"status": check.status, **check.numbers} for check in self.checks}
        return {"status": self.status, "checks": checks}


def examine() -> Health:
    """Ask everything once. Never raises: without its database the site is not ready."""
    found: list[Check] = []
    for question in QUESTIONS:
        try:
            found.append(question())
        except Error as error:
            found.append(Check(_name(question), FAILING, detail=type(error).__name__))
            break  # each of the others would wait for the same database
    return Health(found)


def database() -> Check:
    """Write a row and take it back."""
    using = queries.database()
    with savepoints.atomic(using):
        # A name of its own each time: two load balancers must not wait for each other's row.
        SenderState(alias=f"health check {secrets.token_hex(8)}").save(
            using=using, force_insert=True
        )
        transaction.set_rollback(True, using=using)
    return Check("database", OK)


def queue() -> Check:
    """Look for how long the message waits that should have been sent first."""
    now = timezone.now()
    due = queries.attempts().filter(attempts.LEASES.due(now))
    oldest = due.order_by("due_at").values_list("due_at", flat=True).first()
    age = max(math.floor((now - oldest).total_seconds()), 0) if oldest else 0
    late = age > conf.current().HEALTH_QUEUE_AGE
    return Check(
        "queue",
        FAILING if late else OK,
        {"oldest_due_seconds": age},
        "run deliverattempts, or look whether it runs" if late else "",
    )


def sender_states() -> Check:
    """Count the senders that are skipped; without any other the site can send nothing."""
    known = set(senders.configured())
    out = sorted(known.intersection(circuit_breakers.open_circuits()))
    status = OK
    if out:
        status = FAILING if known <= set(out) else DEGRADED
    return Check("senders", status, {"configured": len(known), "failing": len(out)}, ", ".join(out))


def webhook_backlog() -> Check:
    """Look for how long the event waits that should have been posted first."""
    count, age = outbox.backlog(timezone.now())
    late = age > conf.current().HEALTH_QUEUE_AGE
    return Check(
        "webhooks",
        DEGRADED if late else OK,
        {"overdue": count, "oldest_due_seconds": math.floor(age)},
        "run deliverwebhooks, or look whether it runs" if late else "",
    )


def workers() -> Check:
    """Look when each worker was last at work; one that never ran on this site is not named."""
    now = timezone.now()
    rows = WorkerHeartbeat.objects.using(queries.database()).order_by("name")
    ages = {
        f"{name}_seconds": max(math.floor((now - beat_at).total_seconds()), 0)
        for name, beat_at in rows.values_list("name", "beat_at")
    }
    return Check("workers", OK, ages)


#: What is asked, in order; the database first, since the others need it.
QUESTIONS: tuple[Callable[[], Check], ...] = (
    database,
    queue,
    sender_states,
    webhook_backlog,
    workers,
)


def beat(name: str) -> None:
    """Note that a worker has just been at work."""
    now, using = timezone.now(), queries.database()
    rows = WorkerHeartbeat.objects.using(using)
    # Two workers may begin at one moment, and either's first row will do.
    if not rows.filter(name=name).update(beat_at=now):
        first = partial(rows.create, name=name, beat_at=now)
        savepoints.tolerate(first, using=using, ignore=IntegrityError)


def last_beat(name: str) -> dt.datetime | None:
    """Return when a worker last was at work; a clock that has gone back since counts as now."""
    rows = WorkerHeartbeat.objects.using(queries.database()).filter(name=name)
    moment = rows.values_list("beat_at", flat=True).first()
    return moment and min(moment, timezone.now())


def _name(question: Callable[[], Check]) -> str:
    named = {sender_states: "senders", webhook_backlog: "webhooks"}
    return named.get(question, question.__name__)
