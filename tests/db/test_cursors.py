"""The cursor that is kept: what comes of it when its connection is gone."""

import pytest
from django.db import InterfaceError, OperationalError, ProgrammingError, connection

from django_verify.db import cursors

pytestmark = pytest.mark.django_db(transaction=True)

ERRORS = (OperationalError, InterfaceError, ProgrammingError)


def ask():
    with cursors.Kept(connection, "a statement") as cursor:
        cursor.execute("SELECT 1")
        return cursor.fetchall()


def test_a_connection_that_is_gone_is_an_error_of_djangos():
    """To close its cursor fails as well on some drivers, by an error that nobody catches."""
    ask()
    connection.connection.close()
    with pytest.raises(ERRORS):
        ask()
    connection.connection = None
    assert list(ask()) == [(1,)]
