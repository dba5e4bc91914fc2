"""Runs the comparison: `python -m benchmarks.run`, see README.md."""

from __future__ import annotations

import argparse
import json
import os
import platform
import secrets
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

import django
import rest_framework
from django.conf import settings

from benchmarks import bounds, databases, imports, load, numbers, report, servers

Maker = Callable[[], AbstractContextManager[str]]


def main() -> None:
    """Measure on every database that there is, print the tables, and write the JSON.

    Exits with what is beyond its bounds, or if there is no database.
    """
    options = _options()
    key = secrets.token_urlsafe(48)
    settings.configure(SECRET_KEY=key)  # for the codes that the client has to know
    results = [
        result
        for name, make in _databases(options).items()
        for result in measure(name, make, key, options)
    ]
    starts = imports.measure(2 if options.quick else 5)
    print(imports.render(starts), flush=True)
    if options.json:
        about = {
            "python": platform.python_version(),
            "django": django.get_version(),
            "rest_framework": rest_framework.VERSION,
            "cpus": os.cpu_count(),
            "options": {name: value for name, value in vars(options).items() if name != "json"},
        }
        found = {**about, "results": results, "starts": starts}
        options.json.write_text(json.dumps(found, indent=1) + "\n")
    if not results:
        raise SystemExit("Nothing was measured.")
    beyond = [line for result in results for line in bounds.beyond(result)]
    if beyond := [*beyond, *imports.beyond(starts)]:
        raise SystemExit("\n".join(["", "Beyond the bounds:", *beyond]))


def measure(name: str, make: Maker, key: str, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Run both sides on one kind of database, with each number of client threads."""
    results = []
    with ExitStack() as stack:
        running = [
            stack.enter_context(
                servers.serve(
                    side,
                    stack.enter_context(make()),
                    key=key,
                    workers=options.workers,
                    threads=options.threads,
                    bare=options.bare,
                )
            )
            for side in ("floor", "ours")
        ]
        numbers_to_verify = numbers.fresh()
        for clients in options.clients:
            result = _interleave(running, numbers_to_verify, clients, options)
            results.append({"database": name, "clients": clients, **result})
            title = f"\n{name}, {clients} client thread{'s' * (clients > 1)}"
            print(report.render(title, result), flush=True)
    return results


def _interleave(
    running: list[servers.Server],
    numbers_to_verify: Iterator[str],
    clients: int,
    options: argparse.Namespace,
) -> dict[str, Any]:
    """Alternate short rounds of both sides, so that the machine's noise meets both."""
    rounds: dict[str, list[load.Round]] = {"floor": [], "ours": []}
    with ExitStack() as stack:
        drivers = [stack.enter_context(load.connect(server, clients)) for server in running]
        for driver in drivers:
            driver.round(numbers_to_verify, 5 * options.threads)  # connections, imports, caches
        for _ in range(options.rounds):
            for driver in drivers:
                name = driver.server.side.name
                rounds[name].append(driver.round(numbers_to_verify, options.cycles))
            drivers.reverse()
    table = {
        server.side.name: report.figures(rounds[server.side.name], server.statements)
        for server in running
    }
    return {**table, "ratio": report.compare(rounds["floor"], rounds["ours"], table)}


def _databases(options: argparse.Namespace) -> dict[str, Maker]:
    found: dict[str, Maker] = {}
    if options.database in {"all", "sqlite"}:
        found["SQLite"] = databases.sqlite
    if options.database in {"all", "postgres"}:
        if reason := databases.why_no_postgres(options.postgres):
            print(f"PostgreSQL is left out: {reason}")
        else:
            found["PostgreSQL"] = lambda: databases.postgres(options.postgres)
    return found


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    add = parser.add_argument
    add("--quick", action="store_true", help="a few short rounds, under a minute")
    add("--rounds", type=int, help="rounds of each side (10; quick: 3)")
    add("--cycles", type=int, help="cycles of a round (150; quick: 30)")
    add("--clients", type=int, nargs="+", default=[1, 4], help="numbers of client threads")
    add("--workers", type=int, default=1, help="gunicorn workers")
    add("--threads", type=int, default=4, help="gunicorn threads of a worker")
    add("--database", choices=("all", "sqlite", "postgres"), default="all")
    add("--postgres", default=databases.LOOPBACK, metavar="URL", help="%(default)s")
    add("--bare", action="store_true", help="without the host's middleware, on both sides")
    add("--json", type=Path, metavar="FILE", help="write the figures there as well")
    options = parser.parse_args()
    options.rounds = options.rounds or (3 if options.quick else 10)
    options.cycles = options.cycles or (30 if options.quick else 150)
    return options


if __name__ == "__main__":
    main()
