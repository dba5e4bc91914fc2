"""Whatever happens in whatever order, figures are what a look at every row comes to."""

import contextlib
import datetime as dt
from dataclasses import asdict

import pytest
from django.db import connection
from django.test import TestCase
from django.utils import timezone
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from django_verify import fraud, rollups, verifications
from django_verify.crypto import codes
from django_verify.delivery import reports
from django_verify.exceptions import VerifyError
from django_verify.models import (
    Account,
    RollupHour,
    RollupState,
    Verification,
    VerificationAttempt,
)
from django_verify.models.rollups import hour_at
from django_verify.rollups import Period, keeping
from django_verify.rollups.recent import Sums
from django_verify.senders import Report
from tests.conftest import make_account, make_service, purged
from tests.rollups.conftest import answered, by_rows

pytestmark = pytest.mark.django_db

NUMBER = st.integers(0, 3)
STEPS = st.one_of(
    st.tuples(st.just("start"), NUMBER, st.sampled_from((0, 0, 0, 1))),
    st.tuples(st.just("start"), NUMBER, st.sampled_from((0, 0, 0, 1))),
    st.tuples(st.just("approve"), NUMBER),
    st.tuples(st.just("cancel"), NUMBER),
    st.tuples(st.just("report"), NUMBER, st.sampled_from(("sent", "delivered", "undelivered"))),
    st.tuples(st.just("report"), NUMBER, st.sampled_from(("delivered", "undelivered"))),
    st.tuples(st.just("settle"), st.sampled_from(("sent", "failed"))),
    st.tuples(st.just("advance"), st.sampled_from((0, None))),
    st.tuples(st.just("advance"), st.sampled_from((0, None))),
    st.tuples(st.just("shift"), st.sampled_from((-200, 1, 40, 590, 3000, 3700, 9000, 90_000))),
    st.tuples(st.just("later")),
    st.tuples(st.just("later")),
    st.tuples(st.just("purge")),
    st.tuples(st.just("rebuild")),
)


class Site:
    """A site whose rows and figures are compared after each step."""

    def __init__(self, clock):
        self.clock, self.kept = clock, {}
        account = make_account()
        self.services = [
            make_service(account, friendly_name=f"S{life}", lifetime=life) for life in (600, 86_400)
        ]

    def start(self, number, service):
        with TestCase.captureOnCommitCallbacks(execute=number != 3):
            verifications.start(self.services[service], f"+1415555267{number}")
        newest = VerificationAttempt.objects.order_by("-sid")[0]
        if newest.message_status == "sent":
            VerificationAttempt.objects.filter(pk=newest.pk).update(provider_sid=newest.pk)

    def _row(self, number):
        rows = Verification.objects.filter(to=f"+1415555267{number}")
        return rows.select_related("service").order_by("-sid").first()

    def approve(self, number):
        if row := self._row(number):
            verifications.check(row.service, codes.reveal(row), verification_sid=row.sid)

    def cancel(self, number):
        if row := self._row(number):
            verifications.cancel(row.service, row.sid)

    def report(self, number, status):
        """Of any message, however old."""
        found = VerificationAttempt.objects.exclude(provider_sid="").order_by("-sid")
        for row in list(found)[number % (len(found) or 1) :][:1]:
            report = Report(row.provider_sid, status, price_value="0.01", price_currency="USD")
            reports.record(row.sender, [report])

    def settle(self, status):
        """A worker does what is left of the messages on their way."""
        left = VerificationAttempt.objects.exclude(due_at=None)
        left.update(due_at=None, lease="", message_status=status)

    def advance(self, seconds):
        rollups.advance(seconds)

    def rebuild(self):
        rollups.rebuild()

    def later(self):
        """A worker has been at work when some hours are over."""
        self.clock.shift(9000)
        self.settle("sent")
        rollups.advance()

    def shift(self, seconds):
        self.clock.shift(seconds)

    def purge(self):
        self.settle("failed")
        rollups.advance()
        self.kept |= self.of_figures()
        purged("attempts")
        purged("verifications")

    @staticmethod
    def of_figures():
        return answered(hour_at(timezone.now()) - 24 * 120)

    def expected(self):
        state = RollupState.objects.first() or RollupState()
        kept = {key: line for key, line in self.kept.items() if key[0] < state.attempts_from}
        found = {key: line for key, line in by_rows().items() if key[0] >= state.attempts_from}
        return kept | found


def of_a_day():
    """What monitors are given, without what is 0."""
    found = rollups.since(timezone.now() - dt.timedelta(days=1)).attempts
    return {key: counts for key, sums in found.items() if (counts := asdict(sums))["starts"]}


def by_channel_and_sender(expected):
    """The same from figures by all keys."""
    found, now = {}, hour_at(timezone.now())
    for (hour, _account, _service, _country, channel, sender, *_), line in expected.items():
        if now - 24 <= hour <= now:
            counts = found.setdefault((channel, sender), asdict(Sums()))
            for name in counts:
                counts[name] += line.get(name, 0)
    return found


@settings(
    # What databases differ in, each of the steps asks of them many times in two.
    max_examples=6 if connection.vendor == "sqlite" else 2,
    deadline=None,
    derandomize=True,
    # A shorter list of steps takes minutes to find.
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=st.lists(STEPS, min_size=12, max_size=30))
def test_figures_are_those_of_the_rows(clock, settings, steps):
    settings.DJANGO_VERIFY = {
        **settings.DJANGO_VERIFY,
        "ATTEMPT_RETENTION_DAYS": 3,
        "VERIFICATION_RETENTION_DAYS": 3,
    }
    clock.move_to(dt.datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=dt.UTC))
    for model in (Verification, Account, RollupHour, RollupState):
        model.objects.all().delete()
    fraud.forget()
    site = Site(clock)
    for number, (name, *values) in enumerate(steps):
        # A start too many, a code that is over.
        with contextlib.suppress(VerifyError):
            getattr(site, name)(*values)
        # A clock that goes back leaves hours behind it, which come again.
        end = hour_at(timezone.now()) + 2
        expected = site.expected()
        assert answered(end - 24 * 120, end) == expected, name
        if number % 8 == 7:
            assert of_a_day() == by_channel_and_sender(expected), name
    clock.shift(3 * 86_400)
    site.settle("sent")
    rollups.advance()
    assert not RollupHour.objects.exclude(due_at=None).exists()
    assert site.of_figures() == site.expected()
    over = keeping.open_from(timezone.now())
    assert Period.of(over - 24 * 120, over).rows == []
