"""Fakes of providers' HTTP APIs, each as its documentation has it, and how each signs.

A fake gets a prepared request, refuses what the provider would, and answers as documented. The
`sign` functions are the providers' side of a callback; they share no code with the senders.
"""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from urllib.parse import parse_qs, urlencode, urlsplit

from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from django_verify.senders import Callback, SendError, TemporarySendError

CALLBACK = "https://verify.example.org/reports/it?hello=w%20orld"
PHONE = "+14155552671"
SECRET = "s3cret-of-the-account"
ED25519 = ed25519.Ed25519PrivateKey.generate()
ED25519_PUBLIC = base64.b64encode(
    ED25519.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
).decode()
_PEM = Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()


@cache
def rsa_key():
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@cache
def rsa_pem():
    return rsa_key().private_bytes(*_PEM).decode()


def ed25519_pem():
    return ED25519.private_bytes(*_PEM).decode()


class Asked:
    """One request as it would be on the wire."""

    def __init__(self, prepared):
        url = urlsplit(prepared.url)
        self.method, self.host, self.path = prepared.method, url.netloc, url.path
        self.headers = {name.lower(): value for name, value in prepared.headers.items()}
        self.body = prepared.body.encode() if isinstance(prepared.body, str) else prepared.body

    @property
    def form(self):
        assert self.headers["content-type"] == "application/x-www-form-urlencoded"
        values = parse_qs(self.body.decode(), keep_blank_values=True, strict_parsing=True)
        return {name: value for name, (value,) in values.items()}

    @property
    def json(self):
        assert self.headers["content-type"] == "application/json"
        return json.loads(self.body)

    @property
    def authorization(self):
        return self.headers.get("authorization", "")


def basic(user, password):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def part(data):
    """One part of a JWT."""
    raw = data if isinstance(data, bytes) else json.dumps(data).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def jwt(claims, secret=SECRET, alg="HS256", method="sha256"):
    head = f"{part({'alg': alg, 'typ': 'JWT'})}.{part(claims)}"
    return f"{head}.{part(hmac.digest(secret.encode(), head.encode(), method))}"


def unpart(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def sha256(data):
    return hashlib.sha256(data if isinstance(data, bytes) else data.encode()).hexdigest()


def hmac64(secret, data):
    return base64.b64encode(hmac.digest(secret.encode(), data, "sha256")).decode()


def compact(data):
    return json.dumps(data, separators=(",", ":")).encode()


def vonage(asked):
    if asked.path == "/sms/json":
        form = asked.form
        if asked.authorization != basic("key", "api-s3cret"):
            status = "4"
        elif not {"from", "to", "text"} <= set(form):
            status = "2"
        elif not (form["to"].isdigit() and form["type"] in {"text", "unicode"}):
            status = "3"
        else:
            taken = {"to": form["to"], "message-id": "0A0000000123ABCD1", "status": "0"}
            taken |= {"remaining-balance": "3.14", "message-price": "0.03330000", "network": "1"}
            return 200, {"message-count": "1", "messages": [taken]}
        return 200, vonage_error(status)
    assert asked.path == "/v1/calls"
    head, _, signature = asked.authorization.removeprefix("Bearer ").rpartition(".")
    rsa_key().public_key().verify(
        unpart(signature), head.encode(), padding.PKCS1v15(), SHA256()
    )  # raises
    header, claims = (json.loads(unpart(one)) for one in head.split("."))
    assert header == {"alg": "RS256", "typ": "JWT"}
    if claims["application_id"] != "app-1" or not claims["iat"] <= time.time() <= claims["exp"]:
        return 401, {"type": "UNAUTHORIZED", "error_title": "Unauthorized"}
    if not {"to", "from", "ncco"} <= set(asked.json):
        return 400, {"title": "Bad Request"}
    call = "63f61863-4a51-4f6b-86e1-46edebcf9356"
    return 201, {"uuid": call, "status": "started", "direction": "outbound"}


def vonage_error(status):
    text = f"Something about {PHONE}"
    return {"message-count": "1", "messages": [{"status": status, "error-text": text}]}


def messagebird(asked):
    if asked.authorization != "AccessKey key-1":
        return 401, messagebird_error(2)
    body = asked.json
    if not {"originator", "body", "recipients"} <= set(body):
        return 422, messagebird_error(9)
    if asked.path == "/voicemessages" and "-" not in body["language"]:
        return 422, messagebird_error(10)
    assert asked.path in {"/messages", "/voicemessages"}
    sent = [{"recipient": int(one), "status": "sent"} for one in body["recipients"]]
    return 201, {"id": "e8077d803532c0b5937c639b60216938", "recipients": {"items": sent}}


def messagebird_error(code):
    text = f"no (correct) recipients found: {PHONE}"
    return {"errors": [{"code": code, "description": text, "parameter": "recipients"}]}


def bird(asked):
    assert asked.path == "/workspaces/w-1/channels/c-1/messages"
    if asked.authorization != "AccessKey key-1":
        return 401, {"code": "Unauthorized", "message": "who?"}
    body = asked.json
    (contact,) = body["receiver"]["contacts"]
    if contact["identifierKey"] != "phonenumber" or body["body"]["type"] != "text":
        return 422, {"code": "InvalidPayload", "message": f"no {PHONE}"}
    return 202, {"id": "b3f42dc4-1bf8-4b6b-9a3b-111111111111", "status": "accepted"}


def plivo(asked):
    assert asked.path == "/v1/Account/MA1/Message/"
    if asked.authorization != basic("MA1", SECRET):
        return 401, b"Could not verify your access level for that URL."
    if not ({"dst", "text"} <= set(asked.json) and {"src", "powerpack_uuid"} & set(asked.json)):
        return 400, {"api_id": "1", "error": f"{PHONE} is not valid"}
    sid = "db3ce55a-7f1d-11e1-8ea7-1231380bc196"
    return 202, {"message": "message(s) queued", "message_uuid": [sid], "api_id": "1"}


def sinch(asked):
    if asked.path == "/calling/v1/callouts":
        if asked.authorization != basic("vkey", "v-s3cret"):
            return 401, {"errorCode": 40100, "message": "Unauthorized", "reference": "r"}
        callout = asked.json["ttsCallout"]
        if not ({"destination", "text", "locale"} <= set(callout)):
            return 400, {"errorCode": 40001, "message": f"no {PHONE}", "reference": "r"}
        return 200, {"callId": "1398599d-40af-4b75-95c9-dc01ff24e8b6"}
    assert asked.path == "/xms/v1/plan-1/batches"
    if asked.authorization != "Bearer token-1":
        return 401, b""
    if not ({"to", "body"} <= set(asked.json)):
        return 400, {"code": "syntax_constraint_violation", "text": f"no {PHONE}"}
    return 201, {"id": "01FC66621XXXXX119Z8PMV1QPQ", "to": asked.json["to"], "canceled": False}


def telnyx(asked):
    assert asked.path == "/v2/messages"
    if asked.authorization != "Bearer KEY1":
        return 401, telnyx_error("10009")
    if not (
        {"to", "text"} <= set(asked.json) and {"from", "messaging_profile_id"} & set(asked.json)
    ):
        return 422, telnyx_error("10004")
    data = {"id": "40385f64-5717-4562-b3fc-2c963f66afa6", "record_type": "message"}
    data |= {"to": [{"phone_number": asked.json["to"], "status": "queued"}]}
    return 200, {"data": data | {"cost": {"amount": "0.0051", "currency": "USD"}}}


def telnyx_error(code):
    return {"errors": [{"code": code, "title": "no", "detail": f"about {PHONE}"}]}


def africastalking(asked):
    assert asked.path == "/version1/messaging"
    if asked.headers.get("apikey") != "key-1":
        return 401, b"The supplied authentication is invalid"
    form = asked.form
    if form["username"] != "acme" or not {"to", "message"} <= set(form):
        return 400, b"Must have a value"
    return 201, africastalking_answer(101, "Success", sid="ATPid_SampleTxnId123")


def africastalking_answer(code, status, sid="None"):
    recipient = {"statusCode": code, "number": PHONE, "status": status, "messageId": sid}
    recipient["cost"] = "KES 0.8000" if sid != "None" else "0"
    return {"SMSMessageData": {"Message": f"Sent to {PHONE}", "Recipients": [recipient]}}


def sign_vonage(data, now, method="sha256", secret=SECRET):
    values = {**data, "timestamp": str(int(now)), "nonce": "n-1"}
    plain = {name: value.replace("&", "_").replace("=", "_") for name, value in values.items()}
    text = "".join(f"&{name}={plain[name]}" for name in sorted(plain)).encode()
    values["sig"] = hmac.new(secret.encode(), text, method).hexdigest().upper()
    return Callback(CALLBACK, headers={"content-type": "application/json"}, body=compact(values))


def sign_vonage_call(data, now, secret=SECRET):
    body = compact(data)
    claims = {"iat": int(now), "jti": "j", "iss": "Vonage", "payload_hash": sha256(body)}
    headers = {"authorization": f"Bearer {jwt(claims, secret)}"}
    return Callback(CALLBACK, headers=headers | {"content-type": "application/json"}, body=body)


def sign_messagebird(data, now, secret=SECRET):
    url = f"{CALLBACK}&{urlencode(data)}"
    claims = {"iss": "MessageBird", "nbf": int(now), "exp": int(now) + 60, "jti": "j"}
    token = jwt(claims | {"url_hash": sha256(url)}, secret)
    return Callback(url, "GET", headers={"messagebird-signature-jwt": token})


def sign_bird(data, now, secret=SECRET):
    body, at = compact(data), str(int(now))
    text = f"{at}\n{CALLBACK}\n".encode() + hashlib.sha256(body).digest()
    headers = {"messagebird-signature": hmac64(secret, text), "messagebird-request-timestamp": at}
    return Callback(CALLBACK, headers=headers, body=body)


def sign_plivo(data, now, secret=SECRET):
    posted = "".join(f"{name}{data[name]}" for name in sorted(data))
    nonce = "05429567804466091622"
    text = f"https://verify.example.org/reports/it?hello=w orld.{posted}.{nonce}"
    headers = {
        "x-plivo-signature-v3": hmac64(secret, text.encode()),
        "x-plivo-signature-v3-nonce": nonce,
    }
    return Callback(CALLBACK, headers=headers, body=urlencode(data).encode())


def sign_sinch(data, now, secret=SECRET):
    body, at = compact(data), str(int(now))
    head = "x-sinch-webhook-signature"
    text = body + f".nonce-1.{at}".encode()
    headers = {head: hmac64(secret, text), f"{head}-nonce": "nonce-1", f"{head}-timestamp": at}
    return Callback(CALLBACK, headers=headers, body=body)


def sign_telnyx(data, now, secret=None):
    body, at = compact(data), str(int(now))
    key = ED25519 if secret is None else ed25519.Ed25519PrivateKey.generate()
    signature = base64.b64encode(key.sign(f"{at}|".encode() + body)).decode()
    headers = {"telnyx-signature-ed25519": signature, "telnyx-timestamp": at}
    return Callback(CALLBACK, headers=headers, body=body)


def sign_africastalking(data, now, secret=SECRET):
    return Callback(f"{CALLBACK}&token={secret}", body=urlencode(data).encode())


@dataclass
class Told:
    """What a provider tells of a message, and what is to be read in it."""

    sign: Callable
    data: dict
    report: tuple
    #: Whether the provider says when it signed, so that an old callback is known as one.
    dated: bool = True
    #: Whether its signature is of the body as well.
    whole: bool = True


@dataclass
class Provider:
    """One provider: the options of its sender, its fake, how it refuses, what it tells."""

    api: Callable
    host: str
    options: dict
    receipts: dict
    refusals: tuple
    told: tuple = ()
    #: The options without which it takes no reports, emptied.
    silent: dict = field(default_factory=dict)


GONE, LATER = SendError, TemporarySendError
BLOCKED = {"403": GONE, "404": GONE, "405": LATER, "406": GONE, "407": GONE, "401": LATER}
PROVIDERS = {
    "vonage": Provider(
        vonage,
        "rest.nexmo.com api.nexmo.com",
        {
            "api_key": "key",
            "api_secret": "api-s3cret",
            "sender": "Acme",
            "application_id": "app-1",
            "private_key": rsa_pem(),
            "call_from": "+442079460000",
            "signature_secret": SECRET,
        },
        {
            "sms": ("0A0000000123ABCD1", "0.03330000", ""),
            "call": ("63f61863-4a51-4f6b-86e1-46edebcf9356", "", ""),
        },
        (
            *((200, vonage_error(one), GONE, one) for one in ("3", "6", "7", "12", "22", "33")),
            *((200, vonage_error(one), LATER, one) for one in "1 2 4 5 8 9 10 15 29 99".split()),
        ),
        (
            Told(
                sign_vonage,
                {"messageId": "0A", "status": "delivered", "err-code": "0", "price": "0.0333"},
                ("0A", "delivered", "", "0.0333", ""),
            ),
            Told(
                sign_vonage,
                {"messageId": "0A", "status": "rejected", "err-code": "6", "to": "A&B=C"},
                ("0A", "undelivered", "6", "", ""),
            ),
            Told(
                sign_vonage_call,
                {"uuid": "63f6", "status": "completed", "price": "0.02"},
                ("63f6", "delivered", "", "0.02", ""),
            ),
            Told(
                sign_vonage_call, {"uuid": "6", "status": "busy"}, ("6", "undelivered", "", "", "")
            ),
        ),
        {"signature_secret": ""},
    ),
    "messagebird": Provider(
        messagebird,
        "rest.messagebird.com",
        {"access_key": "key-1", "sender": "Acme", "call_from": "31612345678"}
        | {"signing_key": SECRET},
        {"sms": ("e8077d803532c0b5937c639b60216938", "", "")}
        | {"call": ("e8077d803532c0b5937c639b60216938", "", "")},
        (
            (422, messagebird_error(9), GONE, "9"),
            (422, messagebird_error(10), GONE, "10"),
            (422, messagebird_error(25), LATER, "25"),
            (402, messagebird_error(25), LATER, "25"),
            (401, messagebird_error(2), LATER, "2"),
            (404, messagebird_error(20), LATER, "20"),
        ),
        (
            Told(
                sign_messagebird,
                {"id": "e8", "status": "delivered", "statusErrorCode": "0", "recipient": "1415"}
                | {"price[amount]": "0.04", "price[currency]": "EUR"},
                ("e8", "delivered", "", "0.04", "EUR"),
            ),
            Told(
                sign_messagebird,
                {"id": "e8", "status": "delivery_failed", "statusErrorCode": "27"},
                ("e8", "undelivered", "27", "", ""),
            ),
        ),
        {"signing_key": ""},
    ),
    "bird": Provider(
        bird,
        "api.bird.com",
        {"access_key": "key-1", "workspace_id": "w-1", "channel_id": "c-1", "signing_key": SECRET},
        {"sms": ("b3f42dc4-1bf8-4b6b-9a3b-111111111111", "", "")},
        (
            (422, {"code": "InvalidPayload", "message": PHONE}, GONE, "InvalidPayload"),
            (402, {"code": "InsufficientBalance", "message": ""}, LATER, "InsufficientBalance"),
        ),
        (
            Told(
                sign_bird,
                {"service": "channels", "event": "sms.outbound"}
                | {"payload": {"id": "b3", "status": "delivery_failed"}},
                ("b3", "undelivered", "", "", ""),
            ),
        ),
        {"signing_key": ""},
    ),
    "plivo": Provider(
        plivo,
        "api.plivo.com",
        {"auth_id": "MA1", "auth_token": SECRET, "sender": "+14150000000"},
        {"sms": ("db3ce55a-7f1d-11e1-8ea7-1231380bc196", "", "")},
        (
            (400, {"error": f"{PHONE} is not valid"}, GONE, "400"),
            (402, {"error": "no money"}, LATER, "402"),
            (404, {"error": "not found"}, LATER, "404"),
        ),
        (
            Told(
                sign_plivo,
                {"MessageUUID": "db", "ParentMessageUUID": "db", "Status": "delivered"}
                | {"ErrorCode": "000", "TotalAmount": "0.0035", "To": "14155552671"},
                ("db", "delivered", "", "0.0035", "USD"),
                dated=False,
            ),
            Told(
                sign_plivo,
                {"MessageUUID": "dc", "Status": "undelivered", "ErrorCode": "50"},
                ("dc", "undelivered", "50", "", ""),
                dated=False,
            ),
        ),
    ),
    "sinch": Provider(
        sinch,
        "us.sms.api.sinch.com calling.api.sinch.com",
        {
            "service_plan_id": "plan-1",
            "api_token": "token-1",
            "sender": "+14150000000",
            "voice_key": "vkey",
            "voice_secret": "v-s3cret",
            "webhook_secret": SECRET,
        },
        {
            "sms": ("01FC66621XXXXX119Z8PMV1QPQ", "", ""),
            "call": ("1398599d-40af-4b75-95c9-dc01ff24e8b6", "", ""),
        },
        (
            (400, {"code": "syntax_constraint_violation"}, GONE, "syntax_constraint_violation"),
            (403, {"code": "forbidden_request"}, LATER, "forbidden_request"),
            (400, {"errorCode": 40001, "message": PHONE}, GONE, "40001"),
            (402, {"errorCode": 40200, "message": "no funds"}, LATER, "40200"),
        ),
        (
            Told(
                sign_sinch,
                {"type": "recipient_delivery_report_sms", "batch_id": "01", "code": 0}
                | {"status": "Delivered", "recipient": "14155552671"},
                ("01", "delivered", "", "", ""),
            ),
            Told(
                sign_sinch,
                {"type": "recipient_delivery_report_sms", "batch_id": "01", "code": 404}
                | {"status": "REJECTED"},
                ("01", "undelivered", "404", "", ""),
            ),
        ),
        {"webhook_secret": ""},
    ),
    "telnyx": Provider(
        telnyx,
        "api.telnyx.com",
        {"api_key": "KEY1", "sender": "+14150000000", "public_key": ED25519_PUBLIC},
        {"sms": ("40385f64-5717-4562-b3fc-2c963f66afa6", "0.0051", "USD")},
        (
            *(
                (400, telnyx_error(one), GONE, one)
                for one in "40310 40300 40012 10002 10015".split()
            ),
            (403, telnyx_error("40300"), GONE, "40300"),
            (403, telnyx_error("20100"), LATER, "20100"),
            *((400, telnyx_error(one), LATER, one) for one in "40305 40309 40318 40322".split()),
        ),
        (
            Told(
                sign_telnyx,
                {
                    "data": {
                        "event_type": "message.finalized",
                        "payload": {
                            "id": "40",
                            "to": [{"phone_number": PHONE, "status": "delivery_failed"}],
                            "errors": [{"code": "40008"}],
                            "cost": {"amount": "0.0051", "currency": "USD"},
                        },
                    }
                },
                ("40", "undelivered", "40008", "0.0051", "USD"),
            ),
        ),
        {"public_key": ""},
    ),
    "africastalking": Provider(
        africastalking,
        "api.africastalking.com",
        {"username": "acme", "api_key": "key-1", "sender": "ACME", "callback_token": SECRET},
        {"sms": ("ATPid_SampleTxnId123", "0.8000", "KES")},
        (
            *(
                (201, africastalking_answer(int(code), "x"), error, code)
                for code, error in BLOCKED.items()
            ),
            (
                201,
                {"SMSMessageData": {"Message": "InvalidSenderId", "Recipients": []}},
                LATER,
                "InvalidSenderId",
            ),
            (400, b"Must have a value", GONE, "400"),
        ),
        (
            Told(
                sign_africastalking,
                {"id": "AT1", "status": "Success", "phoneNumber": PHONE},
                ("AT1", "delivered", "", "", ""),
                dated=False,
                whole=False,
            ),
            Told(
                sign_africastalking,
                {"id": "AT1", "status": "Failed", "failureReason": "UserIsInactive"},
                ("AT1", "undelivered", "UserIsInactive", "", ""),
                dated=False,
                whole=False,
            ),
        ),
        {"callback_token": ""},
    ),
}
HOSTS = {host: provider for provider in PROVIDERS.values() for host in provider.host.split()}
