"""Events of factors and challenges: recorded in the caller's transaction, and delivered."""

import datetime as dt
import itertools
import json
import os
import signal
import threading
from contextlib import contextmanager, suppress

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, connections, transaction
from django.utils import timezone

from django_verify import signals
from django_verify.db import reconnect
from django_verify.events import outbox, post
from django_verify.management import loops
from django_verify.models import EventSink, Webhook, WebhookDelivery
from tests.conftest import PATIENCE, purged
from tests.cuts import WAYS, Cut
from tests.receivers import CHALLENGE, FACTOR, make_webhook, notify, the_row

pytestmark = pytest.mark.django_db(transaction=True)
cut_off = pytest.mark.skipif(connection.vendor == "sqlite", reason="a file has no socket to cut")


def test_each_webhook_that_asks_gets_a_row(service, django_assert_num_queries):
    every = make_webhook(service)
    deleted = make_webhook(service, event_types=["factor.deleted"])
    make_webhook(service, status="disabled")
    assert notify(service, "deleted") == 2
    rows = WebhookDelivery.objects.all()
    assert {row.webhook_id for row in rows} == {every.sid, deleted.sid}
    assert len({row.event_id for row in rows}) == 1
    assert notify(service, "verified") == 1
    with django_assert_num_queries(1):
        assert outbox.record("VA" + "0" * 32, "factor.created", {}) == 0


def test_what_a_report_states(service):
    make_webhook(service)
    notify(service, "approved")
    row = WebhookDelivery.objects.get()
    assert dict(row.payload) == {
        "uuid": str(row.event_id),
        "type": "challenge.approved",
        "account_sid": service.account_id,
        "service_sid": service.sid,
        "entity_identity": "user-7",
        "factor_sid": FACTOR["sid"],
        "factor_type": "push",
        "factor_friendly_name": "Phone",
        "challenge_sid": CHALLENGE["sid"],
        "challenge_details": json.dumps(CHALLENGE["details"]),
        "challenge_hidden_details": json.dumps(CHALLENGE["hidden_details"]),
        "challenge_metadata": "{}",
    }
    assert row.event_type == "challenge.approved"


def test_a_rollback_records_nothing(service):
    make_webhook(service)
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        notify(service)
        1 / 0  # noqa: B018
    assert not WebhookDelivery.objects.exists()


def test_a_webhook_that_is_deleted_at_this_moment_takes_nothing_back(service):
    hook = make_webhook(service)
    with transaction.atomic():
        notify(service)
        rows = Webhook.objects.filter(sid=hook.sid)
        rows._raw_delete(rows.db)
    assert WebhookDelivery.objects.count() == 1
    assert outbox.deliver_due() == 0
    assert not WebhookDelivery.objects.exists()


def test_a_delivery_has_one_receiver(service):
    sink = EventSink.objects.create(
        account=service.account, url="https://x.example", friendly_name="x"
    )
    for receivers in ({}, {"sink": sink, "webhook": make_webhook(service)}):
        with pytest.raises(IntegrityError), transaction.atomic():
            WebhookDelivery.objects.create(event_type="x", **receivers)
    WebhookDelivery.objects.create(event_type="x", sink=sink)


def test_a_delivered_row_keeps_no_payload(service, receiver):
    make_webhook(service, webhook_url=receiver.url)
    notify(service)
    assert outbox.deliver_due() == 1
    row = the_row()
    assert (row.status, row.payload, row.response_status, row.tries) == ("delivered", [], 200, 1)
    assert row.delivered_at
    assert (row.lease, row.error) == ("", "")
    assert outbox.deliver_due() == 0


def test_a_receiver_that_is_down_for_an_hour(service, receiver, clock):
    hook = make_webhook(service, webhook_url=receiver.url)
    notify(service)
    receiver.answers = [(500, {})] * 4
    due = []
    for _ in range(20):
        outbox.deliver_due()
        row = the_row()
        if row.status == "delivered":
            break
        assert (row.status, row.error) == ("pending", f"it answered {row.response_status}")
        due.append((row.due_at - timezone.now()).total_seconds())
        hook.refresh_from_db()
        assert hook.failing_since
        assert outbox.deliver_due() == 0
        clock.shift(due[-1] + 0.001)
    for seconds, at_least in zip(due, (5, 300, 1800, 7200), strict=True):
        assert at_least <= seconds <= at_least * 1.1
    assert the_row().tries == 5
    assert len({headers["webhook-id"] for _, headers, _ in receiver.requests}) == 1
    assert len({headers["webhook-timestamp"] for _, headers, _ in receiver.requests}) == 5
    hook.refresh_from_db()
    assert hook.failing_since is None


def test_it_is_given_up_after_the_last_try_and_can_be_replayed(service, receiver, clock):
    make_webhook(service, webhook_url=receiver.url)
    notify(service)
    event_id = the_row().event_id
    receiver.answers = [(301, {"location": receiver.url})] * 11
    for _ in range(20):
        outbox.deliver_due()
        clock.shift((the_row().due_at - timezone.now()).total_seconds() + 0.001)
        if the_row().status == "dead":
            break
    row = the_row()
    assert (row.status, row.tries, row.response_status) == ("dead", 11, 301)
    assert len(receiver.requests) == 11
    assert row.payload
    assert outbox.replay(WebhookDelivery.objects.all()) == 1
    assert outbox.replay(WebhookDelivery.objects.all()) == 0
    assert outbox.deliver_due() == 1
    row = the_row()
    assert (row.status, row.tries, row.event_id) == ("delivered", 1, event_id)


@pytest.fixture
def disabled():
    heard = []

    def listen(receiver, reason, **kwargs):
        heard.append((receiver.pk, receiver.status, reason))

    signals.webhook_disabled.connect(listen)
    yield heard
    signals.webhook_disabled.disconnect(listen)


def test_gone_disables_the_webhook(api, service, receiver, disabled):
    hook = make_webhook(service, webhook_url=receiver.url)
    for _ in range(3):
        notify(service)
    receiver.answers = [(410, {})]
    assert outbox.deliver_due() == 1
    hook.refresh_from_db()
    assert (hook.status, hook.disabled_reason) == ("disabled", "gone")
    assert disabled == [(hook.pk, "disabled", "gone")]
    assert outbox.deliver_due() == 2
    errors = WebhookDelivery.objects.filter(status="dead").values_list("error", flat=True)
    assert sorted(errors) == ["it answered 410", *["the receiver is disabled"] * 2]
    assert len(receiver.requests) == 1
    assert notify(service) == 0
    form = {"Status": "enabled", "WebhookUrl": "https://hooks.example.com/"}
    assert api.post(f"Services/{service.sid}/Webhooks/{hook.sid}", form).status == 200
    hook.refresh_from_db()
    assert (hook.status, hook.disabled_reason) == ("enabled", "")
    assert notify(service) == 1


def test_five_days_of_failures_disable_it(service, receiver, clock, disabled):
    hook = make_webhook(service, webhook_url=receiver.url)
    receiver.answers = [(500, {})] * 3
    for shift in (0, 5 * 86_400 - 1, 1):
        clock.shift(shift)
        WebhookDelivery.objects.all().delete()
        assert notify(service) == 1
        assert disabled == []
        outbox.deliver_due()
    assert disabled == [(hook.pk, "disabled", "failing")]
    hook.refresh_from_db()
    assert (hook.disabled_reason, hook.failing_since) == ("failing", None)


@pytest.mark.parametrize(
    ("status", "retry_after", "seconds"),
    [
        (429, "3600", 3600),
        (503, "Sun, 01 Mar 2026 13:00:00 GMT", 3600),
        (429, "9999999999", 86_400),
        (503, "Sun, 01 Mar 2036 13:00:00 GMT", 86_400),
        (429, "-5", 5),
        (429, "soon", 5),
        (503, "Sun, 01 Mar 2020 13:00:00 GMT", 5),
        (500, "3600", 5),
    ],
    ids=str,
)
def test_a_receiver_may_ask_for_rest(service, receiver, clock, status, retry_after, seconds):
    make_webhook(service, webhook_url=receiver.url)
    notify(service)
    receiver.answers = [(status, {"retry-after": retry_after})]
    outbox.deliver_due()
    wait = (the_row().due_at - timezone.now()).total_seconds()
    assert seconds <= wait <= seconds * 1.1
    # What is new waits too.
    notify(service)
    assert outbox.deliver_due() == (seconds == 5)
    clock.shift(wait + 0.001)
    while outbox.deliver_due():
        pass
    assert set(WebhookDelivery.objects.values_list("status", flat=True)) == {"delivered"}


def test_a_slow_receiver_holds_up_no_other(service, make_receiver):
    slow, fast = make_receiver(), make_receiver()
    slow.gate = threading.Event()
    make_webhook(service, webhook_url=slow.url)
    for _ in range(3):
        notify(service)
    quick = make_webhook(service, webhook_url=fast.url)
    with serving(workers=2):
        for number in range(1, 4):
            notify(service)
            delivered = quick.deliveries.filter(status="delivered")
            assert eventually(lambda n=number, rows=delivered: rows.count() == n)
        assert len(slow.requests) == 1
        slow.gate.set()
        assert eventually(lambda: not WebhookDelivery.objects.exclude(status="delivered").exists())
    assert len(slow.requests) == 6


@contextmanager
def serving(workers):
    """Deliver in a thread, until the end of the block."""
    stop = threading.Event()

    def run():
        try:
            with outbox.Poster(workers) as poster:
                loops.run("deliverwebhooks", lambda: poster.look(0.01), stop, interval=0.01)
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(PATIENCE)
    assert not thread.is_alive()


def eventually(condition):
    """Ask again and again, for minutes at most."""
    for _ in range(20 * PATIENCE):
        if condition():
            return True
        threading.Event().wait(0.05)
    return False


def test_a_dead_worker_is_claimed_again(service, receiver, clock):
    hook = make_webhook(service, webhook_url=receiver.url)
    notify(service)
    now = timezone.now()
    until = now + dt.timedelta(seconds=outbox.LEASE)
    Webhook.objects.update(lease="dead", due_at=until)
    WebhookDelivery.objects.update(status="sending", lease="dead", due_at=until, tries=1)
    clock.shift(29)
    assert outbox.deliver_due() == 0
    clock.shift(2)
    assert outbox.backlog(timezone.now())[0] == 1
    assert outbox.deliver_due() == 1
    assert (the_row().status, the_row().tries) == ("delivered", 2)
    hook.refresh_from_db()
    assert hook.lease == ""


def test_a_finish_without_the_lease_is_refused(service, receiver, monkeypatch, caplog):
    make_webhook(service, webhook_url=receiver.url)
    notify(service)
    real = post.post

    def overtaken(row, *args):
        WebhookDelivery.objects.update(lease="another's")
        return real(row, *args)

    monkeypatch.setattr(post, "post", overtaken)
    outbox.deliver_due()
    assert (the_row().status, the_row().lease) == ("sending", "another's")
    assert "lease was lost" in caplog.text


def test_interrupted_tries_come_to_an_end(service, receiver, clock):
    make_webhook(service, webhook_url=receiver.url)
    notify(service)
    past = timezone.now() - dt.timedelta(seconds=1)
    WebhookDelivery.objects.update(status="sending", due_at=past, tries=11)
    assert outbox.deliver_due() == 1
    assert (the_row().status, receiver.requests) == ("dead", [])


def test_a_try_makes_room_for_others(service, make_receiver):
    busy, other = make_receiver(), make_receiver()
    make_webhook(service, webhook_url=busy.url)
    for _ in range(30):
        notify(service)
    make_webhook(service, webhook_url=other.url)
    notify(service)
    assert outbox.deliver_due(limit=6, workers=1) == 4
    assert (len(busy.requests), len(other.requests)) == (3, 1)


def test_two_passers_deliver_each_once(service, make_receiver, aligned):
    receivers = [make_receiver() for _ in range(3)]
    for each in receivers:
        make_webhook(service, webhook_url=each.url)
    for _ in range(2):
        for _ in range(5):
            notify(service)
        tried = aligned([lambda: outbox.deliver_due(100, 1)] * 6)
        while more := outbox.deliver_due(100, 1):
            tried.append(more)
        assert sum(tried) == 15
    assert [len(each.requests) for each in receivers] == [10] * 3
    assert set(WebhookDelivery.objects.values_list("status", flat=True)) == {"delivered"}


def test_the_backlog_and_the_purge(service, receiver, clock):
    make_webhook(service, webhook_url=receiver.url)
    assert outbox.backlog(timezone.now()) == (0, 0)
    notify(service)
    clock.shift(90)
    notify(service)
    assert outbox.backlog(timezone.now()) == (2, 90)
    while outbox.deliver_due():
        pass
    assert outbox.backlog(timezone.now()) == (0, 0)
    clock.shift(45)
    notify(service)
    assert outbox.deliver_due() == 1
    clock.shift(30 * 86_400 - 45)
    assert purged("webhook deliveries") == 0  # it is their end that counts, not the event
    clock.shift(30)
    assert purged("webhook deliveries", batch=1) == 2
    notify(service)
    clock.shift(31 * 86_400)
    assert purged("webhook deliveries") == 1
    assert the_row().status == "pending"


def test_the_command_posts_until_nothing_is_due(service, receiver, capsys):
    make_webhook(service, webhook_url=receiver.url)
    for _ in range(25):
        notify(service)
    call_command("deliverwebhooks", limit=22)
    assert capsys.readouterr().out == "22 deliveries tried\n"
    call_command("deliverwebhooks")
    assert capsys.readouterr().out == "3 deliveries tried\n"
    assert len(receiver.requests) == 25
    for bad in ({"limit": -1}, {"interval": 0.0}, {"workers": 0}):
        with pytest.raises(CommandError):
            call_command("deliverwebhooks", **bad)


def test_the_command_goes_on_until_it_is_reported_to_stop(service, receiver):
    make_webhook(service, webhook_url=receiver.url)
    notify(service)

    def stop():
        assert eventually(lambda: receiver.requests)
        os.kill(os.getpid(), signal.SIGTERM)

    kept = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    signal.signal(signal.SIGTERM, lambda *_: None)
    thread = threading.Thread(target=stop)
    thread.start()
    try:
        call_command("deliverwebhooks", loop=True, interval=0.01)
    finally:
        thread.join(PATIENCE)
        for number, handler in kept.items():
            signal.signal(number, handler)
    assert the_row().status == "delivered"


@cut_off
@pytest.mark.parametrize("way", WAYS[:2])
def test_a_connection_that_dies_at_any_statement_mutes_no_receiver(service, receiver, clock, way):
    """The rest is posted by the next pass, at the same moment, and nothing is posted twice."""
    hook = make_webhook(service, webhook_url=receiver.url)
    hook.sealed_secret = hook.seal_secret("whsec_" + "A" * 44)
    hook.save()
    for at in itertools.count(1):
        notify(service)
        before = len(receiver.requests)
        with Cut(at, way).applied() as cut, suppress(*reconnect.FAILURES):
            outbox.deliver_due()
        hook.refresh_from_db()
        assert hook.lease == "", cut.statement
        assert not WebhookDelivery.objects.filter(status="sending").exists(), cut.statement
        outbox.deliver_due()
        assert set(WebhookDelivery.objects.values_list("status", flat=True)) == {"delivered"}
        assert len(receiver.requests) == before + 1, cut.statement
        if not cut.happened:
            break
    assert at > 8


def test_a_try_that_breaks_off_does_not_end_the_service(service, receiver, monkeypatch, caplog):
    make_webhook(service, webhook_url=receiver.url)
    notify(service)
    real = post.post

    def once(*args):
        monkeypatch.setattr(post, "post", real)
        raise ZeroDivisionError

    monkeypatch.setattr(post, "post", once)
    with serving(workers=2):
        assert eventually(lambda: "broke off" in caplog.text)
        past = timezone.now() - dt.timedelta(seconds=1)
        WebhookDelivery.objects.update(due_at=past)
        assert eventually(lambda: the_row().status == "delivered")


def test_the_command_replaces_a_secret(service, capsys):
    hook = make_webhook(service)
    call_command("rotatewebhooksecret", hook.sid)
    received = json.loads(capsys.readouterr().out)
    hook.refresh_from_db()
    now = timezone.now()
    assert received == {"sid": hook.sid, "signing_secret": hook.open_secrets(now)[0]}
    call_command("rotatewebhooksecret", hook.sid, secret="k" * 32, overlap=0)
    hook.refresh_from_db()
    assert hook.open_secrets(now + dt.timedelta(seconds=1)) == ["k" * 32]
    for sid, options in (
        ("YW" + "0" * 32, {}),
        (hook.sid, {"secret": "short"}),
        (hook.sid, {"overlap": -1}),
    ):
        with pytest.raises(CommandError):
            call_command("rotatewebhooksecret", sid, **options)
