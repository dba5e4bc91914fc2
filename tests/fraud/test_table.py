"""The risk table: one statement for each process and refresh, and no stale or broken reading."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import OperationalError, connection, connections, transaction
from django.test.utils import CaptureQueriesContext

from django_verify import exceptions, fraud, verifications
from django_verify.fraud import table
from django_verify.models import GeoPermission, PrefixRule
from tests.conftest import OTHER_PHONE, PHONE, make_account

pytestmark = pytest.mark.django_db(transaction=True)


def statements(call):
    with CaptureQueriesContext(connection) as queries:
        call()
    return [query["sql"] for query in queries if "prefixrule" in query["sql"]]


def test_any_number_of_starts_reads_it_by_one_statement(service, clock):
    def starts():
        for number in range(5):
            verifications.start(service, f"+1415555{number:04}")

    assert len(statements(starts)) == 1
    clock.shift(1.9)
    assert statements(lambda: verifications.start(service, PHONE)) == []
    clock.shift(0.2)
    assert len(statements(lambda: verifications.start(service, OTHER_PHONE))) == 1


def test_nothing_is_read_where_the_guard_is_off(account, service, settings):
    GeoPermission.objects.create(account=account, country="US", action="block")
    settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "GUARD_REFRESH": None}
    assert statements(lambda: verifications.start(service, PHONE)) == []
    with pytest.raises(exceptions.DestinationRefused):
        verifications.start(service, "+19005551234")


def test_an_email_asks_for_nothing(service):
    assert statements(lambda: verifications.start(service, "jane@example.com", "email")) == []


@pytest.mark.parametrize("seconds", [2.1, -3600])
def test_a_change_holds_after_the_refresh_whatever_the_clock_does(account, service, clock, seconds):
    fraud.refresh()
    GeoPermission.objects.create(account=account, country="US", action="block")
    verifications.start(service, PHONE)
    clock.shift(seconds)
    with pytest.raises(exceptions.DestinationRefused):
        verifications.start(service, OTHER_PHONE)


def test_a_setting_that_changes_clears_it(account, service, settings):
    fraud.refresh()
    GeoPermission.objects.create(account=account, country="US", action="block")
    settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "GUARD_REFRESH": 3}
    with pytest.raises(exceptions.DestinationRefused):
        verifications.start(service, PHONE)


def test_rows_of_every_kind_come_by_one_statement(account, service, clock):
    other = make_account("Other")
    PrefixRule.objects.create(prefix="+1415", action="block")
    PrefixRule.objects.create(account=other, prefix="+44", action="allow", channels="sms call")
    GeoPermission.objects.create(account=account, country="DE", action="monitor")
    GeoPermission.objects.create(account=account, service=service, country="*", action="block")
    assert len(statements(fraud.refresh)) == 1
    known = table.latest()
    assert known.permissions.actions == {
        (account.sid, "DE", ""): "monitor",
        (service.sid, "*", ""): "block",
    }
    (ours,) = known.rules.by_prefix["+1415"]
    (theirs,) = known.rules.by_prefix["+44"]
    assert (ours.account_sid, ours.channels, ours.ends_at) == ("", frozenset(), None)
    assert (theirs.account_sid, theirs.channels) == (other.sid, {"sms", "call"})


def test_it_is_read_within_a_transaction_of_the_caller(account, service):
    with transaction.atomic():
        GeoPermission.objects.create(account=account, country="US", action="block")
        with pytest.raises(exceptions.DestinationRefused):
            verifications.start(service, PHONE)
        # The refusal has left the transaction as it was.
        assert GeoPermission.objects.count() == 1


def test_a_broken_transaction_leaves_no_table_behind(account, service):
    with pytest.raises(transaction.TransactionManagementError), transaction.atomic():
        transaction.set_rollback(True)
        fraud.refresh()
    assert table.latest() is None
    assert not table._Copy.lock.locked()
    fraud.refresh()
    assert table.latest() is not None


def test_while_one_thread_reads_the_others_go_on_with_the_table_they_have(
    service, clock, monkeypatch
):
    fraud.refresh()
    before = table.latest()
    reading, go_on, read = threading.Event(), threading.Event(), table._read

    def slow(using, now):
        reading.set()
        assert go_on.wait(30)
        return read(using, now)

    def refresh():
        try:
            return table.current()
        finally:
            connections.close_all()

    monkeypatch.setattr(table, "_read", slow)
    clock.shift(2.5)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(refresh)
        assert reading.wait(30)
        assert table.current() is before
        # One that is too old to go by waits for the new one.
        clock.shift(2)
        second = pool.submit(refresh)
        go_on.set()
        assert first.result(30) is not before
        assert second.result(30) is not before


def test_a_database_that_fails_leaves_the_table_for_some_seconds(service, clock, monkeypatch):
    """A start that is written is answered, though the table was due and the connection died."""
    found = table.current()

    def away(*_):
        raise OperationalError("the server is away")

    monkeypatch.setattr(table, "_read", away)
    clock.shift(3)
    assert table.current() is found
    assert not table._Copy.lock.locked()
    clock.shift(2)
    with pytest.raises(OperationalError):
        table.current()
    table.forget()
    with pytest.raises(OperationalError):
        table.current()


def test_a_row_that_cannot_be_read_fails_the_start(service, monkeypatch):
    monkeypatch.setattr(table, "_read", lambda using, now: connection.cursor().execute("nonsense"))
    with pytest.raises(Exception, match=r"nonsense|syntax"):
        verifications.start(service, PHONE)
