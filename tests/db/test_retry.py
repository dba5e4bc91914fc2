"""Transactions that conflict: what is_conflict runs again, what is wrong stays wrong."""

import pytest
from django.db import DataError, IntegrityError, OperationalError, connection, transaction

from django_verify import exceptions
from django_verify.db import retry
from django_verify.factors import challenges, entities, notifications, passkeys

DEADLOCK = OperationalError(1213, "Deadlock found")


def of_postgres(state):
    error = OperationalError("from the database")
    error.__cause__ = type("Cause", (Exception,), {"sqlstate": state})()
    return error


@pytest.mark.parametrize(
    ("error", "is_one"),
    [
        (DEADLOCK, True),
        (of_postgres("40P01"), True),
        (of_postgres("40001"), True),
        (of_postgres("57P01"), False),
        (OperationalError(2006, "gone away"), False),
        (IntegrityError(1213), False),
        (ValueError(1213), False),
    ],
    ids=str,
)
def test_what_a_deadlock_is(error, is_one):
    assert retry.is_deadlock(error) is is_one


def failing(*errors):
    """A write that meets these first, and the list of its calls."""
    left, calls = list(errors), []

    @retry.on_conflict
    def write(value):
        """Write."""
        calls.append(value)
        if left:
            raise left.pop(0)
        return value

    return write, calls


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("error", [DEADLOCK, IntegrityError("row")], ids=str)
def test_what_conflicted_runs_again(error):
    write, calls = failing(error, error)
    assert write(5) == 5
    assert calls == [5, 5, 5]
    assert write.__doc__ == "Write."


@pytest.mark.django_db(transaction=True)
def test_it_ends_in_a_conflict():
    write, calls = failing(*[DEADLOCK] * 100)
    with pytest.raises(exceptions.Conflict):
        write(5)
    assert len(calls) == retry.MAX_TRIES


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("error", [OperationalError(2006, "gone"), DataError("x"), ValueError("x")])
def test_what_is_wrong_is_reported_at_once(error):
    write, calls = failing(error)
    with pytest.raises(type(error)):
        write(5)
    assert len(calls) == 1


@pytest.mark.django_db(transaction=True)
def test_a_callers_transaction_is_the_callers():
    write, calls = failing(DEADLOCK)
    with pytest.raises(OperationalError), transaction.atomic():
        write(5)
    assert len(calls) == 1
    assert connection.get_autocommit()


@pytest.mark.parametrize(
    "verb",
    [
        entities.create,
        entities.delete,
        entities.delete_factor,
        entities.settle,
        challenges.settle,
        notifications.ask,
        passkeys.challenge,
    ],
)
def test_verbs_that_are_one_transaction_take_turns(verb):
    assert verb.__wrapped__.__name__ == verb.__name__
