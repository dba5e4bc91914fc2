"""The arguments by which commands name a person."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Mapping
from typing import Any

from django.core.management.base import CommandError

from django_verify import data_subjects, sids
from django_verify.db import queries
from django_verify.models import Account


def add_arguments(parser: ArgumentParser) -> None:
    """Add the recipients, `--identity`, `--region` and `--account`."""
    parser.add_argument(
        "recipients", nargs="*", metavar="recipient", help="a phone number or an e-mail address"
    )
    parser.add_argument(
        "--identity", action="append", default=[], help="that of an entity; may be repeated"
    )
    parser.add_argument("--region", default="", help="of numbers without a country code, as US")
    parser.add_argument("--account", default="", help="only the rows of this account, AC…")


def read(options: Mapping[str, Any]) -> data_subjects.Person:
    """Return the person that a command is asked for. Raises CommandError."""
    account = options["account"]
    if account:
        known = Account.objects.using(queries.database()).filter(pk=sids.canonical(account))
        if not (sids.is_sid("AC", account) and known.exists()):
            raise CommandError("--account is the SID of no account")
    try:
        return data_subjects.read(
            options["recipients"],
            options["identity"],
            region=options["region"],
            account=account,
        )
    except ValueError as error:
        # The text does not repeat what was typed: it may end up in a log.
        raise CommandError(
            f"{error}: give a number with its country code, such as +14155552671,"
            " an e-mail address, or --identity"
        ) from None
