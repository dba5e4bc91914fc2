"""A database whose transactions are stricter than PostgreSQL's own default, by its settings.

There a single statement fails that meets a row which was changed since it began. Each test holds a
row until the statement of a verb waits for it, and lets the change of that row come first.
"""

import threading
from contextlib import contextmanager

import pytest
from django.db import IntegrityError, OperationalError, connection, connections, transaction
from django.db.backends.signals import connection_created
from django.utils import timezone

from django_verify import health, verifications
from django_verify.db import retry, statements
from django_verify.delivery import circuit_breakers
from django_verify.exceptions import ConcurrentStarts, VerifyError
from django_verify.limits import counters
from django_verify.models import (
    GuardCount,
    SenderState,
    StatusReadCount,
    Verification,
    WorkerHeartbeat,
)
from django_verify.verifications import store
from tests.conftest import PHONE, code_in, make_service, wrong
from tests.db.test_retry import of_postgres

pytestmark = pytest.mark.django_db(transaction=True)
postgres = pytest.mark.skipif(
    connection.vendor != "postgresql", reason="the others lock what a statement reads to change it"
)


def make_strict(connection, **_):
    """As `default_transaction_isolation` of a server, a database or a role does."""
    level = "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL REPEATABLE READ"
    with connection.cursor() as cursor:
        cursor.execute(level)


@pytest.fixture
def strict():
    connection_created.connect(make_strict, dispatch_uid="strict")
    connection.close()
    yield
    connection_created.disconnect(dispatch_uid="strict")
    connection.close()


@contextmanager
def held(model):
    """Change all rows, and commit that when a statement of another connection waits for it."""
    waiting = (
        "SELECT count(*) FROM pg_locks WHERE NOT granted"
        " AND pg_backend_pid() = ANY(pg_blocking_pids(pid))"
    )
    options, done = model._meta, threading.Event()
    key = options.pk.column

    def hold(ready):
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(f"UPDATE {options.db_table} SET {key} = {key}")
                ready.set()
                found = 0
                while not found and not done.wait(0.01):
                    cursor.execute(waiting)
                    (found,) = cursor.fetchone()
            seen.append(found)
        finally:
            connections.close_all()

    ready, seen = threading.Event(), []
    holder = threading.Thread(target=hold, args=(ready,))
    holder.start()
    assert ready.wait(30)
    try:
        yield
    finally:
        done.set()
        holder.join()
    assert seen == [1]


@pytest.fixture
def started(strict, service, outbox):
    verifications.start(service, PHONE)
    return service, code_in(outbox[-1])


@postgres
@pytest.mark.parametrize("verb", ["wrong", "right", "approve", "cancel", "resend", "expire"])
def test_a_verb_that_gave_way_takes_its_turn(started, verb, outbox):
    service, code = started
    verbs = {
        "wrong": lambda: verifications.check(service, wrong(code), to=PHONE),
        "right": lambda: verifications.check(service, code, to=PHONE),
        "approve": lambda: verifications.approve(service, PHONE),
        "cancel": lambda: verifications.cancel(service, PHONE),
        "resend": lambda: verifications.start(service, PHONE),
        "expire": verifications.expire,
    }
    if verb == "expire":
        Verification.objects.update(expires_at=timezone.now())
    with held(Verification):
        verbs[verb]()
    row = Verification.objects.get()
    ends = {"right": "approved", "approve": "approved", "cancel": "canceled", "expire": "expired"}
    assert row.status == ends.get(verb, "pending")
    assert row.checks == (verb in {"wrong", "right"})
    assert row.sends == len(outbox) == 1 + (verb == "resend")


@postgres
def test_a_check_by_the_api_takes_its_turn(started, api):
    service, code = started
    path = f"Services/{service.sid}/VerificationCheck"
    assert api.post(path, {"To": PHONE, "Code": wrong(code)}).status == 200
    with held(Verification):
        assert api.post(path, {"To": PHONE, "Code": wrong(code)}).status == 200
    assert Verification.objects.get().checks == 2


@postgres
@pytest.mark.parametrize(
    ("model", "count"),
    [
        (StatusReadCount, lambda sid: counters.count_read(sid)),
        (SenderState, lambda sid: circuit_breakers.failed("a", "busy")),
        (WorkerHeartbeat, lambda sid: health.beat("worker")),
    ],
    ids=["a read", "a failure", "a pass"],
)
def test_a_count_that_gave_way_is_counted(started, model, count):
    sid = Verification.objects.get().sid
    count(sid)
    with held(model):
        count(sid)
    if model is not WorkerHeartbeat:
        column = "in_day" if model is StatusReadCount else "failures"
        assert getattr(model.objects.get(), column) == 2


@postgres
def test_no_guess_is_lost_or_given(started, aligned):
    service, code = started

    def guess(number):
        try:
            return verifications.check(service, wrong(code, number), to=PHONE).status
        except VerifyError as refused:
            return type(refused).__name__

    found = aligned([lambda n=n: guess(n) for n in range(1, 31)])
    assert sorted(set(found)) == ["MaxChecksReached", "pending"]
    assert found.count("pending") == Verification.objects.get().checks == 5


def giving_way(times):
    """A write that gives way so often, and its calls."""
    calls = []

    def write(**values):
        calls.append(values)
        if len(calls) <= times:
            raise of_postgres("40001")
        return 1

    return write, calls


def test_one_statement_runs_again():
    write, calls = giving_way(3)
    assert retry.alone(write, count=1) == 1
    assert calls == [{"count": 1}] * 4


@pytest.mark.parametrize("error", [OperationalError(2006, "gone"), of_postgres("57P01")])
def test_another_error_goes_up(error):
    def write():
        calls.append(1)
        raise error

    calls = []
    with pytest.raises(OperationalError):
        retry.alone(write)
    assert len(calls) == 1


def test_one_that_always_gives_way_ends():
    write, calls = giving_way(1000)
    with pytest.raises(OperationalError):
        retry.alone(write)
    assert len(calls) == retry.STATEMENT_TRIES


def test_within_a_transaction_it_is_the_transaction_s():
    write, calls = giving_way(1)
    with pytest.raises(OperationalError), transaction.atomic():
        retry.alone(write)
    assert len(calls) == 1


@pytest.mark.parametrize("times", [1, 1000])
def test_statements_of_ours_run_again(service, monkeypatch, times):
    rows = statements.Rows(Verification, "default", {"sid": "VE" + "0" * 32})
    left = [times]

    def refuse(execute, *args):
        if left[0]:
            left[0] -= 1
            raise of_postgres("40001")
        return execute(*args)

    with connection.execute_wrapper(refuse):
        if times == 1:
            assert rows.update(checks=1) == 0
            left[0] = 1
            assert circuit_breakers.queries.service(service.sid, service.account_id) == service
        else:
            with pytest.raises(OperationalError):
                rows.update(checks=1)
            assert left == [times - retry.STATEMENT_TRIES]


def giving_way_in(monkeypatch, error, times):
    """Let what the guard counts for a start fail so often; return what it was given each time."""
    real, given = store.fraud.charge, []

    def charge(attempt, place, now, tries):
        given.append(tries)
        if len(given) <= times:
            raise error
        return real(attempt, place, now, tries)

    monkeypatch.setattr(store.fraud, "charge", charge)
    return given


def test_a_start_that_gives_way_to_those_of_others_takes_its_turn(service, monkeypatch, outbox):
    given = giving_way_in(monkeypatch, of_postgres("40001"), times=30)
    verifications.start(service, PHONE)
    assert Verification.objects.get().sends == len(outbox) == 1
    # Nobody has taken its place in the number's block: it goes for no other one.
    assert given == [0] * 31


@pytest.mark.parametrize(
    ("error", "tries"),
    [(of_postgres("40001"), retry.STATEMENT_TRIES), (IntegrityError("taken"), store.MAX_TRIES)],
    ids=["gives way", "loses"],
)
def test_a_start_ends(service, monkeypatch, outbox, error, tries):
    given = giving_way_in(monkeypatch, error, times=1000)
    with pytest.raises(ConcurrentStarts):
        verifications.start(service, PHONE)
    assert len(given) == tries
    assert not outbox


@postgres
def test_starts_in_a_new_country_share_its_count(strict, account, aligned):
    guarded = make_service(account, guard_level="standard")
    numbers = [f"+1415{exchange}0171" for exchange in range(520, 550)]
    found = aligned([lambda n=n: verifications.start(guarded, n).status for n in numbers])
    assert found == ["pending"] * len(numbers)
    assert GuardCount.objects.get().level > len(numbers) - 1
