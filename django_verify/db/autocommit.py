"""Where a guess may be charged: only in autocommit, because a rollback would undo the charge."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar, copy_context
from typing import Any, TypeVar

from django.db import DEFAULT_DB_ALIAS, connections, transaction
from django.views.decorators.debug import sensitive_variables

from django_verify.db import queries

View = TypeVar("View", bound=Callable[..., Any])
Result = TypeVar("Result")

# Whether a charge may be part of the transaction that is open here; see `commit_apart`.
_joined: ContextVar[bool] = ContextVar("django_verify.joined", default=False)


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
    if connection.get_autocommit() or _joined.get():
        return
    named = "" if using == DEFAULT_DB_ALIAS else f"using={using!r}"
    message = (
        f"{verb}() charges a guess that must not be rolled back: call it outside"
        f" transaction.atomic({named}), and mark views with"
        f" transaction.non_atomic_requests{named and f'({named})'}."
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


@sensitive_variables()
def commit_apart(call: Callable[[], Result]) -> Result:
    """Run a verb that charges a guess, and let the charge outlive a transaction that is open here.

    For callers that open one themselves, as django-otp does around each token. The verb runs in a
    thread with a connection of its own then, and must not need a row that the transaction has
    locked. SQLite has one writer at a time, and a `TestCase` keeps its rows to its connection:
    there the charge belongs to the transaction, and only its rollback would take the charge back.
    """
    connection = transaction.get_connection(queries.database())
    if not connection.in_atomic_block:
        return call()
    in_a_test = getattr(connection.atomic_blocks[0], "_from_testcase", False)
    if connection.vendor == "sqlite" or in_a_test:
        token = _joined.set(True)
        try:
            return call()
        finally:
            _joined.reset(token)
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(copy_context().run, _then_close, call).result()


@sensitive_variables()
def _then_close(call: Callable[[], Result]) -> Result:
    try:
        return call()
    finally:
        connections.close_all()  # of this thread
