"""Clocks that jump, keys that change on the way, and a receiver of events that is down for an hour."""

import time
from contextlib import contextmanager
from itertools import product

import pytest
import time_machine
from django.db import connection
from django.utils import timezone

from django_verify import delivery, verifications
from django_verify.models import EventSink, VerificationAttempt, WebhookDelivery
from tests.conftest import make_service
from tests.faults.conftest import ended, holds, the_attempt
from tests.faults.processes import LOOP, eventually, free_port
from tests.faults.senders import configured
from tests.receivers import Receiver

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.postgres,
    pytest.mark.skipif(connection.vendor != "postgresql", reason="needs PostgreSQL"),
]

HOUR = 3600


@pytest.fixture(scope="module")
def deliverer(site):
    """A worker whose clock is right."""
    return site.deliverer()


@pytest.fixture
def astray(site, provider, brief, only):
    """`astray(seconds)` is a worker alone whose clock is that far ahead."""

    def start(seconds):
        process = brief(site.deliverer(clock=seconds))
        only(process)
        return process

    return start


def test_a_clock_that_jumps_during_a_send_changes_nothing(astray, provider, service, phones):
    worker = astray(0)
    for moment, jump in product(("before", "after"), (2 * HOUR, -2 * HOUR)):
        phone, gate = next(phones), provider.hold(moment)
        verifications.start(service, phone)
        gate.wait()
        worker.jump(jump)
        gate.open.set()
        attempt = ended(phone, worker)
        assert (attempt.message_status, attempt.messages, attempt.tries) == ("sent", 1, 1)
        assert abs((attempt.date_updated - timezone.now()).total_seconds() - jump) < 60
        assert holds(provider, service, attempt) == ["first"]
        worker.jump(-jump)


def test_a_wait_written_before_the_clock_went_back_holds_nothing_up(
    astray, deliverer, provider, account, phones, only
):
    service = make_service(account, lifetime=4 * HOUR)
    phone = next(phones)
    provider.fail("first", 503)
    provider.fail("second", 503)
    worker = astray(2 * HOUR)
    verifications.start(service, phone)
    late = eventually(
        lambda: VerificationAttempt.objects.filter(tries=1, message_status="queued").first()
    )
    assert (late.due_at - timezone.now()).total_seconds() > HOUR
    worker.kill()
    provider.plan.clear()
    only(deliverer)
    attempt = ended(phone, deliverer)
    assert (attempt.message_status, attempt.messages, attempt.tries) == ("sent", 1, 2)
    assert holds(provider, service, attempt) == ["first"]


def test_a_claim_written_before_the_clock_went_back_holds_nothing_up(
    astray, deliverer, provider, account, phones, only
):
    service = make_service(account, lifetime=4 * HOUR)
    phone, gate = next(phones), provider.hold("first")
    worker = astray(2 * HOUR)
    verifications.start(service, phone)
    gate.wait()
    worker.kill()
    gate.open.set()
    assert (the_attempt(phone).due_at - timezone.now()).total_seconds() > HOUR
    only(deliverer)
    attempt = ended(phone, deliverer)
    assert (attempt.message_status, attempt.messages, attempt.tries) == ("sent", 2, 2)
    assert holds(provider, service, attempt) == ["first", "first"]


def test_a_resend_after_the_clock_went_back(deliverer, provider, service, phones, only):
    only(deliverer)
    phone = next(phones)
    with time_machine.travel(time.time() + HOUR):
        row = verifications.start(service, phone)
    first = ended(phone, deliverer)
    again = verifications.start(service, phone)
    assert (again.sid, again.sends) == (row.sid, 2)
    second = eventually(
        lambda: VerificationAttempt.objects.exclude(sid=first.sid).filter(due_at=None).first()
    )
    assert [each.message_status for each in (first, second)] == ["sent", "sent"]
    assert provider.messages(first) == provider.messages(second)
    assert holds(provider, service, second) == ["first"]


def test_a_clock_past_the_end_drops_the_message_and_states_so(astray, provider, service, phones):
    phone, worker = next(phones), astray(2 * HOUR)
    verifications.start(service, phone)
    attempt = ended(phone, worker)
    assert (attempt.message_status, attempt.messages) == ("failed", 0)
    assert "the code was over" in attempt.error_message
    assert holds(provider, service, attempt) == []


OLD, NEW = "old key " + "o" * 60, "new key " + "n" * 60


def test_a_key_that_is_rotated_in_the_middle_of_a_verification(
    site, provider, account, phones, settings, brief, only
):
    service, phone = make_service(account), next(phones)
    settings.DJANGO_VERIFY = configured(provider, KEYS={"old": OLD})
    only()
    row = verifications.start(service, phone)
    first = row.attempts.get()
    # Web processes have the new key in front now; so have the workers that start from here on.
    both = {"KEYS": {"new": NEW, "old": OLD}}
    settings.DJANGO_VERIFY = configured(provider, **both)
    worker = brief(site.deliverer(values=both))
    only(worker)
    assert ended(phone, worker).message_status == "sent"
    assert verifications.start(service, phone).sid == row.sid
    second = row.attempts.exclude(sid=first.sid).get()
    eventually(lambda: provider.messages(second))
    assert provider.messages(first) == provider.messages(second)
    eventually(lambda: row.attempts.filter(message_status="sent").count() == 2)
    assert holds(provider, service, second) == ["first"]


def test_a_worker_that_lacks_the_new_key_fails_visibly_and_the_message_can_be_sent_again(
    site, provider, account, phones, settings, brief, only
):
    service, phone = make_service(account), next(phones)
    both = {"KEYS": {"new": NEW, "old": OLD}}
    settings.DJANGO_VERIFY = configured(provider, **both)
    late = brief(site.deliverer(values={"KEYS": {"old": OLD}}))
    only(late)
    row = verifications.start(service, phone)
    attempt = ended(phone, late)
    assert (attempt.message_status, attempt.messages) == ("failed", 0)
    assert "the key of the code is no longer configured" in attempt.error_message
    late.kill()
    worker = brief(site.deliverer(values=both))
    only(worker)
    assert delivery.requeue(attempt)
    assert ended(phone, worker).message_status == "sent"
    assert holds(provider, service, row.attempts.get()) == ["first"]


def all_tried(rows, tries):
    """The deliveries, once each has failed so often and waits to be tried again."""
    waiting = [row for row in rows.all() if (row.status, row.tries) == ("pending", tries)]
    return waiting if len(waiting) == rows.count() else []


@contextmanager
def listening(port):
    receiver = Receiver(port)
    try:
        yield receiver
    finally:
        receiver.close()


def test_a_receiver_of_events_that_is_down_for_an_hour(
    site, provider, deliverer, account, phones, brief, only
):
    service = make_service(account, verify_event_subscription_enabled=True)
    only(deliverer)
    port, phone = free_port(), next(phones)
    url = f"http://127.0.0.1:{port}/"
    EventSink.objects.create(account=account, url=url, friendly_name="down")
    verifications.start(service, phone)
    attempt = ended(phone, deliverer)
    assert holds(provider, service, attempt) == ["first"]
    received = WebhookDelivery.objects.order_by("date_created")
    kinds = [row.event_type.partition("verify.")[2] for row in received]
    assert kinds == ["verification.pending", "message.sent", "verification.approved"]
    poster = brief(site.start("manage.py", "deliverwebhooks", *LOOP, clock=0))
    only(poster)
    moved, tries = 0, 0
    while moved < HOUR:
        tries += 1
        rows = eventually(lambda n=tries: all_tried(received, n), lambda: poster.log)
        wait = max((row.due_at - timezone.now()).total_seconds() for row in rows) - moved + 1
        poster.jump(wait)
        moved += wait
    with listening(port) as receiver:
        eventually(lambda: not received.exclude(status="delivered").exists(), lambda: poster.log)
    ids = [headers["webhook-id"] for _, headers, _ in receiver.requests]
    assert sorted(ids) == sorted(str(row.event_id) for row in received)
