"""What a rate of verifications needs, by the arithmetic of docs/capacity.md.

`python -m benchmarks.plan --rate 100`, with what a cycle costs on your own machine.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

DAY = 86_400
# How busy processors may be before waits grow faster than the rate.
BUSY = 0.6


@dataclass(frozen=True)
class Costs:
    """What a cycle costs, as the benchmark prints it, and what a site's people and providers do."""

    application_ms: float
    database_ms: float
    wal_bytes: float
    row_bytes: float
    worker_mb: float
    flush_ms: float = 1.0
    provider_seconds: float = 0.3
    cycles_each: float = 1.1
    threads: int = 4
    days_kept: int = 30


def steps(rate: float, costs: Costs) -> Iterator[tuple[str, str, str]]:
    """Yield each step of a plan: what is looked at, its arithmetic, and what it comes to."""
    cycles = rate * costs.cycles_each
    application = cycles * costs.application_ms / 1000
    workers = ceil(application / BUSY)
    each = f"{costs.application_ms:g} ms = {application:,.1f} busy, ÷ {BUSY:g}"
    yield "cores of the application", f"{cycles:,.0f} cycles/s × {each}", f"{workers:,}"
    yield (
        "its memory, a worker on each core",
        f"{workers:,} workers × {costs.worker_mb:,.0f} MB",
        _bytes(workers * costs.worker_mb * 2**20),
    )
    database = cycles * costs.database_ms / 1000
    yield (
        "cores of the database",
        f"{cycles:,.0f} × {costs.database_ms:g} ms = {database:,.1f} busy, ÷ {BUSY:g}",
        f"{ceil(database / BUSY):,}",
    )
    commits = 4 * cycles
    yield "commits", f"{cycles:,.0f} × 4", f"{commits:,.0f} a second"
    held = cycles * (costs.database_ms + 4 * costs.flush_ms) / 1000
    clients = workers * costs.threads
    yield (
        "connections",
        f"{workers:,} workers × {costs.threads} threads, and as many for each kind of worker",
        f"{clients:,} and more",
    )
    each = f"({costs.database_ms:g} ms + 4 flushes of {costs.flush_ms:g} ms)"
    yield (
        "sessions of the database at work",
        f"{cycles:,.0f} × {each} = {held:,.1f}, and as many again",
        f"{ceil(2 * held):,}",
    )
    written = cycles * costs.wal_bytes
    each = f"{costs.wal_bytes:,.0f} bytes = {_bytes(written)}/s; more after a checkpoint"
    yield "WAL", f"{cycles:,.0f} × {each}", f"{_bytes(written * DAY)} a day"
    grown = rate * costs.row_bytes * DAY
    yield (
        "rows",
        f"{rate:,.0f} × {costs.row_bytes:,.0f} bytes × {DAY:,} s = {_bytes(grown)} a day",
        f"{_bytes(grown * costs.days_kept)} in {costs.days_kept} days",
    )
    yield (
        "deleting",
        f"{rate:,.0f} verifications and {cycles:,.0f} attempts a second, in the long run",
        f"{rate + cycles:,.0f} rows a second",
    )
    sending = cycles * costs.provider_seconds
    yield (
        "sending",
        f"{cycles:,.0f} messages/s × {costs.provider_seconds:g} s of the provider",
        f"{ceil(sending):,} messages under way",
    )


def table(rate: float, costs: Costs) -> str:
    """Return the plan as a table to be pasted."""
    lines = ["| step | arithmetic | needs |", "|---|---|---|"]
    lines += [f"| {' | '.join(step)} |" for step in steps(rate, costs)]
    return "\n".join(lines)


def _bytes(amount: float) -> str:
    for unit in ("bytes", "KB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.3g} {unit}"
        amount /= 1000
    return f"{amount:,.1f} TB"


def main() -> None:
    """Print the plan."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.plan", description=__doc__)
    add = parser.add_argument
    add("--rate", type=float, default=100, help="verifications a second (%(default)s)")
    add("--application-ms", type=float, required=True, help="application CPU of a cycle")
    add("--database-ms", type=float, required=True, help="CPU of its database session")
    add("--wal-bytes", type=float, default=2500, help="of a cycle (%(default)s)")
    add("--row-bytes", type=float, default=850, help="with attempt and indexes (%(default)s)")
    add("--worker-mb", type=float, default=65, help="memory of a worker (%(default)s)")
    add("--flush-ms", type=float, default=1, help="of the database's disk (%(default)s)")
    add("--provider-seconds", type=float, default=0.3, help="to take a message (%(default)s)")
    options = vars(parser.parse_args())
    rate = options.pop("rate")
    print(table(rate, Costs(**options)))


if __name__ == "__main__":
    main()
