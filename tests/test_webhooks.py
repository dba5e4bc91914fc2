"""Events of factors and challenges: recorded in the caller's transaction, and delivered."""

import datetime as dt
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl

import pytest
import standardwebhooks
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone
from twilio.request_validator import RequestValidator

from django_verify import posting, signals, transport, webhooks
from django_verify.models import EventSink, Webhook, WebhookDelivery

pytestmark = pytest.mark.django_db(transaction=True)

FACTOR = {
    "identity": "user-7",
    "factor_sid": "YF" + "0" * 32,
    "factor_type": "push",
    "friendly_name": "Phone",
}
CHALLENGE = {
    **FACTOR,
    "challenge_sid": "YC" + "0" * 32,
    "details": '{"message": "Log in?"}',
    "hidden_details": '{"ip": "192.0.2.1"}',
    "metadata": "{}",
}


def make_webhook(service, **values):
    values = {"friendly_name": "Hook", "event_types": ["*"], **values}
    values.setdefault("webhook_url", "https://hooks.example.com/verify?tenant=1")
    return Webhook.objects.create(service=service, **values)


def tell(service, kind="created"):
    ids = {"account_sid": service.account_id, "service_sid": service.sid}
    if kind in {"approved", "denied"}:
        return webhooks.challenge_event(kind, **ids, **CHALLENGE)
    return webhooks.factor_event(kind, **ids, **FACTOR)


@pytest.fixture
def woken(monkeypatch):
    calls = []
    monkeypatch.setattr(webhooks, "wake", lambda: calls.append(1))
    return calls


def test_each_webhook_that_asks_gets_a_row(service, woken, django_assert_num_queries):
    every = make_webhook(service)
    deleted = make_webhook(service, event_types=["factor.deleted"])
    make_webhook(service, status="disabled")
    with transaction.atomic():
        assert tell(service, "deleted") == 2
        assert woken == []
    assert woken == [1]
    rows = WebhookDelivery.objects.all()
    assert {row.webhook_id for row in rows} == {every.sid, deleted.sid}
    assert len({row.event_id for row in rows}) == 1
    assert tell(service, "verified") == 1
    with django_assert_num_queries(1):
        assert webhooks.record("VA" + "0" * 32, "factor.created", {}) == 0


def test_what_a_report_says(service):
    make_webhook(service)
    tell(service, "approved")
    row = WebhookDelivery.objects.get()
    assert dict(row.payload) == {
        "uuid": str(row.event_id),
        "type": "challenge.approved",
        "account_sid": service.account_id,
        "service_sid": service.sid,
        "entity_identity": "user-7",
        "factor_sid": FACTOR["factor_sid"],
        "factor_type": "push",
        "factor_friendly_name": "Phone",
        "challenge_sid": CHALLENGE["challenge_sid"],
        "challenge_details": CHALLENGE["details"],
        "challenge_hidden_details": CHALLENGE["hidden_details"],
        "challenge_metadata": "{}",
    }
    assert row.event_type == "challenge.approved"


def test_a_rollback_records_nothing(service, woken):
    make_webhook(service)
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        tell(service)
        1 / 0  # noqa: B018
    assert not WebhookDelivery.objects.exists()
    assert woken == []


def test_a_delivery_has_one_receiver(service):
    sink = EventSink.objects.create(
        account=service.account, url="https://x.example", friendly_name="x"
    )
    for receivers in ({}, {"sink": sink, "webhook": make_webhook(service)}):
        with pytest.raises(IntegrityError), transaction.atomic():
            WebhookDelivery.objects.create(event_type="x", **receivers)
    WebhookDelivery.objects.create(event_type="x", sink=sink)


class Receiver:
    """A server on loopback: keeps what it is sent, and answers as told."""

    def __init__(self):
        outer = self
        self.requests, self.answers, self.gate = [], [], None

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                outer.requests.append((f"{outer.url}{self.path[1:]}", dict(self.headers), body))
                if outer.gate:
                    outer.gate.wait(30)
                status, headers = outer.answers.pop(0) if outer.answers else (200, {})
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self):
        if self.gate:
            self.gate.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def loopback(settings, monkeypatch):
    """Loopback passes for a public address."""
    real = transport.call
    monkeypatch.setattr(transport, "call", lambda *a, **k: real(*a, **{**k, "public": False}))


@pytest.fixture
def make_receiver(loopback):
    made = []

    def make():
        made.append(Receiver())
        return made[-1]

    yield make
    for receiver in made:
        receiver.close()


@pytest.fixture
def receiver(make_receiver):
    return make_receiver()


def the_row():
    return WebhookDelivery.objects.get()


def flipped(data, at):
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def accepted_by_standard(secret, headers, body):
    try:
        standardwebhooks.Webhook(secret).verify(body, headers, json_parse=False)
    except (standardwebhooks.webhooks.WebhookVerificationError, ValueError):
        return False
    return True


def accepted_by_sdk(secret, url, headers, body):
    json_body = headers["content-type"] == "application/json"
    params = body.decode() if json_body else dict(parse_qsl(body.decode()))
    try:
        return RequestValidator(secret).validate(url, params, headers["x-twilio-signature"])
    except TypeError:
        return False  # a JSON body, and no digest of it in the URL


@pytest.mark.parametrize("kind", ["form", "json"])
def test_both_signatures_hold_and_break_with_any_byte(service, receiver, clock, kind):
    if kind == "form":
        hook = make_webhook(service, webhook_url=f"{receiver.url}Hook%7E?tenant=1&x=a%20b#part")
        secret = webhooks.rotate_secret(hook)
        tell(service, "approved")
    else:
        sink = EventSink.objects.create(
            account=service.account, url=receiver.url.rstrip("/"), friendly_name="x"
        )
        secret = webhooks.rotate_secret(sink)
        WebhookDelivery.objects.create(sink=sink, event_type="x", payload={"data": "é", "id": "1"})
    assert webhooks.sweep() == 1
    ((url, headers, body),) = receiver.requests
    headers = {name.lower(): value for name, value in headers.items()}
    assert headers["webhook-id"] == str(the_row().event_id)
    assert accepted_by_standard(secret, headers, body)
    assert accepted_by_sdk(secret, url, headers, body)
    for at in range(len(body)):
        other = flipped(body, at)
        if other.isascii():
            assert not accepted_by_standard(secret, headers, other)
            assert not accepted_by_sdk(secret, url, headers, other)
    for name in ("webhook-id", "webhook-timestamp", "webhook-signature"):
        value = headers[name]
        # The last character of base64 before its padding has bits that say nothing.
        for at in range(len(value) - 2 if name.endswith("signature") else len(value)):
            changed = flipped(value.encode(), at).decode()
            assert not accepted_by_standard(secret, {**headers, name: changed}, body), (name, at)
    for at in range(len(headers["x-twilio-signature"])):
        changed = flipped(headers["x-twilio-signature"].encode(), at).decode()
        assert not accepted_by_sdk(secret, url, {**headers, "x-twilio-signature": changed}, body)
    path = url.index("/", 8)
    for at in range(path + 1, len(url)):
        assert not accepted_by_sdk(secret, flipped(url.encode(), at).decode(), headers, body)
    assert not accepted_by_standard("whsec_" + "A" * 32, headers, body)
    assert not accepted_by_sdk("whsec_" + "A" * 32, url, headers, body)


def test_the_older_form_says_less_and_empty_values_are_left_out(service, receiver):
    make_webhook(service, webhook_url=receiver.url, version="v1")
    tell(service, "approved")
    make_webhook(service, webhook_url=receiver.url, event_types=["factor.deleted"])
    webhooks.record(service.sid, "factor.deleted", {"factor_friendly_name": "", "x": "y"})
    while webhooks.sweep():
        pass
    bodies = [
        dict(parse_qsl(body.decode(), keep_blank_values=True)) for *_, body in receiver.requests
    ]
    (old,) = [body for body in bodies if body["type"] == "challenge.approved"]
    assert set(old) == set(posting.V1)
    assert {"uuid", "type", "x"} in [set(body) for body in bodies]


def test_an_old_secret_signs_beside_the_new_one_for_a_day(service, receiver, clock):
    hook = make_webhook(service, webhook_url=receiver.url)
    old, new = webhooks.rotate_secret(hook), webhooks.rotate_secret(hook)
    assert old != new
    assert old not in hook.sealed_old_secret + hook.sealed_secret
    for shift, holds in ((0, True), (86_399, True), (1, False)):
        clock.shift(shift)
        tell(service)
        webhooks.sweep()
        url, headers, body = receiver.requests[-1]
        headers = {name.lower(): value for name, value in headers.items()}
        assert accepted_by_standard(new, headers, body)
        assert accepted_by_standard(old, headers, body) is holds
        assert accepted_by_sdk(new, url, headers, body)


def test_a_webhook_made_over_the_api_signs_with_a_secret_nobody_has_seen(service, receiver):
    hook = make_webhook(service, webhook_url=receiver.url)
    tell(service)
    webhooks.sweep()
    hook.refresh_from_db()
    (secret,) = hook.open_secrets(dt.datetime.now(dt.UTC))
    _url, headers, body = receiver.requests[0]
    assert accepted_by_standard(secret, headers, body)


def test_a_receiver_may_keep_the_secret_it_knows(service, receiver):
    hook = make_webhook(service, webhook_url=receiver.url)
    webhooks.rotate_secret(hook, "an auth token of the vendor's, 32+")
    tell(service)
    webhooks.sweep()
    url, headers, body = receiver.requests[0]
    headers = {name.lower(): value for name, value in headers.items()}
    assert accepted_by_sdk("an auth token of the vendor's, 32+", url, headers, body)
    assert accepted_by_standard(b"an auth token of the vendor's, 32+", headers, body)
    for bad in ("short", "é" * 30, "whsec_" + "A" * 20, "whsec_" + "!" * 32, "x" * 129, "a\n" * 20):
        with pytest.raises(ValidationError):
            webhooks.rotate_secret(hook, bad)


def test_a_delivered_row_keeps_no_payload(service, receiver):
    make_webhook(service, webhook_url=receiver.url)
    tell(service)
    assert webhooks.sweep() == 1
    row = the_row()
    assert (row.status, row.payload, row.response_status, row.tries) == ("delivered", [], 200, 1)
    assert row.delivered_at
    assert (row.lease, row.lease_until, row.error) == ("", None, "")
    assert webhooks.sweep() == 0


def test_a_receiver_that_is_down_for_an_hour(service, receiver, clock):
    hook = make_webhook(service, webhook_url=receiver.url)
    tell(service)
    receiver.answers = [(500, {})] * 4
    due = []
    for _ in range(20):
        webhooks.sweep()
        row = the_row()
        if row.status == "delivered":
            break
        assert (row.status, row.error) == ("pending", f"it answered {row.response_status}")
        due.append((row.due_at - timezone.now()).total_seconds())
        hook.refresh_from_db()
        assert hook.failing_since
        assert webhooks.sweep() == 0
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
    tell(service)
    event_id = the_row().event_id
    receiver.answers = [(301, {"location": receiver.url})] * 11
    for _ in range(20):
        webhooks.sweep()
        clock.shift((the_row().due_at - timezone.now()).total_seconds() + 0.001)
        if the_row().status == "dead":
            break
    row = the_row()
    assert (row.status, row.tries, row.response_status) == ("dead", 11, 301)
    assert len(receiver.requests) == 11
    assert row.payload
    assert webhooks.replay(WebhookDelivery.objects.all()) == 1
    assert webhooks.replay(WebhookDelivery.objects.all()) == 0
    assert webhooks.sweep() == 1
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
        tell(service)
    receiver.answers = [(410, {})]
    assert webhooks.sweep() == 1
    hook.refresh_from_db()
    assert (hook.status, hook.disabled_reason) == ("disabled", "gone")
    assert disabled == [(hook.pk, "disabled", "gone")]
    assert webhooks.sweep() == 2
    errors = WebhookDelivery.objects.filter(status="dead").values_list("error", flat=True)
    assert sorted(errors) == ["it answered 410", *["the receiver is disabled"] * 2]
    assert len(receiver.requests) == 1
    assert tell(service) == 0
    form = {"Status": "enabled", "WebhookUrl": "https://hooks.example.com/"}
    assert api.post(f"Services/{service.sid}/Webhooks/{hook.sid}", form).status == 200
    hook.refresh_from_db()
    assert (hook.status, hook.disabled_reason) == ("enabled", "")
    assert tell(service) == 1


def test_five_days_of_failures_disable_it(service, receiver, clock, disabled):
    hook = make_webhook(service, webhook_url=receiver.url)
    receiver.answers = [(500, {})] * 3
    for shift in (0, 5 * 86_400 - 1, 1):
        clock.shift(shift)
        WebhookDelivery.objects.all().delete()
        assert tell(service) == 1
        assert disabled == []
        webhooks.sweep()
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
    tell(service)
    receiver.answers = [(status, {"retry-after": retry_after})]
    webhooks.sweep()
    wait = (the_row().due_at - timezone.now()).total_seconds()
    assert seconds <= wait <= seconds * 1.1
    # What is new waits too.
    tell(service)
    assert webhooks.sweep() == (seconds == 5)
    clock.shift(wait + 0.001)
    while webhooks.sweep():
        pass
    assert set(WebhookDelivery.objects.values_list("status", flat=True)) == {"delivered"}


def test_a_slow_receiver_holds_up_no_other(service, make_receiver):
    slow, fast = make_receiver(), make_receiver()
    slow.gate = threading.Event()
    make_webhook(service, webhook_url=slow.url)
    for _ in range(3):
        tell(service)
    quick = make_webhook(service, webhook_url=fast.url)
    stop = threading.Event()
    thread = threading.Thread(target=webhooks.serve, args=(stop, 0.01, 2))
    thread.start()
    try:
        for number in range(1, 4):
            tell(service)
            delivered = quick.deliveries.filter(status="delivered")
            assert eventually(lambda n=number, rows=delivered: rows.count() == n)
        assert len(slow.requests) == 1
        slow.gate.set()
        assert eventually(lambda: not WebhookDelivery.objects.exclude(status="delivered").exists())
    finally:
        stop.set()
        thread.join(60)
    assert not thread.is_alive()
    assert len(slow.requests) == 6


def eventually(condition):
    """Ask again and again, for a minute at most."""
    for _ in range(1200):
        if condition():
            return True
        threading.Event().wait(0.05)
    return False


def test_a_dead_worker_is_taken_over(service, receiver, clock):
    hook = make_webhook(service, webhook_url=receiver.url)
    tell(service)
    now = timezone.now()
    until = now + webhooks.LEASE
    Webhook.objects.update(turn="dead", turn_until=until)
    WebhookDelivery.objects.update(status="sending", lease="dead", lease_until=until, tries=1)
    clock.shift(59)
    assert webhooks.sweep() == 0
    clock.shift(2)
    assert webhooks.backlog(timezone.now())[0] == 1
    assert webhooks.sweep() == 1
    assert (the_row().status, the_row().tries) == ("delivered", 2)
    hook.refresh_from_db()
    assert hook.turn == ""


def test_a_finish_without_the_lease_is_refused(service, receiver, monkeypatch, caplog):
    make_webhook(service, webhook_url=receiver.url)
    tell(service)
    real = posting.post

    def overtaken(row, *args):
        WebhookDelivery.objects.update(lease="another's")
        return real(row, *args)

    monkeypatch.setattr(posting, "post", overtaken)
    webhooks.sweep()
    assert (the_row().status, the_row().lease) == ("sending", "another's")
    assert "lease was lost" in caplog.text


def test_interrupted_tries_come_to_an_end(service, receiver, clock):
    make_webhook(service, webhook_url=receiver.url)
    tell(service)
    past = timezone.now() - dt.timedelta(seconds=1)
    WebhookDelivery.objects.update(status="sending", lease_until=past, tries=11)
    assert webhooks.sweep() == 1
    assert (the_row().status, receiver.requests) == ("dead", [])


def test_a_turn_makes_room_for_others(service, make_receiver):
    busy, other = make_receiver(), make_receiver()
    make_webhook(service, webhook_url=busy.url)
    for _ in range(30):
        tell(service)
    make_webhook(service, webhook_url=other.url)
    tell(service)
    assert webhooks.sweep(limit=6, workers=1) == 4
    assert (len(busy.requests), len(other.requests)) == (3, 1)


def test_two_sweepers_deliver_each_once(service, make_receiver, aligned):
    receivers = [make_receiver() for _ in range(3)]
    for each in receivers:
        make_webhook(service, webhook_url=each.url)
    for _ in range(2):
        for _ in range(5):
            tell(service)
        tried = aligned([lambda: webhooks.sweep(100, 1)] * 6)
        while more := webhooks.sweep(100, 1):
            tried.append(more)
        assert sum(tried) == 15
    assert [len(each.requests) for each in receivers] == [10] * 3
    assert set(WebhookDelivery.objects.values_list("status", flat=True)) == {"delivered"}


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("https://127.0.0.1/", "not allowed"),
        ("https://[::1]/", "not allowed"),
        ("https://169.254.169.254/", "not allowed"),
        ("http://hooks.example.com/", "not allowed"),
    ],
)
def test_no_private_address_is_called(service, clock, url, error):
    make_webhook(service, webhook_url=url)
    tell(service)
    assert webhooks.sweep() == 1
    row = the_row()
    assert (row.status, row.response_status, row.tries) == ("pending", None, 1)
    assert error in row.error
    assert url not in row.error
    assert Webhook.objects.get().failing_since


@pytest.mark.parametrize(
    ("raised", "error"),
    [
        (transport.NotSent("x"), "it could not be reached"),
        (transport.NotAnswered("x"), "it did not answer in time"),
        (ZeroDivisionError("the number"), "ZeroDivisionError while it was called"),
    ],
    ids=str,
)
def test_what_goes_wrong_is_told_without_its_text(service, monkeypatch, raised, error):
    def fail(*args, **kwargs):
        raise raised

    monkeypatch.setattr(transport, "call", fail)
    make_webhook(service)
    tell(service)
    webhooks.sweep()
    assert (the_row().status, the_row().error) == ("pending", error)


def test_a_key_that_has_left_the_ring(service, receiver, settings):
    webhooks.rotate_secret(make_webhook(service, webhook_url=receiver.url))
    settings.SECRET_KEY = "another key for the tests, of more than fifty characters in all"
    tell(service)
    webhooks.sweep()
    assert "has left the ring" in the_row().error
    assert receiver.requests == []


def test_the_backlog_and_the_purge(service, receiver, clock):
    make_webhook(service, webhook_url=receiver.url)
    assert webhooks.backlog(timezone.now()) == (0, 0)
    tell(service)
    clock.shift(90)
    tell(service)
    assert webhooks.backlog(timezone.now()) == (2, 90)
    while webhooks.sweep():
        pass
    assert webhooks.backlog(timezone.now()) == (0, 0)
    clock.shift(30 * 86_400 - 90)
    assert webhooks.purge() == 0
    clock.shift(60)
    assert (webhooks.purge(), webhooks.purge()) == (1, 0)
    tell(service)
    clock.shift(31 * 86_400)
    assert webhooks.purge() == 1
    assert the_row().status == "pending"
