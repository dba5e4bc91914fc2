"""`manage.py verifyerase`: delete all that is stored about one person, and print a receipt."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from django_verify import data_subjects
from django_verify.management import people

#: The exit status of an erasure that something has outlived.
INCOMPLETE = 3


class Command(BaseCommand):
    """One transaction; asking again is safe, and finds what has come since."""

    help = "Delete all that is stored about a number, an e-mail address or an identity."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the names of one person, and what an operator decides about the rest."""
        people.add_arguments(parser)
        add = parser.add_argument
        add("--dry-run", action="store_true", help="count what would go, and change nothing")
        add(
            "--release",
            action="store_true",
            help="delete wrong guesses of the last day too: for a person whom you have identified",
        )
        add(
            "--rules",
            action="store_true",
            help="delete rules for the whole number too, such as a block that its owner asked for",
        )
        add("--reference", default="", help="what the receipt repeats, such as a ticket's number")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the receipt as one line of JSON; the status is 3 where something is left."""
        receipt = data_subjects.erase(
            people.read(options),
            dry_run=options["dry_run"],
            release=options["release"],
            rules=options["rules"],
        )
        self.stdout.write(json.dumps({"reference": options["reference"], **receipt.as_json()}))
        if not (receipt.is_complete or receipt.dry_run):
            sys.exit(INCOMPLETE)
