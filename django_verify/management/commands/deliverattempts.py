"""`manage.py deliverattempts`: send what an interrupted process left unsent."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from django_verify import delivery, notifications


class Command(BaseCommand):
    """Takes over attempts whose lease lapsed; safe to run anywhere, any number of times."""

    help = "Send the messages whose process died before it finished, and print how many."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """One pass takes at most `--limit` attempts."""
        parser.add_argument("--limit", type=int, default=100)

    def handle(self, *args: Any, **options: Any) -> None:
        """Sweep once."""
        if options["limit"] < 0:
            raise CommandError("--limit: at least 0.")
        notifications.sweep(options["limit"])
        self.stdout.write(f"{delivery.sweep(options['limit'])} attempts taken over")
