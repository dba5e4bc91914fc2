"""The loop that every worker runs in: it looks, pauses, waits for the database, ends cleanly."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.db import Error, close_old_connections, connections

from django_verify import health

logger = logging.getLogger("django_verify")

# Seconds: the longest pause after failures, so that work waits no longer once the database is back.
LONGEST_PAUSE = 4.0
# Seconds between two heartbeats at the least.
BEAT = 10.0


def run(name: str, look: Callable[[], bool], stop: threading.Event, *, interval: float) -> None:
    """Call `look` until `stop` is set, with `interval` seconds between two calls.

    `look` returns whether it left work behind and is to be called again at once. While the database
    is away the pause grows, and the next look begins with new connections. Looks that succeed are
    recorded as heartbeats of the worker `name`.
    """
    pause, beaten = interval, float("-inf")
    while not stop.is_set():
        try:
            # A command has no end of a request, at which Django closes connections that have lived
            # too long.
            close_old_connections()
            again = look()
            if time.monotonic() - beaten >= BEAT:
                health.beat(name)
                beaten = time.monotonic()
        except Error as error:
            # The text of a database error may hold the row.
            logger.error("%s: the database failed: %s", name, type(error).__name__)  # noqa: TRY400
            connections.close_all()
            pause = min(max(2 * pause, 0.1), LONGEST_PAUSE)
            stop.wait(pause)
        else:
            pause = interval
            if not again:
                stop.wait(interval)


@contextmanager
def until_signal() -> Iterator[threading.Event]:
    """Give an event that SIGTERM and SIGINT set, while the block runs."""
    stop = threading.Event()
    # No exception: the message in hand is sent and recorded before the process ends.
    kept = {
        number: signal.signal(number, lambda *_: stop.set())
        for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        yield stop
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler or signal.SIG_DFL)
