"""The cursors of the statements that are sent all day, kept for as long as their connection.

To open one, and to let it learn how values are written and read, costs a process a third of what a
statement does; psycopg forgets what it has learned with the next other statement, so that each has
a cursor of its own. Django's checks of the connection come before each use, and who stands between
Django and its cursors is asked as ever.
"""

from __future__ import annotations

from collections.abc import Hashable
from types import TracebackType
from typing import Any, NamedTuple

_NAME = "_django_verify_cursors"
# Cursors that a connection keeps: more than there are statements of every day.
_MOST = 64


class _Kept(NamedTuple):
    """A cursor, the driver's connection that it is of, and the zone in which it reads times."""

    cursor: Any
    connection: Any
    timezone: Any


class Kept:
    """A block with the cursor that a connection keeps for a statement.

    The rows are fetched within the block. It has the cursor alone: the same statement in the midst
    of it opens another one.
    """

    __slots__ = ("_connection", "_kept", "_statement")

    def __init__(self, connection: Any, statement: Hashable) -> None:
        self._connection, self._statement = connection, statement
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
        kept: _Kept | None = attributes.get(_NAME, _NOTHING).pop(self._statement, None)
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
        kept, attributes = self._kept, vars(self._connection)
        if kept is None:
            return
        if kind is not None or self._connection.queries_logged or "cursor" in attributes:
            # As Django closes it: what the driver says of a connection that is gone hides no error.
            kept.cursor.__exit__(kind, error, traceback)
            return
        cursors: dict[Hashable, _Kept] = attributes.setdefault(_NAME, {})
        if len(cursors) >= _MOST:
            cursors.clear()
        cursors[self._statement] = kept

    def _opened(self) -> Any:
        connection = self._connection
        cursor = connection.cursor()
        self._kept = _Kept(cursor, connection.connection, connection.timezone)
        return cursor


_NOTHING: dict[Hashable, _Kept] = {}
