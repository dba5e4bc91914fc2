"""Queue engines: how a worker is woken that sends an attempt, by the setting `DISPATCH`.

The attempt's row is the queue in every case, and `attempts` sends it. A queue engine is no more
than a wake-up call that carries the attempt's SID: one that is lost, or comes twice, harms nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib import import_module
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from django_verify import conf
from django_verify.conf.backends import installed
from django_verify.logs import logger

INLINE = "inline"

_ENGINES = {"tasks": "django_verify.delivery.django_tasks", "celery": "django_verify.tasks"}
# Of Tasks, whether the framework's or the package's.
_WITHOUT_WORKERS = ("tasks.backends.immediate", "tasks.backends.dummy")
# An engine that fails after it kept a start waiting for so many seconds is left alone for a while:
# no start of this process asks it meanwhile, and the worker sends.
SLOW = 0.8
BACKOFF = 30.0


class _Backoff:
    """Until when this process leaves its engine alone, by the clock that never jumps."""

    until = 0.0


def wake(sid: str) -> None:
    """Wake the workers for an attempt that is due. Never raises: a worker's next pass finds it."""
    if time.monotonic() < _Backoff.until:
        return
    began = time.monotonic()
    try:
        call = waker()
        began = time.monotonic()  # importing an engine takes its time, once
        call(sid)
    except Exception as error:  # noqa: BLE001 - the row is written, and a worker finds it
        # The text of an engine's error may name its server and credentials.
        logger.error("%s: no worker was woken: %s", sid, type(error).__name__)
        if time.monotonic() - began > SLOW:
            _Backoff.until = time.monotonic() + BACKOFF
            logger.error("the engine is not asked for %d seconds", BACKOFF)


def waker() -> Callable[[str], Any]:
    """Return the function that wakes a worker, by DJANGO_VERIFY["DISPATCH"].

    Raises ImproperlyConfigured for a path that does not import and a library that is missing.
    """
    engine = conf.current().DISPATCH
    if engine == INLINE:
        return _ignore
    if engine == "celery" and not installed("celery"):
        raise ImproperlyConfigured("DJANGO_VERIFY['DISPATCH'] 'celery' needs the extra `celery`.")
    try:
        if engine in _ENGINES:
            module = import_module(_ENGINES[engine])
            if engine == "celery":
                module.prepare()
            found = module.wake
        else:
            found = import_string(engine)
    except (ImportError, AttributeError, KeyError) as error:  # KeyError: Celery has no such broker
        raise ImproperlyConfigured(f"DJANGO_VERIFY['DISPATCH'] {engine!r}: {error}") from error
    if not callable(found):
        raise ImproperlyConfigured(f"DJANGO_VERIFY['DISPATCH'] {engine!r} is no function.")
    wake_: Callable[[str], Any] = found
    return wake_


def backend_without_workers() -> str:
    """Return the class of the backend of Django's Tasks, where DISPATCH goes there and it has none.

    Raises ImproperlyConfigured for one that cannot be used.
    """
    if conf.current().DISPATCH != "tasks":
        return ""
    waker()
    backend = type(import_module(_ENGINES["tasks"]).deliver.get_backend())
    module: str = backend.__module__
    return backend.__name__ if module.endswith(_WITHOUT_WORKERS) else ""


def _ignore(sid: str) -> None:
    """There is no worker but `deliverattempts`."""
