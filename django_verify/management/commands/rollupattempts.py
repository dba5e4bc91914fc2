"""`manage.py rollupattempts`: count the hours that no worker has counted, or a time again."""

from __future__ import annotations

import datetime as dt
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from django_verify import rollups
from django_verify.models.rollups import hour_at


class Command(BaseCommand):
    """Writes the figures of the dashboard; may be stopped anywhere, and run again."""

    help = "Count the attempts of the hours that are over; with --from or --to count them again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Without a time, the hours that were never counted or have changed."""
        for name, text in (("--from", "from this day or moment on"), ("--to", "up to this one")):
            parser.add_argument(
                name, metavar="TIME", help=f"{text}, such as 2026-03-01 or 2026-03-01T12:00Z"
            )

    def handle(self, *args: Any, **options: Any) -> None:
        """Count, and print how many hours."""
        counted = rollups.advance()
        if options["from"] or options["to"]:
            first = hour_at(_moment(options["from"])) if options["from"] else None
            end = (
                hour_at(_moment(options["to"]) - dt.timedelta.resolution) + 1
                if options["to"]
                else None
            )
            counted = rollups.rebuild(first, end)
        self.stdout.write(f"{counted} hours counted")


def _moment(text: str) -> dt.datetime:
    """Return a moment; a day is its beginning in the site's time zone."""
    try:
        found = parse_datetime(text)
        if found is None and (day := parse_date(text)):
            found = dt.datetime.combine(day, dt.time())
    except ValueError:
        found = None
    if found is None:
        raise CommandError(f"{text!r} is no time, such as 2026-03-01 or 2026-03-01T12:00Z.")
    if timezone.is_naive(found):
        found = timezone.make_aware(found, timezone.get_default_timezone())
    return found
