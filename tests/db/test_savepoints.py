"""Errors that are ignored only while the transaction around them lives."""

import datetime as dt
from contextlib import suppress

import pytest
from django.db import DatabaseError, IntegrityError, OperationalError, connection, transaction

from django_verify.db import retry, savepoints
from django_verify.exceptions import NotFound
from django_verify.models import SpentToken
from django_verify.proofs.single_use import consume
from tests.cuts import Cut, sever

pytestmark = pytest.mark.django_db(transaction=True)
cut_off = pytest.mark.skipif(connection.vendor == "sqlite", reason="a file has no socket to cut")

MOMENT = dt.datetime(2030, 1, 1, tzinfo=dt.UTC)


def write(key):
    return SpentToken.objects.create(key=key, expires_at=MOMENT)


def twice():
    write("lost")
    write("lost")


def keys():
    return sorted(SpentToken.objects.values_list("key", flat=True))


def attempt(call, ignore=Exception):
    return savepoints.tolerate(call, using="default", ignore=ignore)


def test_what_succeeds_is_written_with_the_rest():
    with transaction.atomic():
        assert attempt(lambda: write("optional")) is None
        write("needed")
    assert keys() == ["needed", "optional"]


def test_what_fails_is_undone_alone_and_its_error_returned():
    with transaction.atomic():
        write("needed")
        assert isinstance(attempt(twice), IntegrityError)
        assert savepoints.is_alive("default")
        write("later")
    assert keys() == ["later", "needed"]


def test_outside_a_transaction_it_is_one_of_its_own():
    assert isinstance(attempt(twice, IntegrityError), IntegrityError)
    assert keys() == []


def test_other_errors_go_up():
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        write("needed")
        attempt(lambda: 1 / 0, IntegrityError)
    assert keys() == []


@cut_off
@pytest.mark.parametrize("at", [2, 3, 4])
def test_a_connection_that_dies_takes_the_transaction_along_and_states_so(at):
    """At the SAVEPOINT, in the write, and at its end; the transaction's own write is number 1."""
    with (
        Cut(at).applied() as cut,
        pytest.raises(DatabaseError),
        transaction.atomic(),
    ):
        write("needed")
        attempt(lambda: write("optional"))
    assert cut.happened
    assert keys() == []


@cut_off
def test_an_error_whose_savepoint_cannot_be_used_back_is_not_ignored():
    def fail():
        write("optional")
        raise ZeroDivisionError

    with Cut(4).applied() as cut, pytest.raises(OperationalError), transaction.atomic():
        write("needed")
        attempt(fail)
    assert "ROLLBACK TO SAVEPOINT" in cut.statement
    assert keys() == []


@cut_off
@pytest.mark.parametrize("at", [1, 2, 3, 4])
def test_a_token_is_not_called_used_by_a_connection_that_died(at):
    """In a caller's transaction, of which a lost savepoint may not leave a silent rollback."""
    assert consume("kind", "token", MOMENT)

    def act():
        with transaction.atomic():
            write("callers")
            return consume("kind", "token", MOMENT)

    with Cut(at).applied() as cut:
        try:
            found = act()
        except DatabaseError:
            found = None
    assert cut.happened
    assert ("callers" in keys()) == (found is False)


@cut_off
@pytest.mark.parametrize("refusal", [IntegrityError, ZeroDivisionError, NotFound])
def test_no_refusal_hides_that_the_transaction_around_it_is_lost(refusal):
    def refuse(cut):
        with savepoints.atomic("default"):
            write("one")
            cut()
            raise refusal

    with transaction.atomic():
        write("callers")
        with pytest.raises(refusal):
            refuse(lambda: None)
    assert keys() == ["callers"]
    with pytest.raises(OperationalError), transaction.atomic():  # noqa: SIM117
        with suppress(refusal):
            refuse(sever)
    connection.close()
    assert keys() == ["callers"]


@cut_off
def test_nor_does_a_rollback_that_was_asked_for():
    with pytest.raises(OperationalError), transaction.atomic(), savepoints.atomic("default"):
        write("one")
        transaction.set_rollback(True)
        sever()
    connection.close()


def test_a_rollback_that_was_asked_for_leaves_the_rest():
    with transaction.atomic():
        write("callers")
        with savepoints.atomic("default"):
            write("one")
            transaction.set_rollback(True)
    assert keys() == ["callers"]


def test_a_deadlock_in_any_open_transaction_is_its_owners():
    deadlock = OperationalError(1213, "Deadlock found")
    assert retry.is_conflict(deadlock)
    with transaction.atomic():
        assert not retry.is_conflict(deadlock)
        assert retry.is_conflict(IntegrityError())
