"""Sends through Vonage (Nexmo): text by the SMS API, spoken text by the Voice API."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Mapping
from decimal import Decimal
from itertools import count, takewhile
from urllib.parse import parse_qsl, urlsplit

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from django_verify.senders import rest, signatures
from django_verify.senders.base import Callback, Message, Receipt, Report
from django_verify.senders.causes import by_code
from django_verify.text import placeholders

# Two voices of Chinese go by tags of their own.
_VOICES = rest.SPEECH | {"zh": "cmn-CN", "zh-HK": "yue-CN"}
_TOKEN_SECONDS = 300
_ACCEPTED = "0"


class VonageSender(rest.RestSender):
    """Text, and with `application_id` and `private_key` (PEM) calls as well.

    `signature_secret` is that of the account, whose signature method must be SHA-256 HMAC or
    SHA-512 HMAC; without it reports are refused.
    """

    channels = frozenset({"sms"})
    # A text with a longer one is refused: better sent than reported.
    callback_max_length = 100
    # Barred, and no longer in use; an invalid value (3) may as well be one of ours.
    permanent = frozenset({"7", "33"})
    # Throttled, an internal error, too many connections.
    temporary = frozenset({"1", "5", "10"})
    # Credentials, a barred account, no credit, no such API, a signature, a trial's numbers.
    account = frozenset({"4", "8", "9", "11", "14", "29", "32"})
    statuses = {
        "accepted": "sent",
        "buffered": "sent",
        "delivered": "delivered",
        "expired": "undelivered",
        "failed": "failed",
        "rejected": "undelivered",
        # What becomes of calls:
        "answered": "delivered",
        "busy": "undelivered",
        "cancelled": "undelivered",
        "completed": "delivered",
        "timeout": "undelivered",
        "unanswered": "undelivered",
    }
    causes = by_code(
        credentials="4 14 32",
        balance="9",
        account="8 11 29",
        registration="15",
        configuration="2 3 6 12 22 23",
        invalid_number="33",
        opted_out="7",
        rate_limited="1 10",
        provider_down="5",
    )
    report_causes = by_code(
        unreachable="2 7 12",
        invalid_number="3 9 11",
        opted_out="4 13",
        spam="6 14 52",
        balance="15",
        registration="50 51 53 54",
        rate_limited="16",
        provider_down="5 8",
        configuration="10",
        unknown="1 99",
    )
    error_list = "https://developer.vonage.com/en/messaging/sms/guides/troubleshooting-sms"

    def __init__(
        self,
        alias: str,
        *,
        api_key: str,
        api_secret: str,
        sender: str,
        application_id: str = "",
        private_key: str = "",
        call_from: str = "",
        signature_secret: str = "",
        signature_method: str = "sha256",
        base_url: str = "https://rest.nexmo.com",
        voice_url: str = "https://api.nexmo.com",
    ) -> None:
        super().__init__(alias)
        if signature_method not in {"sha256", "sha512"}:
            raise ValueError("signature_method is sha256 or sha512")
        self.call_from = rest.number(call_from, sender)
        if bool(application_id) != bool(private_key):
            raise ValueError("calls need both application_id and private_key")
        if application_id and not self.call_from:
            raise ValueError("calls need a number to come from")
        self.api_key, self.api_secret, self.sender = api_key, api_secret, sender
        self.application_id = application_id
        self.private_key = _rsa(private_key) if private_key else None
        self.signature_secret, self.signature_method = signature_secret, signature_method
        self.base_url, self.voice_url = base_url, voice_url
        self.reporting = bool(signature_secret)
        if application_id:
            self.channels = frozenset({"sms", "call"})

    def request(self, message: Message) -> rest.Request:
        """Ask for a text, marked as Unicode where GSM's alphabet does not do, or for a call."""
        if message.channel == "call":
            return self._call(message)
        form = {
            "from": self.sender.removeprefix("+"),
            "to": message.to.removeprefix("+"),
            "text": message.body,
            "type": "text" if placeholders.size(message.body).encoding == "GSM-7" else "unicode",
        }
        if url := self.callback_of(message):
            form["callback"] = url
        auth = self.api_key, self.api_secret
        return rest.Request(f"{self.base_url}/sms/json", form=form, auth=auth)

    def receipt(self, data: object) -> Receipt:
        """Read the id and the price, in the account's own currency; a call has no price."""
        if call := rest.pick(data, "uuid"):
            return Receipt(call)
        sid = rest.pick(data, "messages", 0, "message-id")
        return Receipt(sid, *rest.money(_price(data)))

    def error(self, data: object) -> str:
        """Read the status of the first part of a text that was refused, under HTTP 200."""
        return next((status for status in _statuses(data) if status != _ACCEPTED), "")

    def has_left_in_part(self, data: object) -> bool:
        """Whether another part was accepted: the parts of a text are accepted one by one."""
        return _ACCEPTED in _statuses(data)

    def is_signed(self, callback: Callback) -> bool:
        """Look at the token that calls carry, or else at the parameter `sig` of texts."""
        scheme, _, token = callback.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            if callback.method == "GET":
                return False  # the token is of the body, and the query would be read
            claims = signatures.claims(token, self.signature_secret)
            return signatures.recent(rest.pick(claims, "iat")) and signatures.is_of_body(
                rest.pick(claims, "payload_hash"), callback.body
            )
        values = dict(_parameters(callback))
        given = values.pop("sig", "")
        text = "".join(f"&{name}={_plain(values[name])}" for name in sorted(values))
        expected = signatures.digest(self.signature_secret, text, method=self.signature_method)
        is_ours = signatures.same(given.lower(), expected.hex())
        return is_ours and signatures.recent(values.get("timestamp", ""))

    def read(self, callback: Callback) -> Iterable[Report]:
        """Read a delivery report or an event of a call."""
        values = _parameters(callback)
        sid = values.get("messageId") or values.get("uuid", "")
        code = values.get("err-code", "")
        status = values.get("status", "")
        return self.report(sid, status, "" if code == "0" else code, values.get("price", ""))

    def _call(self, message: Message) -> rest.Request:
        language = rest.voice(message, _VOICES, dials=True)
        to = {"type": "phone", "number": message.to.removeprefix("+")}
        # Both `w` and `p` wait half a second.
        body: dict[str, object] = {
            "to": [to | rest.fields(dtmfAnswer=message.send_digits.replace("w", "p"))],
            "from": {"type": "phone", "number": self.call_from.removeprefix("+")},
            "ncco": [{"action": "talk", "text": message.body, "language": language}],
        }
        if url := self.callback_of(message):
            body |= {"event_url": [url], "event_method": "POST"}
        headers = {"Authorization": f"Bearer {self._token()}"}
        return rest.Request(f"{self.voice_url}/v1/calls", json=body, headers=headers)

    def _token(self) -> str:
        assert self.private_key is not None  # noqa: S101 - without it there is no such channel
        now = int(time.time())
        claims = {
            "application_id": self.application_id,
            "jti": str(uuid.uuid4()),
            "iat": now,
            "exp": now + _TOKEN_SECONDS,
        }
        head = signatures.unsigned("RS256", claims)
        return signatures.joined(head, self.private_key.sign(head.encode(), PKCS1v15(), SHA256()))


def _rsa(pem: str) -> RSAPrivateKey:
    key = load_pem_private_key(pem.encode(), password=None)
    if not isinstance(key, RSAPrivateKey):
        raise TypeError("private_key is not an RSA key")
    return key


def _parameters(callback: Callback) -> Mapping[str, str]:
    """Return the values of a report in any of its three forms. Raises ValueError."""
    if callback.method == "GET":
        return dict(parse_qsl(urlsplit(callback.url).query, keep_blank_values=True))
    if callback.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return dict(parse_qsl(callback.body.decode(), keep_blank_values=True))
    data = rest.parsed(callback.body)
    return {name: rest.pick(data, name) for name in data} if isinstance(data, dict) else {}


def _statuses(data: object) -> list[str]:
    return [rest.pick(part, "status") for part in rest.entries(data, "messages")]


def _price(data: object) -> str:
    """Return what the parts of a text cost together; empty when none has a price."""
    parts = (rest.pick(data, "messages", part, "message-price") for part in count())
    amounts = takewhile(bool, (rest.money(one)[0] for one in parts))
    total = sum(map(Decimal, amounts), Decimal())
    return str(total) if total else ""


def _plain(value: str) -> str:
    return value.replace("&", "_").replace("=", "_")
