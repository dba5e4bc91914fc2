"""`manage.py verifyhealth`: whether the site can do its work, for monitors and people."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from django_verify import health


class Command(BaseCommand):
    """Prints each check, and ends with 0 where the site is ready and 1 where it is not."""

    help = "Check the database, the queue and the senders; the exit code is 1 where one fails."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """`--json` prints one object, as the URL does."""
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Ask and print."""
        found = health.examine()
        if options["json"]:
            self.stdout.write(json.dumps(found.public()))
        else:
            for check in found.checks:
                numbers = [f"{name.replace('_', ' ')}: {n}" for name, n in check.numbers.items()]
                details = "; ".join([*numbers, *([check.detail] if check.detail else [])])
                self.stdout.write(
                    f"{check.name}: {check.status}{f' ({details})' if details else ''}"
                )
            self.stdout.write(found.status)
        if not found.ready:
            sys.exit(1)
