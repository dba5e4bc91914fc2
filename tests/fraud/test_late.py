"""What appears later than it was minted or written is read all the same, and nothing else again."""

import time
from contextlib import suppress
from unittest.mock import Mock

import pytest
from django.db import OperationalError

from django_verify import sids, verifications
from django_verify.crypto import codes
from django_verify.fraud import sightings, waiting
from django_verify.fraud.tallies import country_key
from django_verify.models import SendOutcome, Verification, VerificationAttempt
from tests.conftest import make_service

pytestmark = pytest.mark.django_db

NUMBER, OTHER = "+4917612345678", "+4917623456789"


@pytest.fixture
def guarded(account):
    return make_service(account, guard_level="standard")


@pytest.fixture
def read(monkeypatch):
    """The rows of each statement, by kind."""
    found, rows = [], sightings._rows

    def remember(*args):
        result = rows(*args)
        found.append([row[0] for row in result])
        return result

    monkeypatch.setattr(sightings, "_rows", remember)
    return found


def approve(service, row):
    verifications.check(service, codes.reveal(row), verification_sid=row.sid)


def look(service, clock, seconds=0.0):
    """Let a start come so many seconds later, which reads what is new."""
    clock.shift(seconds)
    verifications.start(service, f"+4915112{int(time.time()) % 1_000_000:06}")


def germany(service):
    return sightings.now_known().ledgers[service.account_id].tallies[country_key("DE")]


def record(row, kind, written_at):
    """Write an outcome, as a process does some time after it has seen it."""
    SendOutcome.objects.create(
        account_sid=row.account_id, verification_sid=row.sid, kind=kind, happened_at=written_at
    )


def hidden(row):
    """Take a start out of the database; return what commits it."""
    attempt = VerificationAttempt.objects.get(verification=row)
    started = Verification.objects.get(pk=row.pk)
    VerificationAttempt.objects.filter(pk=attempt.pk).delete()
    Verification.objects.filter(pk=row.pk).delete()

    def commit():
        started.save(force_insert=True)
        attempt.save(force_insert=True)

    return commit


def test_a_start_that_is_committed_late_is_seen(guarded, clock):
    look(guarded, clock)
    commit = hidden(verifications.start(guarded, NUMBER))
    look(guarded, clock, 8)
    commit()
    look(guarded, clock, 8)
    assert sightings.now_known().ledgers[guarded.account_id].of_number(NUMBER)
    assert germany(guarded).long_wishes == 3


def test_a_statement_that_fails_leaves_nothing_late_unread(guarded, clock, monkeypatch):
    look(guarded, clock)
    commit = hidden(verifications.start(guarded, NUMBER))
    look(guarded, clock, 9.5)
    commit()
    with monkeypatch.context() as patch:
        patch.setattr(sightings, "_rows", Mock(side_effect=OperationalError))
        with suppress(OperationalError):
            look(guarded, clock, 6)
    look(guarded, clock, 6)
    look(guarded, clock, 6)
    assert sightings.now_known().ledgers[guarded.account_id].of_number(NUMBER)


def test_an_outcome_that_is_written_late_is_seen(guarded, clock):
    row = verifications.start(guarded, NUMBER)
    look(guarded, clock, 8)
    written_at = time.time()
    look(guarded, clock, 8)
    record(row, "c", written_at)
    for _ in range(2):
        look(guarded, clock, 6)
    assert germany(guarded).long_converted == 1


def test_a_message_that_is_read_after_its_conversion_is_no_new_wish(guarded, clock):
    row = verifications.start(guarded, NUMBER)
    look(guarded, clock, 8)
    late = VerificationAttempt.objects.get(verification=row)
    late.pk = sids.attempt()
    look(guarded, clock, 8)
    record(row, "c", time.time())
    look(guarded, clock, 6)
    assert germany(guarded).long_converted == 1
    late.save(force_insert=True)
    for _ in range(2):
        look(guarded, clock, 5)
    assert late.pk.removeprefix("VL") in map(sightings._digits, sightings.now_known().known)
    assert (germany(guarded).long_wishes, germany(guarded).long_converted) == (5, 1)


def test_an_approval_that_is_committed_late_is_seen(guarded, clock):
    row = verifications.start(guarded, NUMBER)
    look(guarded, clock, 8)
    approve(guarded, row)
    waiting.forget()
    Verification.objects.filter(pk=row.pk).update(status="pending")
    look(guarded, clock, 8)
    assert not germany(guarded).long_converted
    Verification.objects.filter(pk=row.pk).update(status="approved")
    for _ in range(2):
        look(guarded, clock, 6)
    assert germany(guarded).long_converted == 1


def test_what_is_known_is_counted_and_not_read_again(guarded, clock, read):
    look(guarded, clock)
    clock.shift(1)
    for number in range(5):
        row = verifications.start(guarded, f"+49176123456{number:02}")
        record(row, "c", time.time())
    read.clear()
    for _ in range(6):
        look(guarded, clock, 6)
    # Each reading is one statement; those with the numbers come every ten seconds.
    assert len(read) == 6
    assert sum("S" in kinds and "O" in kinds for kinds in read) == 3
    assert sum(kinds.count("s") for kinds in read) == 6 + 5
    assert sum(kinds.count("c") for kinds in read) == 5
    assert (germany(guarded).long_wishes, germany(guarded).long_converted) == (6 + 5, 5)


def test_what_nobody_can_read_is_not_looked_for_all_the_time(guarded, clock, read):
    row = verifications.start(guarded, NUMBER)
    VerificationAttempt.objects.filter(verification=row).update(device="two words")
    for _ in range(8):
        look(guarded, clock, 6)
    assert len(read) == 9
    assert germany(guarded).long_wishes == 7


def test_two_outcomes_of_one_message_are_no_late_one_for_ever(guarded, clock, read):
    row = verifications.start(guarded, NUMBER)
    look(guarded, clock, 6)
    for _ in range(2):
        record(row, SendOutcome.Kind.UNDELIVERED, time.time())
    read.clear()
    for _ in range(8):
        look(guarded, clock, 6)
    # It is read again while it may be a late one.
    assert len(read) <= 8 + 2
