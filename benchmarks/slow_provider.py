"""Does a slow provider slow a start down? `python -m benchmarks.slow_provider`, see README.md."""

from __future__ import annotations

import argparse
import secrets
from collections.abc import Iterator
from contextlib import ExitStack
from statistics import median, quantiles

from benchmarks import databases, load, numbers, servers

QUEUE = "benchmarks.sender.wake"


def main() -> None:
    """Measure starts with an instant and with a slow provider in turns, and print their ratio."""
    options = _options()
    sides = {"instant": 0.0, "slow": options.seconds}
    with ExitStack() as stack:
        drivers = {
            name: _driver(stack, seconds, secrets.token_urlsafe(48), options)
            for name, seconds in sides.items()
        }
        phases = _interleave(drivers, numbers.fresh(), options)
    print(f"A start with DISPATCH {'inline' if options.inline else 'a queue'}:")
    print(f"{'':<12}{'instant':>12}{f'{options.seconds:g} s':>12}{'ratio':>12}")
    for percent in (50, 95, 99):
        cut = {name: _percentile(found, percent) for name, found in phases.items()}
        ratio = cut["slow"] / cut["instant"]
        print(f"p{percent}, ms{cut['instant']:>17.2f}{cut['slow']:>12.2f}{ratio:>12.2f}")
    pairs = [
        median(slow.latencies) / median(instant.latencies)
        for instant, slow in zip(phases["instant"], phases["slow"], strict=True)
    ]
    spread = f"{min(pairs):.2f}–{max(pairs):.2f}"
    print(f"p50, slow÷instant, by pair of rounds: median {median(pairs):.2f}, {spread}")


def _driver(
    stack: ExitStack, seconds: float, key: str, options: argparse.Namespace
) -> load.Clients:
    """Serve one side, with a worker of its own, and connect to it."""
    more = {"BENCH_PROVIDER_SECONDS": str(seconds)}
    if not options.inline:
        more["BENCH_DISPATCH"] = QUEUE
    make = databases.sqlite
    if options.database != "sqlite" and not databases.why_not(options.postgres):
        make = lambda: databases.postgres(options.postgres)  # noqa: E731 - as run.py has it
    url = stack.enter_context(make())
    prepared = servers.prepare("ours", url, key=key)
    serving = servers.serve(prepared, workers=1, threads=options.clients, more=more)
    server = stack.enter_context(serving)
    if not options.inline:
        stack.enter_context(servers.deliverer(prepared, more))
    return stack.enter_context(load.connect(server, options.clients))


def _interleave(
    drivers: dict[str, load.Clients], numbers_to_verify: Iterator[str], options: argparse.Namespace
) -> dict[str, list[load.Phase]]:
    phases: dict[str, list[load.Phase]] = {name: [] for name in drivers}
    for driver in drivers.values():
        driver.starts(numbers_to_verify, 5 * options.clients)  # connections, imports, caches
    order = list(drivers)
    for _ in range(options.rounds):
        for name in order:
            phases[name].append(drivers[name].starts(numbers_to_verify, options.starts))
        order.reverse()
    return phases


def _percentile(phases: list[load.Phase], percent: int) -> float:
    latencies = [1000 * seconds for phase in phases for seconds in phase.latencies]
    return quantiles(latencies, n=100, method="inclusive")[percent - 1]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.slow_provider", description=__doc__)
    add = parser.add_argument
    add("--seconds", type=float, default=2.0, help="how long the slow provider takes")
    add("--inline", action="store_true", help="without a queue, for contrast")
    add("--rounds", type=int, default=10, help="rounds of each side")
    add("--starts", type=int, default=100, help="starts of a round")
    add("--clients", type=int, default=4, help="client threads, and threads of gunicorn")
    add("--database", choices=("postgres", "sqlite"), default="postgres")
    add("--postgres", default=databases.LOOPBACK, metavar="URL", help="%(default)s")
    return parser.parse_args()


if __name__ == "__main__":
    main()
