"""Sends text through Plivo; its calls need an XML document at a URL of ours, so none here."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from urllib.parse import parse_qsl, urlsplit

from django_verify.senders import rest, signatures
from django_verify.senders.base import Callback, Message, Receipt, Report

_SIGNATURES = "x-plivo-signature-v3", "x-plivo-signature-ma-v3"


class PlivoSender(rest.RestSender):
    """Text from the number or name `sender`, or from a pool of numbers, `powerpack`.

    Reports are believed by the third version of Plivo's signature, the one that covers the body.
    """

    channels = frozenset({"sms"})
    reporting = True
    statuses = {
        "sent": "sent",
        "delivered": "delivered",
        "read": "read",
        "undelivered": "undelivered",
        "failed": "failed",
    }

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

    def is_signed(self, callback: Callback) -> bool:
        """Verify the HMAC of URL, parameters and nonce; a header may hold several."""
        nonce = callback.headers.get("x-plivo-signature-v3-nonce", "")
        text = f"{_signed_text(callback)}.{nonce}"
        expected = signatures.encoded(signatures.digest(self.auth[1], text))
        given = [one for name in _SIGNATURES for one in callback.headers.get(name, "").split(",")]
        return any(signatures.same(one.strip(), expected) for one in given)

    def read(self, callback: Callback) -> Iterable[Report]:
        """Read a change of status; Plivo's prices are in US dollars."""
        values = dict(_parameters(callback))
        # A message of several parts is known by the id of its first.
        sid = values.get("ParentMessageUUID") or values.get("MessageUUID", "")
        code = values.get("ErrorCode", "")
        price = values.get("TotalAmount", ""), "USD"
        return self.report(sid, values.get("Status", ""), "" if code == "000" else code, *price)


def _parameters(callback: Callback) -> list[tuple[str, str]]:
    return parse_qsl(callback.body.decode(), keep_blank_values=True)


def _signed_text(callback: Callback) -> str:
    url = urlsplit(callback.url)
    query = "&".join(_sorted(parse_qsl(url.query, keep_blank_values=True), "="))
    posted = "".join(_sorted(_parameters(callback), ""))
    base = f"{url.scheme}://{url.netloc}{url.path}"
    if posted:
        return f"{base}?{query}{'.' if query else ''}{posted}"
    return f"{base}?{query}" if query else base


def _sorted(pairs: list[tuple[str, str]], sign: str) -> list[str]:
    values = defaultdict(list)
    for name, value in pairs:
        values[name].append(value)
    return [f"{name}{sign}{value}" for name in sorted(values) for value in sorted(values[name])]
