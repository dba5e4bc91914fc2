"""Connections that die: how they are recognised, and the writes that must not be lost with one."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from django.db import InterfaceError, InternalError, OperationalError, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from django_verify.db import retry
from django_verify.exceptions import ServiceUnavailable

#: What Django raises when a database cannot be reached, or gives a statement up. PostgreSQL's
#: InternalError is that of a server that has become read-only, or has ended an idle transaction.
FAILURES = (OperationalError, InterfaceError, InternalError)

#: Seconds after which a caller may ask again whose request found no database.
RETRY_AFTER = 5

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0

Result = TypeVar("Result")


def unavailable() -> ServiceUnavailable:
    """Return what a caller is answered whose request found no database or no store."""
    return ServiceUnavailable(retry_after=RETRY_AFTER)


def persist(write: Callable[[], Result], *, using: str, patience: float = 0.0) -> Result:
    """Run a write, again on a new connection if its own has died, for up to `patience` seconds.

    It is tried twice at least, and one that gave way to a deadlock follows at once. The first try
    may have reached the database before the connection died, so the write must be one that does no
    harm when it is repeated. Inside a transaction it is tried once: a new connection would know
    nothing of the transaction. Raises what the last try raised.
    """
    connection = transaction.get_connection(using)
    until, pause, raw, deadlocks = time.monotonic() + patience, 0.0, None, 0
    while True:
        try:
            # Opened before the write, so that `raw` is the connection on which the write failed.
            connection.ensure_connection()
            raw = connection.connection
            return write()
        except FAILURES as error:
            if retry.is_deadlock(error) and not connection.in_atomic_block:
                deadlocks += 1
                if deadlocks < retry.MAX_TRIES:
                    continue
            late = pause > 0 and time.monotonic() + pause > until
            if connection.in_atomic_block or late or is_alive(connection, raw):
                raise
        # Django drops a dead connection at the end of a request alone, and would go on with it. The
        # second try follows at once: a server that was restarted takes new connections.
        connection.close()
        time.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE) or FIRST_PAUSE


def is_alive(connection: BaseDatabaseWrapper, raw: object) -> bool:
    """Return whether the driver's connection of a write has outlived it.

    A transaction that the write began itself has replaced a dead connection already.
    """
    return raw is not None and connection.connection is raw and connection.is_usable()
