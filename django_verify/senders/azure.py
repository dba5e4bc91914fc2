"""Sends text through Azure Communication Services, whose reports come by Event Grid."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping
from email.utils import format_datetime
from typing import Any
from urllib.parse import urlsplit

from django_verify.senders import rest, signatures
from django_verify.senders.base import Callback, CallbackRefused, Message, Receipt, Report
from django_verify.senders.causes import by_code

_PATH = "/sms?api-version=2021-03-07"
_FIRST = "value", 0
_SIGNED = "x-ms-date;host;x-ms-content-sha256"
_REPORT = "Microsoft.Communication.SMSDeliveryReportReceived"
_VALIDATION = "Microsoft.EventGrid.SubscriptionValidationEvent"
_BAD_NUMBER = "Invalid To phone number"


class AzureSender(rest.RestSender):
    """Text from the number or name `sender`, by the resource at `endpoint` with its `access_key`.

    Event Grid signs nothing: reports come to the address of a subscription of the resource's
    events, and are believed if its query has `token=` and `callback_token`.
    """

    channels = frozenset({"sms"})
    reports_to_console = True
    # Of one recipient, under a status of success; what is wrong with a number is in the text alone.
    temporary = frozenset({"408", "429", "500", "502", "503", "504", "TooManyRequests"})
    account = frozenset({"401", "403", "404", "Unauthorized", "Forbidden", "Denied"})
    statuses = {
        "delivered": "delivered",
        "failed": "undelivered",
        "undelivered": "undelivered",
        "expired": "undelivered",
        "rejected": "undelivered",
    }
    causes = by_code(
        credentials="Unauthorized",
        account="Forbidden Denied",
        configuration="404",
        rate_limited="TooManyRequests",
    )
    report_causes = by_code(
        spam="4000 4005 4009",
        configuration="4001",
        invalid_number="4002 4004",
        country="4003",
        unreachable="4006",
        opted_out="4007",
        rate_limited="4008",
        provider_down="5000 5001",
        unknown="9999",
    )
    error_list = "https://learn.microsoft.com/rest/api/communication/errorcodes"

    def __init__(
        self,
        alias: str,
        *,
        endpoint: str,
        access_key: str,
        sender: str,
        callback_token: str = "",
    ) -> None:
        super().__init__(alias)
        try:
            self.key = signatures.decoded(access_key)
        except ValueError:
            self.key = b""
        if not self.key:
            # Raised out here, for the error in hand would bring the key along.
            raise ValueError("access_key is base64, as the portal shows it")
        if not sender:
            raise ValueError("sender is empty")
        self.url, self.sender = endpoint.rstrip("/"), sender
        self.callback_token = callback_token
        self.reporting = bool(callback_token)

    def request(self, message: Message) -> rest.Request:
        """Ask for a text; where its report goes is set up in the portal."""
        content = {
            "from": self.sender,
            "smsRecipients": [{"to": message.to}],
            "message": message.body,
            "smsSendOptions": {
                "enableDeliveryReport": self.reporting,
                "tag": message.attempt_sid,
            },
        }
        body = json.dumps(content).encode()
        date = format_datetime(dt.datetime.now(dt.UTC), usegmt=True)
        host = urlsplit(self.url).netloc
        headers = {"Content-Type": "application/json"}
        headers |= signed_headers(self.key, "POST", host, _PATH, body, date)
        return rest.Request(f"{self.url}{_PATH}", body=body, headers=headers)

    def receipt(self, data: object) -> Receipt:
        """Read the id."""
        return Receipt(rest.pick(data, *_FIRST, "messageId"))

    def error(self, data: object) -> str:
        """Read the request's error, or the one recipient's status unless it is one of success."""
        code = rest.pick(data, "error", "code")
        status = rest.pick(data, *_FIRST, "httpStatusCode")
        return code or ("" if status.startswith("2") else status)

    def refuses_recipient(self, data: object, code: str) -> bool:
        """Whether the number is named as invalid; other faults have the same status."""
        text = rest.pick(data, *_FIRST, "errorMessage")
        return code == "400" and text.startswith(_BAD_NUMBER)

    def handshake(self, callback: Callback) -> str | None:
        """Return Event Grid's code to it: so it asks whether events are wanted at an address."""
        if not self.believes(callback):
            raise CallbackRefused("the token is not ours")
        for event in _events(callback.body):
            if _kind(event) == _VALIDATION:
                code = rest.pick(event, "data", "validationCode")
                return json.dumps({"validationResponse": code})
        return None

    def is_signed(self, callback: Callback) -> bool:
        """Look for the token in the query, once."""
        return signatures.has_token(callback.url, self.callback_token)

    def read(self, callback: Callback) -> Iterable[Report]:
        """Read the events of some messages, which come together."""
        for event in _events(callback.body):
            if _kind(event) != _REPORT:
                continue
            values = {name.lower(): value for name, value in _members(event.get("data")).items()}
            status = rest.pick(values, "deliverystatus").lower()
            details = rest.pick(values, "deliverystatusdetails").partition(" ")[0]
            code = "" if status == "delivered" else details
            yield from self.report(rest.pick(values, "messageid"), status, code)


def signed_headers(
    key: bytes, method: str, host: str, path: str, body: bytes, date: str
) -> dict[str, str]:
    """Return the headers that sign a request: its date, the digest of its body, the signature."""
    digest = signatures.encoded(hashlib.sha256(body).digest())
    text = f"{method}\n{path}\n{date};{host};{digest}"
    signature = signatures.encoded(hmac.digest(key, text.encode(), "sha256"))
    return {
        "x-ms-date": date,
        "x-ms-content-sha256": digest,
        "Authorization": f"HMAC-SHA256 SignedHeaders={_SIGNED}&Signature={signature}",
    }


def _events(body: bytes) -> list[Mapping[str, Any]]:
    """Return the events, in Event Grid's schema or as CloudEvents. Raises CallbackRefused."""
    try:
        data = rest.parsed(body)
    except ValueError:
        data = None
    listed = data if isinstance(data, list) else [data]
    events: list[Mapping[str, Any]] = [one for one in listed if isinstance(one, dict)]
    if not events or len(events) < len(listed):
        raise CallbackRefused("not to be read")
    return events


def _kind(event: Mapping[str, Any]) -> str:
    return rest.pick(event, "eventType") or rest.pick(event, "type")


def _members(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
