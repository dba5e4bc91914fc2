"""`manage.py createverifyaccount`: an account for the API, printed once as JSON."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from django_verify import sids
from django_verify.models import Account

SHORTEST_TOKEN = 32


class Command(BaseCommand):
    """Creates an account and prints its SID and auth token, which cannot be read again."""

    help = "Create an account and print one JSON object with account_sid and auth_token."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """A SID and a token may be given, to move a backend over without new credentials."""
        parser.add_argument("--friendly-name", required=True, help="name of the account")
        parser.add_argument("--account-sid", default="", help="AC and 32 hexadecimal digits")
        parser.add_argument("--auth-token", default="", help="at least 32 characters")

    def handle(self, *args: Any, **options: Any) -> None:
        """Create and print."""
        sid, token = options["account_sid"], options["auth_token"]
        if sid and not sids.is_sid("AC", sid):
            raise CommandError("--account-sid: AC and 32 hexadecimal digits are required.")
        if token and (len(token) < SHORTEST_TOKEN or not token.isascii()):
            raise CommandError(f"--auth-token: at least {SHORTEST_TOKEN} ASCII characters.")
        name = options["friendly_name"].strip()
        if not 1 <= len(name) <= 64:
            raise CommandError("--friendly-name: 1–64 characters.")
        account = Account(friendly_name=name)
        if sid:
            account.sid = sids.canonical(sid)
            if Account.objects.filter(sid=account.sid).exists():
                raise CommandError(f"The account {account.sid} exists.")
        token = account.set_auth_token(token)
        account.save(force_insert=True)
        self.stdout.write(json.dumps({"account_sid": account.sid, "auth_token": token}))
