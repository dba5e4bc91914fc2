"""Outcomes that wait in memory: each is written once, and none is lost but by a kill."""

import pytest
from django.db import OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_verify import verifications
from django_verify.crypto import codes
from django_verify.db import queries
from django_verify.fraud import sightings, waiting
from django_verify.fraud.tallies import country_key
from django_verify.models import SendOutcome
from tests.conftest import make_service

pytestmark = pytest.mark.django_db(transaction=True)
ACCOUNT = f"AC{1:032x}"


def sid(number):
    return f"VE{number:032x}"


def written():
    return sorted(SendOutcome.objects.values_list("verification_sid", flat=True))


@pytest.fixture
def moment(monkeypatch):
    """`moment[0]` is the process's clock in seconds."""
    now = [1000.0]
    monkeypatch.setattr(waiting.time, "monotonic", lambda: now[0])
    return now


def test_they_are_written_together_once_the_oldest_has_waited(moment, settings):
    settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "GUARD_REFRESH": 2}
    with CaptureQueriesContext(connection) as queries:
        for number in range(5):
            waiting.add(ACCOUNT, sid(number), "c")
            moment[0] += 0.3
    assert len(queries) == 0
    moment[0] += 2
    waiting.add(ACCOUNT, sid(5), "u")
    assert written() == [sid(number) for number in range(6)]
    waiting.write()
    assert len(written()) == 6


def test_a_flood_of_them_does_not_wait(moment, monkeypatch):
    monkeypatch.setattr(waiting, "MOST", 3)
    for number in range(4):
        waiting.add(ACCOUNT, sid(number), "c")
    assert written() == [sid(number) for number in range(3)]


def test_a_transaction_that_may_be_rolled_back_takes_none_along():
    waiting.add(ACCOUNT, sid(1), "c")
    with transaction.atomic():
        waiting.write()
        assert written() == []
    waiting.write()
    assert written() == [sid(1)]


def test_what_could_not_be_written_waits_on(monkeypatch):
    def fail(*args, **kwargs):
        raise OperationalError("away")

    waiting.add(ACCOUNT, sid(1), "c")
    with monkeypatch.context() as patch:
        patch.setattr(waiting, "_insert", fail)
        with pytest.raises(OperationalError):
            waiting.write()
    waiting.add(ACCOUNT, sid(2), "c")
    waiting.write()
    assert written() == [sid(1), sid(2)]


def test_a_process_that_ends_writes_them():
    waiting.add(ACCOUNT, sid(1), "c")
    waiting._at_the_end()
    assert written() == [sid(1)]


def test_many_threads_write_each_once(aligned):
    def one(number):
        waiting.add(ACCOUNT, sid(number), "c")
        waiting.write()

    aligned([lambda number=number: one(number) for number in range(20)])
    waiting.write()
    assert written() == [sid(number) for number in range(20)]


def test_what_an_idle_process_keeps_is_known_to_the_others(account, clock):
    """Each process has a memory of its own; the one that has checked the codes is not asked again."""
    service = make_service(account, guard_level="standard")
    for number in range(30):
        clock.shift(40)
        row = verifications.start(service, f"+49176{number * 330_331:08d}", device_id="till")
        verifications.check(service, codes.reveal(row), verification_sid=row.sid)
        clock.shift(1)
        waiting.forget()
    assert not SendOutcome.objects.exists()
    clock.shift(400)
    verifications.start(service, "+4917612345678", device_id="till")
    ledger = sightings.now_known().ledgers[account.sid]
    assert ledger.tallies[country_key("DE")].converted == (30, 30)


def test_an_approval_that_two_have_told_counts_once(account, clock):
    service = make_service(account, guard_level="standard")
    row = verifications.start(service, "+4917612345678")
    verifications.check(service, codes.reveal(row), verification_sid=row.sid)
    for _ in range(3):
        clock.shift(30)
        verifications.start(service, "+4917612345679")
    ledger = sightings.now_known().ledgers[account.sid]
    assert ledger.tallies[country_key("DE")].converted == (1, 1)


def test_an_approval_is_read_again_only_for_as_long_as_others_may_appear_late(account, clock):
    service = make_service(account, guard_level="standard")
    row = verifications.start(service, "+4917612345678")
    verifications.check(service, codes.reveal(row), verification_sid=row.sid)
    waiting.forget()
    moment = timezone.now().timestamp()
    seen = sightings.Sightings(queries.database())

    def approved(since):
        events = sightings._events(seen, sightings._rows(seen, since), moment)
        return [f"VE{sightings._digits(what)}" for *_, kind, what in events if kind == "c"]

    assert approved(moment - 20) == [row.sid]
    assert approved(moment + 1) == []


def test_a_clock_that_is_put_back_counts_no_message_twice(account, clock):
    service = make_service(account, guard_level="standard")
    for _ in range(4):
        clock.shift(60)
        verifications.start(service, "+4917612345678")
    clock.shift(-200)
    verifications.start(service, "+4917612345679")
    clock.shift(260)
    verifications.start(service, "+4917612345670")
    wish = sightings.now_known().ledgers[account.sid].of_number("+4917612345678")
    assert wish.sends == 4
