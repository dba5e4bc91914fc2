"""The cursor that a connection keeps: whose it is, for how long, and what stands in its way."""

import asyncio
import threading
from datetime import timedelta
from datetime import timezone as zones

import pytest
from django.core.exceptions import SynchronousOnlyOperation
from django.db import (
    DatabaseError,
    InterfaceError,
    OperationalError,
    ProgrammingError,
    connection,
    connections,
)
from django.db.models import CharField
from django.test.utils import CaptureQueriesContext

from django_verify.db import cursors
from django_verify.db.cursors import Kept
from django_verify.db.statements import Select
from django_verify.models import Account
from tests.conftest import make_account

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.every_case]


def ask(number=1):
    """The cursor of one block, which has asked for a number."""
    with Kept(connections["default"], "asked") as cursor:
        cursor.execute(f"SELECT {number}")
        assert cursor.fetchone() == (number,)
    return cursor


@pytest.fixture(autouse=True)
def no_cursor_of_another_test():
    connection.close()
    # A connection that other tests have filled would drop all that it keeps in the midst of one.
    vars(connections["default"]).pop(cursors._NAME, None)
    yield
    vars(connections["default"]).pop("cursor", None)
    connection.close()


def test_one_block_after_the_other_has_the_same():
    assert ask(1) is ask(2) is ask(3)


def test_a_block_within_a_block_has_its_own():
    kept = ask()
    with Kept(connections["default"], "asked") as outer:
        outer.execute("SELECT 1 UNION ALL SELECT 2")
        with Kept(connections["default"], "asked") as inner:
            inner.execute("SELECT 3")
            assert list(inner.fetchall()) == [(3,)]
        assert [row[0] for row in outer.fetchall()] == [1, 2]
    assert outer is kept
    assert inner is not outer
    ask()


def test_an_error_closes_it():
    kept = ask()
    with pytest.raises(DatabaseError), Kept(connections["default"], "asked") as cursor:
        cursor.execute("SELECT nothing FROM nowhere")
    assert cursor is kept
    assert ask() is not kept
    if connection.vendor == "postgresql":
        assert kept.closed


def test_an_error_of_ours_closes_it_too():
    kept = ask()
    with pytest.raises(ZeroDivisionError), Kept(connections["default"], "asked"):
        raise ZeroDivisionError
    assert ask() is not kept


def test_a_new_connection_has_a_new_one():
    kept = ask()
    connection.close()
    assert ask() is not kept
    assert connection.is_usable()


def test_each_connection_has_its_own():
    other = connections.create_connection("default")
    try:
        with Kept(other, "asked") as cursor:
            cursor.execute("SELECT 1")
        assert cursor is not ask()
        assert cursor.db is other
    finally:
        other.close()


def test_queries_that_are_logged_are_logged():
    kept = ask()
    with CaptureQueriesContext(connection) as captured:
        ask(7)
        ask(8)
    assert [query["sql"] for query in captured] == ["SELECT 7", "SELECT 8"]
    assert ask() is kept


def test_a_cursor_that_logs_is_not_kept():
    with CaptureQueriesContext(connection):
        logging = ask()
    assert ask() is not logging


def test_wrappers_of_execute_hear_of_every_statement():
    heard = []

    def note(execute, sql, params, many, context):
        heard.append(sql)
        return execute(sql, params, many, context)

    ask()
    with connection.execute_wrapper(note):
        ask(5)
    ask(6)
    assert heard == ["SELECT 5"]


def test_a_tool_in_the_place_of_django_s_function_is_asked():
    """As debug toolbars do it."""
    kept, opened = ask(), []
    real = connection.cursor
    connection.cursor = lambda *a: opened.append(real(*a)) or opened[-1]
    assert ask() is opened[0]
    assert ask() is opened[1]
    del connection.cursor
    assert kept is ask()


def test_what_is_put_there_within_a_block_counts_from_its_end():
    with Kept(connections["default"], "asked") as cursor:
        connection.cursor = lambda: pytest.fail("asked too early")
    del connection.cursor
    assert ask() is not cursor


@pytest.fixture
def _checked():
    before = connection.settings_dict["CONN_HEALTH_CHECKS"]
    connection.settings_dict["CONN_HEALTH_CHECKS"] = True
    connection.close()
    yield
    connection.settings_dict["CONN_HEALTH_CHECKS"] = before


@pytest.mark.usefixtures("_checked")
def test_a_connection_that_has_died_since_the_last_request_is_replaced(monkeypatch):
    kept, raw = ask(), connection.connection
    monkeypatch.setattr(connection, "is_usable", lambda: False)
    ask()  # within the same request nothing is checked
    assert connection.connection is raw
    connection.health_check_done = False  # as the next request has it
    assert ask() is not kept
    assert connection.connection is not raw


def test_a_cursor_that_reads_times_in_another_zone_is_not_taken(monkeypatch):
    kept = ask()
    monkeypatch.setattr(connection, "timezone", zones(timedelta(hours=3)))
    other = ask()
    assert other is not kept
    assert ask() is other


def test_moments_are_read_in_the_connection_s_zone(settings):
    account = make_account()
    found = Select(
        lambda sid: Account.objects.filter(sid=sid).values_list("date_created"),
        sid=Account._meta.pk,
    )
    moments = []
    for zone in ("UTC", "Asia/Tokyo", "UTC"):
        settings.TIME_ZONE = zone
        ((moment,),) = found.rows("default", sid=account.sid)
        assert moment == Account.objects.values_list("date_created", flat=True)[0]
        moments.append(moment)
    assert len(set(moments)) == 1


def test_another_thread_is_refused_as_django_refuses_it():
    kept, mine, errors = ask(), connections["default"], []

    def work():
        try:
            with Kept(mine, "asked"):
                errors.append("none")
        except DatabaseError as error:
            errors.append(str(error))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert "can only be used in that same thread" in errors[0]
    assert ask() is kept


def test_an_event_loop_is_refused_as_django_refuses_it():
    found = Select(
        lambda word: Account.objects.annotate(word=word).values_list("word"), word=CharField()
    )

    async def within(call):
        return call()

    ask()  # there is one to be taken
    mine = connections["default"]
    for call in (Kept(mine, "asked").__enter__, ask, lambda: found.rows("default", word="x")):
        with pytest.raises(SynchronousOnlyOperation):
            asyncio.run(within(call))
    ask()


def test_a_connection_that_is_gone_is_an_error_of_django_s():
    """To close its cursor fails as well on some drivers, by an error that nobody catches."""
    ask()
    connection.connection.close()
    with pytest.raises((OperationalError, InterfaceError, ProgrammingError)):
        ask()
    connection.connection = None
    ask()


def test_each_statement_has_its_own():
    kept = ask()
    with Kept(connections["default"], "another") as other:
        other.execute("SELECT 2")
        assert list(other.fetchall()) == [(2,)]
    assert other is not kept
    assert ask() is kept


def test_they_are_bounded(monkeypatch):
    monkeypatch.setattr(cursors, "_MOST", 3)
    for number in range(10):
        with Kept(connections["default"], number) as cursor:
            cursor.execute("SELECT 1")
    assert len(vars(connections["default"])[cursors._NAME]) <= 3
