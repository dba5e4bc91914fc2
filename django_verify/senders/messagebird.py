"""Sends through MessageBird's classic REST API: text, and text spoken on a call."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable
from urllib.parse import parse_qsl, urlsplit

from django_verify.senders import rest, signatures
from django_verify.senders.base import Callback, Message, Receipt, Report
from django_verify.senders.causes import by_code

# Missing or invalid parameters.
_INVALID = {"9", "10"}
_RECIPIENT = {"recipient", "recipients"}
_NOBODY = "not_sent"
_UNSPOKEN = {"ca", "fi"}
_VOICES = {ours: tag.lower() for ours, tag in rest.SPEECH.items() if ours not in _UNSPOKEN}


class MessageBirdSender(rest.RestSender):
    """Text, and from a number, `call_from` or else `sender`, calls as well.

    `signing_key` verifies the status reports, which are refused without it.
    Accounts of Bird, the platform's successor, have `bird.BirdSender`.
    """

    channels = frozenset({"sms"})
    # An internal error.
    temporary = frozenset({"99"})
    # Not allowed, not enough balance.
    account = frozenset({"2", "25"})
    statuses = {
        "sent": "sent",
        "buffered": "sent",
        "delivered": "delivered",
        "expired": "undelivered",
        "delivery_failed": "undelivered",
        # What becomes of calls:
        "calling": "sent",
        "answered": "delivered",
        "busy": "undelivered",
        "failed": "failed",
    }
    causes = by_code(
        credentials="2",
        balance="25",
        configuration="9 10 20 21 98",
        provider_down="99",
        invalid_number="not_sent",
    )
    report_causes = by_code(
        invalid_number="1 5 9",
        not_mobile="11 21",
        unreachable="6 27 31 32",
        opted_out="13",
        provider_down="34",
    )
    error_list = "https://developers.messagebird.com/api/"

    def __init__(
        self,
        alias: str,
        *,
        access_key: str,
        sender: str,
        call_from: str = "",
        signing_key: str = "",
        base_url: str = "https://rest.messagebird.com",
    ) -> None:
        super().__init__(alias)
        self.access_key, self.sender = access_key, sender
        self.call_from = rest.number(call_from, sender)
        self.signing_key, self.base_url = signing_key, base_url
        self.reporting = bool(signing_key)
        if self.call_from:
            self.channels = frozenset({"sms", "call"})

    def request(self, message: Message) -> rest.Request:
        """Ask for a text in whichever alphabet it needs, or for a call."""
        body: dict[str, object] = {
            "recipients": [message.to.removeprefix("+")],
            "body": message.body,
            # Reports are sent of messages with a reference only.
            "reference": message.attempt_sid,
        }
        if url := self.callback_of(message):
            body["reportUrl"] = url
        if message.channel == "call":
            body |= {"originator": self.call_from, "language": rest.voice(message, _VOICES)}
            return self._request("voicemessages", body)
        return self._request("messages", body | {"originator": self.sender, "datacoding": "auto"})

    def receipt(self, data: object) -> Receipt:
        """Read the id; the price comes with the reports."""
        return Receipt(rest.pick(data, "id"))

    def error(self, data: object) -> str:
        """Read the first error; a message that no recipient was sent is one, too, under a 201."""
        nobody = rest.pick(data, "recipients", "totalSentCount") == "0"
        return _NOBODY if nobody else rest.pick(data, "errors", 0, "code")

    def refuses_recipient(self, data: object, code: str) -> bool:
        """Look at which parameter is missing or invalid: an error's code is that of any."""
        errors = rest.entries(data, "errors")
        return any(
            rest.pick(one, "code") in _INVALID and rest.pick(one, "parameter") in _RECIPIENT
            for one in errors
        )

    def is_signed(self, callback: Callback) -> bool:
        """Verify the token, which is for this URL and this body for a minute."""
        token = callback.headers.get("messagebird-signature-jwt", "")
        claims = signatures.claims(token, self.signing_key)
        payload = rest.pick(claims, "payload_hash")
        until = rest.pick(claims, "exp")
        return (
            rest.pick(claims, "iss") == "MessageBird"
            and signatures.recent(rest.pick(claims, "nbf"))
            and signatures.recent(until)
            and time.time() <= int(until)
            and signatures.same(
                rest.pick(claims, "url_hash"), hashlib.sha256(callback.url.encode()).hexdigest()
            )
            and bool(payload) == bool(callback.body)
            and (not payload or signatures.is_of_body(payload, callback.body))
        )

    def read(self, callback: Callback) -> Iterable[Report]:
        """Read a status report, which is all in the query."""
        values = dict(parse_qsl(urlsplit(callback.url).query))
        code = values.get("statusErrorCode", "")
        price = values.get("price[amount]", ""), values.get("price[currency]", "")
        return self.report(
            values.get("id", ""), values.get("status", ""), "" if code == "0" else code, *price
        )

    def _request(self, path: str, body: object) -> rest.Request:
        headers = {"Authorization": f"AccessKey {self.access_key}"}
        return rest.Request(f"{self.base_url}/{path}", json=body, headers=headers)
