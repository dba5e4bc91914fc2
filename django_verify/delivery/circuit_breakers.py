"""Circuit breakers: a sender that keeps failing comes last in every route until a probe succeeds.

One that an operator has paused gets nothing at all. The state is in the database, for all processes
and the admin; each process keeps a copy for a second. A healthy site reads it only where it has no
better news, and writes it never.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.core.signals import setting_changed
from django.db import IntegrityError
from django.db.models import DateTimeField, F, Q, QuerySet, Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from django_verify import conf, senders
from django_verify.db import queries, reconnect, retry, savepoints
from django_verify.logs import logger, without_numbers
from django_verify.models import SenderState, VerificationAttempt, VerifyService

# How long a process goes by what it read.
COPY = dt.timedelta(seconds=1)

Step = tuple[str, str]
_COLUMNS = ("failures", "open_until", "paused_at", "paused_until")

# Faults of what this site has set up, which an operator has to mend.
_OURS = (senders.ACCOUNT, senders.REQUEST)


@dataclass(frozen=True, slots=True)
class State:
    """What a process knows of one sender."""

    failures: int
    open_until: dt.datetime | None
    paused_at: dt.datetime | None = None
    paused_until: dt.datetime | None = None

    def is_open(self, now: dt.datetime) -> bool:
        """Whether the circuit is open; one that a clock's jump would hold longer is not."""
        longest = dt.timedelta(seconds=conf.current().BREAKER_SECONDS)
        return self.open_until is not None and now < self.open_until <= now + longest

    def is_half_open(self, now: dt.datetime) -> bool:
        """Whether one message may probe the sender."""
        return self.open_until is not None and not self.is_open(now)

    def is_paused(self, now: dt.datetime) -> bool:
        """Whether an operator has paused it, and the pause is not over."""
        return self.paused_at is not None and (self.paused_until is None or now < self.paused_until)

    def is_in_use(self, now: dt.datetime) -> bool:
        """Whether a message goes to it first, when it is first in its route."""
        return not (self.is_open(now) or self.is_paused(now))


class _Copy:
    """This process's copy of the table; replaced as a whole, so that threads need no lock."""

    content: tuple[dt.datetime, dict[str, State]] | None = None


def states() -> dict[str, State]:
    """Return the senders that fail or are paused, by the table or a copy of this second."""
    now = timezone.now()
    # By `abs`: a clock that is put back would otherwise keep the copy until it has caught up.
    if _Copy.content is None or not abs(now - _Copy.content[0]) < COPY:
        rows = _rows().filter(SenderState.TROUBLED).values_list("alias", *_COLUMNS)
        _Copy.content = now, {alias: State(*columns) for alias, *columns in rows}
    return _Copy.content[1]


def forget(*, setting: str = "", **_: object) -> None:
    """Read the table anew: also the receiver of Django's `setting_changed`."""
    if setting in {"", "DJANGO_VERIFY", "DATABASES"}:
        _Copy.content = None


def in_order(steps: Sequence[Step], service: VerifyService, *, probe: bool = False) -> list[Step]:
    """Return channel and sender of each step, those whose circuit is open at the end.

    Those of paused senders are left out. With `probe` the first step may be a half-open sender's,
    if no other process probes it.
    """
    if not _may_fail(service):
        return list(steps)
    known, now = states(), timezone.now()
    steps = [step for step in steps if not (step[1] in known and known[step[1]].is_paused(now))]
    out = {alias: known[alias] for _, alias in steps if alias in known and known[alias].open_until}
    left = [step for step in steps if step[1] not in out]
    for step in steps if probe else ():
        state = out.get(step[1])
        if state is None:
            break
        if state.is_half_open(now) and _claim(step[1], state, now):
            left.insert(0, step)
            break
    return left + [step for step in steps if step not in left]


def is_paused(alias: str, service: VerifyService) -> bool:
    """Whether an operator has paused a sender."""
    if not _may_fail(service):
        return False
    state = states().get(alias)
    return state is not None and state.is_paused(timezone.now())


def _may_fail(service: VerifyService) -> bool:
    """Whether the copy must be asked; a service read for a start knows whether any sender fails."""
    return bool(getattr(service, "senders_fail", True))


def _claim(alias: str, state: State, now: dt.datetime) -> bool:
    """Take the one probe by moving the moment on; a probe that dies is followed by another."""
    until = now + dt.timedelta(seconds=conf.current().BREAKER_SECONDS)
    # Of the processes that read the same moment one moves it on, and the others match no row.
    unchanged = _rows().filter(alias=alias, open_until=state.open_until)
    won = retry.alone(unchanged.update, open_until=until, date_updated=now) > 0
    forget()
    return won


def record(alias: str, attempt: VerificationAttempt, error: Exception | None = None) -> None:
    """Count what a sender answered, or raised; a fault of ours raises an alarm.

    A database that fails here must not stop the message.
    """
    fault = getattr(error, "fault", "")
    if fault in _OURS:
        code = getattr(error, "code", "") or "none"
        text = "%s: the sender %r is set up wrongly (%s): %s, code %s"
        logger.error(text, attempt.sid, alias, fault, error, code)
    code = getattr(error, "code", "")
    try:
        if fault == senders.REQUEST:
            misconfigured(alias, str(error), code)
        elif fault == senders.UNSUITED:
            return
        elif isinstance(error, senders.TemporarySendError):
            failed(alias, str(error), code)
        elif error is None or isinstance(error, senders.SendError):
            # A refusal of the recipient is an answer too: the provider works.
            service = attempt.verification.service
            if service is not None:
                answered(alias, service)
    except reconnect.FAILURES as failure:
        logger.error("the sender %r was not counted: %s", alias, type(failure).__name__)


def failed(alias: str, text: str, code: str = "") -> None:
    """Count a temporary failure, and pass the sender over once there are enough in a row."""
    settings, now = conf.current(), timezone.now()
    window = dt.timedelta(seconds=settings.BREAKER_WINDOW)
    rows = _rows().filter(alias=alias)
    recorded = _recorded(text, code, now)
    counted = {"failures_total": F("failures_total") + 1, **recorded}
    recent = rows.filter(failing_since__gt=now - window)
    if not retry.alone(recent.update, failures=F("failures") + 1, **counted):
        # Of several processes, one begins the run, and the others count on.
        first = {"failures": 1, "failing_since": now}
        stale = rows.filter(Q(failing_since=None) | Q(failing_since__lte=now - window))
        if not retry.alone(stale.update, **first, **counted):
            new = {**recorded, **first, "error_since": now, "failures_total": 1}
            create = partial(_rows().create, alias=alias, **new)
            if savepoints.tolerate(create, using=queries.database(), ignore=IntegrityError):
                retry.alone(rows.update, failures=F("failures") + 1, **counted)
    closed = Q(open_until=None) | Q(open_until__lte=now)
    until = now + dt.timedelta(seconds=settings.BREAKER_SECONDS)
    enough = rows.filter(closed, failures__gte=settings.BREAKER_FAILURES)
    # However many processes count the failure that is one too many, one opens the circuit.
    if retry.alone(enough.update, open_until=until, openings=F("openings") + 1):
        logger.warning("the sender %r keeps failing and comes last now", alias)
    forget()


def misconfigured(alias: str, text: str, code: str = "") -> None:
    """Keep an error of our own for the admin; the sender answers, so it keeps its place."""
    kept = _recorded(text, code, timezone.now())
    counted = {"failures_total": F("failures_total") + 1, **kept}
    if not retry.alone(_rows().filter(alias=alias).update, **counted):
        new = {**kept, "error_since": kept["last_error_at"], "failures_total": 1}
        create = partial(_rows().create, alias=alias, **new)
        savepoints.tolerate(create, using=queries.database(), ignore=IntegrityError)


def _recorded(text: str, code: str, now: dt.datetime) -> dict[str, Any]:
    # PostgreSQL stores no NUL, and a provider's text may be of any length. It may name a recipient,
    # whom nothing would find here.
    return {
        "last_error": without_numbers(text.replace("\0", ""))[:255],
        "last_code": code.replace("\0", "")[:64],
        "last_error_at": now,
        "error_since": Coalesce(F("error_since"), Value(now, output_field=DateTimeField())),
        "date_updated": now,
    }


def answered(alias: str, service: VerifyService) -> None:
    """Put a sender that works again back in its place; writes nothing for one that did not fail."""
    if _may_fail(service) and alias in states() and states()[alias].failures:
        close(alias)


def close(alias: str) -> bool:
    """Forget a sender's failures in a row; return whether there were any."""
    failing = _rows().filter(alias=alias, failures__gt=0)
    now = timezone.now()
    fine = {"failures": 0, "failing_since": None, "open_until": None, "error_since": None}
    closed = retry.alone(failing.update, **fine, date_updated=now)
    forget()
    if closed:
        logger.info("the sender %r is back in its place", alias)
    return closed > 0


def pause(alias: str, until: dt.datetime | None = None) -> None:
    """Have a sender get no message until a moment, or without one until it is resumed.

    What is at the sender already goes its way; other senders of a route take its place.
    """
    now, using = timezone.now(), queries.database()
    paused = {"paused_at": now, "paused_until": until, "date_updated": now}
    if not retry.alone(_rows().filter(alias=alias).update, **paused):
        create = partial(_rows().create, alias=alias, **paused)
        if savepoints.tolerate(create, using=using, ignore=IntegrityError):
            retry.alone(_rows().filter(alias=alias).update, **paused)
    forget()
    logger.warning("the sender %r is paused", alias)


def resume(alias: str) -> bool:
    """End the pause of a sender; return whether it had one. Failures in a row stay counted."""
    now = timezone.now()
    paused = _rows().filter(alias=alias, paused_at__isnull=False)
    resumed = retry.alone(paused.update, paused_at=None, paused_until=None, date_updated=now)
    forget()
    if resumed:
        logger.info("the sender %r is resumed", alias)
    return resumed > 0


def _rows() -> QuerySet[SenderState]:
    return SenderState.objects.using(queries.database())


setting_changed.connect(forget)
