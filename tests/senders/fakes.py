"""Providers' HTTP APIs on loopback, each as its documentation has it, and ways for them to fail.

A fake refuses what the provider would and answers as documented; `fault` makes its next answers
something else. Nothing here is shared with the senders.
"""

import base64
import hashlib
import hmac
import json
import socket
import struct
import threading
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest

from django_verify.senders import Callback

CODE, PHONE = "904716", "+14155552671"
SECRET = "s3cret-of-the-account"


@dataclass
class Asked:
    """One request as it came in; header names are in lower case."""

    method: str
    path: str
    query: dict = field(default_factory=dict)
    headers: dict = field(default_factory=dict)
    body: bytes = b""
    peer: tuple = ()
    query_string: str = ""

    @property
    def host(self):
        return self.headers["host"]

    @property
    def form(self):
        assert self.headers["content-type"].startswith("application/x-www-form-urlencoded")
        values = parse_qs(self.body.decode(), keep_blank_values=True, strict_parsing=True)
        return {name: found[0] if len(found) == 1 else found for name, found in values.items()}

    @property
    def json(self):
        assert self.headers["content-type"] == "application/json"
        return json.loads(self.body)

    @property
    def authorization(self):
        return self.headers.get("authorization", "")


class Fake:
    """A server on loopback that keeps what it was asked; subclasses are providers."""

    def __init__(self):
        self.asked, self.fault, self.over = [], None, threading.Event()
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                fake._serve(self)

            do_GET = do_PUT = do_POST

            def log_message(self, *args):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request, address):
                pass  # the client has gone, as it should

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self):
        self.over.set()
        self.server.shutdown()
        self.server.server_close()

    def answer(self, asked):
        """Return status, content and optionally headers: the provider's part."""
        return 200, {}

    def _serve(self, handler):
        url = urlsplit(handler.path)
        asked = Asked(
            handler.command,
            url.path,
            dict(parse_qsl(url.query, keep_blank_values=True)),
            {name.lower(): value for name, value in handler.headers.items()},
            handler.rfile.read(int(handler.headers.get("Content-Length", 0))),
            handler.client_address,
            url.query,
        )
        self.asked.append(asked)
        if callable(self.fault):
            handler.close_connection = True
            self.fault(self, handler)
            return
        status, content, *more = self.fault or self.answer(asked)
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        handler.send_response(status)
        for name, value in (more[0] if more else {}).items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)


def slow(fake, handler):
    """Say nothing until the fake is closed."""
    fake.over.wait(10)


def reset(fake, handler):
    """Close with a reset after the request was read."""
    linger = struct.pack("ii", 1, 0)
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    handler.connection.close()


def hang_up(fake, handler):
    """Close without an answer."""


def drip(fake, handler):
    """Send a header that never ends, one letter at a time."""
    _drip(fake, handler, b"HTTP/1.1 200 OK\r\nX-Long: ")


def drip_body(fake, handler):
    """Send a body that never ends, one letter at a time."""
    _drip(fake, handler, b"HTTP/1.1 200 OK\r\n\r\n")


def _drip(fake, handler, begin):
    handler.wfile.write(begin)
    while not fake.over.wait(0.02):
        handler.wfile.write(b"a")


#: What any provider may do: name → the fault.
FAULTS = {
    "silent": slow,
    "reset": reset,
    "hung up": hang_up,
    "drip": drip,
    "drip of the body": drip_body,
}


@pytest.fixture
def fake():
    """`fake(Provider)` starts a fake for the length of the test."""
    started = []

    def start(kind=Fake):
        started.append(kind())
        return started[-1]

    yield start
    for one in started:
        one.close()


def basic(user, password):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


class Twilio(Fake):
    """Messages and Calls of api.twilio.com/2010-04-01."""

    account, token = "AC" + "1" * 32, SECRET
    options = {
        "account_sid": account,
        "auth_token": token,
        "from_": "+12024561111",
        "voice_from": "+15005550007",
        "whatsapp_from": "+15005550008",
        "content_sid": "HX" + "2" * 32,
    }

    def answer(self, asked):
        if asked.authorization != basic(self.account, self.token):
            return self.error(401, 20003)
        form, root = asked.form, f"/2010-04-01/Accounts/{self.account}"
        if asked.path == f"{root}/Messages.json":
            if not ({"From", "MessagingServiceSid"} & set(form)):
                return self.error(400, 21603)
            if not ({"Body", "ContentSid"} & set(form)):
                return self.error(400, 21602)
            price = {"price": None, "price_unit": "USD", "error_code": None}
            return 201, {"sid": "SM" + "3" * 32, "status": "queued", "to": form["To"]} | price
        if asked.path == f"{root}/Calls.json":
            if "Twiml" not in form or len(form["Twiml"]) > 4000:
                return self.error(400, 21205)
            return 201, {"sid": "CA" + "4" * 32, "status": "queued", "price": None}
        return self.error(404, 20404)

    @staticmethod
    def error(status, code):
        text = f"The number {PHONE} of 'Your code is: {CODE}' is wrong"
        return status, {"code": code, "message": text, "status": status}

    def sign(self, url, form=None):
        text = url + "".join(name + form[name] for name in sorted(form or {}))
        mac = hmac.new(self.token.encode(), text.encode(), hashlib.sha1)
        return base64.b64encode(mac.digest()).decode()


class TwilioVerify(Fake):
    """Verifications of verify.twilio.com/v2, with custom codes enabled."""

    account, token, service = "AC" + "1" * 32, SECRET, "VA" + "5" * 32
    options = {
        "service_sid": service,
        "account_sid": account,
        "auth_token": token,
        "channels": ["sms", "call", "whatsapp", "email"],
    }
    sid = "VE" + "6" * 32

    def answer(self, asked):
        if asked.authorization != basic(self.account, self.token):
            return self.error(401, 20003)
        form, root = asked.form, f"/v2/Services/{self.service}/Verifications"
        made = {"sid": self.sid, "service_sid": self.service, "account_sid": self.account}
        made |= {"status": "pending", "valid": False, "lookup": {}, "amount": None, "payee": None}
        if asked.path == root:
            if not {"To", "Channel", "CustomCode"} <= set(form):
                return self.error(400, 60200, "Invalid parameter `CustomCode`")
            return 201, made | {"to": form["To"], "channel": form["Channel"]}
        if asked.path == f"{root}/{self.sid}" and form.get("Status") in {"approved", "canceled"}:
            return 200, made | {"status": form["Status"], "valid": form["Status"] == "approved"}
        return self.error(404, 20404)

    @staticmethod
    def error(status, code, text=f"{PHONE}: {CODE}"):
        return status, {"code": code, "message": text, "status": status}


class WhatsApp(Fake):
    """The messages of a number on graph.facebook.com."""

    options = {
        "phone_number_id": "106540352242922",
        "access_token": SECRET,
        "template": "verification_code",
        "languages": {"en": "en_US"},
        "app_secret": "app-" + SECRET,
        "verify_token": "verify-" + SECRET,
    }

    def answer(self, asked):
        if asked.authorization != f"Bearer {SECRET}":
            return self.error(401, 190)
        assert asked.path == "/v23.0/106540352242922/messages"
        body = asked.json
        if body["messaging_product"] != "whatsapp" or body["type"] != "template":
            return self.error(400, 131009)
        parts = {
            part["type"]: part["parameters"][0]["text"] for part in body["template"]["components"]
        }
        if parts["body"] != parts.get("button"):
            return self.error(400, 132000)
        contact = {"input": body["to"], "wa_id": body["to"].removeprefix("+")}
        sent = {"id": "wamid.HBgLMTY0NjcwNDM1OTUVAgARGBI1", "message_status": "accepted"}
        return 200, {"messaging_product": "whatsapp", "contacts": [contact], "messages": [sent]}

    @staticmethod
    def error(status, code):
        text = f"(#{code}) {PHONE} {CODE}"
        return status, {"error": {"message": text, "type": "OAuthException", "code": code}}


class Gateway(Fake):
    """A gateway as `HttpSender` may be received of."""

    options = {
        "fields": {"to": "{to_digits}", "text": "{body}", "meta": {"ref": "{attempt_sid}"}},
        "headers": {"X-Key": SECRET},
        "channels": ["sms", "call"],
        "id_path": "messages.0.id",
        "price_path": "messages.0.cost.value",
        "currency_path": "messages.0.cost.unit",
        "error_path": "error.code",
        "success": ("status", "ok"),
        "permanent_codes": ["BAD_NUMBER"],
        "temporary_codes": ["NO_CREDIT"],
        "callback": {
            "secret": SECRET,
            "header": "X-Signature",
            "prefix": "v1=",
            "id_path": "id",
            "status_path": "event",
            "code_path": "reason",
            "statuses": {"DELIVRD": "delivered", "UNDELIV": "undelivered"},
        },
    }

    def answer(self, asked):
        if asked.headers.get("x-key") != SECRET:
            return self.error(401, "WHO")
        cost = {"value": "0.0075", "unit": "eur"}
        return 200, {"status": "ok", "messages": [{"id": 12345678901, "cost": cost}]}

    @staticmethod
    def error(status, code):
        return status, {"status": "error", "error": {"code": code, "text": f"{PHONE} {CODE}"}}


class Sns(Fake):
    """Publish of Amazon SNS, by its query protocol."""

    options = {"region": "eu-west-1", "access_key_id": "AKIDEXAMPLE", "secret_access_key": SECRET}

    opted_out = False

    def answer(self, asked):
        if asked.form["Action"] == "CheckIfPhoneNumberIsOptedOut":
            said = str(self.opted_out).lower()
            name = "CheckIfPhoneNumberIsOptedOut"
            text = f"<{name}Response><{name}Result><isOptedOut>{said}</isOptedOut></{name}Result></{name}Response>"
            return 200, text.encode()
        assert asked.form["Action"] == "Publish"
        if "Credential=AKIDEXAMPLE/" not in asked.authorization:
            return self.error(403, "InvalidClientTokenId")
        text = "<PublishResponse><PublishResult><MessageId>567910cd-659e</MessageId></PublishResult></PublishResponse>"
        return 200, text.encode()

    @staticmethod
    def error(status, code, parameter="Message"):
        said = f"Invalid parameter: {parameter} Reason: {PHONE} {CODE}"
        text = f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{said}</Message></Error></ErrorResponse>"
        return status, text.encode()


class EndUserMessaging(Fake):
    """`pinpoint-sms-voice-v2`, by its JSON protocol."""

    options = {
        "region": "eu-west-1",
        "origination_identity": "pool-1",
        "call_from": "+14155550199",
        "access_key_id": "AKIDEXAMPLE",
        "secret_access_key": SECRET,
    }

    def answer(self, asked):
        assert asked.headers["content-type"] == "application/x-amz-json-1.0"
        if "Credential=AKIDEXAMPLE/" not in asked.authorization:
            return self.error(400, "AccessDeniedException")
        service, _, operation = asked.headers["x-amz-target"].partition(".")
        assert service == "PinpointSMSVoiceV2"
        body = json.loads(asked.body)
        assert body["DestinationPhoneNumber"].startswith("+")
        if operation == "SendVoiceMessage":
            assert body["MessageBodyTextType"] == "TEXT"
        else:
            assert operation == "SendTextMessage"
            assert body["MessageType"] == "TRANSACTIONAL"
        return 200, {"MessageId": "1e5a1c8e-55bc-4bd4-9d56-6a1e4b1e7b3a"}

    @staticmethod
    def error(status, code, **members):
        kind = f"com.amazonaws.pinpointsmsvoicev2#{code}"
        text = f"{PHONE} {CODE}"
        return status, {"__type": kind, "Message": text, **members}


class Hook(Fake):
    """What apprise's `json://` posts to: its target is the path."""

    def answer(self, asked):
        return 200, {}


#: Fakes of senders whose libraries have timeouts of their own.
OWN_TIMEOUTS = {Sns, EndUserMessaging, Hook}


@cache
def running(kind):
    """One fake of a kind for the whole run; anyone who sets its fault puts it back."""
    return kind()


def signed(url, body, header, prefix, secret):
    """A callback whose header is the HMAC of its body."""
    mac = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    headers = {header: prefix + mac, "content-type": "application/json"}
    return Callback(url, headers=headers, body=body)
