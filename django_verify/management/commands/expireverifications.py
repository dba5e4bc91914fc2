"""`manage.py expireverifications`: mark what has run out, and delete what nobody reads any more."""

from __future__ import annotations

import datetime as dt
from argparse import ArgumentParser
from functools import partial
from typing import Any

from django.core.management.base import BaseCommand

from django_verify import health, verifications
from django_verify.events import outbox
from django_verify.factors import access_tokens
from django_verify.limits import counters
from django_verify.proofs import single_use

NAME = "expireverifications"
# A pass ends with its heartbeat, and has looked for what is over at its beginning. Longer than any
# pass takes, and than the clocks of two machines are apart.
OVERLAP = dt.timedelta(hours=6)


class Command(BaseCommand):
    """Housekeeping: expiry itself needs no command, every verb sees it by the clock."""

    help = "Mark expired verifications, wipe their sealed codes and delete old counts, in batches."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """`--batch` bounds one statement."""
        parser.add_argument("--batch", type=int, default=1000)

    def handle(self, *args: Any, **options: Any) -> None:
        """Go on until a batch is not full."""
        batch = max(options["batch"], 1)
        done_until = health.last_beat(NAME)
        since = done_until and done_until - OVERLAP
        for verb, label in (
            (partial(verifications.expire, since=since), "verifications expired"),
            (counters.purge, "rate limit counts deleted"),
            (outbox.purge, "webhook deliveries deleted"),
            (access_tokens.purge, "access tokens deleted"),
            (single_use.purge, "used tokens deleted"),
        ):
            total = 0
            while True:
                done = verb(batch)
                total += done
                if done < batch:
                    break
            self.stdout.write(f"{total} {label}")
        health.beat(NAME)
