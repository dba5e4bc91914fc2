"""`manage.py verifyspend`: what the messages of some days have cost, as a table."""

from __future__ import annotations

import datetime as dt
from argparse import ArgumentParser
from collections import defaultdict
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from django_verify import conf, sids
from django_verify.db import queries
from django_verify.fraud import spend, table

# A century, which no number of days that is typed goes beyond by intention.
_MOST_DAYS = 36_525
_COLUMNS = ("service", "country", "channel", "sender", "messages", "cost")


class Command(BaseCommand):
    """Sums up receipts, and the kept prices of messages that have none."""

    help = "Print what messages have cost by service, country, channel and sender."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """`--days` is how far back, `--account` whose."""
        parser.add_argument("--days", type=int, default=1, help="how many days back")
        parser.add_argument("--account", default="", help="SID of the one account to look at")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print a line for each service, country, channel and sender, and the sum."""
        since = timezone.now() - dt.timedelta(days=min(max(options["days"], 1), _MOST_DAYS))
        lines = self._lines(since, options["account"])
        rows = [(*key, str(number), f"{cost:.4f}") for key, (number, cost) in sorted(lines.items())]
        total = sum(cost for _, cost in lines.values())
        widths = [max(map(len, column)) for column in zip(_COLUMNS, *rows, strict=True)]
        for row in (_COLUMNS, *rows):
            cells = (text.ljust(width) for text, width in zip(row, widths, strict=True))
            self.stdout.write("  ".join(cells).rstrip())
        self.stdout.write(f"{total:.4f} {conf.current().CURRENCY} in all")

    def _lines(self, since: dt.datetime, account: str) -> dict[tuple[str, ...], list[Any]]:
        prices, rates = table.current().prices, spend.rates()
        rows = queries.attempts().filter(sid__gt=sids.first_at("VL", since), messages__gt=0)
        if account:
            rows = rows.filter(verification__account_id=account)
        found: dict[tuple[str, ...], list[Any]] = defaultdict(lambda: [0, 0.0])
        names = (
            *("verification__service_id", "verification__country", "via_channel", "sender"),
            *("messages", "price_value", "price_currency"),
        )
        for service, country, channel, sender, messages, value, currency in rows.values_list(
            *names
        ).iterator():
            line = found[service or "-", country or "-", channel, sender or "-"]
            line[0] += messages
            where, receipt = (country, channel, sender), (value, currency, messages)
            line[1] += spend.cost(prices, rates, where, receipt)
        return found
