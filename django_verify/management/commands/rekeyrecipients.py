"""`manage.py rekeyrecipients`: compute the keys of recipients anew, after the table has changed."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand, CommandError

from django_verify import sids
from django_verify.verifications import rekeying


class Command(BaseCommand):
    """Budgets, look-ups, ownership and the safe list go by keys that the table makes."""

    help = "Compute the keys of recipients anew, in batches; run it after an update of the package."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """`--batch` bounds what is read at once, `--after` goes on where a run was cut off."""
        parser.add_argument("--batch", type=int, default=1000, help="rows read at once")
        parser.add_argument(
            "--after", default="", help="go on behind the last SID that a run has printed"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Move what has another key; what has not is left alone."""
        batch, after = max(options["batch"], 1), options["after"]
        if after and not sids.is_sid("VE", after):
            raise CommandError("--after takes the SID of a verification")
        total = 0
        for last, moved in rekeying.verifications(sids.canonical(after), batch=batch):
            total += moved
            self.stdout.write(f"verifications up to {last}: {total} recipients moved")
        self._report("safe-listed numbers", *rekeying.safe_listed(batch))
        self._report("test numbers", *rekeying.test_pairs(batch))
        for config in apps.get_app_configs():
            if rekey := getattr(config, "rekey_recipients", None):
                self._report(str(config.verbose_name), *rekey(batch))

    def _report(self, what: str, done: int, conflicting: list[Any]) -> None:
        self.stdout.write(f"{done} {what} keyed anew")
        if conflicting:
            names = ", ".join(map(str, conflicting))
            self.stderr.write(
                f"{what} whose number another row has, to be settled by hand: {names}"
            )
