"""Savepoints whose loss raises an error, and writes that may fail within a transaction.

When a savepoint cannot be rolled back, for instance because the connection has died, Django marks
the transaction around it for rollback, and rolls that back at its end *without raising*. Code that
catches an error inside a transaction and goes on would then report a change that never happens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.db import OperationalError, transaction

from django_verify.db import reconnect


def is_alive(using: str) -> bool:
    """Return whether what is written on this connection can still be committed."""
    return not transaction.get_connection(using).needs_rollback


@contextmanager
def atomic(using: str) -> Iterator[None]:
    """Run a block as `transaction.atomic` does, and raise where the transaction around it is lost.

    A refusal that leaves the block becomes an OperationalError then: code that catches a refusal of
    ours inside a transaction, and goes on, must not go on in a lost one. A failure of the database
    stays what it is, such as the deadlock by which MySQL ends the whole transaction.
    """
    try:
        with transaction.atomic(using=using):  # noqa: TID251 - here it is made safe
            yield
    except reconnect.FAILURES:
        raise
    except Exception as error:
        if is_alive(using):
            raise
        raise _lost() from error
    if not is_alive(using):
        raise _lost()


def _lost() -> OperationalError:
    return OperationalError("the transaction is lost: a savepoint could not be rolled back")


def tolerate(
    write: Callable[[], object],
    *,
    using: str,
    ignore: type[Exception],
    alone: bool = False,
) -> Exception | None:
    """Run a write in a savepoint of its own. Return None, or the error by which it was undone.

    Errors of the class `ignore` are returned only if the savepoint was rolled back, so that the
    transaction around it is known to live. Any other error goes up, and takes the transaction
    along. Outside a transaction the write is a transaction of its own; one that is `alone` is one
    statement, and needs none there.
    """
    if alone and transaction.get_autocommit(using):
        try:
            write()
        except ignore as error:
            return error
        return None
    entered = False
    try:
        with atomic(using):
            entered = True
            write()
    except ignore as error:
        # An error of the SAVEPOINT itself was not answered by a rollback to it.
        if not entered or not is_alive(using):
            raise
        return error
    return None
