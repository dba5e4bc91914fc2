"""Runs the comparison: `python -m benchmarks.run`, see README.md."""

from __future__ import annotations

import argparse
import json
import os
import platform
import secrets
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from importlib.metadata import version
from pathlib import Path
from typing import Any

import django
import rest_framework
from django.conf import settings

from benchmarks import bounds, databases, imports, load, numbers, peers, report, servers
from benchmarks.scenarios import SCENARIOS, known, new
from benchmarks.sides import SIDES, VARIANTS

Maker = Callable[[], AbstractContextManager[str]]
Result = dict[str, Any]


def main() -> None:
    """Measure on every database that there is, print the tables, and write the JSON.

    Exits with what is beyond its bounds, or if there is no database.
    """
    options = _options()
    options.key = secrets.token_urlsafe(48)
    settings.configure(SECRET_KEY=options.key)  # for the codes that the client has to know
    python = str(peers.install()) if options.peers else sys.executable
    results: list[Result] = []
    for name, make in _databases(options).items():
        for group in _groups(options):
            results += measure(name, make, group, python, options)
    if not results:
        raise SystemExit("Nothing was measured.")
    measured = [result for result in results if "ratios" in result]
    costs = [result for result in results if "costs" in result]
    print("", _about(options), "", report.ratios(measured, _labels()), "", sep="\n")
    print(report.costs(costs, _labels()), flush=True)
    starts = imports.measure(2 if options.quick else 5) if options.imports else {}
    if starts:
        print(imports.render(starts), flush=True)
    if options.json:
        given = {name: value for name, value in vars(options).items() if name not in _SECRET}
        found = {**_versions(), "options": given, "results": results, "starts": starts}
        options.json.write_text(json.dumps(found, indent=1, default=str) + "\n")
    beyond = [line for result in results for line in bounds.beyond(result)]
    if beyond := [*beyond, *(imports.beyond(starts) if starts else ())]:
        raise SystemExit("\n".join(["", "Beyond the bounds:", *beyond]))


def measure(
    database: str, make: Maker, group: Sequence[str], python: str, options: argparse.Namespace
) -> list[Result]:
    """Run some sides on one kind of database: each scenario with each number of client threads."""
    results: list[Result] = []
    with ExitStack() as stack:
        prepared = _prepare(stack, make, group, python, options)
        running = [
            stack.enter_context(
                servers.serve(each, workers=options.workers, threads=options.threads)
            )
            for each in prepared
        ]
        fresh = numbers.fresh()
        for clients in options.clients:
            with ExitStack() as connections:
                drivers = [
                    connections.enter_context(load.connect(server, clients)) for server in running
                ]
                _warm(drivers, fresh, options)
                for scenario in options.scenarios:
                    found = _interleave(drivers, fresh, scenario, options)
                    results.append(
                        {"database": database, "clients": clients, "scenario": scenario, **found}
                    )
                    _show(results[-1])
        with ExitStack() as connections:
            drivers = [connections.enter_context(load.connect(server, 1)) for server in running]
            costs = {d.server.side.name: _cost(database, d, fresh, options) for d in drivers}
        counted = {each.name: each.statements for each in prepared}
        results.append({"database": database, "statements": counted, "costs": costs})
    return results


def _prepare(
    stack: ExitStack,
    make: Maker,
    group: Sequence[str],
    python: str,
    options: argparse.Namespace,
) -> list[servers.Prepared]:
    """Prepare the sides, as many at once as there are processors: the migrations take longest."""
    urls = [stack.enter_context(make()) for _ in group]

    def one(name: str, url: str) -> servers.Prepared:
        return servers.prepare(
            name,
            url,
            key=options.key,
            python=python if name in _PEERS else sys.executable,
            middleware=options.middleware,
            rows=0 if name in _PEERS or _is_empty(name, group) else options.rows,
        )

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(one, group, urls))


def _interleave(
    drivers: Sequence[load.Clients],
    fresh: Iterator[str],
    scenario: str,
    options: argparse.Namespace,
) -> Result:
    """Alternate short rounds of all sides, so that the machine's noise meets all alike."""
    rounds: dict[str, list[load.Round]] = {driver.server.side.name: [] for driver in drivers}
    order = list(drivers)
    for _ in range(options.rounds):
        for driver in order:
            measured = SCENARIOS[scenario](driver, fresh, options.cycles)
            rounds[driver.server.side.name].append(measured)
        order.reverse()
    table = {
        driver.server.side.name: report.figures(
            rounds[driver.server.side.name],
            driver.server.statements,
            known=scenario == "known",
        )
        for driver in drivers
    }
    ratios = {
        f"{one} ÷ {other}": report.compare(rounds[one], rounds[other], table[one], table[other])
        for one, other in _pairs(list(table))
    }
    return {"sides": table, "ratios": ratios}


def _pairs(names: list[str]) -> Iterator[tuple[str, str]]:
    """Yield which side is compared with which: ours with the others, its variants with ours."""
    for name in names:
        if name != "ours":
            yield (name, "ours") if name in VARIANTS else ("ours", name)


def _cost(
    database: str, driver: load.Clients, fresh: Iterator[str], options: argparse.Namespace
) -> dict[str, float]:
    """Return what a worker keeps in memory, and what a cycle costs PostgreSQL."""
    url, cycles = driver.server.url, options.cycles
    rss, pss = driver.server.memory()
    found = {"RSS, MB": rss, "PSS, MB": pss}
    if database == "PostgreSQL":
        new(driver, fresh, 1)  # the session whose time is looked at
        before = databases.processor_times(url)
        written = databases.wal(url, lambda: new(driver, fresh, cycles))
        after = databases.processor_times(url)
        used = sum(seconds - before.get(pid, 0) for pid, seconds in after.items())
        found |= {name: amount / cycles for name, amount in written.items()}
        found["database CPU, ms"] = 1000 * used / cycles
    return found


def _show(result: Result) -> None:
    clients = result["clients"]
    title = f"{result['database']}, {clients} client thread{'s' * (clients > 1)}"
    print(
        f"\n{title}, {result['scenario']}", report.render(result, _labels()), sep="\n", flush=True
    )


# Rounds of the sides before those that are measured, and seconds: processes learn of people's codes
# each two seconds, however quick the machine is.
_WARMING, _WARMING_FOR = 6, 12.0
_PEERS = [name for name, side in SIDES.items() if side.package]
_SECRET = {"key", "json"}


def _warm(
    drivers: Sequence[load.Clients], fresh: Iterator[str], options: argparse.Namespace
) -> None:
    """Fill connections, imports and caches, until no country is new to the guard any more."""
    began, number = time.monotonic(), 0
    while number < 1 or not (
        options.quick or (number >= _WARMING and time.monotonic() - began >= _WARMING_FOR)
    ):
        for driver in drivers:
            known(driver, fresh, 5 * options.threads)
        number += 1


def _labels() -> Mapping[str, str]:
    """Return the names for people, those of packages with what is installed of them."""
    labels = {name: side.label for name, side in (SIDES | VARIANTS).items()}
    for name in _PEERS:
        labels[name] += f" {peers.PACKAGES[SIDES[name].package]}"
    return labels


def _groups(options: argparse.Namespace) -> list[list[str]]:
    """Return the sides that run next to each other."""
    groups = [[name for name in SIDES if options.peers or name not in _PEERS]]
    variants = [name for name in VARIANTS if options.rows or name != "ours+rows"]
    return [*groups, ["ours", *variants]] if options.variants else groups


def _is_empty(name: str, group: Sequence[str]) -> bool:
    """Whether a side has no rows before, since it runs beside one that has."""
    return "ours+rows" in group and name != "ours+rows"


def _versions() -> dict[str, Any]:
    names = ("gunicorn", "psycopg", "mysqlclient")
    found = {"python": platform.python_version(), "django": django.get_version()}
    found |= {"rest_framework": rest_framework.VERSION, "cpus": os.cpu_count()}
    for name in names:
        try:
            found[name] = version(name)
        except ModuleNotFoundError:
            continue
    return found


def _about(options: argparse.Namespace) -> str:
    found = ", ".join(f"{name} {value}" for name, value in _versions().items())
    host = "the example site's middleware" if options.middleware else "a bare host"
    return (
        f"gunicorn {options.workers}×{options.threads} threads, {host}, {options.rows} rows before,"
        f" {options.rounds} rounds of {options.cycles} cycles; {found}"
    )


def _databases(options: argparse.Namespace) -> dict[str, Maker]:
    kinds = {
        "sqlite": ("SQLite", "", databases.sqlite),
        "postgres": ("PostgreSQL", options.postgres, databases.postgres),
        "mariadb": ("MariaDB", options.mariadb, databases.mariadb),
    }
    found: dict[str, Maker] = {}
    for kind in options.database:
        label, server, make = kinds[kind]
        reason = databases.why_not(server) if server else ""
        if reason:
            print(f"{label} is left out: {reason}")
        else:
            found[label] = lambda make=make, server=server: make(server) if server else make()
    return found


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    add, kinds = parser.add_argument, ("sqlite", "postgres", "mariadb")
    add("--quick", action="store_true", help="a few short rounds, under a minute")
    add("--peers", action="store_true", help="with published packages, installed for it")
    add("--variants", action="store_true", help="with more of ours turned on, by ours as it is")
    add("--rounds", type=int, help="rounds of each side (8; quick: 3)")
    add("--cycles", type=int, help="cycles of a round (100; quick: 30)")
    add("--scenarios", nargs="+", choices=SCENARIOS, help="all; quick: new")
    add("--clients", type=int, nargs="+", help="numbers of client threads (1 8 32; quick: 4)")
    add("--workers", type=int, default=2, help="gunicorn workers (%(default)s)")
    add("--threads", type=int, default=4, help="gunicorn threads of a worker (%(default)s)")
    add("--rows", type=int, default=0, help="verifications that are there before (%(default)s)")
    add(
        "--database",
        nargs="+",
        choices=kinds,
        help="those whose servers are named, or all; quick: all",
    )
    add("--postgres", metavar="URL", help=databases.LOOPBACK)
    add("--mariadb", metavar="URL", help=databases.MARIADB)
    add("--middleware", action="store_true", help="with the example site's, on every side")
    add("--no-imports", dest="imports", action="store_false", help="not the start of a process")
    add("--json", type=Path, metavar="FILE", help="write the figures there as well")
    options = parser.parse_args()
    quick = options.quick
    named = [kind for kind in kinds if getattr(options, kind, None)]
    options.database = options.database or (not quick and named) or list(kinds)
    options.postgres = options.postgres or databases.LOOPBACK
    options.mariadb = options.mariadb or databases.MARIADB
    options.rounds = options.rounds or (3 if quick else 8)
    options.cycles = options.cycles or (30 if quick else 100)
    options.scenarios = options.scenarios or (["new"] if quick else list(SCENARIOS))
    options.clients = options.clients or ([4] if quick else [1, 8, 32])
    return options


if __name__ == "__main__":
    main()
