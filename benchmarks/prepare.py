"""Prepares one side's database and counts its SQL, in a process with that side's settings.

Prints one JSON object: what the side was given, and the statements of a start and of a check.
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
from benchmarks.sides import SIDES, Call, Side


def main(name: str) -> None:
    """Migrate, create what the side needs, and count."""
    django.setup()
    call_command("migrate", run_syncdb=True, verbosity=0)
    side = SIDES[name]()
    print(json.dumps({"side": side.create(), "statements": count_statements(side)}))


def count_statements(side: Side) -> dict[str, dict[str, int]]:
    """Return the statements of the second start and check; the first ones fill the caches."""
    client = Client()
    numbers_to_verify = numbers.fresh(first=1_000_000)  # none of those that are measured
    for _ in range(2):
        start, answer = _count(client, side, side.start(next(numbers_to_verify)))
        (call,) = side.checks(os.environ["DATABASE_URL"], [answer])
        check, _ = _count(client, side, call)
    return {"start": start, "check": check}


def _count(client: Client, side: Side, call: Call) -> tuple[dict[str, int], dict[str, Any]]:
    with CaptureQueriesContext(connection) as captured:
        response = client.post(
            call.path,
            call.body,
            content_type=side.content_type,
            headers={"authorization": side.credentials, "host": "127.0.0.1"},
        )
    answer = response.json()
    if (response.status_code, answer.get("status")) != (call.http_status, call.status):
        raise SystemExit(f"{side.name}: {call.path} answered {response.status_code}: {answer}")
    return Counter(query["sql"].split()[0].upper() for query in captured), answer


if __name__ == "__main__":
    main(sys.argv[1])
