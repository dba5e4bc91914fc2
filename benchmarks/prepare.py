"""Prepares one side's database and counts its SQL, in a process with that side's settings.

Prints one JSON object: what the side was given, and the statements of each kind of request.
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from typing import Any

import django
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from benchmarks import numbers
from benchmarks.sides import SIDES, VARIANTS, Call, Side


def main(name: str, rows: int) -> None:
    """Migrate, create what the side needs, count, and fill."""
    django.setup()
    call_command("migrate", run_syncdb=True, verbosity=0)
    side = (SIDES | VARIANTS)[name]()
    created, statements = side.create(), count_statements(side)
    if rows:
        side.fill(rows)
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE" if connection.vendor != "mysql" else "SELECT 1")
    print(json.dumps({"side": created, "statements": statements}))


def count_statements(side: Side) -> dict[str, dict[str, int]]:
    """Return the statements of each request of a second cycle; the first one fills the caches."""
    client, found = Client(), {}
    numbers_to_verify = numbers.fresh(first=1_000_000)  # none of those that are measured
    for _ in range(2):
        to = next(numbers_to_verify)
        found["start"], _ = _count(client, side, side.start(to))
        found["resend"], answer = _count(client, side, side.start(to))
        for kind in ("wrong", "check"):
            (call,) = side.checks(os.environ["DATABASE_URL"], [answer], right=kind == "check")
            found[kind], _ = _count(client, side, call)
        found["known start"], answer = _count(client, side, side.start(to))
        (call,) = side.checks(os.environ["DATABASE_URL"], [answer])
        found["known check"], _ = _count(client, side, call)
    return found


def _count(client: Client, side: Side, call: Call) -> tuple[dict[str, int], dict[str, Any]]:
    with CaptureQueriesContext(connection) as captured:
        response = client.post(
            call.path,
            call.body,
            content_type=side.content_type,
            headers={"authorization": side.credentials, "host": "127.0.0.1"},
        )
    answer = response.json()
    if not call.is_answered_by(response.status_code, answer):
        raise SystemExit(f"{side.name}: {call.path} answered {response.status_code}: {answer}")
    counted = Counter(query["sql"].split()[0].upper() for query in captured)
    return counted, {"to": call.to, **answer}


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
