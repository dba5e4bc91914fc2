"""Transactions that conflict with others: which of the database's errors are tried again."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from django.db import DatabaseError, IntegrityError, OperationalError, connections

from django_verify.exceptions import Conflict

MAX_TRIES = 10
#: Of one statement: each time that it gives way another one has been done, so that all have a turn.
STATEMENT_TRIES = 100

Given = ParamSpec("Given")
Made = TypeVar("Made")


def is_deadlock(error: BaseException) -> bool:
    """Whether the database gave way to another transaction: MySQL's number, PostgreSQL's state."""
    if not isinstance(error, OperationalError):
        return False
    # 40P01 is a deadlock, 40001 the conflict that a stricter isolation level reports. The driver's
    # error has the state, Django's around it only the text.
    state = getattr(error.__cause__, "sqlstate", "")
    return error.args[:1] == (1213,) or state in {"40P01", "40001"}


def is_conflict(error: DatabaseError) -> bool:
    """Whether a row came or went meanwhile, or the transaction gave way, so that it may run again.

    Within a caller's transaction a deadlock is the caller's: it may have ended that one too.
    """
    # Another process took the unique number, or deleted the row that is referred to: what the next
    # try reads decides which.
    if isinstance(error, IntegrityError):
        return True
    open_ = [each for each in connections.all(initialized_only=True) if each.in_atomic_block]
    return is_deadlock(error) and not open_


def on_conflict(write: Callable[Given, Made]) -> Callable[Given, Made]:
    """Run a transaction again after a conflict, up to MAX_TRIES times. Raises Conflict."""

    @wraps(write)
    def again(*args: Given.args, **kwargs: Given.kwargs) -> Made:
        for _ in range(MAX_TRIES):
            try:
                return write(*args, **kwargs)
            except DatabaseError as error:
                if not is_conflict(error):
                    raise
        raise Conflict

    return again


def alone(write: Callable[..., Made], **values: Any) -> Made:
    """Run what is one statement, again where it gave way to another, STATEMENT_TRIES at most.

    Outside a transaction alone: within one it is the transaction that would run again. PostgreSQL
    reports such a conflict of a single statement where `default_transaction_isolation` is stricter
    than its own default. Raises what the last try raised.
    """
    for _ in range(STATEMENT_TRIES - 1):
        try:
            return write(**values)
        except OperationalError as error:
            if not is_conflict(error):
                raise
    return write(**values)
