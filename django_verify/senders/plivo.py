"""Sends text through Plivo; its calls need an XML document at a URL of ours, so none here."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from urllib.parse import parse_qsl, urlsplit

from django_verify.senders import rest, signatures
from django_verify.senders.base import Callback, Message, Receipt, Report, TemporarySendError
from django_verify.senders.causes import by_code

_INVALID = "invalid_number"
_V2 = "x-plivo-signature-v2", "x-plivo-signature-ma-v2"
_V3 = "x-plivo-signature-v3", "x-plivo-signature-ma-v3"
_UUID = re.compile(r"[0-9A-Za-z-]{1,64}\Z")
_FOUND, _UNKNOWN = 200, 404
# What stands for no error.
_NONE = frozenset({"", "000"})


class PlivoSender(rest.RestSender):
    """Text from the number or name `sender`, or from a pool of numbers, `powerpack`.

    Reports are believed by either version of Plivo's signature. The second, the one that Plivo
    documents for messages, does not cover the body: then the message's state is read back.
    """

    channels = frozenset({"sms"})
    reporting = True
    permanent = frozenset({_INVALID})
    statuses = {
        "sent": "sent",
        "delivered": "delivered",
        "read": "read",
        "undelivered": "undelivered",
        "failed": "failed",
        "rejected": "undelivered",
    }
    causes = by_code(
        invalid_number="invalid_number 50 70",
        configuration="10 40 110",
        not_mobile="100",
        unreachable="80 420",
        spam="30",
        country="201 450",
        rate_limited="451",
        opted_out="200",
        provider_down="20 90 300",
        balance="900",
        account="910",
        unknown="60 1000",
    )
    error_list = "https://www.plivo.com/docs/messaging/troubleshooting/error-codes"

    def __init__(
        self,
        alias: str,
        *,
        auth_id: str,
        auth_token: str,
        sender: str = "",
        powerpack: str = "",
        base_url: str = "https://api.plivo.com",
    ) -> None:
        super().__init__(alias)
        if bool(sender) == bool(powerpack):
            raise ValueError("give either sender or powerpack")
        self.auth = auth_id, auth_token
        self.origin = rest.fields(src=sender.removeprefix("+"), powerpack_uuid=powerpack)
        self.url = f"{base_url}/v1/Account/{auth_id}/Message/"

    def request(self, message: Message) -> rest.Request:
        """Ask for a text; Plivo finds out the alphabet."""
        body = self.origin | {"dst": message.to.removeprefix("+"), "text": message.body}
        if url := self.callback_of(message):
            body |= {"url": url, "method": "POST"}
        return rest.Request(self.url, json=body | {"type": "sms"}, auth=self.auth)

    def receipt(self, data: object) -> Receipt:
        """Read the id; the price comes with the reports."""
        return Receipt(rest.pick(data, "message_uuid", 0))

    def error(self, data: object) -> str:
        """Read whether the number was left out, as it is of those that a message is for."""
        return _INVALID if rest.entries(data, "invalid_number") else ""

    def is_signed(self, callback: Callback) -> bool:
        """Look at the signature of either version."""
        return self._signs_content(callback) or self._signs_url(callback)

    def read(self, callback: Callback) -> Iterable[Report]:
        """Read a change of status; Plivo's prices are in US dollars.

        Of a callback whose URL alone is signed, only the id is believed, and Plivo is asked for
        the rest.
        """
        values = dict(_parameters(callback))
        # A message of several parts is known by the id of its first.
        sid = values.get("ParentMessageUUID") or values.get("MessageUUID", "")
        if not self._signs_content(callback):
            values = self._state_of(sid)
        code = values.get("ErrorCode", "")
        price = values.get("TotalAmount", ""), "USD"
        return self.report(sid, values.get("Status", ""), "" if code in _NONE else code, *price)

    def _signs_content(self, callback: Callback) -> bool:
        """Whether the third version signs it: URL, parameters and nonce."""
        nonce = callback.headers.get("x-plivo-signature-v3-nonce", "")
        return self._is_signature(callback, _V3, f"{_signed_text(callback)}.{nonce}")

    def _signs_url(self, callback: Callback) -> bool:
        """Whether the second version signs it: the URL without its query, and the nonce."""
        nonce = callback.headers.get("x-plivo-signature-v2-nonce", "")
        url = urlsplit(callback.url)
        return self._is_signature(callback, _V2, f"{url.scheme}://{url.netloc}{url.path}{nonce}")

    def _is_signature(self, callback: Callback, names: Iterable[str], text: str) -> bool:
        expected = signatures.encoded(signatures.digest(self.auth[1], text))
        # A header may hold several, of an account and of its parent.
        given = [one for name in names for one in callback.headers.get(name, "").split(",")]
        return any(signatures.same(one.strip(), expected) for one in given)

    def _state_of(self, sid: str) -> dict[str, str]:
        """Ask Plivo what became of a message; raises TemporarySendError without an answer."""
        if not _UUID.match(sid):
            return {}
        answer = rest.ask(rest.Request(f"{self.url}{sid}/", method="GET", auth=self.auth))
        if answer.status == _UNKNOWN:
            return {}
        data = answer.object()
        if answer.status != _FOUND or rest.pick(data, "message_uuid") != sid:
            raise TemporarySendError("the provider did not answer what became of a message")
        names = {
            "Status": "message_state",
            "ErrorCode": "error_code",
            "TotalAmount": "total_amount",
        }
        return {ours: rest.pick(data, theirs) for ours, theirs in names.items()}


def _parameters(callback: Callback) -> list[tuple[str, str]]:
    if callback.method == "GET":
        return parse_qsl(urlsplit(callback.url).query, keep_blank_values=True)
    return parse_qsl(callback.body.decode(), keep_blank_values=True)


def _signed_text(callback: Callback) -> str:
    url = urlsplit(callback.url)
    query = "&".join(_sorted(parse_qsl(url.query, keep_blank_values=True), "="))
    form = _parameters(callback) if callback.method != "GET" else []
    posted = "".join(_sorted(form, ""))
    base = f"{url.scheme}://{url.netloc}{url.path}"
    if posted:
        return f"{base}?{query}{'.' if query else ''}{posted}"
    return f"{base}?{query}" if query else base


def _sorted(pairs: list[tuple[str, str]], sign: str) -> list[str]:
    values = defaultdict(list)
    for name, value in pairs:
        values[name].append(value)
    return [f"{name}{sign}{value}" for name in sorted(values) for value in sorted(values[name])]
