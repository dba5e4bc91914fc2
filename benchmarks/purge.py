"""Measures a purge, and a light load beside it: `python -m benchmarks.purge`, see README.md.

A throw-away PostgreSQL database is filled with old verifications and recent ones. The same clients
start and check at a steady rate, in turns alone and beside a purge in a process of its own.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from benchmarks import databases, load, numbers, scenarios, schema, servers

OLD = dt.timedelta(days=40)
KINDS = ("attempts", "clients", "verifications")
# Of the two tables, made from one row of each: the columns that differ, and what they get. The SIDs
# begin with the milliseconds, as UUIDv7 does.
SID = (
    "(lpad(to_hex(%(ms)s::bigint + n), 12, '0') || '7' || substr(md5('{0}' || n || %(salt)s), 1, 3)"
    " || 'a' || substr(md5(n || '{0}' || %(salt)s), 1, 15))::uuid"
)
VERIFICATION = {
    "sid": SID.format("v"),
    "to": "'+1415' || %(first)s + n",
    "recipient_key": "'+1415' || %(first)s + n",
    "send_log": "'sms VL' || replace(({})::text, '-', '')".format(SID.format("a")),
    "nonce": "md5(n || %(salt)s)",
}
ATTEMPT = {
    "sid": SID.format("a"),
    "verification_id": SID.format("v"),
    "provider_sid": "md5(%(salt)s || n)",
}


def main() -> None:
    """Fill, purge alone, purge beside a load, and print; or be the purge itself."""
    options = _options()
    if options.worker:
        _work(options.share, options.batch)
        return
    with databases.of_this_process(options.postgres, DEBUG="0") as url:
        prepared = servers.prepare("ours", url, key=os.environ["SECRET_KEY"])
        with servers.serve(prepared, workers=1, threads=2) as server:
            found = _measure(server, options)
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n")


def _measure(server: servers.Server, options: argparse.Namespace) -> dict[str, Any]:
    phones = numbers.fresh(first=2_000_000)
    quiet: list[float] = []
    beside: list[float] = []
    rates: list[float] = []
    with load.connect(server, 2) as clients:
        _cycles(clients, phones, 20, options.rate)  # imports, caches, and a row of each table
    _fill(options.recent, dt.timedelta())
    _fill(options.rows, OLD)
    alone = _alone(options)
    print(f"{alone:,.0f} rows a second alone, with no pause", flush=True)
    for _ in range(options.rounds):
        _fill(options.rows, OLD)
        # New ones: the server has closed what was idle meanwhile.
        with load.connect(server, 2) as clients:
            _cycles(clients, phones, 4, options.rate)
            cycles = 0
            with _purge(options.share, options.batch) as purge:
                while purge.poll() is None:
                    beside += _cycles(clients, phones, 2, options.rate)
                    cycles += 2
                rates.append(_rate(purge))
            quiet += _cycles(clients, phones, cycles, options.rate)
    return _report(alone, rates, quiet, beside)


def _report(
    alone: float, rates: list[float], quiet: list[float], beside: list[float]
) -> dict[str, Any]:
    rate = median(rates)
    print(f"{rate:,.0f} rows a second beside the load, of {len(rates)} rounds")
    found: dict[str, Any] = {"alone": alone, "beside": rate, "requests": len(beside)}
    for percent in (50, 95, 99):
        two = [1000 * quantiles(each, n=100)[percent - 1] for each in (quiet, beside)]
        found[f"p{percent}"] = {"quiet": two[0], "beside": two[1], "ratio": two[1] / two[0]}
        print(f"p{percent}, ms: {two[0]:.1f} alone, {two[1]:.1f} beside: {two[1] / two[0]:.2f}")
    return found


def _cycles(clients: load.Clients, phones: Iterator[str], count: int, rate: float) -> list[float]:
    """Start and check at a steady rate of cycles a second; return the seconds of each request."""
    waits: list[float] = []
    due = time.monotonic()
    for _ in range(0, count, 2):
        found = scenarios.new(clients, phones, 2)
        waits += found["start"].latencies + found["check"].latencies
        due += 2 / rate
        time.sleep(max(due - time.monotonic(), 0))
    return waits


def _alone(options: argparse.Namespace) -> float:
    with _purge(1, options.batch) as purge:
        purge.wait()
        return _rate(purge)


@contextmanager
def _purge(share: float, batch: int) -> Iterator[subprocess.Popen[str]]:
    """Run a purge in a process of its own, from the moment that it is ready."""
    command = [sys.executable, "-m", "benchmarks.purge", "--worker"]
    command += ["--share", str(share), "--batch", str(batch)]
    process = subprocess.Popen(
        command, cwd=servers.ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        process.stdin.write("\n")
        process.stdin.flush()
        yield process
    finally:
        process.kill()
        process.wait()


def _rate(purge: subprocess.Popen[str]) -> float:
    assert purge.stdout is not None
    found = json.loads(purge.stdout.read())
    return float(found["rows"]) / float(found["seconds"])


def _work(share: float, batch: int) -> None:
    import django

    django.setup()
    from django_verify import retention

    print("ready", flush=True)
    sys.stdin.readline()
    chosen = [kind for kind in retention.KINDS if kind.name in KINDS]
    began = time.monotonic()
    outcomes = retention.purge(chosen, batch=batch, share=share)
    rows = sum(outcome.deleted for outcome in outcomes)
    print(json.dumps({"rows": rows, "seconds": time.monotonic() - began}))


def _fill(count: int, age: dt.timedelta) -> None:
    """Write verifications of this age, approved, each with its attempt, as copies of the newest."""
    from django.utils import timezone

    from django_verify.models import Verification, VerificationAttempt

    begun = timezone.now() - age - dt.timedelta(hours=1)
    values = {
        "ms": int(begun.timestamp() * 1000),
        "salt": secrets.token_hex(4),
        "first": secrets.randbelow(10**9),
        "count": count,
        "begun": begun,
    }
    dates = dict.fromkeys(("date_created", "date_updated", "sent_at"), "%(begun)s")
    dates["expires_at"] = "%(begun)s + interval '10 minutes'"
    newest = "SELECT {} FROM {} ORDER BY sid DESC LIMIT 1"
    for model, given in ((Verification, VERIFICATION), (VerificationAttempt, ATTEMPT)):
        table = model._meta.db_table  # noqa: SLF001
        columns = [field.column for field in model._meta.concrete_fields]  # noqa: SLF001
        chosen = ", ".join(given.get(c) or dates.get(c) or f'"{c}"' for c in columns)
        named = ", ".join(f'"{column}"' for column in columns)
        schema.sql(
            f"INSERT INTO {table} ({named}) SELECT {chosen}"
            f" FROM ({newest.format('*', table)}) AS one, generate_series(1, %(count)s) AS n",
            **values,
        )
    schema.sql("VACUUM ANALYZE")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.purge", description=__doc__)
    add = parser.add_argument
    add("--quick", action="store_true", help="few rows, one round")
    add("--rows", type=int, help="old verifications of a round (200,000; quick: 20,000)")
    add("--recent", type=int, help="verifications that stay (500,000; quick: 20,000)")
    add("--rounds", type=int, help="rounds beside the load (3; quick: 1)")
    add("--rate", type=float, default=10, help="cycles a second of the load (%(default)s)")
    add("--share", type=float, default=0.8, help="of purgeverifications (%(default)s)")
    add("--batch", type=int, default=5000, help="of purgeverifications (%(default)s)")
    add("--postgres", default=databases.LOOPBACK, metavar="URL", help="%(default)s")
    add("--json", type=Path, metavar="FILE", help="write the figures there as well")
    add("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.rows = options.rows or (20_000 if options.quick else 200_000)
    options.recent = options.recent or (20_000 if options.quick else 500_000)
    options.rounds = options.rounds or (1 if options.quick else 3)
    return options


if __name__ == "__main__":
    main()
