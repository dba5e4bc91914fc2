"""`manage.py verifyexport`: all that is stored about one person, as JSON."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from django_verify import data_subjects
from django_verify.management import people


class Command(BaseCommand):
    """Reads only; no code and no secret is in it."""

    help = "Print all that is stored about a number, an e-mail address or an identity, as JSON."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the names of one person: those given together are one person's."""
        people.add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Print one JSON document."""
        found = data_subjects.export(people.read(options))
        self.stdout.write(json.dumps(found, indent=2, ensure_ascii=False))
