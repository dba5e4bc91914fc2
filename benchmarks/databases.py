"""Throw-away databases: a SQLite file in a temporary folder, or one of a PostgreSQL server's."""

from __future__ import annotations

import importlib.util
import secrets
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

LOOPBACK = "postgres://postgres@127.0.0.1:5432/postgres"


@contextmanager
def sqlite() -> Iterator[str]:
    """Make a SQLite file for as long as the block runs, and give its URL."""
    with tempfile.TemporaryDirectory(prefix="verify-bench-") as folder:
        yield f"sqlite:///{Path(folder) / 'bench.sqlite3'}"


@contextmanager
def postgres(server: str) -> Iterator[str]:
    """Make a database on a server for as long as the block runs, and give its URL."""
    name = f"verify_bench_{secrets.token_hex(4)}"
    _command(server, f"CREATE DATABASE {name}")
    try:
        yield urlsplit(server)._replace(path=f"/{name}").geturl()
    finally:
        _command(server, f"DROP DATABASE {name} WITH (FORCE)")


def why_no_postgres(server: str) -> str:
    """Return why a PostgreSQL server cannot be used, or nothing when it answers."""
    if importlib.util.find_spec("psycopg") is None:
        return "psycopg is not installed"
    try:
        _command(server, "SELECT 1")
    except Exception as error:
        return str(error).splitlines()[0]
    return ""


def rows(url: str, sql: str, keys: Sequence[str]) -> list[tuple[Any, ...]]:
    """Run a query with one list of keys, written `{keys}` in it, on a connection of its own."""
    if url.startswith("sqlite:"):
        query = sql.format(keys=", ".join("?" * len(keys)))
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
            return connection.execute(query, keys).fetchall()
    import psycopg

    with psycopg.connect(url) as connection:
        query = sql.format(keys=", ".join(["%s"] * len(keys)))
        return connection.execute(query, keys).fetchall()


def _command(server: str, sql: str) -> None:
    import psycopg

    with psycopg.connect(server, autocommit=True, connect_timeout=3) as connection:
        connection.execute(sql)
