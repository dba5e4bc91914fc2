"""Sends traffic through `verifications.start` and `check` of a real site, on a moved clock."""

from __future__ import annotations

import datetime as dt
import heapq
import os
from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import django
import time_machine
from django.core.management import call_command

from benchmarks.pumping.outcome import NOT_TAKEN, Outcome
from benchmarks.pumping.traffic import Start

#: The levels of the simulator; `record` decides as `standard`, and refuses nothing.
LEVELS = ("off", "basic", "standard", "max", "record")
BEGIN = dt.datetime(2027, 3, 1, tzinfo=dt.UTC)
# Seconds after which a provider reports that a message did not arrive.
_REPORT = 8.0
# Messages that one verification may get: not a limit of the guard, and not to be mistaken for it.
_SENDS = 100


def run(starts: Sequence[Start], level: str) -> Outcome:
    """Run the traffic against a new site whose service has this level."""
    with TemporaryDirectory(prefix="verify-pumping-") as folder:
        os.environ["DATABASE_URL"] = f"sqlite:///{Path(folder) / 'site.sqlite3'}"
        os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.pumping.settings"
        django.setup()
        with time_machine.travel(BEGIN, tick=False) as clock:
            call_command("migrate", verbosity=0)
            return _Site(starts, level, clock).run()


class _Site:
    def __init__(
        self, starts: Sequence[Start], level: str, clock: time_machine.Coordinates
    ) -> None:
        from django_verify.models import Account, VerifyService

        self.starts, self.clock, self.outcome = starts, clock, Outcome()
        account = Account.objects.create(friendly_name="Simulated")
        self.service = VerifyService.objects.create(
            account=account,
            friendly_name="Simulated",
            guard_level="standard" if level == "record" else level,
            guard_record_only=level == "record",
            # Of a replay only the guard refuses what can be sent at all.
            max_sends=_SENDS,
        )
        self._last = 0
        self._agenda: list[tuple[float, int, str, str]] = []
        self._first = starts[0].at if starts else 0.0
        _keep_prices(starts)

    def run(self) -> Outcome:
        """Start, check and report in the order of the times."""
        from django_verify.models import GuardDecision

        for number, start in enumerate(self.starts):
            self._work_off(start.at)
            self._move(start.at)
            self.outcome.note(start, self._start(number, start), start.at - self._first)
        rows = GuardDecision.objects.order_by("id").values_list("recipient_key", "cause")
        self.outcome.decisions = list(rows)
        return self.outcome

    def _start(self, number: int, start: Start) -> str:
        """Ask for a message; return why the guard refused it, or that the site has not taken it."""
        from django_verify import verifications
        from django_verify.exceptions import VerifyError
        from django_verify.net import client_ip

        try:
            row = verifications.start(
                self.service,
                start.to,
                start.channel,
                network=client_ip.network_of(start.ip),
                device_id=start.device,
            )
        except VerifyError:
            return self._cause()
        if start.converts_after is not None:
            due = start.at + start.converts_after
            heapq.heappush(self._agenda, (due, number, "check", row.sid))
        if not start.delivered:
            attempt = row.send_code_attempts[-1]["attempt_sid"]
            heapq.heappush(self._agenda, (start.at + _REPORT, number, "report", attempt))
        return ""

    def _cause(self) -> str:
        """Return what the guard wrote of a refusal; it writes a row for each of its own."""
        from django_verify.models import GuardDecision

        rows = GuardDecision.objects.filter(pk__gt=self._last, outcome="refused")
        row = rows.order_by("-pk").first()
        if row is None:
            return NOT_TAKEN
        self._last = row.pk
        return row.cause

    def _work_off(self, until: float) -> None:
        while self._agenda and self._agenda[0][0] <= until:
            at, _, kind, sid = heapq.heappop(self._agenda)
            self._move(at)
            self._check(sid) if kind == "check" else _report(sid)

    def _check(self, sid: str) -> None:
        from django_verify import verifications
        from django_verify.crypto import codes
        from django_verify.exceptions import VerifyError
        from django_verify.models import Verification

        try:
            row = Verification.objects.get(sid=sid)
            verifications.check(self.service, codes.reveal(row), verification_sid=sid)
        except VerifyError:
            pass  # it has expired, or was approved by an earlier message's code

    def _move(self, at: float) -> None:
        self.clock.move_to(BEGIN + dt.timedelta(seconds=at - self._first))


def _report(attempt_sid: str) -> None:
    from django_verify.delivery import reports
    from django_verify.senders import Report

    report = Report(provider_sid=attempt_sid, status="undelivered")
    reports.record("simulated", [report], attempt_sid)


def _keep_prices(starts: Sequence[Start]) -> None:
    """Keep the prices of the countries, as an operator would: their mean where they differ."""
    from django_verify.contact import phones
    from django_verify.models import Price

    seen: dict[tuple[str, str], list[float]] = defaultdict(list)
    for start in starts:
        seen[_country(phones, start.to), start.channel].append(start.price)
    Price.objects.bulk_create(
        Price(
            country=country,
            channel=channel,
            amount=Decimal(f"{sum(prices) / len(prices):.6f}"),
            currency="USD",
        )
        for (country, channel), prices in seen.items()
        if country
    )


def _country(phones: object, number: str) -> str:
    try:
        return str(phones.parse(number).region)  # type: ignore[attr-defined]
    except ValueError:
        return ""
