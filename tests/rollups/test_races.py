"""Reports, counts and a purge at one moment: every figure is right when they are done."""

import pytest
from django.utils import timezone

from django_verify import rollups
from django_verify.delivery import reports
from django_verify.models import AttemptRollup, RollupHour, VerificationAttempt
from django_verify.models.rollups import hour_at
from django_verify.senders import Report
from tests.conftest import ROUNDS, purged
from tests.rollups.conftest import DAY, HOUR, answered, by_rows
from tests.rollups.test_keeping import start

pytestmark = pytest.mark.django_db(transaction=True)

NUMBER = 8


def report(number):
    return reports.record("memory", [Report(f"m-{number}", "delivered")])


def test_reports_come_while_hours_are_counted(service, clock, aligned):
    for turn in range(ROUNDS):
        for number in range(NUMBER):
            start(
                service, f"+1415555{2600 + NUMBER * turn + number}", f"m-{NUMBER * turn + number}"
            )
        hour = hour_at(timezone.now())
        clock.shift(2 * HOUR)
        numbers = range(NUMBER * turn, NUMBER * (turn + 1))
        calls = [lambda n=n: report(n) for n in numbers]
        calls += [rollups.advance, rollups.advance, lambda h=hour: rollups.rebuild(h, h + 1)]
        found = aligned(calls)
        assert found[:NUMBER] == [1] * NUMBER
        assert answered() == by_rows()
        clock.shift(600)
        rollups.advance()
        assert not RollupHour.objects.exclude(due_at=None).exists()
        assert answered() == by_rows()
        assert AttemptRollup.objects.get(hour=hour).delivered == NUMBER


def test_a_purge_runs_while_hours_are_counted(service, clock, aligned):
    for number in range(NUMBER):
        start(service, f"+1415555{2600 + number}", f"m-{number}")
        clock.shift(HOUR)
    clock.shift(HOUR)
    rollups.advance()
    before = answered()
    clock.shift(31 * DAY)
    calls = [
        lambda: purged("attempts"),
        rollups.rebuild,
        rollups.rebuild,
        lambda: purged("attempts"),
    ]
    aligned(calls)
    assert not VerificationAttempt.objects.exists()
    assert answered() == before
