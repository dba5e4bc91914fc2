"""Who sends a message, and when: in the request after its commit, or a worker that is woken then.

The attempt's row is the queue in every case, and `attempts` sends it. A queue engine is no more
than a wake-up call that carries the attempt's SID: one that is lost, or comes twice, harms nothing.
"""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections.abc import Callable
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.utils.module_loading import import_string

from django_verify import conf, signals
from django_verify.db import queries
from django_verify.delivery import attempts
from django_verify.models import Verification, VerificationAttempt

logger = logging.getLogger("django_verify")

INLINE = "inline"

_ENGINES = {"tasks": "django_verify.delivery.django_tasks", "celery": "django_verify.tasks"}
# An engine that fails after it kept a start waiting for so many seconds is left alone for a while:
# no start of this process asks it meanwhile, and the sweeper sends.
SLOW = 0.8
REST = 30.0


def prepare(attempt: VerificationAttempt, now: dt.datetime) -> None:
    """Give a row that is about to be written to this process, or to whoever comes."""
    if conf.current().DISPATCH == INLINE:
        attempts.hold(attempt, now)
    else:
        attempts.queue(attempt, now)


def after_commit(attempt: VerificationAttempt) -> None:
    """Have a new attempt sent once its row is committed; a rollback takes row and message along.

    A caller's transaction, and the receivers of `verification_started`, may end the verification
    before its message leaves, so it is looked at again.
    """
    in_another = transaction.get_connection(queries.database()).in_atomic_block
    heard = signals.verification_started.has_listeners(Verification)
    call = partial(_send, attempt, claimed_before=in_another or heard)
    if attempt.message_status == VerificationAttempt.MessageStatus.QUEUED:
        call = partial(wake, attempt.sid)
    transaction.on_commit(call, using=queries.database(), robust=True)


class _Resting:
    """Until when this process leaves its engine alone, by the clock that never jumps."""

    until = 0.0


def wake(sid: str) -> None:
    """Tell the workers of an attempt that is due. Never raises: a sweep finds it anyway."""
    if time.monotonic() < _Resting.until:
        return
    began = time.monotonic()
    try:
        call = waker()
        began = time.monotonic()  # importing an engine takes its time, once
        call(sid)
    except Exception as error:  # noqa: BLE001 - the row is written, and a sweep finds it
        # The text of an engine's error may name its server and credentials.
        logger.error("%s: no worker was woken: %s", sid, type(error).__name__)  # noqa: TRY400
        if time.monotonic() - began > SLOW:
            _Resting.until = time.monotonic() + REST
            logger.error("the engine is not asked for %d seconds", REST)  # noqa: TRY400


def requeue(attempt: VerificationAttempt) -> bool:
    """Queue a failed attempt again, and wake a worker; False where it cannot be sent any more."""
    queued = attempts.requeue(attempt)
    if queued:
        transaction.on_commit(partial(wake, attempt.sid), using=queries.database(), robust=True)
    return queued


def waker() -> Callable[[str], Any]:
    """Return the function that wakes a worker, by DJANGO_VERIFY["DISPATCH"].

    Raises ImproperlyConfigured for a path that does not import and a library that is missing.
    """
    engine = conf.current().DISPATCH
    if engine == INLINE:
        return _ignore
    if engine == "celery" and find_spec("celery") is None:
        raise ImproperlyConfigured("DJANGO_VERIFY['DISPATCH'] 'celery' needs the extra `celery`.")
    try:
        if engine in _ENGINES:
            found = import_module(_ENGINES[engine]).wake
        else:
            found = import_string(engine)
    except (ImportError, AttributeError) as error:
        raise ImproperlyConfigured(f"DJANGO_VERIFY['DISPATCH'] {engine!r}: {error}") from error
    if not callable(found):
        raise ImproperlyConfigured(f"DJANGO_VERIFY['DISPATCH'] {engine!r} is no function.")
    wake_: Callable[[str], Any] = found
    return wake_


def _ignore(sid: str) -> None:
    """There is no worker but the sweeper."""


def _send(attempt: VerificationAttempt, *, claimed_before: bool) -> None:
    try:
        attempts.deliver(attempt, claimed_before=claimed_before)
    except Exception as error:  # noqa: BLE001 - the caller's answer stands: the row is written
        # Its lease lapses, and a sweep takes it over.
        logger.error("%s was interrupted: %s", attempt.sid, type(error).__name__)  # noqa: TRY400
