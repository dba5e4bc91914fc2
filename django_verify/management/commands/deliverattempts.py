"""`manage.py deliverattempts`: send what is due, once or for as long as the process lives."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from collections.abc import Callable
from functools import partial
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import Error

from django_verify import delivery, health, rollups
from django_verify.factors import notifications
from django_verify.logs import logger
from django_verify.management import loops

NAME = "deliverattempts"
# Seconds between two looks at the hours that are to be counted, and how long one may take.
_BETWEEN, _AT_MOST = 30.0, 0.5


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
        """Send once, or until a signal ends it."""
        limit, interval = options["limit"], options["interval"]
        if limit < 0:
            raise CommandError("--limit: at least 0.")
        if not 0.01 <= interval <= 3600:
            raise CommandError("--interval: between 0.01 and 3600 seconds.")
        self._claimed, self._counted_at = 0, float("-inf")
        if options["loop"]:
            with loops.until_signal() as stop:
                loops.run(
                    NAME, partial(self._one_pass, limit, stop.is_set), stop, interval=interval
                )
        else:
            self._one_pass(limit)
            health.beat(NAME)
        self.stdout.write(f"{self._claimed} attempts claimed")

    def _one_pass(self, limit: int, stop: Callable[[], bool] = lambda: False) -> bool:
        """Send what is due; return whether the pass was full, so that more may be due."""
        claimed = delivery.deliver_due(limit, stop=stop)
        self._claimed += claimed
        notifications.deliver_due(limit, stop=stop)
        is_full = claimed >= max(limit, 1)
        # Messages first: figures are right without it, and are only read sooner with it.
        is_time = time.monotonic() - self._counted_at >= _BETWEEN
        if is_time and not is_full and not _count():
            self._counted_at = time.monotonic()
        return is_full


def _count() -> int:
    """Count hours that are over; return how many. What is wrong with a row stops no message."""
    try:
        return rollups.advance(_AT_MOST)
    except Error:
        raise
    except Exception as error:  # noqa: BLE001 - the text of an error may hold the row
        logger.error("hours were not counted: %s", type(error).__name__)
        return 0
