"""A database connection that dies at the statement that a test names."""

import os
import socket
import time
from contextlib import ExitStack, contextmanager

from django.db import OperationalError, connection

#: How a connection dies: before the server sees the statement; after it has run the statement, whose
#: answer is lost; and before it, with a server that cannot be reached for the rest of the block.
WAYS = ("before", "after", "away")


class Cut:
    """Counts statements, COMMIT and ROLLBACK among them, and cuts the connection at number `at`."""

    def __init__(self, at, way="before"):
        self.at, self.way = at, way
        self.seen = 0
        self.statement = ""

    @property
    def happened(self):
        return bool(self.statement)

    @contextmanager
    def applied(self):
        """Cut the connection of this thread within the block; after it there is a new one."""
        connection.ensure_connection()
        with ExitStack() as stack:
            stack.enter_context(connection.execute_wrapper(self._execute))
            for name in ("_commit", "_rollback"):
                stack.enter_context(self._counting(name))
            stack.enter_context(self._unreachable())
            yield self
        connection.close()

    def _execute(self, execute, sql, params, many, context):
        return self._run(sql, lambda: execute(sql, params, many, context))

    @contextmanager
    def _counting(self, name):
        real = getattr(connection, name)
        setattr(connection, name, lambda: self._run(name, real))
        try:
            yield
        finally:
            delattr(connection, name)

    @contextmanager
    def _unreachable(self):
        real = connection.get_new_connection

        def connect(*args):
            if self.happened and self.way == "away":
                raise OperationalError("the server is away")
            return real(*args)

        connection.get_new_connection = connect
        try:
            yield
        finally:
            del connection.get_new_connection

    def _run(self, statement, run):
        self.seen += 1
        if self.seen != self.at:
            return run()
        self.statement = statement
        if self.way == "after":
            run()
            sever()
            raise OperationalError("the answer was lost")
        sever()
        return run()


def sever():
    """Close the socket under this thread's connection, which learns of it at its next statement."""
    if connection.vendor == "postgresql":
        with socket.socket(fileno=os.dup(connection.connection.fileno())) as twin:
            twin.shutdown(socket.SHUT_RDWR)
        return
    # Its driver shows no socket, so the server closes it, and is waited for.
    given = connection.get_connection_params()
    operator = connection.Database.connect(**given)
    number = connection.connection.thread_id()
    try:
        with operator.cursor() as cursor:
            cursor.execute(f"KILL CONNECTION {number}")
            left = "SELECT 1 FROM information_schema.processlist WHERE id = %s"
            while cursor.execute(left, [number]):
                time.sleep(0.001)
    finally:
        operator.close()
