"""Measures requests on a small site and on a large one: `python -m benchmarks.scale --rows N`.

Both are databases of one PostgreSQL server, and one process asks them in turns, so that what
disturbs the machine disturbs both. The small one has as many rows as its pages need to be full.
"""

from __future__ import annotations

import argparse
import datetime as dt
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from benchmarks import databases

#: Verifications of the small site: more than a filtered page looks at.
SMALL = 12_000


@dataclass
class Site:
    """A database with its rows, and what is asked of it."""

    name: str
    calls: dict[str, Callable[[], Any]]


def main() -> None:
    """Fill, measure in turns, and print."""
    options = _options()
    with (
        # The admin has sessions.
        databases.of_this_process(options.postgres, BENCH_MIDDLEWARE="1") as small,
        databases.postgres(options.postgres) as big,
    ):
        sites = [_site(small, SMALL), _site(big, options.rows)]
        _report(options.rows, _measure(sites, options.rounds, options.calls))


def _site(url: str, count: int) -> Site:
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from django.db import connection

    from benchmarks import crowd
    from django_verify import rollups

    site = Site(urlsplit(url).path[1:], {})
    _turn_to(site)
    call_command("migrate", verbosity=0)
    began = time.perf_counter()
    found = crowd.fill(count)
    print(f"{count:,} verifications and attempts in {time.perf_counter() - began:.0f} s")
    began = time.perf_counter()
    # As the site's worker does: figures of the hours that are over, by which summaries go.
    print(f"{rollups.advance()} hours counted in {time.perf_counter() - began:.0f} s")
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    site.calls = _calls(found, User.objects.create_superuser("boss"))
    return site


def _turn_to(site: Site) -> None:
    """Let the process ask this database, on a connection that is open."""
    from django.db import connection

    connection.close()
    connection.settings_dict["NAME"] = site.name
    connection.ensure_connection()


def _calls(found: Any, boss: Any) -> dict[str, Callable[[], Any]]:
    from django.test import Client
    from django.utils import timezone

    from benchmarks import numbers
    from django_verify import verifications
    from django_verify.api import paging, summaries
    from django_verify.crypto import codes
    from django_verify.models import Verification, VerificationAttempt

    clients = {}
    for owner in (found.busy, found.quiet):
        token = owner.set_auth_token()
        owner.save()
        clients[owner.pk] = _client(owner.pk, token)
    phones = numbers.fresh()
    open_row: list[Any] = []
    mine = VerificationAttempt.objects.filter(account=found.busy)
    # A thousand pages of fifty down, or as far as there are rows.
    deep = mine.order_by("-pk")[min(50_000, mine.count() - 1000)]
    late = paging._token("PA", deep.date_created, deep.pk)  # noqa: SLF001
    whole = Verification.objects.filter(account=found.busy).order_by("-pk")[20].to
    admin = Client(headers={"host": "localhost"})
    admin.force_login(boss)
    midnight = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
    day, day_before = (
        f"{midnight - dt.timedelta(days=days):%Y-%m-%dT%H:%M:%SZ}" for days in (0, 1)
    )

    def start() -> None:
        open_row[:] = [verifications.start(found.service, next(phones))]

    def check(right: bool) -> None:
        row = open_row[0]
        code = codes.reveal(row)
        typed = code if right else f"{(int(code) + 1) % 10**6:06}"
        verifications.check(found.service, typed, verification_sid=row.sid)

    def listed(owner: Any, path: str = "Attempts", **query: Any) -> Callable[[], Any]:
        return lambda: clients[owner.pk](path, query)

    def counted_anew(path: str, **query: Any) -> Any:
        summaries.forget()
        return clients[found.busy.pk](path, query)

    def shown(table: str, **query: Any) -> Callable[[], Any]:
        return lambda: admin.get(f"/admin/django_verify/{table}/", query)

    return {
        "start": start,
        "wrong check": lambda: check(False),
        "right check": lambda: check(True),
        "list, page 1": listed(found.busy),
        "list, page 1,000": listed(found.busy, PageToken=late, Page=1000),
        "list, 1,000 a page": listed(found.busy, PageSize=1000),
        "list, a common country": listed(found.busy, Country="US"),
        "list, a country of nobody": listed(found.busy, Country="FR"),
        "list of the quiet account": listed(found.quiet),
        "list by recipient": listed(found.busy, **{"ChannelData.To": whole}),
        "summary of the quiet account": listed(found.quiet, "Attempts/Summary"),
        "summary of yesterday": listed(
            found.busy, "Attempts/Summary", DateCreatedAfter=day_before, DateCreatedBefore=day
        ),
        # What thousands of rows come to is kept for some seconds.
        "summary of today, anew": lambda: counted_anew("Attempts/Summary", DateCreatedAfter=day),
        "summary of today": listed(found.busy, "Attempts/Summary", DateCreatedAfter=day),
        "summary of the month": listed(found.busy, "Attempts/Summary"),
        # No roll-up has the digits of a number.
        "summary of today, by the rows": lambda: counted_anew(
            "Attempts/Summary", DateCreatedAfter=day, DestinationPrefix="+1202"
        ),
        "admin, verifications": shown("verification"),
        "admin, the last page": shown("verification", p=20),
        "admin, a status of none": shown("verification", status="canceled"),
        "admin, a whole recipient": shown("verification", q=whole),
        "admin, a beginning": shown("verification", q="+1202"),
        "admin, attempts": shown("verificationattempt"),
        "admin, failed messages": shown("verificationattempt", message_status="failed"),
    }


def _client(sid: str, token: str) -> Callable[[str, dict[str, Any]], Any]:
    import base64

    from django.test import Client

    client = Client(headers={"host": "localhost"})
    given = "Basic " + base64.b64encode(f"{sid}:{token}".encode()).decode()
    return lambda path, query: client.get(f"/v2/{path}", query, headers={"authorization": given})


Times = dict[str, dict[str, list[tuple[float, float]]]]


def _measure(sites: list[Site], rounds: int, calls: int) -> Times:
    """Return milliseconds of wall and of this process's CPU for each call, site and name."""
    times: Times = {site.name: defaultdict(list) for site in sites}
    for number in range(rounds + 1):
        for site in sites if number % 2 else reversed(sites):
            _turn_to(site)
            for _ in range(calls):
                for name, call in site.calls.items():
                    found = _timed(call)
                    if number:  # the first round warms both
                        times[site.name][name].append(found)
    return times


def _timed(call: Callable[[], Any]) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    answer = call()
    found = (time.perf_counter() - wall) * 1000, (time.process_time() - cpu) * 1000
    assert getattr(answer, "status_code", 200) == 200, answer.content
    return found


def _report(rows: int, times: Times) -> None:
    small, big = times.values()
    title = f"{SMALL:,} rows: wall, CPU   {rows:,} rows: wall, CPU   ratio of wall"
    print(f"{'median, in milliseconds':30} {title}")
    for name in small:
        (wall, cpu), (wall_big, cpu_big) = (
            [statistics.median(column) for column in zip(*site[name], strict=True)]
            for site in (small, big)
        )
        print(
            f"{name:30} {wall:18.2f} {cpu:6.2f} {wall_big:20.2f} {cpu_big:6.2f}"
            f" {wall_big / wall:15.2f}"
        )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="verifications (%(default)s)")
    parser.add_argument("--rounds", type=int, default=10, help="turns of each site (%(default)s)")
    parser.add_argument("--calls", type=int, default=5, help="calls in a turn (%(default)s)")
    parser.add_argument("--postgres", default=databases.LOOPBACK, metavar="URL", help="%(default)s")
    return parser.parse_args()


if __name__ == "__main__":
    main()
