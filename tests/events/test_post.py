"""One try: both signatures, what is sent, and what goes wrong."""

import datetime as dt
from urllib.parse import parse_qsl

import pytest
import standardwebhooks
from django.core.exceptions import ValidationError
from django.utils import timezone
from twilio.request_validator import RequestValidator

from django_verify.crypto import codes
from django_verify.events import outbox, post
from django_verify.models import EventSink, Webhook, WebhookDelivery
from django_verify.net import client
from tests.net.test_client import REFUSED, looked_up  # noqa: F401
from tests.receivers import make_webhook, notify, the_row

pytestmark = pytest.mark.django_db(transaction=True)


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
        secret = outbox.rotate_secret(hook)
        notify(service, "approved")
    else:
        sink = EventSink.objects.create(
            account=service.account, url=receiver.url.rstrip("/"), friendly_name="x"
        )
        secret = outbox.rotate_secret(sink)
        WebhookDelivery.objects.create(sink=sink, event_type="x", payload={"data": "é", "id": "1"})
    assert outbox.deliver_due() == 1
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


def test_the_older_form_states_less_and_empty_values_are_left_out(service, receiver):
    make_webhook(service, webhook_url=receiver.url, version="v1")
    notify(service, "approved")
    make_webhook(service, webhook_url=receiver.url, event_types=["factor.deleted"])
    outbox.record(service.sid, "factor.deleted", {"factor_friendly_name": "", "x": "y"})
    while outbox.deliver_due():
        pass
    bodies = [
        dict(parse_qsl(body.decode(), keep_blank_values=True)) for *_, body in receiver.requests
    ]
    (old,) = [body for body in bodies if body["type"] == "challenge.approved"]
    assert set(old) == set(post.V1)
    assert {"uuid", "type", "x"} in [set(body) for body in bodies]


def test_an_old_secret_signs_beside_the_new_one_for_a_day(service, receiver, clock):
    hook = make_webhook(service, webhook_url=receiver.url)
    old, new = outbox.rotate_secret(hook), outbox.rotate_secret(hook)
    assert old != new
    assert old not in hook.sealed_old_secret + hook.sealed_secret
    for shift, holds in ((0, True), (86_399, True), (1, False)):
        clock.shift(shift)
        notify(service)
        outbox.deliver_due()
        url, headers, body = receiver.requests[-1]
        headers = {name.lower(): value for name, value in headers.items()}
        assert accepted_by_standard(new, headers, body)
        assert accepted_by_standard(old, headers, body) is holds
        assert accepted_by_sdk(new, url, headers, body)


def test_a_webhook_made_over_the_api_signs_with_a_secret_nobody_has_seen(service, receiver):
    hook = make_webhook(service, webhook_url=receiver.url)
    notify(service)
    outbox.deliver_due()
    hook.refresh_from_db()
    (secret,) = hook.open_secrets(dt.datetime.now(dt.UTC))
    _url, headers, body = receiver.requests[0]
    assert accepted_by_standard(secret, headers, body)


def test_a_receiver_may_keep_the_secret_it_knows(service, receiver):
    hook = make_webhook(service, webhook_url=receiver.url)
    outbox.rotate_secret(hook, "an auth token of the vendor's, 32+")
    notify(service)
    outbox.deliver_due()
    url, headers, body = receiver.requests[0]
    headers = {name.lower(): value for name, value in headers.items()}
    assert accepted_by_sdk("an auth token of the vendor's, 32+", url, headers, body)
    assert accepted_by_standard(b"an auth token of the vendor's, 32+", headers, body)
    for bad in ("short", "é" * 30, "whsec_" + "A" * 20, "whsec_" + "!" * 32, "x" * 129, "a\n" * 20):
        with pytest.raises(ValidationError):
            outbox.rotate_secret(hook, bad)


def test_no_recipient_that_is_refused_at_registration_is_called(service, clock, looked_up):  # noqa: F811
    """Rows that were written before the rule, or past it."""
    for url in REFUSED:
        make_webhook(service, webhook_url=url)
    notify(service)
    assert outbox.deliver_due(limit=len(REFUSED)) == len(REFUSED) > 30
    for row in WebhookDelivery.objects.select_related("webhook"):
        url = row.webhook.webhook_url
        assert (url, row.status, row.response_status, row.tries) == (url, "pending", None, 1)
        assert "not allowed" in row.error
        assert url not in row.error
    assert looked_up.asked == []
    assert not Webhook.objects.filter(failing_since=None).exists()


def test_a_name_that_is_public_when_it_is_registered_and_private_when_it_is_called(
    api,
    service,
    clock,
    looked_up,  # noqa: F811
):
    form = {"FriendlyName": "Hook", "EventTypes": "*", "WebhookUrl": "https://hooks.example.com/"}
    assert api.post(f"Services/{service.sid}/Webhooks", form).status == 201
    notify(service)
    # Each try looks again, so an answer that was public once is not believed.
    for tries, found in enumerate([["10.0.0.8"], ["93.184.215.14", "::1"], ["169.254.169.254"]], 1):
        looked_up.answers.append(found)
        assert outbox.deliver_due() == 1
        assert (the_row().status, the_row().tries) == ("pending", tries)
        assert "not allowed" in the_row().error
        clock.shift((the_row().due_at - timezone.now()).total_seconds() + 0.001)
    assert looked_up.asked == ["hooks.example.com"] * 3


@pytest.mark.parametrize(
    ("raised", "error"),
    [
        (client.NotSent("x"), "it could not be reached"),
        (client.NotAnswered("x"), "it did not answer in time"),
        (ZeroDivisionError("the number"), "ZeroDivisionError while it was called"),
    ],
    ids=str,
)
def test_what_goes_wrong_is_reported_without_its_text(service, monkeypatch, raised, error):
    def fail(*args, **kwargs):
        raise raised

    monkeypatch.setattr(client, "call", fail)
    make_webhook(service)
    notify(service)
    outbox.deliver_due()
    assert (the_row().status, the_row().error) == ("pending", error)


def test_a_key_that_has_left_the_ring(service, receiver, settings):
    outbox.rotate_secret(make_webhook(service, webhook_url=receiver.url))
    settings.SECRET_KEY = "another key for the tests, of more than fifty characters in all"
    notify(service)
    outbox.deliver_due()
    assert "is no longer configured" in the_row().error
    assert Webhook.objects.get().failing_since is None
    assert receiver.requests == []


def test_a_secret_moves_to_the_newest_key(service, receiver, settings):
    hook = make_webhook(service, webhook_url=receiver.url)
    secret = outbox.rotate_secret(hook)
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another key for the tests, of more than fifty characters in all"
    notify(service)
    outbox.deliver_due()
    settings.SECRET_KEY_FALLBACKS = []
    hook.refresh_from_db()
    assert hook.sealed_secret.startswith(f"{codes.current_key_id()}$")
    notify(service)
    outbox.deliver_due()
    for _url, headers, body in receiver.requests:
        assert accepted_by_standard(secret, headers, body)
    assert len(receiver.requests) == 2


@pytest.mark.parametrize("kind", ["webhook", "sink"])
def test_the_lines_of_the_docs_in_a_django_view(service, receiver, rf, kind):
    url = f"{receiver.url}hooks/verify?tenant=a%20b"
    if kind == "webhook":
        secret = outbox.rotate_secret(make_webhook(service, webhook_url=url))
        notify(service, "denied")
    else:
        sink = EventSink.objects.create(account=service.account, url=url, friendly_name="x")
        secret = outbox.rotate_secret(sink)
        WebhookDelivery.objects.create(sink=sink, event_type="x", payload={"id": "1"})
    outbox.deliver_due()
    ((called, headers, body),) = receiver.requests
    path = called.removeprefix(receiver.url.rstrip("/"))
    request = rf.post(path, body, content_type=headers.pop("content-type"), headers=headers)
    standardwebhooks.Webhook(secret).verify(request.body, dict(request.headers), json_parse=False)
    signature = request.headers["X-Twilio-Signature"]
    said = request.POST.dict() if kind == "webhook" else request.body.decode()
    public = request.build_absolute_uri()
    assert RequestValidator(secret).validate(public, said, signature)
    assert not RequestValidator(secret).validate(public + "x", said, signature)
