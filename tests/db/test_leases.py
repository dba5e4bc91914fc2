"""Leased rows, of each table that has them: anyone who comes at the same moment, one has the row."""

import datetime as dt
from dataclasses import replace

import pytest
from django.db import OperationalError, connection
from django.db.models import Q
from django.utils import timezone

from django_verify import verifications
from django_verify.db import reconnect
from django_verify.db.statements import Rows
from django_verify.delivery import attempts
from django_verify.events import outbox as events
from django_verify.factors import notifications
from django_verify.models import Notification, VerificationAttempt, Webhook, WebhookDelivery
from tests.conftest import PHONE, THREADS
from tests.cuts import WAYS, Cut
from tests.factors.test_notifications import ask, make_push
from tests.receivers import make_webhook, notify
from tests.scripted import configured

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.every_case]
cut_off = pytest.mark.skipif(connection.vendor == "sqlite", reason="a file has no socket to cut")

NOBODY = "tests.delivery.test_attempts.nobody"


def make_attempt(service):
    verifications.start(service, PHONE)
    return VerificationAttempt.objects.get()


def make_notification(service):
    ask(make_push(service))
    return Notification.objects.get()


def make_delivery(service):
    make_webhook(service)
    notify(service)
    return WebhookDelivery.objects.get()


KINDS = {
    "attempt": (attempts.LEASES, make_attempt),
    "notification": (notifications.LEASES, make_notification),
    "delivery": (events.LEASES, make_delivery),
    "receiver": (events._RECEIVERS[Webhook], make_webhook),
}


@pytest.fixture(autouse=True)
def quiet(settings):
    """Nothing is sent but by the test."""
    settings.DJANGO_VERIFY = configured(DISPATCH=NOBODY)


@pytest.fixture(params=KINDS)
def kind(request):
    return KINDS[request.param]


@pytest.fixture
def engine(kind):
    return kind[0]


@pytest.fixture
def row(kind, service):
    return kind[1](service)


def read(engine, row):
    return engine.rows().get(pk=row.pk)


def is_due(engine, row, now=None):
    return engine.rows().filter(engine.due(now or timezone.now()), pk=row.pk).exists()


def is_in(engine, row, state):
    """Whether the row's status, if it has one, is the engine's `waiting` or `working`."""
    return not engine.status or getattr(read(engine, row), engine.status) == getattr(engine, state)


def lapse(engine, row):
    """Let the lease of a claimed row run out; return the row as its holder has it."""
    past = timezone.now() - dt.timedelta(seconds=1)
    engine.rows().filter(pk=row.pk).update(due_at=past)
    return row


# Races


def test_of_fifty_claims_one_wins(engine, row, aligned):
    for _ in range(3):
        copies = [read(engine, row) for _ in range(THREADS)]
        calls = [lambda copy=copy: engine.claim(copy, timezone.now()) for copy in copies]
        won = [copy for copy, claimed in zip(copies, aligned(calls), strict=True) if claimed]
        assert len(won) == 1
        assert read(engine, row).lease == won[0].lease != ""
        assert not is_due(engine, row)
        lapse(engine, row)


@pytest.mark.parametrize("verb", ["finish", "renew", "give_back"])
def test_a_holder_that_is_late_and_those_who_take_over(engine, row, aligned, verb):
    for _ in range(3):
        holder = read(engine, row)
        before = engine.claim(holder, timezone.now())
        lapse(engine, row)
        late = {
            "finish": lambda: engine.finish(holder, {"due_at": timezone.now()}),
            "renew": lambda: engine.renew(holder),
            "give_back": lambda: engine.give_back(holder, before),
        }
        copies = [read(engine, row) for _ in range(THREADS - 1)]
        calls = [lambda copy=copy: engine.claim(copy, timezone.now()) for copy in copies]
        held, *claimed = aligned([late[verb], *calls])
        assert sum(map(bool, claimed)) + bool(held) <= 1
        winners = [copy.lease for copy, won in zip(copies, claimed, strict=True) if won]
        kept = {"finish": "", "renew": holder.lease, "give_back": ""}[verb]
        assert read(engine, row).lease == (winners[0] if winners else kept)
        working = {engine.status: engine.waiting} if engine.status else {}
        engine.rows().filter(pk=row.pk).update(lease="", due_at=timezone.now(), **working)


# One caller after the other


def test_a_claim_names_what_was_read(engine, row):
    stale, other = read(engine, row), read(engine, row)
    assert engine.claim(other, timezone.now())
    assert engine.claim(stale, timezone.now()) is None
    assert stale.lease == ""
    assert is_in(engine, row, "working")
    for name in engine.counted:
        fresh = read(engine, row)
        engine.rows().filter(pk=row.pk).update(**{name: getattr(fresh, name) + 1})
        assert engine.claim(fresh, timezone.now()) is None


def test_a_claim_may_have_conditions(engine, row):
    never = Q(pk__isnull=True)
    assert engine.claim(row, timezone.now(), never) is None
    assert engine.claim(row, timezone.now(), ~never)
    assert not engine.renew(row, never)
    assert engine.renew(row, ~never)


def test_what_is_given_back_is_as_it_was(engine, row):
    early = timezone.now() - dt.timedelta(seconds=30)
    engine.rows().filter(pk=row.pk).update(due_at=early)
    row = read(engine, row)
    counted = {name: getattr(row, name) + 1 for name in engine.counted}
    before = engine.claim(row, timezone.now(), **counted)
    engine.give_back(row, before)
    again = read(engine, row)
    assert (again.lease, again.due_at) == ("", early)
    assert is_in(engine, row, "waiting")
    assert [getattr(again, name) + 1 for name in engine.counted] == list(counted.values())


def test_an_outcome_is_accepted_once_and_from_the_holder(engine, row):
    later = timezone.now() + dt.timedelta(seconds=5)
    assert engine.claim(row, timezone.now())
    other = read(engine, row)
    other.lease = "another's"
    assert not engine.finish(other, {"due_at": later})
    assert engine.finish(row, {"due_at": later})
    assert (row.lease, row.due_at, read(engine, row).due_at) == ("", later, later)
    assert not engine.finish(row, {"due_at": later})
    assert not engine.renew(row)
    if engine.status:
        engine.rows().filter(pk=row.pk).update(lease="mine", **{engine.status: "failed"})
        row.lease = "mine"
        assert not engine.renew(row)


# When


def test_what_is_due(engine, row):
    now = timezone.now()
    far = dt.timedelta(seconds=engine.far + engine.seconds())
    second = dt.timedelta(seconds=1)
    for due_at, due in (
        (now - second, True),
        (now, True),
        (now + second, False),
        (now + far, False),
        (now + far + second, True),
    ):
        engine.rows().filter(pk=row.pk).update(due_at=due_at)
        assert is_due(engine, row, now) is due


def test_the_longest_wait_is_no_sign_of_a_clock_that_went_back(engine, settings):
    settings.DJANGO_VERIFY = {"DELIVERY_LEASE": 1}
    assert engine.waits[-1] * (1 + engine.jitter) < engine.far


def test_what_has_ended_is_not_due(engine, row):
    ended = {"message_status": "canceled", "status": "dead"}
    if not engine.status:
        pytest.skip("a receiver does not end")
    engine.rows().filter(pk=row.pk).update(**{engine.status: ended[engine.status]})
    assert not is_due(engine, row, timezone.now() + dt.timedelta(days=30))


@pytest.mark.parametrize("status", ["sent", "delivered"])
def test_a_report_that_is_to_come_or_to_be_made_is_due_by_its_time_alone(service, status):
    row, engine, now = make_attempt(service), attempts.LEASES, timezone.now()
    for due_at, due in ((now, True), (now + dt.timedelta(days=1), False)):
        engine.rows().update(message_status=status, due_at=due_at)
        assert is_due(engine, row, now) is due


def test_waits_grow_are_as_long_as_asked_and_differ(engine, clock):
    def wait(*given):
        return (engine.later(*given) - timezone.now()).total_seconds()

    for tries, least in enumerate((engine.waits[0], *engine.waits, engine.waits[-1])):
        assert least <= wait(tries) <= least * (1 + engine.jitter)
        assert wait(tries, least + 7) >= least + 7
    assert list(engine.waits) == sorted(engine.waits)
    assert (len({wait(3) for _ in range(50)}) > 1) is bool(engine.jitter)


# Delivering


@pytest.fixture
def due(service):
    """The keys of three deliveries that are due, the longest waiting first."""
    make_webhook(service)
    for _ in range(3):
        notify(service)
    now = timezone.now()
    pks = [str(pk) for pk in WebhookDelivery.objects.values_list("pk", flat=True)]
    for seconds, pk in enumerate(reversed(pks)):
        due_at = now - dt.timedelta(seconds=seconds + 1)
        WebhookDelivery.objects.filter(pk=pk).update(due_at=due_at)
    return pks


def run(deliver, limit=100, stop=lambda: False):
    return events.LEASES.deliver_due(deliver, limit, stop)


def test_the_longest_waiting_come_first(due):
    seen = []
    assert run(lambda pk: not seen.append(pk)) == 3
    assert run(lambda pk: not seen.append(pk), limit=2) == 2
    assert seen == [*due, *due[:2]]
    assert run(lambda pk: pk == due[0]) == 1
    assert run(lambda pk: not seen.append(pk), stop=lambda: len(seen) == 6) == 1


def test_a_row_that_raises_is_put_off_and_stops_nobody(due, clock, caplog):
    assert run(lambda pk: 1 / 0 if pk == due[0] else True) == 2
    assert f"{due[0]} was put off: ZeroDivisionError" in caplog.text
    row = WebhookDelivery.objects.get(pk=due[0])
    assert (row.due_at - timezone.now()).total_seconds() == events.RETRIES[-1]


def test_a_database_that_fails_is_the_callers(due):
    def fail(pk):
        raise OperationalError

    with pytest.raises(OperationalError):
        run(fail)
    assert WebhookDelivery.objects.filter(due_at__lte=timezone.now()).count() == 3


# Connections that die


@cut_off
@pytest.mark.parametrize("way", WAYS[:2])
def test_a_claim_whose_answer_is_lost_is_given_back(engine, row, way):
    with Cut(1, way).applied() as cut, pytest.raises(reconnect.FAILURES):
        engine.claim(row, timezone.now())
    assert cut.happened
    assert read(engine, row).lease == ""
    assert is_in(engine, row, "waiting")
    assert is_due(engine, row)


def test_a_claim_that_gives_way_is_lost_to_the_other(engine, row, monkeypatch):
    def give_way(*args, **changes):
        raise OperationalError(1213, "Deadlock found")

    with monkeypatch.context() as patch:
        patch.setattr(Rows, "update", give_way)
        assert engine.claim(row, timezone.now()) is None
    assert row.lease == ""
    assert engine.claim(row, timezone.now())


@cut_off
def test_an_outcome_outlives_its_connection(engine, row):
    before = engine.claim(row, timezone.now())
    with Cut(1).applied() as cut:
        assert engine.finish(row, {"due_at": timezone.now(), **before, "lease": ""})
    assert cut.happened
    assert read(engine, row).lease == ""
    assert engine.claim(read(engine, row), timezone.now())


@cut_off
def test_patience_with_a_database_that_is_away_ends(engine, row, monkeypatch):
    monkeypatch.setattr(reconnect.time, "sleep", lambda seconds: None)
    engine = replace(engine, patience=0.01)
    engine.claim(row, timezone.now())
    with Cut(1, "away").applied(), pytest.raises(OperationalError):
        engine.finish(row, {"due_at": timezone.now()})
    assert read(engine, row).lease == row.lease
