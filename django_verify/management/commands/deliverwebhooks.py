"""`manage.py deliverwebhooks`: post the events that are due, once or for good."""

from __future__ import annotations

from argparse import ArgumentParser
from functools import partial
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from django_verify import health
from django_verify.events import outbox
from django_verify.management import loops

NAME = "deliverwebhooks"


class Command(BaseCommand):
    """Posts due events to webhooks and event sinks; any number of processes may run."""

    help = "Post the events that are due to webhooks and event sinks."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Without `--loop`, one run tries at most `--limit` deliveries."""
        parser.add_argument("--limit", type=int, default=1000, help="deliveries of one run")
        parser.add_argument(
            "--workers", type=int, default=outbox.WORKERS, help="receivers served at a time"
        )
        parser.add_argument("--loop", action="store_true", help="go on until SIGTERM or SIGINT")
        parser.add_argument(
            "--interval", type=float, default=1.0, help="seconds between two looks, with --loop"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Post until nothing is due, or for good."""
        if options["limit"] < 0 or options["interval"] <= 0 or options["workers"] < 1:
            raise CommandError("--limit: at least 0; --interval: above 0; --workers: at least 1.")
        if options["loop"]:
            self._loop(options["interval"], options["workers"])
            return
        total = 0
        while total < options["limit"]:
            done = outbox.deliver_due(min(options["limit"] - total, 100), options["workers"])
            if not done:
                break
            total += done
        health.beat(NAME)
        self.stdout.write(f"{total} deliveries tried")

    def _loop(self, interval: float, workers: int) -> None:
        """Post until a signal ends it; the requests under way are finished first."""
        with loops.until_signal() as stop, outbox.Poster(workers) as poster:
            loops.run(NAME, partial(poster.look, interval), stop, interval=interval)
