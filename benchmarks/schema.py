"""Measures the two tables of a cycle on PostgreSQL: `python -m benchmarks.schema`, see README.md.

It fills a database of its own with verifications that are over, and then starts, checks wrongly
and approves some more. The bytes of WAL are read from its records (`pg_walinspect`, PostgreSQL 15
and later), so that the other databases of the server do not count.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from functools import partial
from itertools import islice
from typing import Any

from benchmarks import databases

TABLES = ("django_verify_verification", "django_verify_verificationattempt")


def main() -> None:
    """Fill, measure, and print."""
    options = _options()
    with databases.of_this_process(options.postgres) as url:
        _measure(url, options)


def _measure(url: str, options: argparse.Namespace) -> None:
    from benchmarks import filling, numbers
    from django_verify.models import Account, VerifyService

    account = Account.objects.create(friendly_name="Benchmark")
    service = VerifyService.objects.create(account=account, friendly_name="Benchmark")
    phones = numbers.fresh()
    filling.ours(service, options.rows)
    sql("VACUUM ANALYZE")
    print(f"{options.rows} rows of each table, vacuumed: bytes of a row")
    for table in TABLES:
        names = (
            name
            for (name,) in sql(
                "SELECT indexrelname FROM pg_stat_user_indexes WHERE relname = %s ORDER BY 1", table
            )
        )
        ((heap, indexes),) = sql("SELECT pg_table_size(%s), pg_indexes_size(%s)", table, table)
        print(f"  {table}: {heap / options.rows:.0f} + {indexes / options.rows:.0f} of indexes")
        for name in names:
            ((size,),) = sql("SELECT pg_relation_size(%s)", name)
            print(f"    {name}: {size / options.rows:.0f}")
    _cycles(service, phones, 20)  # caches and connections
    for checkpoint in (False, True):
        if checkpoint:
            sql("CHECKPOINT")
        title = "after a checkpoint" if checkpoint else "warm"
        work = partial(_cycles, service, phones, options.cycles)
        written = databases.wal(url, work)
        each = (f"{name} {n / options.cycles:.1f}" for name, n in written.items())
        print(f"A cycle, {title}: {', '.join(each)}")


def _cycles(service: Any, phones: Iterator[str], count: int) -> None:
    """Start, so that the pages of each row fill up, and then check wrongly and rightly."""
    from django_verify import verifications
    from django_verify.crypto import codes

    started = [verifications.start(service, to) for to in islice(phones, count)]
    for row in started:
        code = codes.reveal(row)
        wrong = f"{(int(code) + 1) % 10**6:06}"
        for typed in (wrong, code):
            verifications.check(service, typed, verification_sid=row.sid)


def sql(statement: str, *values: Any, **named: Any) -> list[tuple[Any, ...]]:
    """Run a statement and return its rows."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(statement, named or values)
        return cursor.fetchall() if cursor.description else []


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.schema", description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000, help="verifications (%(default)s)")
    parser.add_argument("--cycles", type=int, default=300, help="cycles measured (%(default)s)")
    parser.add_argument("--postgres", default=databases.LOOPBACK, metavar="URL", help="%(default)s")
    return parser.parse_args()


if __name__ == "__main__":
    main()
