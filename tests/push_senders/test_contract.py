"""What every push sender owes its callers, against fakes of both push services' HTTP APIs."""

import json
import logging
import threading
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa, utils
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from django_verify.net import google as google_accounts
from django_verify.push_senders import (
    Credential,
    PushError,
    PushMessage,
    PushSender,
    TemporaryPushError,
    Unregistered,
    apn,
    fcm,
    memory,
)
from tests.device import APN_TOKEN, FCM_TOKEN

TEXT = "Pay 10 € to Jane?"
DATA = {
    "type": "verify_push_challenge",
    "factor_sid": "YF" + "1" * 32,
    "challenge_sid": "YC" + "2" * 32,
    "message": TEXT,
}


def pem(key):
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


APN_KEY = ec.generate_private_key(ec.SECP256R1())
P8 = pem(APN_KEY)
ACCOUNT = json.dumps(
    {
        "type": "service_account",
        "project_id": "our-project",
        "client_email": "push@our-project.iam.gserviceaccount.com",
        "private_key_id": "k1",
        "private_key": pem(rsa.generate_private_key(65537, 2048)),
        "token_uri": "https://elsewhere.invalid/",
    }
)


def message(token, ttl=120):
    return PushMessage(
        "NT" + "a" * 32,
        token,
        "com.example.app",
        DATA["factor_sid"],
        DATA["challenge_sid"],
        TEXT,
        ttl,
    )


class Fake:
    """What a push service was asked, and what it answers next."""

    def __init__(self):
        self.calls = []
        self.answers = []
        self.tokens = 0
        self.refuse_token = None

    def next(self, default):
        return self.answers.pop(0) if self.answers else default


@pytest.fixture
def google():
    """A token endpoint and a send endpoint on loopback."""
    fake = Fake()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path == "/token":
                fake.tokens += 1
                status, headers, data = fake.refuse_token or (
                    200,
                    {},
                    {"access_token": f"ya29.{fake.tokens}", "expires_in": 3600},
                )
            else:
                fake.calls.append(
                    SimpleNamespace(path=self.path, headers=self.headers, body=json.loads(body))
                )
                status, headers, data = fake.next((200, {}, {"name": "projects/p/messages/1"}))
            text = data if isinstance(data, bytes) else json.dumps(data).encode()
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    fake.url = f"http://127.0.0.1:{server.server_port}"
    fake.sender = fcm.FcmSender(
        "fcm", service_account=ACCOUNT, endpoint=fake.url, token_uri=f"{fake.url}/token"
    )
    fake.message, fake.credential = message(FCM_TOKEN), Credential(ACCOUNT)
    yield fake
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def apple():
    fake = Fake()

    def handle(request):
        fake.calls.append(request)
        status, headers, data = fake.next((200, {"apns-id": "x-1"}, b""))
        if isinstance(data, Exception):
            raise data
        return httpx.Response(
            status, headers=headers, content=data if isinstance(data, bytes) else json.dumps(data)
        )

    fake.sender = apn.ApnSender(
        "apn",
        key=P8,
        key_id="KEY1234567",
        team_id="TEAM123456",
        transport=httpx.MockTransport(handle),
    )
    fake.message = message(APN_TOKEN)
    fake.credential = Credential(P8, "T2", "K2", "com.example.other", True)
    return fake


@pytest.fixture
def service(request):
    """The fake of one push service, by its name."""
    return request.getfixturevalue(request.param)


def google_error(status, code, **headers):
    detail = {"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": code}
    error = {"code": status, "message": f"about {FCM_TOKEN}", "status": "X", "details": [detail]}
    return status, headers, {"error": error}


def apple_error(status, reason, **headers):
    return status, headers, {"reason": reason}


FAILURES = [
    ("google", google_error(404, "UNREGISTERED"), Unregistered),
    ("google", google_error(400, "INVALID_ARGUMENT"), PushError),
    ("google", google_error(403, "SENDER_ID_MISMATCH"), PushError),
    ("google", google_error(401, "THIRD_PARTY_AUTH_ERROR"), TemporaryPushError),
    ("google", google_error(429, "QUOTA_EXCEEDED", **{"Retry-After": "90"}), TemporaryPushError),
    ("google", google_error(500, "INTERNAL"), TemporaryPushError),
    ("google", google_error(503, "UNAVAILABLE", **{"Retry-After": "90"}), TemporaryPushError),
    ("google", (503, {}, b"<html>" + FCM_TOKEN.encode()), TemporaryPushError),
    ("google", (404, {}, b"[" * 5000), PushError),
    ("google", (302, {"Location": "http://127.0.0.1:1/"}, b""), PushError),
    ("google", (400, {}, {"error": "text"}), PushError),
    ("apple", apple_error(410, "Unregistered"), Unregistered),
    ("apple", apple_error(410, "ExpiredToken"), Unregistered),
    ("apple", apple_error(400, "BadDeviceToken"), PushError),
    ("apple", apple_error(400, "DeviceTokenNotForTopic"), PushError),
    ("apple", apple_error(403, "InvalidProviderToken"), PushError),
    ("apple", apple_error(403, "ExpiredProviderToken"), TemporaryPushError),
    ("apple", apple_error(413, "PayloadTooLarge"), PushError),
    ("apple", apple_error(429, "TooManyRequests", **{"retry-after": "90"}), TemporaryPushError),
    ("apple", apple_error(500, "InternalServerError"), TemporaryPushError),
    ("apple", apple_error(503, "Shutdown", **{"retry-after": "90"}), TemporaryPushError),
    ("apple", (400, {}, b"[1"), PushError),
    ("apple", (0, {}, httpx.ConnectTimeout(APN_TOKEN)), TemporaryPushError),
    ("apple", (0, {}, httpx.RemoteProtocolError(APN_TOKEN)), TemporaryPushError),
]


@pytest.mark.parametrize(("service", "answer", "kind"), FAILURES, indirect=["service"])
def test_a_refusal_is_of_its_kind_and_reports_no_secret(service, answer, kind, caplog):
    service.answers.append(answer)
    with caplog.at_level(logging.DEBUG), pytest.raises(PushError) as caught:
        service.sender.send(service.message, None)
    error = caught.value
    assert type(error) is kind
    asked = {name.lower() for name in answer[1]} & {"retry-after"}
    assert getattr(error, "retry_after", None) == (90 if asked else None)
    assert 0 < len(str(error)) <= 128
    received = "".join([str(error), *traceback.format_exception(error), caplog.text])
    secrets = (TEXT, FCM_TOKEN, "ya29.", "PRIVATE KEY", ACCOUNT)
    assert not [secret for secret in secrets if secret in received]


@pytest.mark.parametrize("service", ["google", "apple"], indirect=True)
def test_no_credential_is_a_permanent_error(service):
    bare = type(service.sender)(service.sender.platform)
    with pytest.raises(PushError, match="no credential"):
        bare.send(service.message, None)
    with pytest.raises(PushError, match="cannot be read"):
        bare.send(service.message, Credential("nonsense"))
    assert service.calls == []


def test_fcm_sends_data_alone_and_keeps_its_access_token(google):
    assert google.sender.send(google.message, None) == "projects/p/messages/1"
    google.sender.send(message(FCM_TOKEN, 0), google.credential)
    first, second = google.calls
    assert first.path == "/v1/projects/our-project/messages:send"
    assert first.headers["Authorization"] == "Bearer ya29.1"
    assert first.body == {
        "message": {
            "token": FCM_TOKEN,
            "data": DATA,
            "android": {"priority": "HIGH", "ttl": "120s"},
        }
    }
    assert second.body["message"]["android"]["ttl"] == "0s"
    assert google.tokens == 1
    google.answers.append(google_error(401, "UNAUTHENTICATED"))
    with pytest.raises(TemporaryPushError):
        google.sender.send(google.message, None)
    google.sender.send(google.message, None)
    assert google.tokens == 2


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ((400, {}, {"error": "invalid_grant", "error_description": FCM_TOKEN}), PushError),
        ((500, {}, b"<html>"), TemporaryPushError),
    ],
)
def test_a_service_account_that_google_refuses(google, answer, kind, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    google.refuse_token = answer
    with pytest.raises(PushError) as caught:
        google.sender.send(google.message, None)
    assert type(caught.value) is kind
    assert FCM_TOKEN not in str(caught.value)
    assert google.calls == []


def test_fcm_that_cannot_be_reached(google):
    away = fcm.FcmSender(
        "fcm",
        service_account=ACCOUNT,
        endpoint="http://127.0.0.1:1",
        token_uri=f"{google.url}/token",
    )
    with pytest.raises(TemporaryPushError):
        away.send(google.message, None)
    unknown = fcm.FcmSender("fcm", service_account=ACCOUNT, token_uri="http://127.0.0.1:1/")
    with pytest.raises(TemporaryPushError):
        unknown.send(google.message, None)


def test_fcm_reads_the_key_from_a_file(tmp_path):
    path = tmp_path / "key.json"
    path.write_text(ACCOUNT)
    assert list(fcm.FcmSender("fcm", service_account=str(path)).check()) == []
    for bad in (str(tmp_path / "none"), '{"type": "x"}', "{"):
        (error,) = fcm.FcmSender("fcm", service_account=bad).check()
        assert error.id == "django_verify.E033"


def test_apns_gets_an_alert_of_the_devices_app(apple, clock):
    assert apple.sender.send(apple.message, None) == "x-1"
    (call,) = apple.calls
    assert str(call.url) == f"https://api.push.apple.com/3/device/{APN_TOKEN}"
    headers = {name: call.headers[name] for name in call.headers if name.startswith("apns")}
    assert headers == {
        "apns-topic": "com.example.app",
        "apns-push-type": "alert",
        "apns-priority": "10",
        "apns-expiration": "1772366520",
        "apns-id": "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa",
    }
    aps = {"alert": TEXT, "category": "verify_push_challenge"}
    assert json.loads(call.content) == {"aps": aps, **DATA}
    import base64

    head, claims, signature = call.headers["authorization"].removeprefix("bearer ").split(".")
    raw = base64.urlsafe_b64decode(signature + "==")
    assert len(raw) == 64
    der = utils.encode_dss_signature(
        int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")
    )
    APN_KEY.public_key().verify(der, f"{head}.{claims}".encode(), ec.ECDSA(SHA256()))
    parts = [json.loads(base64.urlsafe_b64decode(part + "==")) for part in (head, claims)]
    assert parts == [
        {"alg": "ES256", "kid": "KEY1234567"},
        {"iss": "TEAM123456", "iat": 1772366400},
    ]


def test_apns_by_a_services_own_credential(apple):
    apple.sender.send(message("../../evil?x" + "0" * 40, 0), apple.credential)
    (call,) = apple.calls
    assert call.url.host == "api.sandbox.push.apple.com"
    assert call.url.raw_path == b"/3/device/..%2F..%2Fevil%3Fx" + b"0" * 40
    assert call.headers["apns-topic"] == "com.example.other"
    assert call.headers["apns-expiration"] == "0"


def test_a_provider_token_is_kept_for_fifty_minutes(apple, clock):
    def used():
        apple.sender.send(apple.message, None)
        return apple.calls[-1].headers["authorization"]

    first = used()
    clock.shift(2999)
    assert used() == first
    clock.shift(1)
    second = used()
    assert second != first
    apple.answers.append(apple_error(403, "ExpiredProviderToken"))
    with pytest.raises(TemporaryPushError):
        apple.sender.send(apple.message, None)
    clock.shift(1)
    assert used() != second


def test_a_real_client_speaks_http_2(monkeypatch):
    options = {}
    monkeypatch.setattr(httpx, "Client", lambda **kwargs: options.update(kwargs))
    apn.ApnSender("apn", key=P8)._connection()
    assert (options["http2"], options["trust_env"], options["transport"]) == (True, False, None)


@pytest.mark.parametrize(
    ("module", "good", "bad"),
    [
        (fcm, ACCOUNT, ["", "{", "[]", '{"type": "service_account"}', "[" * 5000]),
        (apn, P8, ["", "x", pem(rsa.generate_private_key(65537, 2048)), P8[:-40]]),
        (apn, P8, [pem(ec.generate_private_key(ec.SECP384R1()))]),
    ],
)
def test_faults_of_a_secret(module, good, bad):
    assert module.fault_of_secret(good) == ""
    for secret in bad:
        assert module.fault_of_secret(secret)


@pytest.mark.parametrize("module", [fcm, apn])
def test_a_missing_library_is_reported(module, monkeypatch):
    library = google_accounts if module is fcm else apn
    monkeypatch.setattr(library, "find_spec", lambda name: None)
    kind = fcm.FcmSender if module is fcm else apn.ApnSender
    (error,) = kind("x").check()
    assert error.id == "django_verify.E032"


def test_a_bad_key_of_apns_is_reported():
    (error,) = apn.ApnSender("apn", key="x").check()
    assert (error.id, "x" not in error.msg.split()) == ("django_verify.E033", True)
    assert list(apn.ApnSender("apn", key=P8).check()) == []


def test_memory_keeps_what_it_is_given():
    memory.outbox.clear()
    sender = memory.MemorySender("fcm")
    assert sender.send(message(FCM_TOKEN), None) == "NT" + "a" * 32
    assert memory.outbox.pop().data() == DATA
    assert sender.development


def test_the_base_promises_nothing_by_itself():
    sender = PushSender("fcm")
    assert (sender.development, list(sender.check())) == (False, [])
    with pytest.raises(NotImplementedError):
        sender.send(message(FCM_TOKEN), None)
