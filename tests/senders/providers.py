"""The providers in tables: options, receipts and refusals, and how each signs what it reports.

The `sign` functions are the providers' side of a callback; they share no code with the senders.
"""

import base64
import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlencode

from cryptography.hazmat.primitives.asymmetric import ed25519

from django_verify.senders import Callback, SendError, TemporarySendError
from tests.senders.apis import (
    CALLBACK,
    ED25519,
    ED25519_PUBLIC,
    PHONE,
    SECRET,
    africastalking,
    africastalking_answer,
    bird,
    compact,
    hmac64,
    jwt,
    messagebird,
    messagebird_error,
    plivo,
    rsa_pem,
    sha256,
    sinch,
    telnyx,
    telnyx_error,
    vonage,
    vonage_error,
)


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
    """What a provider reports of a message, and what is to be read in it."""

    sign: Callable
    data: dict
    report: tuple
    #: Whether the provider says when it signed, so that an old callback is known as one.
    dated: bool = True
    #: Whether its signature is of the body as well.
    whole: bool = True


@dataclass
class Provider:
    """One provider: the options of its sender, its fake, how it refuses, what it reports."""

    api: Callable
    host: str
    options: dict
    receipts: dict
    refusals: tuple
    received: tuple = ()
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
