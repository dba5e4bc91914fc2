"""Measures the dashboard on a large site: `python -m benchmarks.dashboard --rows N`.

The rows are of a month, to many countries by several channels and senders, in a PostgreSQL
database of its own. They are counted by the hour first, as a worker does.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from pathlib import Path
from typing import Any

from benchmarks import databases

PAGES = {
    "today": {"period": "today"},
    "24 hours": {"period": "24h"},
    "7 days": {"period": "7d"},
    "30 days": {"period": "30d"},
    "30 days, one country": {"period": "30d", "country": "ID"},
}


def main() -> None:
    """Fill, count, measure, and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dashboard", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="attempts (%(default)s)")
    parser.add_argument("--calls", type=int, default=10, help="calls of a page (%(default)s)")
    parser.add_argument("--postgres", default=databases.LOOPBACK, metavar="URL", help="%(default)s")
    options = parser.parse_args()
    # The admin has sessions.
    with databases.of_this_process(options.postgres, BENCH_MIDDLEWARE="1"):
        measure(options.rows, options.calls)


def measure(rows: int, calls: int) -> dict[str, float]:
    """Print and return milliseconds of each page, the median of its calls."""
    from django.contrib.auth.models import User
    from django.db import connection
    from django.test import Client

    from benchmarks import crowd
    from django_verify import rollups
    from django_verify.models import AttemptRollup

    began = time.perf_counter()
    found = crowd.fill_of_many_kinds(rows)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM")
    print(f"{rows:,} attempts written in {time.perf_counter() - began:.0f} s")
    began = time.perf_counter()
    hours = rollups.advance()
    print(
        f"{hours} hours counted in {time.perf_counter() - began:.0f} s:"
        f" {AttemptRollup.objects.count():,} lines"
    )
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    admin = Client(headers={"host": "localhost"})
    admin.force_login(User.objects.create_superuser("boss"))
    medians = {}
    for name, query in PAGES.items():
        admin.get("/admin/django_verify/dashboard/", query)
        times = [_timed(admin, query) for _ in range(calls)]
        wall, cpu, server = (statistics.median(column) for column in zip(*times, strict=True))
        medians[name] = wall
        print(
            f"dashboard, {name:22} {wall:8.1f} ms; CPU of this process {cpu:6.1f},"
            f" of the database's {server:6.1f}"
        )
    for name, call in _summaries(found).items():
        call()
        took = []
        for _ in range(calls):
            began = time.perf_counter()
            call()
            took.append((time.perf_counter() - began) * 1000)
        medians[name] = statistics.median(took)
        print(f"{name:33} {medians[name]:8.1f} ms")
    return medians


def _summaries(found: Any) -> dict[str, Any]:
    from benchmarks.scale import _client

    token = found.busy.set_auth_token()
    found.busy.save()
    client = _client(found.busy.pk, token)
    return {"Attempts/Summary of the month": lambda: client("Attempts/Summary", {})}


def _timed(client: Any, query: dict[str, str]) -> tuple[float, float, float]:
    """Return milliseconds of wall, and of CPU here and in the server's process of this connection.

    Both CPUs together are what the page takes on a machine with nothing else to do.
    """
    server = _server_cpu()
    wall, cpu = time.perf_counter(), time.process_time()
    answer = client.get("/admin/django_verify/dashboard/", query)
    assert answer.status_code == 200, answer.status_code
    took = (time.perf_counter() - wall) * 1000, (time.process_time() - cpu) * 1000
    return *took, _server_cpu() - server


def _server_cpu() -> float:
    """Return milliseconds of CPU of the server's process; 0 where it is on another machine."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()
    try:
        # Its fields begin behind the name, which may hold spaces.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) * 1000 / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
