"""A start is written whole or not at all, by one statement or in a transaction."""

import pytest
from django.conf import settings as site_settings
from django.db import connection, transaction
from django.db.models.signals import post_save, pre_save
from django.test.utils import CaptureQueriesContext

from django_verify import conf, exceptions, verifications
from django_verify.events import cloudevents
from django_verify.events import outbox as event_outbox
from django_verify.models import (
    ClientVerification,
    EventSink,
    GuardCount,
    Verification,
    VerificationAttempt,
    WebhookDelivery,
)
from django_verify.verifications import clients, guess_budget
from django_verify.verifications import store as writes
from django_verify.verifications.clients import Caller
from tests.conftest import OTHER_PHONE, PHONE, make_service

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.every_case]

MODELS = (Verification, VerificationAttempt, WebhookDelivery)


@pytest.fixture
def service(account):
    return make_service(account, verify_event_subscription_enabled=True, client_enabled=True)


@pytest.fixture
def sink(service):
    return EventSink.objects.create(account=service.account, url="https://sink.example.com/")


@pytest.fixture
def earlier(service, sink):
    """A start after which the process knows the sinks, and what there is of each model by then."""
    verifications.start(service, OTHER_PHONE)
    return found()


def found():
    return [sorted(model.objects.values_list("pk", flat=True)) for model in MODELS]


def framed(call):
    """Whether a call begins a transaction."""
    with CaptureQueriesContext(connection) as captured:
        call()
    return any(query["sql"].startswith("BEGIN") for query in captured)


def once_after_the_history(monkeypatch, happen):
    """Let something happen between a start's look at the recipient and its write."""
    real, left = guess_budget.history, [happen]

    def read(*args, **kwargs):
        rows = real(*args, **kwargs)
        if left:
            left.pop()()
        return rows

    monkeypatch.setattr(guess_budget, "history", read)


def have_no_uuid(monkeypatch):
    """Let the events of every change be ones that no database takes."""
    real = cloudevents._deliveries

    def with_no_uuid(*args):
        rows = real(*args)
        for row in rows:
            row.event_id = "no UUID"
        return rows

    monkeypatch.setattr(cloudevents, "_deliveries", with_no_uuid)


@pytest.fixture
def taken_attempt(earlier, monkeypatch):
    """Every attempt has the key of one that there is."""
    real, sid = writes._complete, VerificationAttempt.objects.values_list("pk", flat=True)[0]

    def complete(*args):
        attempt = real(*args)
        attempt.sid = sid
        return attempt

    monkeypatch.setattr(writes, "_complete", complete)


def test_only_postgresql_needs_no_transaction(service, earlier):
    assert framed(lambda: verifications.start(service, PHONE)) == (
        connection.vendor != "postgresql"
    )
    assert [len(keys) for keys in found()] == [2, 2, 4]


def test_a_number_that_another_start_has_taken(service, earlier, outbox, monkeypatch):
    once_after_the_history(monkeypatch, lambda: verifications.start(service, PHONE))
    with pytest.raises(exceptions.ConcurrentStarts):
        verifications.start(service, PHONE)
    # What is there is the winner's: a row of each, and the event of its message.
    assert [len(keys) for keys in found()] == [2, 2, 4]
    assert len(outbox) == 2


def test_a_start_that_takes_the_next_number_has_its_event(
    account, service, earlier, outbox, monkeypatch, caplog
):
    """A lost race is no fault of the event, which is written with the next try."""
    other = make_service(account, verify_event_subscription_enabled=True)
    once_after_the_history(monkeypatch, lambda: verifications.start(other, PHONE))
    verifications.start(service, PHONE)
    assert [len(keys) for keys in found()] == [3, 3, 6]
    assert len(outbox) == 3
    assert "not recorded" not in caplog.text


def test_an_attempt_that_cannot_be_written(service, earlier, taken_attempt, outbox):
    with pytest.raises(exceptions.ConcurrentStarts):
        verifications.start(service, PHONE)
    assert found() == earlier
    assert len(outbox) == 1


def test_a_resend_whose_attempt_cannot_be_written(service, earlier, taken_attempt, outbox):
    with pytest.raises(exceptions.ConcurrentStarts):
        verifications.start(service, OTHER_PHONE)
    assert found() == earlier
    assert Verification.objects.get().sends == len(outbox) == 1


def test_a_sink_that_goes_meanwhile_holds_nothing_up(service, earlier, sink, outbox, monkeypatch):
    once_after_the_history(monkeypatch, lambda: EventSink.objects.all().delete())
    verifications.start(service, PHONE)
    assert [len(keys) for keys in found()][:2] == [2, 2]
    assert len(outbox) == 2
    # What was written to it since is dropped.
    event_outbox.deliver_due()
    assert not WebhookDelivery.objects.exists()


def test_an_event_that_cannot_be_made_does_not_lose_the_start(
    service, earlier, outbox, monkeypatch, caplog
):
    def fail(*args, **kwargs):
        raise ZeroDivisionError

    monkeypatch.setattr(cloudevents, "_of_status", fail)
    verifications.start(service, PHONE)
    assert [len(keys) for keys in found()] == [2, 2, 3]
    assert len(outbox) == 2
    assert caplog.text.count("an event was not recorded: ZeroDivisionError") == 1


def test_an_event_that_is_refused_does_not_lose_the_start(
    service, earlier, outbox, monkeypatch, caplog
):
    """The statement that has all three rows fails as a whole, and is sent again without the third."""
    have_no_uuid(monkeypatch)
    verifications.start(service, PHONE)
    assert [len(keys) for keys in found()][:2] == [2, 2]
    assert len(outbox) == 2
    assert "an event was not recorded" in caplog.text


@pytest.mark.parametrize("signal", [pre_save, post_save], ids=["pre_save", "post_save"])
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_a_receiver_of_the_host_s_that_fails_undoes_the_start(
    service, earlier, outbox, signal, model
):
    def refuse(**_):
        raise ZeroDivisionError

    signal.connect(refuse, sender=model)
    try:
        if model is WebhookDelivery:
            # The start goes on without its event, see above.
            verifications.start(service, PHONE)
        else:
            with pytest.raises(ZeroDivisionError):
                verifications.start(service, PHONE)
    finally:
        signal.disconnect(refuse, sender=model)
    if model is WebhookDelivery:
        assert [len(keys) for keys in found()] == [2, 2, 2]
    else:
        assert found() == earlier
        assert len(outbox) == 1


def test_a_client_s_start_is_undone_with_the_client_s_row(service, earlier, settings):
    limits = {name: [] for name in conf.CLIENT_LIMITS}
    settings.DJANGO_VERIFY = {**site_settings.DJANGO_VERIFY, "CLIENT_LIMITS": limits}

    def refuse(**_):
        raise ZeroDivisionError

    pre_save.connect(refuse, sender=ClientVerification)
    try:
        with pytest.raises(ZeroDivisionError):
            clients.start(service, PHONE, caller=Caller(ip="192.0.2.1"))
    finally:
        pre_save.disconnect(refuse, sender=ClientVerification)
    assert found() == earlier


def test_what_the_guard_counts_is_undone_with_the_start(account, taken_attempt, earlier):
    guarded = make_service(account, guard_level="standard")
    with pytest.raises(exceptions.ConcurrentStarts):
        verifications.start(guarded, "+4915112345678")
    assert not GuardCount.objects.exists()
    assert found() == earlier


def test_what_the_guard_counts_is_undone_with_a_resend_that_lost(account, monkeypatch):
    guarded = make_service(account, guard_level="standard")
    verifications.start(guarded, "+4915112345678")
    assert (before := list(GuardCount.objects.values("key", "level")))
    monkeypatch.setattr(writes, "MAX_TRIES", 1)
    once_after_the_history(monkeypatch, lambda: Verification.objects.update(sends=2))
    with pytest.raises(exceptions.ConcurrentStarts):
        verifications.start(guarded, "+4915112345678")
    assert list(GuardCount.objects.values("key", "level")) == before


def test_a_history_that_may_be_purged_is_held_in_a_transaction(service, earlier, settings, clock):
    settings.DJANGO_VERIFY = {**site_settings.DJANGO_VERIFY, "VERIFICATION_RETENTION_DAYS": 2}
    verifications.start(service, PHONE)
    clock.shift(3 * 86_400)
    assert framed(lambda: verifications.start(service, PHONE))
    assert sorted(Verification.objects.filter(to=PHONE).values_list("serial", flat=True)) == [1, 2]


def test_in_a_transaction_of_the_caller_s_a_lost_race_is_undone_alone(
    account, service, earlier, outbox, monkeypatch
):
    once_after_the_history(monkeypatch, lambda: verifications.start(service, PHONE))
    with transaction.atomic():
        other = make_service(account)
        with pytest.raises(exceptions.ConcurrentStarts):
            verifications.start(service, PHONE)
        verifications.start(other, "+12015550123")
    assert Verification.objects.filter(service=other).count() == 1
    assert Verification.objects.filter(to=PHONE).count() == 1
    assert len(outbox) == 3


def test_a_transaction_of_the_caller_s_that_is_rolled_back_leaves_nothing(service, earlier, outbox):
    with transaction.atomic():
        verifications.start(service, PHONE)
        transaction.set_rollback(True)
    assert found() == earlier
    assert len(outbox) == 1
