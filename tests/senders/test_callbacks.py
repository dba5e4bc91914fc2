"""Reports of providers: believed when they are signed, refused whatever else they are."""

import dataclasses
import json
import time
from urllib.parse import quote, urlencode

import pytest

from django_verify.senders import Callback, CallbackRefused, Report, TemporarySendError
from tests.senders.apis import CALLBACK, SECRET, hmac64, jwt, plivo_state, sha256
from tests.senders.conftest import told_of
from tests.senders.providers import PROVIDERS, sign_plivo_v2, sign_vonage

LISTED = [
    (name, received) for name, provider in PROVIDERS.items() for received in provider.received
]
every_provider = pytest.mark.parametrize("name", PROVIDERS)
every_callback = pytest.mark.parametrize(("name", "received"), LISTED, ids=[n for n, _ in LISTED])


@every_callback
def test_a_signed_callback_is_believed(name, received, sender_of, clock):
    sender = sender_of(name)
    assert sender.reporting is True
    assert sender.reports(received.sign(received.data, time.time())) == [Report(*received.report)]


def refused(sender, callback):
    with pytest.raises(CallbackRefused):
        sender.reports(callback)


def flipped(text, at):
    return text[:at] + chr(ord(text[at]) ^ 1) + text[at + 1 :]


@every_callback
def test_any_change_is_refused(name, received, sender_of, clock):
    sender = sender_of(name)
    callback = received.sign(received.data, time.time())
    for header in set(callback.headers) - {"content-type"}:
        value = callback.headers[header]
        start = len("Bearer ") if header == "authorization" else 0
        for at in range(start, len(value)):
            headers = callback.headers | {header: flipped(value, at)}
            refused(sender, dataclasses.replace(callback, headers=headers))
        rest = {key: one for key, one in callback.headers.items() if key != header}
        refused(sender, dataclasses.replace(callback, headers=rest))
    for at in range(len(callback.body) if received.whole else 0):
        body = bytearray(callback.body)
        body[at] ^= 1
        refused(sender, dataclasses.replace(callback, body=bytes(body)))
    if received.whole:
        refused(sender, dataclasses.replace(callback, body=callback.body + b"&x=1"))
    refused(sender, received.sign(received.data, time.time(), secret="another"))


@pytest.mark.parametrize("name", ["messagebird", "bird", "plivo", "africastalking"])
def test_where_the_recipient_is_signed_it_cannot_be_changed(name, sender_of, clock):
    received = PROVIDERS[name].received[0]
    callback = received.sign(received.data, time.time())
    begin = callback.url.index("token=") + 6 if name == "africastalking" else len("https://")
    for at in range(begin, len(callback.url)):
        refused(sender_of(name), dataclasses.replace(callback, url=flipped(callback.url, at)))


@pytest.mark.parametrize(("name", "received"), [row for row in LISTED if row[1].dated])
@pytest.mark.parametrize("shift", [301, -301])
def test_an_old_or_a_coming_callback_is_refused(name, received, shift, sender_of, clock):
    sender = sender_of(name)
    refused(sender, received.sign(received.data, time.time() + shift))
    near = 250 if shift > 0 else -250
    if name != "messagebird":
        assert sender.reports(received.sign(received.data, time.time() + near))


@every_callback
def test_an_unsigned_callback_is_refused(name, received, sender_of, clock):
    sender = sender_of(name)
    callback = received.sign(received.data, time.time())
    refused(sender, Callback(CALLBACK, callback.method, {}, b""))
    refused(sender, Callback(CALLBACK, callback.method, {}, json.dumps(received.data).encode()))


@every_provider
def test_without_its_secret_it_takes_no_reports(name, sender_of, clock):
    provider = PROVIDERS[name]
    if not provider.silent:
        return
    sender = sender_of(name, **provider.silent)
    assert sender.reporting is False
    for received in provider.received:
        refused(sender, received.sign(received.data, time.time(), secret=""))
        refused(sender, received.sign(received.data, time.time()))


GARBAGE = ["", "x", "é\ud800", "a.b.c", "Bearer ..", "Bearer a.b.c", "=" * 44, "A" * 44, "1" * 99]


@every_callback
@pytest.mark.parametrize("value", GARBAGE)
def test_garbage_is_refused_and_nothing_else_is_raised(name, received, value, sender_of, clock):
    sender = sender_of(name)
    callback = received.sign(received.data, time.time())
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
def test_a_refusal_holds_nothing_of_the_callback(name, received, sender_of):
    body = b'{"number":"+14155552671", nonsense'
    with pytest.raises(CallbackRefused) as caught:
        sender_of(name).reports(Callback(CALLBACK, headers={"telnyx-timestamp": "1"}, body=body))
    assert not [received for received in told_of(caught.value) if "14155552671" in received]


@every_callback
def test_a_signed_callback_of_nothing_we_know_reports_nothing(name, received, sender_of, clock):
    sender = sender_of(name)
    for data in ({"status": "new"}, {"id": "1"}, {"event": "x", "Status": "queued"}):
        assert sender.reports(received.sign(data, time.time())) == []


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("sinch", {"type": "delivery_report_sms"}),
        ("bird", {"event": "sms.inbound"}),
        ("telnyx", {"data": {"event_type": "message.received"}}),
    ],
)
def test_a_message_that_came_in_is_no_report(name, other, sender_of, clock):
    received = PROVIDERS[name].received[0]
    data = received.data | {
        key: received.data[key] | value if isinstance(value, dict) else value
        for key, value in other.items()
    }
    assert sender_of(name).reports(received.sign(data, time.time())) == []


@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b"nonsense", b"\xff"], ids=lambda body: repr(body[:8])
)
def test_a_signed_body_that_is_no_json_is_refused(body, sender_of, clock):
    claims = {"iat": int(time.time()), "payload_hash": sha256(body)}
    headers = {"authorization": f"Bearer {jwt(claims)}"}
    refused(sender_of("vonage"), Callback(CALLBACK, headers=headers, body=body))


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
def test_the_algorithm_of_a_token_is_ours_to_choose(change, sender_of, clock):
    claims = {"iat": int(time.time()), "payload_hash": sha256(b"{}")}
    token = jwt(claims, **change)
    callback = Callback(CALLBACK, headers={"authorization": f"Bearer {token}"}, body=b"{}")
    refused(sender_of("vonage"), callback)
    unsigned = token.rpartition(".")[0] + "."
    headers = {"authorization": f"Bearer {unsigned}"}
    refused(sender_of("vonage"), Callback(CALLBACK, headers=headers, body=b"{}"))


@pytest.mark.parametrize("way", ["json", "form", "query"])
@pytest.mark.parametrize("method", ["sha256", "sha512"])
def test_vonage_sends_delivery_reports_in_the_way_the_account_chose(way, method, sender_of, clock):
    received = PROVIDERS["vonage"].received[0]
    callback = sign_vonage(received.data, time.time(), method)
    text = urlencode(json.loads(callback.body))
    form = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}
    ways = {
        "json": callback,
        "form": Callback(CALLBACK, headers=form, body=text.encode()),
        "query": Callback(f"https://verify.example.org/reports/it?{text}", "GET"),
    }
    sender = sender_of("vonage", signature_method=method)
    assert sender.reports(ways[way]) == [Report(*received.report)]


def test_a_token_for_messagebird_must_be_of_its_own(sender_of, clock):
    now = int(time.time())
    good = {"iss": "MessageBird", "nbf": now, "exp": now + 60, "url_hash": sha256(CALLBACK)}
    for change in ({"iss": "Other"}, {"exp": now - 1}, {"nbf": None}, {"exp": True}):
        token = jwt(good | change)
        refused(
            sender_of("messagebird"),
            Callback(CALLBACK, "GET", {"messagebird-signature-jwt": token}),
        )
    headers = {"messagebird-signature-jwt": jwt(good)}
    assert sender_of("messagebird").reports(Callback(CALLBACK, "GET", headers)) == []
    refused(sender_of("messagebird"), Callback(CALLBACK, "POST", headers, b"x"))
    headers = {"messagebird-signature-jwt": jwt(good | {"payload_hash": sha256(b"x")})}
    assert sender_of("messagebird").reports(Callback(CALLBACK, "POST", headers, b"x")) == []
    refused(sender_of("messagebird"), Callback(CALLBACK, "POST", headers))


def test_plivo_signs_with_the_account_or_its_parent(sender_of, clock):
    received = PROVIDERS["plivo"].received[0]
    callback = received.sign(received.data, time.time())
    headers = dict(callback.headers)
    headers["x-plivo-signature-ma-v3"] = f"AAAA, {headers.pop('x-plivo-signature-v3')}"
    found = sender_of("plivo").reports(dataclasses.replace(callback, headers=headers))
    assert found == [Report(*received.report)]


UUID = "db3ce55a-7f1d-11e1-8ea7-1231380bc196"


@pytest.mark.parametrize(
    ("state", "code", "found"),
    [
        ("delivered", "000", ["delivered", ""]),
        ("undelivered", "50", ["undelivered", "50"]),
        ("rejected", "410", ["undelivered", "410"]),
        ("queued", None, []),
    ],
)
def test_of_what_plivo_does_not_sign_the_state_is_read_back(state, code, found, sender_of, network):
    network.say(*plivo_state(UUID, state, code))
    lie = {"MessageUUID": UUID, "Status": "read", "ErrorCode": "1", "TotalAmount": "9"}
    reports = sender_of("plivo").reports(sign_plivo_v2(lie, time.time()))
    assert [[one.status, one.code] for one in reports] == ([found] if found else [])
    assert all((one.provider_sid, one.price_value) == (UUID, "0.00350") for one in reports)
    (asked,) = network.asked
    assert (asked.method, asked.path) == ("GET", f"/v1/Account/MA1/Message/{UUID}/")


def test_plivos_second_signature_is_of_the_recipient(sender_of, network):
    sender, callback = sender_of("plivo"), sign_plivo_v2({"MessageUUID": UUID}, time.time())
    for header in ("x-plivo-signature-v2", "x-plivo-signature-v2-nonce"):
        for at in range(len(callback.headers[header])):
            headers = callback.headers | {header: flipped(callback.headers[header], at)}
            refused(sender, dataclasses.replace(callback, headers=headers))
    for at in range(len("https://"), callback.url.index("?")):
        refused(sender, dataclasses.replace(callback, url=flipped(callback.url, at)))
    refused(sender, sign_plivo_v2({"MessageUUID": UUID}, time.time(), secret="another"))
    assert network.asked == []
    renamed = dict(callback.headers)
    renamed["x-plivo-signature-ma-v2"] = f"AAAA, {renamed.pop('x-plivo-signature-v2')}"
    assert sender.reports(dataclasses.replace(callback, headers=renamed))


@pytest.mark.parametrize("sid", ["", "../../Account", "a/b", "x?y", "é", "1" * 65, "1\n"])
def test_an_id_that_is_none_is_not_asked_for(sid, sender_of, network):
    assert sender_of("plivo").reports(sign_plivo_v2({"MessageUUID": sid}, time.time())) == []
    assert network.asked == []


def test_a_message_that_plivo_does_not_know_is_no_report(sender_of, network):
    network.say(404, b"not found")
    assert sender_of("plivo").reports(sign_plivo_v2({"MessageUUID": UUID}, time.time())) == []
    network.say(200, {"message_uuid": "another", "message_state": "delivered"})
    with pytest.raises(TemporarySendError):
        sender_of("plivo").reports(sign_plivo_v2({"MessageUUID": UUID}, time.time()))


def test_plivo_may_report_by_get(sender_of, clock):
    received = PROVIDERS["plivo"].received[0]
    query = urlencode(received.data)
    url = f"https://verify.example.org/verify/r/x?{query}"
    nonce = "1"
    signed = "&".join(f"{name}={received.data[name]}" for name in sorted(received.data))
    text = f"https://verify.example.org/verify/r/x?{signed}.{nonce}"
    headers = {
        "x-plivo-signature-v3": hmac64(SECRET, text.encode()),
        "x-plivo-signature-v3-nonce": nonce,
    }
    found = sender_of("plivo").reports(Callback(url, "GET", headers))
    assert found == [Report(*received.report)]


def test_a_token_given_twice_is_refused(sender_of, clock):
    received = PROVIDERS["africastalking"].received[0]
    callback = received.sign(received.data, time.time())
    url = f"{callback.url}&token={SECRET}"
    refused(sender_of("africastalking"), dataclasses.replace(callback, url=url))


@every_callback
@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "PUT"])
def test_what_stands_beside_a_signed_report_is_not_read(name, received, method, sender_of, clock):
    sender = sender_of(name)
    callback = received.sign(received.data, time.time())
    forged = urlencode(
        {"id": "forged", "status": "failed", "messageId": "forged", "MessageSid": "forged"}
        | {"MessageUUID": "forged", "Status": "failed", "uuid": "forged", "MessageStatus": "failed"}
    )
    url = f"{callback.url}{'&' if '?' in callback.url else '?'}{forged}"
    for changed in (
        dataclasses.replace(callback, method=method, url=url),
        dataclasses.replace(callback, method=method),
    ):
        try:
            found = sender.reports(changed)
        except (CallbackRefused, TemporarySendError):
            continue
        assert found in ([], [Report(*received.report)])
