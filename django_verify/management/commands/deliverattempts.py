"""`manage.py deliverattempts`: send what is due, once or for as long as the process lives."""

from __future__ import annotations

import logging
import signal
import threading
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import InterfaceError, OperationalError, close_old_connections, connections

from django_verify import delivery

logger = logging.getLogger("django_verify")


class Command(BaseCommand):
    """Sends queued, delayed and interrupted attempts; safe to run anywhere, any number of times."""

    help = "Send the messages that are due: queued, to be tried again, or left by a dead process."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """One pass takes at most `--limit` attempts."""
        parser.add_argument("--limit", type=int, default=100, help="attempts of one pass")
        parser.add_argument("--loop", action="store_true", help="go on until SIGTERM or SIGINT")
        parser.add_argument(
            "--interval", type=float, default=1.0, help="seconds between two passes of a loop"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Sweep once, or until told to stop."""
        if options["limit"] < 0:
            raise CommandError("--limit: at least 0.")
        if not 0.01 <= options["interval"] <= 3600:
            raise CommandError("--interval: between 0.01 and 3600 seconds.")
        if options["loop"]:
            taken = self._loop(options["limit"], options["interval"])
        else:
            taken = delivery.sweep(options["limit"])
        self.stdout.write(f"{taken} attempts taken over")

    def _loop(self, limit: int, interval: float) -> int:
        stop = threading.Event()
        kept = {
            number: signal.signal(number, lambda *_: stop.set())
            for number in (signal.SIGTERM, signal.SIGINT)
        }
        taken = 0
        try:
            while not stop.is_set():
                swept = self._sweep(limit, stop)
                taken += swept
                # A full pass has left something behind it.
                if swept < max(limit, 1):
                    stop.wait(interval)
        finally:
            for number, handler in kept.items():
                signal.signal(number, handler)
        return taken

    def _sweep(self, limit: int, stop: threading.Event) -> int:
        """Sweep; a database that has gone is asked again by the next pass, on a new connection."""
        close_old_connections()
        try:
            return delivery.sweep(limit, stop=stop.is_set)
        except (OperationalError, InterfaceError) as error:
            logger.error("the database failed: %s", type(error).__name__)  # noqa: TRY400
            connections.close_all()
            return 0
