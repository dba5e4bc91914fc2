"""`manage.py createverifyservice`: a service of an account, printed as JSON."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import IntegrityError, router

from django_verify import sids
from django_verify.db import savepoints
from django_verify.messages import channels
from django_verify.models import Account, VerifyService
from django_verify.verifications import offers


class Command(BaseCommand):
    """Creates a service; with its old `VA…` the programs that name it stay as they are."""

    help = "Create a service and print one JSON object with service_sid and account_sid."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """A SID may be given, to move a service over."""
        parser.add_argument("--friendly-name", required=True, help="the brand in the messages")
        parser.add_argument("--account", default="", help="AC…; may be left out where one exists")
        parser.add_argument("--sid", default="", help="VA and 32 hexadecimal digits")
        parser.add_argument("--code-length", type=int, default=6, help="4–10 digits")
        parser.add_argument(
            "--client-channels",
            nargs="+",
            choices=list(channels.CHANNELS),
            default=[],
            metavar="CHANNEL",
            help="let visitors and apps use it without credentials, by these channels",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Create and print."""
        sid = options["sid"]
        if sid and not sids.is_sid("VA", sid):
            raise CommandError("--sid: VA and 32 hexadecimal digits are required.")
        service = VerifyService(
            account=_account(options["account"]),
            friendly_name=options["friendly_name"].strip(),
            code_length=options["code_length"],
            client_enabled=bool(options["client_channels"]),
            client_channels=options["client_channels"],
        )
        if sid:
            service.sid = sids.canonical(sid)
        _validate(service)
        using = router.db_for_write(VerifyService)
        # The key of the table decides, also between two who create it at one moment.
        if savepoints.tolerate(
            lambda: service.save(using=using, force_insert=True), using=using, ignore=IntegrityError
        ):
            raise CommandError(f"The service {service.sid} exists.")
        self.stdout.write(
            json.dumps({"service_sid": service.sid, "account_sid": service.account_id})
        )
        if service.client_enabled and offers.are_several_open():
            self.stderr.write(self.style.WARNING(offers.SEVERAL_OPEN))


def _account(sid: str) -> Account:
    accounts = Account.objects.using(router.db_for_write(VerifyService))
    if sid:
        found = accounts.filter(sid=sids.canonical(sid)).first()
        if found is None:
            raise CommandError(f"--account: there is no account {sid}.")
        return found
    first = list(accounts[:2])
    if len(first) != 1:
        why = "more than one account" if first else "no account, make one by createverifyaccount"
        raise CommandError(f"--account is required: there is {why}.")
    return first[0]


def _validate(service: VerifyService) -> None:
    """Raise CommandError for the first field that the model's validators refuse."""
    try:
        service.clean_fields(exclude=["account"])
    except ValidationError as error:
        name, reasons = next(iter(error.error_dict.items()))
        raise CommandError(f"--{name.replace('_', '-')}: {reasons[0].messages[0]}") from None
