"""The senders over REST APIs: what each asks, how it reads the answer, whose reports it believes."""

import dataclasses
import json
import logging
import time
import traceback
from urllib.parse import quote, urlencode

import pytest

from django_verify import senders, transport
from django_verify.senders import (
    Callback,
    CallbackRefused,
    Message,
    Receipt,
    Report,
    SendError,
    TemporarySendError,
)
from tests.senders.providers import (
    CALLBACK,
    PHONE,
    PROVIDERS,
    SECRET,
    ed25519_pem,
    jwt,
    sha256,
    sign_vonage,
)

CODE = "904716"
ATTEMPT = "VL" + "0" * 32
LISTED = [(name, told) for name, provider in PROVIDERS.items() for told in provider.told]
every_provider = pytest.mark.parametrize("name", PROVIDERS)
every_callback = pytest.mark.parametrize(("name", "told"), LISTED, ids=[n for n, _ in LISTED])


def message(channel="sms", **values):
    defaults = {"to": PHONE, "body": f"Your code is: {CODE}", "attempt_sid": ATTEMPT}
    return Message(channel, **defaults | {"locale": "en", "callback_url": CALLBACK} | values)


@pytest.fixture
def build(settings):
    """Build a provider's sender by the settings, as a site would."""

    def build(name, **options):
        cls = {"messagebird": "MessageBird", "africastalking": "AfricasTalking"}
        path = f"django_verify.senders.{name}.{cls.get(name, name.capitalize())}Sender"
        options = {**PROVIDERS[name].options, **options}
        options = {key: value for key, value in options.items() if value is not None}
        settings.DJANGO_VERIFY = {"SENDERS": {"it": {"BACKEND": path, "OPTIONS": options}}}
        return senders.get("it")

    return build


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
def test_it_asks_what_the_provider_documents(name, given, options, expected, build, network):
    build(name, **options).send(given)
    (asked,) = network.asked
    assert asked.method == "POST"
    assert (asked.json if asked.headers["content-type"] == "application/json" else asked.form) == (
        expected
    )


@pytest.mark.parametrize(
    ("name", "channel", "receipt"),
    [(name, *row) for name, provider in PROVIDERS.items() for row in provider.receipts.items()],
)
def test_its_receipt_has_the_id_and_the_price(name, channel, receipt, build, network):
    sender = build(name)
    assert sender.channels == set(PROVIDERS[name].receipts)
    assert sender.send(message(channel)) == Receipt(*receipt)


@pytest.mark.parametrize(
    ("name", "url", "options"),
    [
        ("vonage", "https://rest.nexmo.com/sms/json", {"base_url": "https://api.bird.com"}),
        ("sinch", "https://us.sms.api.sinch.com/xms", {"region": "eu"}),
    ],
)
def test_the_region_is_an_option(name, url, options, build):
    assert build(name).request(message()).url.startswith(url)
    assert not build(name, **options).request(message()).url.startswith(url)


def told_of(error):
    seen = error
    while seen is not None:
        yield from (str(seen), repr(seen), repr(vars(seen)))
        seen = seen.__context__
    yield from traceback.format_exception(error)


@pytest.mark.parametrize(
    ("name", "status", "body", "error", "code"),
    [(name, *row) for name, provider in PROVIDERS.items() for row in provider.refusals],
)
def test_a_refusal_is_for_good_or_for_now(name, status, body, error, code, build, network):
    network.say(status, body)
    with pytest.raises(SendError) as caught:
        build(name).send(message())
    assert type(caught.value) is error
    assert caught.value.code == code
    assert not getattr(caught.value, "uncertain", False)
    for told in told_of(caught.value):
        assert CODE not in told
        assert PHONE[1:] not in told


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
    (429, {"retry_after": "Wed, 21 Oct 2026 07:28:00 GMT"}, TemporarySendError, False, None),
    (503, {"retry_after": "30"}, TemporarySendError, False, 30),
    (500, {}, TemporarySendError, True, None),
    (502, {}, TemporarySendError, True, None),
    (504, {}, TemporarySendError, True, None),
]


@every_provider
@pytest.mark.parametrize("body", [b"", b"<html>", b"[" * 100_000, b"null", b'{"code":"\\ud800"}'])
def test_the_status_alone_tells_enough(name, body, build, network):
    sender = build(name)
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
def test_an_acceptance_that_cannot_be_read_is_uncertain(name, body, build, network):
    network.say(200, body)
    with pytest.raises(TemporarySendError, match="cannot be read") as caught:
        build(name).send(message())
    assert caught.value.uncertain is True


@every_provider
@pytest.mark.parametrize(
    ("error", "uncertain"),
    [
        (transport.NotSent("refused"), False),
        (transport.AddressRefused("private"), False),
        (transport.NotAnswered("timeout"), True),
    ],
    ids=lambda value: type(value).__name__,
)
def test_no_answer_says_whether_the_message_may_be_out(name, error, uncertain, build, network):
    network.fail(error)
    with pytest.raises(TemporarySendError) as caught:
        build(name).send(message())
    assert caught.value.uncertain is uncertain


def values_of(data):
    if isinstance(data, dict):
        return [one for value in data.values() for one in values_of(value)]
    return [one for value in data for one in values_of(value)] if isinstance(data, list) else [data]


@every_provider
def test_nothing_is_shown_or_logged(name, build, network, caplog, capfd):
    sender = build(name)
    with caplog.at_level(logging.DEBUG):
        request = sender.request(message())
        sender.send(message())
    shown = repr(sender) + repr(request) + caplog.text + "".join(capfd.readouterr())
    for secret in (*values_of(PROVIDERS[name].options), CODE, PHONE[1:], CALLBACK):
        assert str(secret) not in shown


@pytest.mark.parametrize("code", [PHONE[1:], f"to {PHONE}", "x" * 65, "a b", "é", "\ud800", "1\n"])
def test_a_code_that_could_be_more_is_not_repeated(code, build, network):
    network.say(400, json.dumps({"code": code}).encode())
    with pytest.raises(SendError) as caught:
        build("bird").send(message())
    assert caught.value.code == "400"


@pytest.mark.parametrize("amount", ["1e3", "NaN", "-", "1" * 20, "0,5", "1\n", ""])
def test_a_price_that_is_no_amount_is_left_out(amount, build, network):
    data = {"id": "4", "cost": {"amount": amount, "currency": "USD"}}
    network.say(200, {"data": data})
    assert build("telnyx").send(message()) == Receipt("4")


@pytest.mark.parametrize(
    ("prices", "price"),
    [(["0.0333", "0.0333"], "0.0666"), (["0", "0"], ""), ([], ""), (["x", "0.1"], "")],
    ids=str,
)
def test_a_text_of_several_parts_costs_their_sum(prices, price, build, network):
    parts = [
        {"status": "0", "message-id": f"0{n}", "message-price": p} for n, p in enumerate(prices)
    ]
    network.say(200, {"messages": parts or [{"status": "0", "message-id": "00"}]})
    assert build("vonage").send(message()) == Receipt("00", price)


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
def test_a_call_it_cannot_make_is_left_to_another(name, values, text, build, network):
    with pytest.raises(TemporarySendError, match=text) as caught:
        build(name).send(message("call", **values))
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
def test_without_what_calls_need_it_makes_none(name, options, channels, build):
    assert build(name, **options).channels == channels


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
def test_options_that_cannot_work_are_a_configuration_error(name, options, build):
    with pytest.raises(senders.ImproperlyConfigured, match="'it'"):
        build(name, **options)


@every_callback
def test_a_signed_callback_is_believed(name, told, build, clock):
    sender = build(name)
    assert sender.reporting is True
    assert sender.reports(told.sign(told.data, time.time())) == [Report(*told.report)]


def refused(sender, callback):
    with pytest.raises(CallbackRefused):
        sender.reports(callback)


def flipped(text, at):
    return text[:at] + chr(ord(text[at]) ^ 1) + text[at + 1 :]


@every_callback
def test_any_change_is_refused(name, told, build, clock):
    sender = build(name)
    callback = told.sign(told.data, time.time())
    for header in set(callback.headers) - {"content-type"}:
        value = callback.headers[header]
        start = len("Bearer ") if header == "authorization" else 0
        for at in range(start, len(value)):
            headers = callback.headers | {header: flipped(value, at)}
            refused(sender, dataclasses.replace(callback, headers=headers))
        rest = {key: one for key, one in callback.headers.items() if key != header}
        refused(sender, dataclasses.replace(callback, headers=rest))
    for at in range(len(callback.body) if told.whole else 0):
        body = bytearray(callback.body)
        body[at] ^= 1
        refused(sender, dataclasses.replace(callback, body=bytes(body)))
    if told.whole:
        refused(sender, dataclasses.replace(callback, body=callback.body + b"&x=1"))
    refused(sender, told.sign(told.data, time.time(), secret="another"))


@pytest.mark.parametrize("name", ["messagebird", "bird", "plivo", "africastalking"])
def test_where_the_address_is_signed_it_cannot_be_changed(name, build, clock):
    told = PROVIDERS[name].told[0]
    callback = told.sign(told.data, time.time())
    begin = callback.url.index("token=") + 6 if name == "africastalking" else len("https://")
    for at in range(begin, len(callback.url)):
        refused(build(name), dataclasses.replace(callback, url=flipped(callback.url, at)))


@pytest.mark.parametrize(("name", "told"), [row for row in LISTED if row[1].dated])
@pytest.mark.parametrize("shift", [301, -301])
def test_an_old_or_a_coming_callback_is_refused(name, told, shift, build, clock):
    sender = build(name)
    refused(sender, told.sign(told.data, time.time() + shift))
    near = 250 if shift > 0 else -250
    if name != "messagebird":
        assert sender.reports(told.sign(told.data, time.time() + near))


@every_callback
def test_an_unsigned_callback_is_refused(name, told, build, clock):
    sender = build(name)
    callback = told.sign(told.data, time.time())
    refused(sender, Callback(CALLBACK, callback.method, {}, b""))
    refused(sender, Callback(CALLBACK, callback.method, {}, json.dumps(told.data).encode()))


@every_provider
def test_without_its_secret_it_takes_no_reports(name, build, clock):
    provider = PROVIDERS[name]
    if not provider.silent:
        return
    sender = build(name, **provider.silent)
    assert sender.reporting is False
    for told in provider.told:
        refused(sender, told.sign(told.data, time.time(), secret=""))
        refused(sender, told.sign(told.data, time.time()))


GARBAGE = ["", "x", "é\ud800", "a.b.c", "Bearer ..", "Bearer a.b.c", "=" * 44, "A" * 44, "1" * 99]


@every_callback
@pytest.mark.parametrize("value", GARBAGE)
def test_garbage_is_refused_and_nothing_else_is_raised(name, told, value, build, clock):
    sender = build(name)
    callback = told.sign(told.data, time.time())
    bodies = [b"", b"\xff\xfe", b"[" * 100_000, b"null", b"[]", b"&=&=", b'{"sig":[]}', b'"']
    for header in set(callback.headers) - {"content-type"}:
        headers = callback.headers | {header: value}
        refused(sender, dataclasses.replace(callback, headers=headers))
    for body in bodies:
        headers = dict.fromkeys(callback.headers, value)
        for method in ("GET", "POST", "PUT"):
            refused(
                sender,
                Callback(f"{CALLBACK}&{quote(value, errors='replace')}", method, headers, body),
            )


@every_callback
def test_a_refusal_holds_nothing_of_the_callback(name, told, build):
    body = b'{"number":"+14155552671", nonsense'
    with pytest.raises(CallbackRefused) as caught:
        build(name).reports(Callback(CALLBACK, headers={"telnyx-timestamp": "1"}, body=body))
    assert not [told for told in told_of(caught.value) if "14155552671" in told]


@every_callback
def test_a_signed_callback_of_nothing_we_know_reports_nothing(name, told, build, clock):
    sender = build(name)
    for data in ({"status": "new"}, {"id": "1"}, {"event": "x", "Status": "queued"}):
        assert sender.reports(told.sign(data, time.time())) == []


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("sinch", {"type": "delivery_report_sms"}),
        ("bird", {"event": "sms.inbound"}),
        ("telnyx", {"data": {"event_type": "message.received"}}),
    ],
)
def test_a_message_that_came_in_is_no_report(name, other, build, clock):
    told = PROVIDERS[name].told[0]
    data = told.data | {
        key: told.data[key] | value if isinstance(value, dict) else value
        for key, value in other.items()
    }
    assert build(name).reports(told.sign(data, time.time())) == []


@pytest.mark.parametrize("body", [b"[" * 100_000, b"nonsense", b"\xff"])
def test_a_signed_body_that_is_no_json_is_refused(body, build, clock):
    claims = {"iat": int(time.time()), "payload_hash": sha256(body)}
    headers = {"authorization": f"Bearer {jwt(claims)}"}
    refused(build("vonage"), Callback(CALLBACK, headers=headers, body=body))


@pytest.mark.parametrize(
    "change",
    [
        {"alg": "none"},
        {"alg": "HS512"},
        {"alg": "HS512", "method": "sha512"},
        {"alg": ["HS256"]},
    ],
    ids=str,
)
def test_the_algorithm_of_a_token_is_ours_to_choose(change, build, clock):
    claims = {"iat": int(time.time()), "payload_hash": sha256(b"{}")}
    token = jwt(claims, **change)
    callback = Callback(CALLBACK, headers={"authorization": f"Bearer {token}"}, body=b"{}")
    refused(build("vonage"), callback)
    unsigned = token.rpartition(".")[0] + "."
    headers = {"authorization": f"Bearer {unsigned}"}
    refused(build("vonage"), Callback(CALLBACK, headers=headers, body=b"{}"))


@pytest.mark.parametrize("way", ["json", "form", "query"])
@pytest.mark.parametrize("method", ["sha256", "sha512"])
def test_vonage_sends_receipts_in_the_way_the_account_chose(way, method, build, clock):
    told = PROVIDERS["vonage"].told[0]
    callback = sign_vonage(told.data, time.time(), method)
    text = urlencode(json.loads(callback.body))
    form = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}
    ways = {
        "json": callback,
        "form": Callback(CALLBACK, headers=form, body=text.encode()),
        "query": Callback(f"https://verify.example.org/reports/it?{text}", "GET"),
    }
    sender = build("vonage", signature_method=method)
    assert sender.reports(ways[way]) == [Report(*told.report)]


def test_a_token_for_messagebird_must_be_of_its_own(build, clock):
    now = int(time.time())
    good = {"iss": "MessageBird", "nbf": now, "exp": now + 60, "url_hash": sha256(CALLBACK)}
    for change in ({"iss": "Other"}, {"exp": now - 1}, {"nbf": None}, {"exp": True}):
        token = jwt(good | change)
        refused(
            build("messagebird"), Callback(CALLBACK, "GET", {"messagebird-signature-jwt": token})
        )
    headers = {"messagebird-signature-jwt": jwt(good)}
    assert build("messagebird").reports(Callback(CALLBACK, "GET", headers)) == []
    refused(build("messagebird"), Callback(CALLBACK, "POST", headers, b"x"))
    headers = {"messagebird-signature-jwt": jwt(good | {"payload_hash": sha256(b"x")})}
    assert build("messagebird").reports(Callback(CALLBACK, "POST", headers, b"x")) == []
    refused(build("messagebird"), Callback(CALLBACK, "POST", headers))


def test_plivo_signs_with_the_account_or_its_parent(build, clock):
    told = PROVIDERS["plivo"].told[0]
    callback = told.sign(told.data, time.time())
    headers = dict(callback.headers)
    headers["x-plivo-signature-ma-v3"] = f"AAAA, {headers.pop('x-plivo-signature-v3')}"
    found = build("plivo").reports(dataclasses.replace(callback, headers=headers))
    assert found == [Report(*told.report)]


def test_a_token_given_twice_is_refused(build, clock):
    told = PROVIDERS["africastalking"].told[0]
    callback = told.sign(told.data, time.time())
    url = f"{callback.url}&token={SECRET}"
    refused(build("africastalking"), dataclasses.replace(callback, url=url))
