"""Hours are counted once they are over, again when they change, and never when rows have gone."""

import datetime as dt

import pytest
from django.db import connection
from django.test import TestCase
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_verify import rollups, verifications
from django_verify.crypto import codes
from django_verify.delivery import reports
from django_verify.models import (
    AttemptRollup,
    BlockRollup,
    GuardDecision,
    RollupHour,
    RollupState,
    Verification,
    VerificationAttempt,
)
from django_verify.models.rollups import hour_at
from django_verify.rollups import Filters, Period, Reading, keeping
from django_verify.senders import Report
from tests.conftest import OTHER_PHONE, PHONE, make_account, make_pair, make_service, purged
from tests.rollups.conftest import DAY, HOUR, answered, by_rows

pytestmark = pytest.mark.django_db


def start(service, to=PHONE, provider_sid=""):
    with TestCase.captureOnCommitCallbacks(execute=True):  # the message leaves
        row = verifications.start(service, to)
    attempts = VerificationAttempt.objects.filter(verification=row)
    if provider_sid:
        attempts.filter(pk=attempts.order_by("-sid")[0].pk).update(provider_sid=provider_sid)
    return row


def approve(service, row):
    return verifications.check(service, codes.reveal(row), verification_sid=row.sid)


def report(provider_sid, status="delivered", **values):
    found = Report(provider_sid=provider_sid, status=status, **values)
    return reports.record("memory", [found])


def total(**filters):
    now = hour_at(timezone.now())
    return Reading(Period.of(now - 100, now + 1), Filters(**filters)).total()


def is_counted(hour):
    return RollupHour.objects.filter(hour=hour, due_at=None, counted_at__isnull=False).exists()


def test_an_hour_is_counted_when_it_has_been_over_for_some_minutes(service, clock):
    row, hour = start(service), hour_at(timezone.now())
    rollups.advance()
    assert not AttemptRollup.objects.exists()
    clock.shift(HOUR + 240)
    rollups.advance()
    assert not AttemptRollup.objects.exists()
    clock.shift(60)
    assert rollups.advance() == 1
    line = AttemptRollup.objects.get()
    assert (line.hour, line.account_id, line.service_id) == (hour, row.account_id, service.sid)
    assert (line.country, line.channel, line.sender) == ("US", "sms", "memory")
    assert (line.starts, line.sent, line.converted, line.spend) == (1, 1, 0, 50_000)
    assert is_counted(hour)
    assert rollups.advance() == 0


def test_figures_are_right_before_and_after_they_are_counted(service, clock):
    approve(service, start(service))
    start(service, OTHER_PHONE)
    for _ in range(4):
        assert answered() == by_rows()
        assert (total().starts, total().converted, total().undecided) in {(2, 1, 1), (2, 1, 0)}
        rollups.advance()
        clock.shift(HOUR)
    assert AttemptRollup.objects.count() == 1


def test_an_hour_stays_due_while_a_verification_may_be_approved(account, clock):
    service = make_service(account, lifetime=86_400)
    row, hour = start(service), hour_at(timezone.now())
    clock.shift(2 * HOUR)
    rollups.advance()
    assert not is_counted(hour)
    approve(service, row)
    assert answered() == by_rows()
    assert total().converted == 1
    clock.shift(DAY)
    rollups.advance()
    assert is_counted(hour)
    assert answered() == by_rows()
    assert AttemptRollup.objects.get().within_86400 == 1


def test_a_message_on_its_way_keeps_its_hour_due(service, clock):
    start(service)
    attempts = VerificationAttempt.objects.all()
    attempts.update(message_status="queued", due_at=timezone.now() + dt.timedelta(days=9))
    hour = hour_at(timezone.now())
    clock.shift(2 * HOUR)
    rollups.advance()
    assert not is_counted(hour)
    attempts.update(message_status="failed", due_at=None)
    assert answered() == by_rows()
    clock.shift(600)
    rollups.advance()
    assert is_counted(hour)
    assert answered() == by_rows()


def test_a_late_report_is_seen_at_once_and_counted_again(service, clock):
    start(service, provider_sid="m-1")
    hour = hour_at(timezone.now())
    clock.shift(30 * HOUR)
    rollups.advance()
    assert is_counted(hour)
    assert report("m-1", price_value="0.25", price_currency="USD") == 1
    assert answered() == by_rows()
    assert (total().delivered, total().spend) == (1, 250_000)
    assert AttemptRollup.objects.get().delivered == 0
    clock.shift(600)
    rollups.advance()
    assert is_counted(hour)
    assert AttemptRollup.objects.get().delivered == 1
    assert answered() == by_rows()


def test_a_report_in_the_hour_of_its_attempt_costs_no_statement_more(service, clock):
    start(service, provider_sid="m-1")
    start(service, OTHER_PHONE, provider_sid="m-2")
    with CaptureQueriesContext(
        connection,
    ) as at_once:
        report("m-1")
    clock.shift(2 * HOUR)
    with CaptureQueriesContext(connection) as late:
        report("m-2")
    tables = [query["sql"] for query in at_once if "rolluphour" in query["sql"]]
    assert not tables
    assert len(late) > len(at_once)


def test_a_report_that_changes_its_row_as_the_hour_is_counted_is_not_lost(
    service, clock, monkeypatch
):
    """The hour has its row before it is counted, so that the report finds what to mark."""
    start(service, provider_sid="m-1")
    hour = hour_at(timezone.now())
    clock.shift(2 * HOUR)
    real = keeping._write

    def interrupted(counted):
        monkeypatch.setattr(keeping, "_write", real)
        real(counted)
        report("m-1")

    monkeypatch.setattr(keeping, "_write", interrupted)
    rollups.advance()
    assert not is_counted(hour)
    assert answered() == by_rows()


def test_a_report_on_an_hour_that_was_never_counted_makes_its_first_count_wait(service, clock):
    with TestCase.captureOnCommitCallbacks(execute=True):
        row = verifications.start(service, PHONE, "sms")
    attempt, now = row.attempts.get(), timezone.now()
    with rollups.changing(attempt.sid, now):
        assert not RollupHour.objects.exists()
    clock.shift(HOUR)
    with rollups.changing(attempt.sid, timezone.now()):
        # A process that counts writes this row first, and so not before the end of this block.
        assert RollupHour.objects.get().due_at > timezone.now()
    clock.shift(HOUR)
    rollups.advance()
    assert RollupHour.objects.get().due_at is None


def test_hours_that_are_due_again_are_never_left_out(service, clock):
    for number in range(12):
        start(service, f"+1415555{2000 + number}")
        Verification.objects.update(status="canceled")
        clock.shift(HOUR)
    clock.shift(6 * HOUR)
    rollups.advance()
    # Late reports for more hours than are read from rows, and no worker.
    RollupHour.objects.update(due_at=timezone.now())
    now = hour_at(timezone.now())
    period = Period.of(now - 24 * 30, now + 1, most=10)
    assert period.missing is None
    assert Reading(period).total().starts == 12
    # Nor are those counted twice.
    assert len(period.rows) > 0
    RollupState.objects.update(counted_from=now - 8)
    period = Period.of(now - 24 * 30, now + 1, most=10)
    assert period.missing == period.rows[0][0]
    assert Reading(period).total().starts < 12


def test_a_purge_leaves_the_figures_as_they_were(service, clock):
    approve(service, start(service))
    clock.shift(2 * HOUR)
    rollups.advance()
    before = answered()
    clock.shift(31 * DAY)
    assert purged("attempts") == 1
    assert answered() == before
    RollupHour.objects.update(due_at=timezone.now())
    rollups.advance()
    rollups.rebuild()
    assert answered() == before
    assert total().starts == 0  # it is longer ago than a hundred hours


def test_hours_in_which_nothing_happened_are_no_rows(service, clock):
    start(service)
    clock.shift(2 * HOUR)
    rollups.advance()
    clock.shift(400 * HOUR)
    decision = decided(service, Verification.objects.get())
    clock.shift(300 * HOUR)
    start(service, OTHER_PHONE)
    clock.shift(90 * HOUR)
    hours = [hour_at(row.date_created) for row in (*VerificationAttempt.objects.all(), decision)]
    with CaptureQueriesContext(connection) as captured:
        assert rollups.advance() == 2
    assert len(captured) < 120
    assert set(RollupHour.objects.values_list("hour", flat=True)) == set(hours)
    assert (AttemptRollup.objects.count(), BlockRollup.objects.count()) == (2, 1)
    # An old year is asked for.
    with CaptureQueriesContext(connection) as captured:
        assert rollups.rebuild(hour_at(dt.datetime(1999, 1, 1, tzinfo=dt.UTC))) == 3
    assert len(captured) < 60
    assert RollupHour.objects.count() == 3
    # What has lost its rows is counted again all the same.
    VerificationAttempt.objects.all().delete()
    assert rollups.rebuild(0) == 3
    assert not AttemptRollup.objects.exists()


def test_figures_go_in_a_time_of_their_own(service, clock):
    row = start(service)
    decided(service, row)
    clock.shift(2 * HOUR)
    rollups.advance()
    clock.shift(799 * DAY)
    assert purged("hourly figures") == 0
    assert AttemptRollup.objects.count() == BlockRollup.objects.count() == 1
    clock.shift(2 * DAY)
    assert purged("hourly figures") == 1
    assert not AttemptRollup.objects.exists()
    assert not BlockRollup.objects.exists()


def test_a_dry_run_of_the_purge_freezes_nothing(service, clock):
    start(service)
    clock.shift(31 * DAY)
    purged("attempts", dry_run=True)
    rollups.advance()
    assert answered() == by_rows()
    assert AttemptRollup.objects.count() == 1


def test_a_part_of_an_hour_that_is_left_by_a_purge_is_not_counted(service, clock, settings):
    settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "ATTEMPT_RETENTION_DAYS": 2}
    start(service)
    clock.shift(600)
    start(service, OTHER_PHONE)
    clock.shift(2 * HOUR)
    rollups.advance()
    before = answered()
    clock.shift(2 * DAY - 2 * HOUR - 300)
    VerificationAttempt.objects.update(due_at=None)
    assert purged("attempts") == 0
    clock.shift(600)
    assert purged("attempts") == 1
    rollups.rebuild()
    assert answered() == before


def test_decisions_and_attempts_are_purged_each_in_its_time(service, clock, settings):
    settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "GUARD_RETENTION_DAYS": 2}
    row = start(service, provider_sid="m-1")
    decided(service, row)
    clock.shift(2 * HOUR)
    rollups.advance()
    clock.shift(3 * DAY)
    assert purged("guard decisions") == 1
    report("m-1")
    clock.shift(600)
    rollups.advance()
    assert answered() == by_rows()
    assert AttemptRollup.objects.get().delivered == 1
    assert BlockRollup.objects.get().starts == 1


def decided(service, row, cause="rule", outcome="refused"):
    return GuardDecision.objects.create(
        account_id=row.account_id,
        service_id=service.sid,
        date_created=timezone.now(),
        attempt_sid=row.attempts.all()[0].sid,
        country="US",
        channel="sms",
        cause=cause,
        outcome=outcome,
        reason="x",
        price="0.125",
    )


def test_blocks_are_counted_by_their_cause(service, clock):
    row = start(service)
    for cause, outcome in (("rule", "refused"), ("rule", "refused"), ("cap", "withheld")):
        decided(service, row, cause, outcome)
    expected = {("rule", "refused"): (2, 250_000), ("cap", "withheld"): (1, 125_000)}
    now = hour_at(timezone.now())
    for _ in range(3):
        assert rollups.blocks(Period.of(now - 5, now + 9), Filters()) == expected
        assert rollups.blocks(Period.of(now - 5, now + 9), Filters(country="DE")) == {}
        clock.shift(HOUR + 600)
        rollups.advance()
    assert BlockRollup.objects.count() == 2


def test_rows_from_before_the_first_count_are_counted_backwards(service, clock):
    for number in range(3):
        approve(service, start(service, f"+1415555267{number}"))
        clock.shift(50 * HOUR)
    assert Period.of(hour_at(timezone.now()) - 24 * 30, hour_at(timezone.now())).missing
    assert rollups.advance() == 3
    assert AttemptRollup.objects.count() == 3
    assert answered() == by_rows()


def test_a_pass_ends_after_its_time(service, clock):
    for number in range(3):
        start(service, f"+1415555267{number}")
        clock.shift(50 * HOUR)
    assert [rollups.advance(0) for _ in range(4)] == [1, 1, 1, 0]
    assert answered() == by_rows()


def test_one_counts_at_a_time_and_a_dead_one_is_replaced(service, clock):
    start(service)
    clock.shift(2 * HOUR)
    rollups.advance(0)
    RollupState.objects.update(lease_until=timezone.now() + dt.timedelta(seconds=30))
    clock.shift(2)
    RollupHour.objects.update(due_at=timezone.now())
    assert rollups.advance() == 0
    clock.shift(60)
    assert rollups.advance() >= 1


def test_a_clock_that_was_ahead_has_counted_nothing_for_good(service, clock):
    row = start(service)
    clock.shift(3 * HOUR)
    rollups.advance()
    clock.shift(-3 * HOUR)
    assert answered() == by_rows()
    approve(service, row)
    start(service, OTHER_PHONE)
    rollups.advance()
    assert answered() == by_rows()
    clock.shift(2 * HOUR)
    rollups.advance()
    assert answered() == by_rows()
    assert AttemptRollup.objects.get().converted == 1


def test_what_a_clock_that_is_behind_writes_into_a_counted_hour_is_found(service, clock):
    start(service)
    clock.shift(2 * HOUR)
    rollups.advance()
    clock.shift(-2 * HOUR)
    start(service, OTHER_PHONE)
    clock.shift(4 * HOUR)
    rollups.advance()
    assert answered() == by_rows()
    assert AttemptRollup.objects.get().starts == 2


def test_test_numbers_are_left_out(service, clock, settings):
    settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "TEST_NUMBERS": True}
    make_pair(service, PHONE)
    assert start(service).is_test
    assert answered() == {} == by_rows()
    clock.shift(2 * HOUR)
    rollups.advance()
    assert not AttemptRollup.objects.exists()


def test_a_resend_is_a_start_of_the_same_verification(service, clock):
    row = start(service)
    clock.shift(60)
    start(service)
    approve(service, row)
    figures = total()
    assert (figures.starts, figures.verifications) == (2, 1)
    assert (figures.converted, figures.approved, figures.within_60) == (2, 1, 1)
    clock.shift(2 * HOUR)
    rollups.advance()
    assert answered() == by_rows()


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, 3),
        ({"country": "US"}, 2),
        ({"country": ""}, 1),
        ({"channel": "email"}, 1),
        ({"channel": "sms"}, 2),
    ],
)
def test_filters(service, clock, filters, expected):
    start(service)
    start(service, OTHER_PHONE)
    verifications.start(service, "ann@example.com", "email")
    verifications.start(make_service(make_account("Other")), PHONE)
    filters["account"] = service.account_id
    for _ in range(2):
        assert total(**filters).starts == expected
        clock.shift(2 * HOUR)
        rollups.advance()
    assert total(**filters, service=service.sid).starts == expected
    assert total(service="VA" + "0" * 32).starts == 0


def test_a_service_that_goes_leaves_its_figures_without_it(service, clock):
    start(service)
    clock.shift(2 * HOUR)
    rollups.advance()
    service.delete()
    assert answered() == by_rows()
    Verification.objects.all()[0].account.delete()
    assert answered() == by_rows() == {}


@pytest.mark.portable
def test_a_time_is_read_off_its_column():
    figures = rollups.Figures()
    assert figures.seconds(0.5) is None
    assert figures.conversion is figures.decided is figures.cost_per_approval is None
    figures.counts[8:11] = [0, 10, 10]  # within 10 and 15 seconds
    assert figures.seconds(0.25) == 7.5
    assert figures.seconds(0.5) == 10
    assert figures.seconds(0.95) == 14.5
