"""Outcomes that wait in memory: each is written once, and none is lost but by a kill."""

import pytest
from django.db import OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext

from django_verify.fraud import waiting
from django_verify.models import SendOutcome

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
        patch.setattr(type(SendOutcome.objects.all()), "bulk_create", fail)
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
