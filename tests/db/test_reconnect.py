"""Writes that outlive their connection: on a new one, for as long as patience lasts."""

import pytest
from django.db import InterfaceError, OperationalError, connection, transaction

from django_verify.db import reconnect
from django_verify.models import SenderState
from tests.cuts import Cut

pytestmark = pytest.mark.django_db(transaction=True)
cut_off = pytest.mark.skipif(connection.vendor == "sqlite", reason="a file has no socket to cut")


@pytest.fixture(autouse=True)
def pauses(monkeypatch):
    """The pauses that were made, which take no time here."""
    made = []
    monkeypatch.setattr(reconnect.time, "sleep", made.append)
    return made


def write():
    return SenderState.objects.create(alias="a")


def persist(call, patience=0.0):
    return reconnect.persist(call, using="default", patience=patience)


def failing(times, error=OperationalError):
    """A write that finds its connection dead so many times."""
    left = iter(range(times))

    def call():
        if next(left, None) is not None:
            connection.close()
            raise error("gone")
        return write()

    return call


@cut_off
@pytest.mark.parametrize("at", [1, 2])
def test_it_is_written_on_a_new_connection(at):
    with Cut(at).applied():
        assert persist(atomically).pk == "a"
    assert SenderState.objects.count() == 1


def atomically():
    with transaction.atomic():
        return write()


@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
def test_it_is_tried_twice_at_least(error, pauses):
    assert persist(failing(1, error)).pk == "a"
    assert pauses == [0]
    with pytest.raises(error):
        persist(failing(2, error))


def test_it_goes_on_with_growing_pauses(pauses):
    assert persist(failing(7), patience=60).pk == "a"
    assert pauses == [0, 0.1, 0.2, 0.4, 0.8, 1.6, 2.0]


def test_patience_ends(monkeypatch, pauses):
    monkeypatch.setattr(reconnect.time, "monotonic", lambda: sum(pauses))
    with pytest.raises(OperationalError):
        persist(failing(50), patience=5)
    assert pauses == [0, 0.1, 0.2, 0.4, 0.8, 1.6]


def test_an_error_on_a_living_connection_goes_up(pauses):
    with pytest.raises(OperationalError):
        persist(lambda: 1 / 0 if pauses else raised(OperationalError("locked")))
    assert pauses == []


def raised(error):
    connection.ensure_connection()
    raise error


def test_inside_a_transaction_it_is_tried_once(pauses):
    calls = []

    def call():
        calls.append(1)
        raise OperationalError("gone")

    with pytest.raises(OperationalError), transaction.atomic():
        persist(call, patience=60)
    assert (len(calls), pauses) == (1, [])


def deadlocked(times):
    """A write that gives way to another transaction so many times."""
    left = iter(range(times))

    def call():
        if next(left, None) is not None:
            raise OperationalError(1213, "Deadlock found")
        return write()

    return call


def test_a_write_that_gave_way_follows_at_once(pauses):
    assert persist(deadlocked(5)).pk == "a"
    assert pauses == []


def test_a_write_that_always_gives_way_is_raised():
    with pytest.raises(OperationalError):
        persist(deadlocked(100))


def test_within_a_transaction_a_deadlock_is_the_callers():
    with transaction.atomic(), pytest.raises(OperationalError):
        persist(deadlocked(1))
