"""Writes that an open transaction can do without, and how to tell that the transaction still lives.

When a savepoint cannot be taken back, for instance because the connection has died, Django marks
the transaction for rollback and rolls it back at its end *without raising*. Code that catches an
error inside a transaction and goes on would report a change that never happens.
"""

from __future__ import annotations

from collections.abc import Callable

from django.db import transaction


def is_alive(using: str) -> bool:
    """Return whether what is written on this connection can still be committed."""
    return not transaction.get_connection(using).needs_rollback


def attempt(
    write: Callable[[], object], *, using: str, ignore: type[Exception]
) -> Exception | None:
    """Run a write in a savepoint of its own; return the ignored error that undid it, or None.

    An error is ignored only if the savepoint was taken back, so that the transaction around it is
    known to live; otherwise it goes up, and takes the transaction along. Outside a transaction the
    write is a transaction of its own.
    """
    entered = False
    try:
        with transaction.atomic(using=using):
            entered = True
            write()
    except ignore as error:
        # An error of the SAVEPOINT itself was not answered by a rollback to it.
        if not entered or not is_alive(using):
            raise
        return error
    return None
