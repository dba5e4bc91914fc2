"""Errors that are ignored only while the transaction around them lives."""

import datetime as dt

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from django_verify import turns
from django_verify.db import savepoints
from django_verify.models import SpentToken
from django_verify.onetime import spend
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
    return savepoints.attempt(call, using="default", ignore=ignore)


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
def test_a_connection_that_dies_takes_the_transaction_along_and_says_so(at):
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
def test_an_error_whose_savepoint_cannot_be_taken_back_is_not_ignored():
    def fail():
        write("optional")
        raise ZeroDivisionError

    with Cut(4).applied() as cut, pytest.raises(ZeroDivisionError), transaction.atomic():
        write("needed")
        attempt(fail)
    assert "ROLLBACK TO SAVEPOINT" in cut.statement
    assert keys() == []


@cut_off
@pytest.mark.parametrize("at", [1, 2, 3, 4])
def test_a_token_is_not_called_used_by_a_connection_that_died(at):
    """In a caller's transaction, of which a lost savepoint may not leave a silent rollback."""
    assert spend("kind", "token", MOMENT)

    def act():
        with transaction.atomic():
            write("callers")
            return spend("kind", "token", MOMENT)

    with Cut(at).applied() as cut:
        try:
            found = act()
        except DatabaseError:
            found = None
    assert cut.happened
    assert ("callers" in keys()) == (found is False)


@cut_off
def test_what_has_collided_runs_again_only_in_a_living_transaction():
    def collide(cut):
        try:
            with transaction.atomic():
                write("one")
                cut()
                raise IntegrityError
        except IntegrityError as error:
            return turns.collided(error)

    with transaction.atomic():
        assert collide(lambda: None)
        assert not collide(sever)
    connection.close()
    assert keys() == []
