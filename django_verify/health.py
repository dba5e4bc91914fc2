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
from django.utils.timesince import timesince
from django.utils.translation import gettext, ngettext_lazy
from django.utils.translation import gettext_lazy as _

from django_verify import conf, delivery, senders
from django_verify.db import queries, retry, savepoints
from django_verify.delivery import attempts
from django_verify.events import outbox
from django_verify.models import SenderState, WorkerHeartbeat

OK, DEGRADED, FAILING = "ok", "degraded", "failing"

#: The workers by the names of their commands.
SENDING, POSTING, PURGING = "deliverattempts", "deliverwebhooks", "purgeverifications"
LABELS = {SENDING: _("Messages"), POSTING: _("Webhooks"), PURGING: _("Purge of old rows")}
_WAITING = {
    SENDING: ngettext_lazy("%(count)d message waits", "%(count)d messages wait", "count"),
    POSTING: ngettext_lazy("%(count)d event waits", "%(count)d events wait", "count"),
}
# After so many seconds without a pass the worker of messages has stopped: a loop notes one every
# ten seconds, and cron runs it every minute. The purge runs every day.
QUIET, PURGED_EVERY = 600, 2 * 86_400
# Rows that wait are counted up to here.
MOST = 1000


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


@dataclass(frozen=True, slots=True)
class WorkerState:
    """A worker, and whether it does its work; the texts are in the language of the moment.

    `last` is the end of its last pass on this site, `age` the seconds since; None: it never ran.
    `waiting` is how many rows are due for it, at most `MOST`. `is_late` means that somebody has to
    look: the worker has not run when it should have, or does not keep up.
    """

    name: str
    label: str
    last: dt.datetime | None
    age: int | None
    waiting: int
    is_late: bool
    sentence: str
    deed: str


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
    known, now = set(senders.configured()), timezone.now()
    rows = SenderState.objects.using(queries.database()).filter(alias__in=known)
    troubled = list(rows.filter(SenderState.TROUBLED).order_by("alias"))
    out = [row for row in troubled if row.open_until is not None]
    paused = [row for row in troubled if row.is_paused(now)]
    status, idle = OK, {row.alias for row in (*out, *paused)}
    if idle:
        status = FAILING if known <= idle else DEGRADED
    numbers = {"configured": len(known), "failing": len(out)}
    if paused:
        numbers["paused"] = len(paused)
    detail = " ".join(_why(row, now) for row in troubled if row.alias in idle)
    return Check("senders", status, numbers, detail)


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
    """Look when each worker was last at work; one that never ran on this site has no number."""
    now = timezone.now()
    beats = _beats()
    ages = {f"{name}_seconds": _age(moment, now) for name, moment in sorted(beats.items())}
    late = [state for state in _worker_states(beats, now) if state.is_late]
    detail = " ".join(f"{state.name}: {state.sentence} {state.deed}" for state in late)
    return Check("workers", DEGRADED if late else OK, ages, detail)


def worker_states() -> list[WorkerState]:
    """Return the workers of messages, webhooks and the purge, with what there is to do.

    Four statements, each of which an index answers; a database that fails is raised.
    """
    return _worker_states(_beats(), timezone.now())


def _worker_states(beats: dict[str, dt.datetime], now: dt.datetime) -> list[WorkerState]:
    due = queries.attempts().filter(attempts.LEASES.due(now)).order_by("due_at")
    moments = [moment for moment in due.values_list("due_at", flat=True)[:MOST] if moment]
    posts, oldest_post = outbox.backlog(now)
    first = queries.attempts().order_by("sid").values_list("date_created", flat=True).first()
    sending = _queue_state(
        SENDING, beats, now, len(moments), _age(moments[0], now) if moments else 0
    )
    if not sending.is_late and _is_forgotten(beats.get(SENDING), first, now, QUIET):
        sending = _forgotten(SENDING, beats, now)
    purging = _state(PURGING, beats, now)
    if _is_forgotten(beats.get(PURGING), first, now, PURGED_EVERY):
        purging = _forgotten(PURGING, beats, now)
    posting = _queue_state(POSTING, beats, now, min(posts, MOST), math.floor(oldest_post))
    return [sending, posting, purging]


def _queue_state(
    name: str, beats: dict[str, dt.datetime], now: dt.datetime, waiting: int, oldest: int
) -> WorkerState:
    """Return the state of a worker that empties a queue, whose oldest row waits for so long."""
    if oldest <= conf.current().HEALTH_QUEUE_AGE:
        return _state(name, beats, now, waiting)
    since, last = timesince(now - dt.timedelta(seconds=oldest), now), beats.get(name)
    values = {"waits": _WAITING[name] % {"count": waiting}, "since": since}
    if last is None:
        text = gettext("%(waits)s, the first for %(since)s, and no worker has ever run here.")
    elif _age(last, now) > conf.current().HEALTH_QUEUE_AGE:
        values["since"] = timesince(last, now)
        text = gettext("%(waits)s, and no worker has run for %(since)s.")
    else:
        text = gettext("%(waits)s, the first for %(since)s: the worker runs and cannot keep up.")
        deed = gettext("Run a second one, and look in the log for what it waits for.")
        return _state(name, beats, now, waiting, text % values, deed)
    return _state(name, beats, now, waiting, text % values, _run(name))


def _is_forgotten(
    last: dt.datetime | None, first: dt.datetime | None, now: dt.datetime, seconds: int
) -> bool:
    """Whether a worker that always has something to look for has not done so for too long."""
    since = last or first
    return since is not None and _age(since, now) > seconds


def _forgotten(name: str, beats: dict[str, dt.datetime], now: dt.datetime) -> WorkerState:
    last = beats.get(name)
    text = gettext("The worker has never run here.")
    if last is not None:
        text = gettext("The worker has not run for %(since)s.") % {"since": timesince(last, now)}
    return _state(name, beats, now, 0, text, _run(name))


def _run(name: str) -> str:
    command = f"manage.py {name}" if name == PURGING else f"manage.py {name} --loop"
    return gettext("Run “%(command)s”, or look why it ended.") % {"command": command}


def _state(
    name: str,
    beats: dict[str, dt.datetime],
    now: dt.datetime,
    waiting: int = 0,
    sentence: str = "",
    deed: str = "",
) -> WorkerState:
    """Return a state; one with a deed is late."""
    last = beats.get(name)
    last = last and min(last, now)
    if not sentence and last is None:
        sentence = gettext("It has never run here, and nothing waits for it.")
    elif not sentence and last is not None:
        sentence = gettext("Last at work %(since)s ago.") % {"since": timesince(last, now)}
    age = None if last is None else _age(last, now)
    label = str(LABELS[name])
    return WorkerState(name, label, last, age, waiting, bool(deed), sentence, deed)


def _beats() -> dict[str, dt.datetime]:
    rows = WorkerHeartbeat.objects.using(queries.database())
    return dict(rows.values_list("name", "beat_at"))


def _age(moment: dt.datetime, now: dt.datetime) -> int:
    """Return whole seconds since a moment; a clock that has gone back since counts as now."""
    return max(math.floor((now - moment).total_seconds()), 0)


def _why(row: SenderState, now: dt.datetime) -> str:
    """Return why a sender gets no messages for now, as an operator reads it."""
    if row.is_paused(now):
        return gettext("%(sender)s: paused by an operator.") % {"sender": row.alias}
    found = delivery.explain_error(row.alias, row.last_code, row.last_error)
    code = f" ({row.last_code})" if row.last_code else ""
    return f"{row.alias}: {found.label}{code}. {found.sentence} {found.deed}"


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
    if not retry.alone(rows.filter(name=name).update, beat_at=now):
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
