"""Where a guess may be charged: only in autocommit, because a rollback would undo the charge."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from django.db import connections, transaction

from django_verify.db import queries

View = TypeVar("View", bound=Callable[..., Any])


class AtomicBlockError(RuntimeError):
    """A check ran where its charge could be rolled back."""


def outside_atomic_requests(view: View) -> View:
    """Return a view that the host's ATOMIC_REQUESTS leaves alone, on every database."""
    # ATOMIC_REQUESTS is set for each database, and a router may send our tables to any of them.
    for alias in connections:
        view = transaction.non_atomic_requests(using=alias)(view)
    return view


def require_autocommit(verb: str) -> None:
    """Raise AtomicBlockError inside a transaction; `verb` names the caller in the message."""
    using = queries.database()
    connection = transaction.get_connection(using)
    if connection.get_autocommit():
        return
    message = (
        f"{verb}() charges a guess that must not be rolled back: call it outside"
        " transaction.atomic(), and mark views with transaction.non_atomic_requests."
    )
    # Where autocommit was switched off by hand there is no block for Django to examine, and nothing
    # commits the charge before the comparison.
    if not connection.in_atomic_block:
        raise AtomicBlockError(message)
    try:
        # Django decides: inside TestCase's own transaction a durable block is allowed.
        with transaction.atomic(using=using, durable=True):  # noqa: TID251 - it writes nothing
            pass
    except RuntimeError:
        raise AtomicBlockError(message) from None
