"""`manage.py expireverifications`: mark what has run out, and wipe its sealed codes."""

from __future__ import annotations

import datetime as dt
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from django_verify import health, verifications

NAME = "expireverifications"
# A pass ends with its heartbeat, and has looked for what is over at its beginning. Longer than any
# pass takes, and than the clocks of two machines are apart.
OVERLAP = dt.timedelta(hours=6)


class Command(BaseCommand):
    """Housekeeping: expiry itself needs no command, every verb sees it by the clock."""

    help = "Mark expired verifications and wipe their sealed codes, in batches."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """`--batch` bounds one statement."""
        parser.add_argument("--batch", type=int, default=1000, help="rows of one statement")

    def handle(self, *args: Any, **options: Any) -> None:
        """Go on until a batch is not full."""
        batch = max(options["batch"], 1)
        done_until = health.last_beat(NAME)
        since = done_until and done_until - OVERLAP
        total = 0
        while True:
            done = verifications.expire(batch, since=since)
            total += done
            if done < batch:
                break
        self.stdout.write(f"{total} verifications expired")
        health.beat(NAME)
