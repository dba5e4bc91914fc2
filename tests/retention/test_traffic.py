"""Purges among starts, checks and each other: nothing fails, nothing is lost, nothing is numbered anew."""

import datetime as dt
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from django_verify import retention, sids, verifications
from django_verify.crypto import codes
from django_verify.exceptions import VerifyError
from django_verify.models import Verification, VerificationAttempt
from tests.conftest import PHONE, database_url
from tests.retention.test_budgets import make_row
from tests.retention.test_purging import PHONES, start

pytestmark = pytest.mark.django_db(transaction=True)

ROOT = Path(__file__).parent.parent.parent
LONG_AGO = dt.timedelta(days=60)
with_locks = pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has one writer")


def make_old(service, phones, serial=1, **values):
    begun = timezone.now() - LONG_AGO
    rows = [make_row(service, phone, serial, begun, **values) for phone in phones]
    Verification.objects.bulk_create(rows)
    VerificationAttempt.objects.bulk_create(
        VerificationAttempt(
            account_id=row.account_id,
            verification=row,
            channel="sms",
            locale="en",
            date_created=begun,
            message_status="sent",
        )
        for row in rows
    )
    age_attempts()
    return rows


def age_attempts():
    """Attempts whose SIDs are as old as their verifications': a SID is what says the age."""
    old = timezone.now() - LONG_AGO
    for attempt in VerificationAttempt.objects.filter(verification__date_created__lt=old):
        VerificationAttempt.objects.filter(sid=attempt.sid).update(sid=sids.attempt(old))


def test_a_start_holds_the_row_that_its_number_is_built_on(service):
    (row,) = make_old(service, [PHONE], serial=7)
    now = timezone.now()
    with transaction.atomic():
        retention.hold(row, now)
    Verification.objects.update(serial=8)
    with pytest.raises(IntegrityError), transaction.atomic():
        retention.hold(row, now)
    VerificationAttempt.objects.all().delete()
    Verification.objects.all().delete()
    with pytest.raises(IntegrityError), transaction.atomic():
        retention.hold(row, now)


def test_a_young_row_needs_no_hold(service, django_assert_num_queries):
    row = make_row(service, PHONE, 1, timezone.now() - dt.timedelta(days=28))
    with django_assert_num_queries(0):
        retention.hold(row, timezone.now())


@with_locks
def test_a_start_that_lost_its_newest_row_begins_anew(service, monkeypatch):
    """The purge comes between the history that a start has read and its own row."""
    make_old(service, [PHONE], serial=7)
    real = retention.hold

    # Another connection, as another process has: this one is inside the start's transaction.
    def elsewhere():
        try:
            return retention.purge(share=1)
        finally:
            connection.close()

    def late(row, now):
        monkeypatch.setattr(retention, "hold", real)
        with ThreadPoolExecutor(1) as pool:
            pool.submit(elsewhere).result()
        real(row, now)

    monkeypatch.setattr(retention, "hold", late)
    assert verifications.start(service, PHONE).serial == 1
    assert Verification.objects.count() == 1


@with_locks
@pytest.mark.parametrize("round_", range(6))
def test_starts_that_meet_a_purge_send_one_message(service, aligned, outbox, round_):
    make_old(service, [PHONE], serial=7)

    def begin():
        try:
            return verifications.start(service, PHONE).sid
        except VerifyError as error:
            return type(error).__name__

    def purge():
        return sum(outcome.deleted for outcome in retention.purge(share=1))

    found = aligned([begin] * 12 + [purge] * 4 + [begin] * 12)
    live = Verification.objects.filter(expires_at__gt=timezone.now())
    assert live.count() == 1
    assert {each for each in found if isinstance(each, str)} <= {live.get().sid, "ConcurrentStarts"}
    assert len(outbox) == live.get().sends


@with_locks
def test_several_purges_and_traffic_at_one_moment(service, aligned):
    make_old(service, PHONES)
    guessed = make_old(service, PHONES[:20], serial=2, status="expired", checks=2)
    rows = start(service, *PHONES[:10])

    def approve(row):
        return verifications.check(service, codes.reveal(row), verification_sid=row.sid).valid

    def purge():
        return sum(outcome.deleted for outcome in retention.purge(batch=7, share=1))

    calls = [lambda row=row: approve(row) for row in rows]
    calls += [lambda phone=phone: start(service, phone)[0].sid for phone in PHONES[10:40]]
    done = aligned([*calls, *[purge] * 5])
    assert done[:10] == [True] * 10
    deleted = sum(done[-5:]) + purge()
    # All attempts, the verifications without a wrong guess, and what the approvals have ended.
    assert deleted == 120 + 100 + 10
    left = Verification.objects.filter(expires_at__lt=timezone.now())
    assert set(left.values_list("sid", flat=True)) == {row.sid for row in guessed[10:]}
    assert Verification.objects.filter(expires_at__gt=timezone.now()).count() == 40
    assert VerificationAttempt.objects.count() == 40


@pytest.mark.once
def test_a_purge_that_is_killed_is_run_again(service):
    make_old(service, PHONES)
    command = [sys.executable, "manage.py", "purgeverifications", "--batch", "1", "--share", "0.05"]
    environment = {**os.environ, "DATABASE_URL": database_url(), "SECRET_KEY": "x" * 50}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    try:
        while VerificationAttempt.objects.count() == 100:
            assert process.poll() is None
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert 0 < VerificationAttempt.objects.count() < 100
    assert Verification.objects.count() == 100
    call_command("purgeverifications", "--share", "1")
    assert not VerificationAttempt.objects.exists()
    assert not Verification.objects.exists()
