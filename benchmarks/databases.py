"""Throw-away databases: a SQLite file in a temporary folder, or one of a server's."""

from __future__ import annotations

import importlib.util
import os
import secrets
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

LOOPBACK = "postgres://postgres@127.0.0.1:5432/postgres"
MARIADB = "mysql://root@127.0.0.1:3306/mysql"
_DRIVERS = {"postgres": "psycopg", "mysql": "MySQLdb"}


@contextmanager
def sqlite() -> Iterator[str]:
    """Make a SQLite file for as long as the block runs, and give its URL."""
    with tempfile.TemporaryDirectory(prefix="verify-bench-") as folder:
        yield f"sqlite:///{Path(folder) / 'bench.sqlite3'}"


@contextmanager
def postgres(server: str) -> Iterator[str]:
    """Make a database on a server for as long as the block runs, and give its URL."""
    with _on_server(server, " WITH (FORCE)") as url:
        yield url


@contextmanager
def of_this_process(server: str, **environ: str) -> Iterator[str]:
    """Set Django up on a new PostgreSQL database, with its tables and no rows, and give its URL.

    The variables are those of the settings. Raises SystemExit where the server does not answer.
    """
    if reason := why_not(server):
        raise SystemExit(f"PostgreSQL is needed: {reason}")
    with postgres(server) as url:
        os.environ |= {
            "DATABASE_URL": url,
            "DJANGO_SETTINGS_MODULE": "benchmarks.settings",
            "SECRET_KEY": secrets.token_urlsafe(48),
            **environ,
        }
        import django
        from django.core.management import call_command
        from django.db import connection

        django.setup()
        try:
            call_command("migrate", verbosity=0)
            yield url
        finally:
            connection.close()


@contextmanager
def mariadb(server: str) -> Iterator[str]:
    """Make a database on a server for as long as the block runs, and give its URL."""
    with _on_server(server) as url:
        yield url


@contextmanager
def _on_server(server: str, force: str = "") -> Iterator[str]:
    name = f"verify_bench_{secrets.token_hex(4)}"
    command(server, f"CREATE DATABASE {name}")
    try:
        yield urlsplit(server)._replace(path=f"/{name}").geturl()
    finally:
        command(server, f"DROP DATABASE {name}{force}")


def why_not(server: str) -> str:
    """Return why a server cannot be used, or nothing when it answers."""
    driver = _DRIVERS[urlsplit(server).scheme]
    if importlib.util.find_spec(driver) is None:
        return f"{driver} is not installed"
    try:
        command(server, "SELECT 1")
    except Exception as error:
        return str(error).splitlines()[0]
    return ""


def rows(url: str, sql: str, keys: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Run a query with one list of keys, written `{keys}` in it, on a connection of its own."""
    place = "?" if url.startswith("sqlite:") else "%s"
    return command(url, sql.format(keys=", ".join([place] * len(keys))), *keys)


def command(url: str, sql: str, *values: Any) -> list[tuple[Any, ...]]:
    """Run one statement on a connection of its own, and return its rows."""
    with closing(_connect(url)) as connection, closing(connection.cursor()) as cursor:
        cursor.execute(sql, *([values] if values else []))
        return [tuple(row) for row in cursor.fetchall()] if cursor.description else []


def _connect(url: str) -> Any:
    if url.startswith("sqlite:"):
        return sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
    if url.startswith("mysql:"):
        import MySQLdb

        parts = urlsplit(url)
        given = {"user": parts.username, "passwd": parts.password, "db": parts.path[1:]}
        given = {name: unquote(value) for name, value in given.items() if value}
        where = {"host": parts.hostname or "127.0.0.1", "port": parts.port or 3306}
        return MySQLdb.connect(**where, **given, autocommit=True, connect_timeout=3)
    import psycopg

    return psycopg.connect(url, autocommit=True, connect_timeout=3)


def wal(url: str, work: Callable[[], object]) -> dict[str, float]:
    """Return what some work wrote on PostgreSQL: bytes of its log, updates, heap-only ones.

    They are read from the log's records, so that other databases of the server do not count. It is
    empty where the server has no `pg_walinspect`, does not let the user make it, or has removed the
    log meanwhile.
    """
    try:
        command(url, "CREATE EXTENSION IF NOT EXISTS pg_walinspect")
    except Exception:
        return {}
    ((database,),) = command(url, "SELECT oid FROM pg_database WHERE datname = current_database()")
    ((before,),) = command(url, "SELECT pg_current_wal_insert_lsn()")
    work()
    sql = (
        "SELECT sum(record_length - fpi_length), sum(record_length),"
        " count(*) FILTER (WHERE record_type LIKE '%%UPDATE%%'),"
        " count(*) FILTER (WHERE record_type LIKE 'HOT_UPDATE%%')"
        " FROM pg_get_wal_records_info(%s, pg_current_wal_flush_lsn()) WHERE block_ref LIKE %s"
    )
    try:
        (found,) = command(url, sql, before, f"%/{database}/%")
    except Exception:
        return {}
    names = ("WAL bytes", "WAL bytes with page images", "updates", "heap-only updates")
    return {name: float(value or 0) for name, value in zip(names, found, strict=True)}


def processor_times(url: str) -> dict[int, float]:
    """Return the seconds that each session of a database has used, where they are seen.

    They are processes of PostgreSQL on this machine; what the server does for all sessions together
    is not in them.
    """
    sql = "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
    found = {}
    for (pid,) in command(url, sql):
        process = Path(f"/proc/{pid}")
        try:
            if process.joinpath("comm").read_text().startswith("postgres"):
                found[pid] = int(process.joinpath("schedstat").read_text().split()[0]) / 1e9
        except OSError:
            continue
    return found
