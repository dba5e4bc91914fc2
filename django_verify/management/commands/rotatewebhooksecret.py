"""`manage.py rotatewebhooksecret`: a new signing secret of a webhook or a sink, printed once."""

from __future__ import annotations

import datetime as dt
import json
from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from django_verify import sids
from django_verify.events import outbox
from django_verify.models import EventSink, Webhook


class Command(BaseCommand):
    """Replaces the secret; the old one signs beside it for a while."""

    help = "Replace a signing secret and print one JSON object with sid and signing_secret."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """A secret may be given, to keep a receiver that knows it already."""
        parser.add_argument("sid", help="YW… of a webhook or DG… of an event sink")
        parser.add_argument("--secret", default="", help="whsec_… or 24–128 ASCII characters")
        parser.add_argument(
            "--overlap", type=int, default=24, help="hours that the old secret still signs"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Replace and print."""
        sid = sids.canonical(options["sid"])
        receiver: Webhook | EventSink | None = (
            Webhook.objects.filter(sid=sid).first() or EventSink.objects.filter(sid=sid).first()
        )
        if receiver is None:
            raise CommandError(f"There is no webhook and no event sink {options['sid']}.")
        if not 0 <= options["overlap"] <= 24 * 30:
            raise CommandError("--overlap: 0–720 hours.")
        overlap = dt.timedelta(hours=options["overlap"])
        try:
            secret = outbox.rotate_secret(receiver, options["secret"], overlap)
        except ValidationError as error:
            raise CommandError(f"--secret: {error.messages[0]}") from None
        self.stdout.write(json.dumps({"sid": receiver.sid, "signing_secret": secret}))
