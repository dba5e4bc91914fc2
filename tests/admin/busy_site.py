"""A week of a shop, and what an operator asks about it: who gets no code, what it costs, what fails.

`python manage.py shell -c "from tests.admin.busy_site import build; build()"` fills a site for a look
at its pages.
"""

import datetime as dt
from types import SimpleNamespace

from django.utils import timezone

from django_verify import rollups, sids
from django_verify.models import (
    GuardDecision,
    SenderState,
    Template,
    Verification,
    VerificationAttempt,
    WorkerHeartbeat,
)
from tests.conftest import make_account, make_service

#: Starts of an hour now and then, of ten how many are approved, and after how many seconds.
COUNTRIES = {
    "US": ("+1415555", "sms", 2, 8, 12),
    "BR": ("+55119616", "whatsapp", 2, 7, 40),
    "ID": ("+62812345", "sms", 6, 7, 18),
}
CUSTOMER, LOCKED = "+14155557777", "+4915112345678"


def build(account=None):
    """Write the rows, and count their hours; return the service and who is asked about."""
    service = make_service(account or make_account("Shop"), friendly_name="Shop")
    templates = [
        Template.objects.create(account=service.account, friendly_name=name, channels=["sms"])
        for name in ("Short", "Polite")
    ]
    site = _Site(service, templates, timezone.now())
    for hours in sorted([*range(2, 24, 3), *range(26, 190, 8)], reverse=True):
        for country in COUNTRIES:
            site.hours_ago(hours, country)
    site.customer()
    site.provider_that_fails()
    site.blocks()
    site.write()
    rollups.advance()
    WorkerHeartbeat.objects.update_or_create(
        name="deliverattempts", defaults={"beat_at": site.now - dt.timedelta(minutes=9)}
    )
    found = {row.to: row for row in site.rows}
    return SimpleNamespace(
        service=service, templates=templates, customer=found[CUSTOMER], locked=found[LOCKED]
    )


class _Site:
    def __init__(self, service, templates, now):
        self.service, self.templates, self.now = service, templates, now
        self.rows, self.attempts = [], []

    def add(self, moment, to, country, channel, status="expired", took=600, **columns):
        number = len(self.rows)
        row = Verification(
            sid=sids.verification(moment), account_id=self.service.account_id, to=to,
            service=self.service, serial=number, recipient_key=to, country=country, channel=channel,
            status=status, date_created=moment, date_updated=moment + dt.timedelta(seconds=took),
            expires_at=moment + dt.timedelta(seconds=600), code_length=6, max_checks=5,
            max_sends=5, sends=1,
        )  # fmt: skip
        values = {"message_status": "delivered", "sender": "telco", "messages": 1, "locale": "en"}
        values |= {"provider_sid": f"m-{number}", "via_channel": channel}
        values |= {"price_value": "0.05", "price_currency": "USD"}
        attempt = VerificationAttempt(
            sid=sids.attempt(moment), verification=row, account_id=row.account_id, channel=channel,
            **{**values, **columns},
        )  # fmt: skip
        self.rows.append(row)
        self.attempts.append(attempt)

    def hours_ago(self, hours, country):
        """Starts of one hour. In Indonesia hardly any is approved any more since nine hours."""
        begin, channel, starts, parts, took = COUNTRIES[country]
        fell = country == "ID" and hours < 10
        for number in range(2 * starts if fell else starts):
            turn = len(self.rows)
            approved = turn * 7 % 10 < (1 if fell else parts + (1 if turn % 2 else -2))
            moment = self.now - dt.timedelta(hours=hours, minutes=-2 * number, seconds=turn % 50)
            text = self.templates[turn % 2]
            columns = {"template": {"sid": text.pk, "locale": "en", "text": "x"}}
            if turn % 9 == 4 and not approved:
                columns |= {"message_status": "undelivered", "error_code": "30005"}
            self.add(
                moment, f"{begin}{turn % 10_000:04}", country, channel,
                "approved" if approved else "expired", took + turn % 20, **columns,
            )  # fmt: skip

    def customer(self):
        """One whose provider refused us, one who entered wrong codes, and one who waits."""
        lost = {"message_status": "failed", "error_code": "401", "error_message": "Authenticate"}
        lost |= {"provider_sid": "", "messages": 0, "price_value": ""}
        minutes = dt.timedelta(minutes=1)
        self.add(self.now - 4 * minutes, CUSTOMER, "US", "sms", "pending", 1, **lost)
        self.add(self.now - 3 * minutes, LOCKED, "DE", "sms", "max_attempts_reached", 30)
        waits = {"message_status": "queued", "provider_sid": "", "messages": 0, "sender": ""}
        due = {"due_at": self.now - 9 * minutes}
        self.add(self.now - 9 * minutes, "+14155550100", "US", "sms", "pending", 1, **waits, **due)

    def provider_that_fails(self):
        SenderState.objects.create(
            alias="telco", failures=9, failing_since=self.now - dt.timedelta(hours=2),
            open_until=self.now + dt.timedelta(hours=1), last_code="401",
            last_error="Authenticate", last_error_at=self.now,
        )  # fmt: skip

    def blocks(self):
        for number in range(3):
            GuardDecision.objects.create(
                account=self.service.account, service=self.service, attempt_sid=sids.attempt(),
                recipient_key=f"+44909876{number:04}", country="GB", channel="sms", cause="block",
                outcome="refused", level="standard", price="0.5",
                reason="14 of 14 numbers new, none confirmed in the last six hours",
            )  # fmt: skip

    def write(self):
        Verification.objects.bulk_create(self.rows)
        VerificationAttempt.objects.bulk_create(self.attempts)
