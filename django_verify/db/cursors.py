"""The cursor of the statements that are sent all day, kept for as long as its connection.

To open one, and to let it learn how values are written and read, costs a process a third of what a
statement does. Django's own checks of the connection come before each use, and whoever stands
between Django and its cursors is asked as ever.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any, NamedTuple

_NAME = "_django_verify_cursor"


class _Kept(NamedTuple):
    """A cursor, the driver's connection that it is of, and the zone in which it reads times."""

    cursor: Any
    connection: Any
    timezone: Any


class Kept:
    """A block with a connection's cursor, for statements whose rows are fetched within it.

    Within the block it is this block's alone: another one opens a cursor of its own.
    """

    __slots__ = ("_connection", "_kept")

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._kept: _Kept | None = None

    def __enter__(self) -> Any:
        connection = self._connection
        attributes = vars(connection)
        # Queries that are logged have a cursor of another class; a tool, or a test, may have put
        # another function in the place of Django's.
        if connection.queries_logged or "cursor" in attributes:
            return self._opened()
        connection.validate_thread_sharing()
        connection.close_if_health_check_failed()
        connection.ensure_connection()
        kept: _Kept | None = attributes.pop(_NAME, None)
        if (
            kept is None
            or kept.connection is not connection.connection
            or kept.timezone != connection.timezone
        ):
            return self._opened()
        self._kept = kept
        return kept.cursor

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        kept, connection = self._kept, self._connection
        if kept is None:
            return
        if kind is None and not connection.queries_logged and "cursor" not in vars(connection):
            vars(connection)[_NAME] = kept
        else:
            # As Django closes it: what the driver says of a connection that is gone hides no error.
            kept.cursor.__exit__(kind, error, traceback)

    def _opened(self) -> Any:
        connection = self._connection
        cursor = connection.cursor()
        self._kept = _Kept(cursor, connection.connection, connection.timezone)
        return cursor
