"""Has what waits for a commit happen within the transaction of Django's `TestCase`.

That transaction is rolled back, so nothing that waits for its commit is ever called: no message
would leave. Here a block of the site's own counts as committed when it ends, and outside any such
block a callback is called at once, as it is on a site. It concerns the callbacks of this package
alone; those of the site stay Django's, and `captureOnCommitCallbacks` is for them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.dispatch import Signal

from django_verify.logs import logger

_PACKAGE = __name__.partition(".")[0]


@contextmanager
def as_on_a_site() -> Iterator[None]:
    """Have them called in a block of a test.

    What waited before stays Django's: `setUpTestData` is one for all tests of a class.
    """
    earlier = [
        entry[1] for each in connections.all(initialized_only=True) for entry in each.run_on_commit
    ]
    wrapper: Any = BaseDatabaseWrapper
    atomic: Any = transaction.Atomic
    real_on_commit, real_exit = wrapper.on_commit, atomic.__exit__

    def on_commit(self: Any, func: Callable[[], object], robust: bool = False) -> None:
        if _is_ours(func) and _is_in_testcase_alone(self):
            _call(func, robust=robust)
        else:
            real_on_commit(self, func, robust)

    def leave(self: Any, *error: Any) -> Any:
        ignored = real_exit(self, *error)
        connection: Any = transaction.get_connection(self.using)
        if not connection.needs_rollback and _is_in_testcase_alone(connection):
            _call_waiting(connection, earlier)
        return ignored

    wrapper.on_commit, atomic.__exit__ = on_commit, leave
    try:
        yield
    finally:
        wrapper.on_commit, atomic.__exit__ = real_on_commit, real_exit


def _is_in_testcase_alone(connection: Any) -> bool:
    """Whether every open block is one of Django's TestCase."""
    blocks = connection.atomic_blocks
    return bool(blocks) and all(getattr(b, "_from_testcase", False) for b in blocks)


def _call_waiting(connection: Any, earlier: list[Any]) -> None:
    """Call those that a block of the site has left, in their order."""
    waiting = [
        entry
        for entry in connection.run_on_commit
        if _is_ours(entry[1]) and not any(entry[1] is each for each in earlier)
    ]
    for entry in waiting:
        connection.run_on_commit.remove(entry)
    for _, func, robust in waiting:
        _call(func, robust=robust)


def _call(func: Callable[[], object], *, robust: bool) -> None:
    try:
        func()
    except Exception as error:
        if not robust:
            raise
        logger.error("on_commit: %s", type(error).__name__, exc_info=True)


def _is_ours(func: Any) -> bool:
    """Whether a callback is of this package: a function in it, or the sending of its signals."""
    while isinstance(func, partial):
        func = func.func
    owner = getattr(func, "__self__", None)
    if isinstance(owner, Signal):
        return owner in _signals()
    module = getattr(func, "__module__", None) or type(func).__module__
    return str(module).partition(".")[0] == _PACKAGE


def _signals() -> list[Signal]:
    modules = (sys.modules.get(f"{_PACKAGE}.{name}") for name in ("signals", "users.signals"))
    return [
        value
        for module in modules
        if module is not None
        for value in vars(module).values()
        if isinstance(value, Signal)
    ]
