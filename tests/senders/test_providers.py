"""The senders over REST APIs: what each asks, and how it reads the answer."""

import json
import logging

import pytest
from django.core.exceptions import ImproperlyConfigured

from django_verify.net import client
from django_verify.senders import Message, Receipt, SendError, TemporarySendError
from tests.senders.apis import CALLBACK, PHONE, ed25519_pem
from tests.senders.conftest import told_of
from tests.senders.providers import PROVIDERS

CODE = "904716"
ATTEMPT = "VL" + "0" * 32
every_provider = pytest.mark.parametrize("name", PROVIDERS)


def message(channel="sms", **values):
    defaults = {"to": PHONE, "body": f"Your code is: {CODE}", "attempt_sid": ATTEMPT}
    return Message(channel, **defaults | {"locale": "en", "callback_url": CALLBACK} | values)


VONAGE_TEXT = {"from": "Acme", "to": "14155552671", "type": "text", "callback": CALLBACK}
SPOKEN = {"number": "14155552671", "type": "phone"}
ENCODED = {"text": f"Your code is: {CODE}"}
ASKED = [
    ("vonage", message(), {}, VONAGE_TEXT | ENCODED),
    (
        "vonage",
        message(callback_url=f"{CALLBACK}&{'x' * 100}"),
        {},
        {"from": "Acme", "to": "14155552671", "type": "text"} | ENCODED,
    ),
    ("vonage", message(body="€ ~[1]"), {}, VONAGE_TEXT | {"text": "€ ~[1]"}),
    ("vonage", message(body="Код 1"), {}, VONAGE_TEXT | {"text": "Код 1", "type": "unicode"}),
    (
        "vonage",
        message("call", locale="zh", send_digits="ww12#"),
        {},
        {
            "to": [SPOKEN | {"dtmfAnswer": "pp12#"}],
            "from": {"type": "phone", "number": "442079460000"},
            "ncco": [{"action": "talk", "language": "cmn-CN"} | ENCODED],
            "event_url": [CALLBACK],
            "event_method": "POST",
        },
    ),
    (
        "messagebird",
        message(),
        {},
        {"recipients": ["14155552671"], "originator": "Acme", "body": f"Your code is: {CODE}"}
        | {"datacoding": "auto", "reference": ATTEMPT, "reportUrl": CALLBACK},
    ),
    (
        "messagebird",
        message("call", locale="pt-BR"),
        {"signing_key": None},
        {"recipients": ["14155552671"], "originator": "31612345678", "language": "pt-br"}
        | {"body": f"Your code is: {CODE}", "reference": ATTEMPT},
    ),
    (
        "bird",
        message(),
        {},
        {
            "receiver": {"contacts": [{"identifierKey": "phonenumber", "identifierValue": PHONE}]},
            "body": {"type": "text", "text": ENCODED},
        },
    ),
    (
        "plivo",
        message(),
        {},
        {"src": "14150000000", "dst": "14155552671", "type": "sms", "url": CALLBACK}
        | {"method": "POST"}
        | ENCODED,
    ),
    (
        "plivo",
        message(callback_url=""),
        {"sender": None, "powerpack": "pool"},
        {"powerpack_uuid": "pool", "dst": "14155552671", "type": "sms"} | ENCODED,
    ),
    (
        "sinch",
        message(),
        {},
        {"from": "+14150000000", "to": [PHONE], "body": f"Your code is: {CODE}"}
        | {"delivery_report": "per_recipient", "callback_url": CALLBACK},
    ),
    (
        "sinch",
        message("call", locale="en-GB", send_digits="w1"),
        {},
        {
            "method": "ttsCallout",
            "ttsCallout": {
                "destination": {"type": "number", "endpoint": PHONE},
                "locale": "en-GB",
                "cli": "+14150000000",
                "dtmf": "w1",
            }
            | ENCODED,
        },
    ),
    (
        "telnyx",
        message(),
        {},
        {"from": "+14150000000", "to": PHONE, "type": "SMS", "webhook_url": CALLBACK}
        | {"use_profile_webhooks": False}
        | ENCODED,
    ),
    (
        "telnyx",
        message(),
        {"sender": None, "messaging_profile_id": "p", "public_key": None},
        {"messaging_profile_id": "p", "to": PHONE, "type": "SMS"} | ENCODED,
    ),
    (
        "africastalking",
        message(),
        {},
        {"username": "acme", "to": PHONE, "message": f"Your code is: {CODE}"}
        | {"from": "ACME", "bulkSMSMode": "1"},
    ),
]


@pytest.mark.parametrize(("name", "given", "options", "expected"), ASKED, ids=[r[0] for r in ASKED])
def test_it_asks_what_the_provider_documents(name, given, options, expected, sender_of, network):
    sender_of(name, **options).send(given)
    (asked,) = network.asked
    assert asked.method == "POST"
    assert (asked.json if asked.headers["content-type"] == "application/json" else asked.form) == (
        expected
    )


@pytest.mark.parametrize(
    ("name", "channel", "receipt"),
    [(name, *row) for name, provider in PROVIDERS.items() for row in provider.receipts.items()],
)
def test_its_receipt_has_the_id_and_the_price(name, channel, receipt, sender_of, network):
    sender = sender_of(name)
    assert sender.channels == set(PROVIDERS[name].receipts)
    assert sender.send(message(channel)) == Receipt(*receipt)


@pytest.mark.parametrize(
    ("name", "url", "options"),
    [
        ("vonage", "https://rest.nexmo.com/sms/json", {"base_url": "https://api.bird.com"}),
        ("sinch", "https://us.sms.api.sinch.com/xms", {"region": "eu"}),
    ],
)
def test_the_region_is_an_option(name, url, options, sender_of):
    assert sender_of(name).request(message()).url.startswith(url)
    assert not sender_of(name, **options).request(message()).url.startswith(url)


@pytest.mark.parametrize(
    ("name", "status", "body", "error", "code"),
    [(name, *row) for name, provider in PROVIDERS.items() for row in provider.refusals],
)
def test_a_refusal_is_for_good_or_for_now(name, status, body, error, code, sender_of, network):
    network.say(status, body)
    with pytest.raises(SendError) as caught:
        sender_of(name).send(message())
    assert type(caught.value) is error
    assert caught.value.code == code
    assert not getattr(caught.value, "uncertain", False)
    for received in told_of(caught.value):
        assert CODE not in received
        assert PHONE[1:] not in received


HTTP = [
    # status, headers → error, uncertain, retry_after
    (401, {}, TemporarySendError, False, None),
    (403, {}, TemporarySendError, False, None),
    (302, {"location": "https://elsewhere.example.org/"}, TemporarySendError, False, None),
    (400, {}, SendError, None, None),
    (422, {}, SendError, None, None),
    (429, {"retry_after": "7"}, TemporarySendError, False, 7),
    (429, {"retry_after": "999999"}, TemporarySendError, False, 3600),
    (429, {"retry_after": "-1"}, TemporarySendError, False, None),
    (429, {"retry_after": "٣"}, TemporarySendError, False, None),
    (429, {"retry_after": "Wed, 21 Oct 2015 07:28:00 GMT"}, TemporarySendError, False, 0),
    (503, {"retry_after": "30"}, TemporarySendError, False, 30),
    (500, {}, TemporarySendError, True, None),
    (502, {}, TemporarySendError, True, None),
    (504, {}, TemporarySendError, True, None),
]


@every_provider
@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"[" * 100_000, b"null", b'{"code":"\\ud800"}'],
    ids=lambda body: repr(body[:8]),
)
def test_the_status_alone_reports_enough(name, body, sender_of, network):
    sender = sender_of(name)
    for status, headers, error, uncertain, pause in HTTP:
        network.say(status, body, **headers)
        with pytest.raises(SendError) as caught:
            sender.send(message())
        found = caught.value
        assert (type(found), found.code) == (error, str(status))
        assert getattr(found, "uncertain", None) is uncertain
        assert getattr(found, "retry_after", None) == pause


@every_provider
@pytest.mark.parametrize(
    "body",
    [b"", b"OK", b"[" * 100_000, b"{}", b"[]", b"null", b"1", b"NaN", b'{"id":{"a":1}}', b"\xff"],
    ids=lambda body: repr(body[:8]),
)
def test_an_acceptance_that_cannot_be_read_is_uncertain(name, body, sender_of, network):
    network.say(200, body)
    with pytest.raises(TemporarySendError, match="cannot be read") as caught:
        sender_of(name).send(message())
    assert caught.value.uncertain is True


@every_provider
@pytest.mark.parametrize(
    ("error", "uncertain"),
    [
        (client.NotSent("refused"), False),
        (client.HostRefused("private"), False),
        (client.NotAnswered("timeout"), True),
    ],
    ids=lambda value: type(value).__name__,
)
def test_no_answer_states_whether_the_message_may_be_out(
    name, error, uncertain, sender_of, network
):
    network.fail(error)
    with pytest.raises(TemporarySendError) as caught:
        sender_of(name).send(message())
    assert caught.value.uncertain is uncertain


def values_of(data):
    if isinstance(data, dict):
        return [one for value in data.values() for one in values_of(value)]
    return [one for value in data for one in values_of(value)] if isinstance(data, list) else [data]


@every_provider
def test_nothing_is_shown_or_logged(name, sender_of, network, caplog, capfd):
    sender = sender_of(name)
    with caplog.at_level(logging.DEBUG):
        request = sender.request(message())
        sender.send(message())
    shown = repr(sender) + repr(request) + caplog.text + "".join(capfd.readouterr())
    for secret in (*values_of(PROVIDERS[name].options), CODE, PHONE[1:], CALLBACK):
        assert str(secret) not in shown


@pytest.mark.parametrize("code", [PHONE[1:], f"to {PHONE}", "x" * 65, "a b", "é", "\ud800", "1\n"])
def test_a_code_that_could_be_more_is_not_repeated(code, sender_of, network):
    network.say(400, json.dumps({"code": code}).encode())
    with pytest.raises(SendError) as caught:
        sender_of("bird").send(message())
    assert caught.value.code == "400"


@pytest.mark.parametrize("amount", ["1e3", "NaN", "-", "1" * 20, "0,5", "1\n", ""])
def test_a_price_that_is_no_amount_is_left_out(amount, sender_of, network):
    data = {"id": "4", "cost": {"amount": amount, "currency": "USD"}}
    network.say(200, {"data": data})
    assert sender_of("telnyx").send(message()) == Receipt("4")


@pytest.mark.parametrize(
    ("prices", "price"),
    [(["0.0333", "0.0333"], "0.0666"), (["0", "0"], ""), ([], ""), (["x", "0.1"], "")],
    ids=str,
)
def test_a_text_of_several_parts_costs_their_sum(prices, price, sender_of, network):
    parts = [
        {"status": "0", "message-id": f"0{n}", "message-price": p} for n, p in enumerate(prices)
    ]
    network.say(200, {"messages": parts or [{"status": "0", "message-id": "00"}]})
    assert sender_of("vonage").send(message()) == Receipt("00", price)


@pytest.mark.parametrize(
    ("name", "values", "text"),
    [
        ("vonage", {"prompt": "Press any key"}, "wait for a key"),
        ("sinch", {"prompt": "Press any key"}, "wait for a key"),
        ("messagebird", {"prompt": "Press any key"}, "wait for a key"),
        ("messagebird", {"send_digits": "1"}, "dial digits"),
        ("messagebird", {"locale": "fi"}, "not speak"),
        ("vonage", {"locale": "sw"}, "not speak"),
    ],
)
def test_a_call_it_cannot_make_is_left_to_another(name, values, text, sender_of, network):
    with pytest.raises(TemporarySendError, match=text) as caught:
        sender_of(name).send(message("call", **values))
    assert caught.value.uncertain is False
    assert network.asked == []


@pytest.mark.parametrize(
    ("name", "options", "channels"),
    [
        ("vonage", {"application_id": None, "private_key": None}, {"sms"}),
        ("sinch", {"voice_key": None, "voice_secret": None}, {"sms"}),
        ("messagebird", {"call_from": None}, {"sms"}),
        ("messagebird", {"call_from": None, "sender": "31612345678"}, {"sms", "call"}),
    ],
)
def test_without_what_calls_need_it_makes_none(name, options, channels, sender_of):
    assert sender_of(name, **options).channels == channels


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("vonage", {"private_key": None}),
        ("vonage", {"private_key": "no key"}),
        ("vonage", {"private_key": ed25519_pem()}),
        ("vonage", {"call_from": None}),
        ("vonage", {"signature_method": "md5"}),
        ("sinch", {"voice_secret": None}),
        ("plivo", {"sender": None}),
        ("plivo", {"powerpack": "pool"}),
        ("telnyx", {"sender": None}),
        ("telnyx", {"public_key": "AAAA"}),
    ],
)
def test_options_that_cannot_work_are_a_configuration_error(name, options, sender_of):
    with pytest.raises(ImproperlyConfigured, match="'it'"):
        sender_of(name, **options)
