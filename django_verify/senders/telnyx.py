"""Sends text through Telnyx; its calls are steered event by event, so none here."""

from __future__ import annotations

from collections.abc import Iterable

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from django_verify.senders import rest, signatures
from django_verify.senders.base import Callback, Message, Receipt, Report
from django_verify.senders.causes import by_code

# Of either number: invalid, or not in E.164.
_INVALID_NUMBER = {"10002", "10016"}
_FAILED = {"delivery_failed", "sending_failed"}


class TelnyxSender(rest.RestSender):
    """Text from the number or name `sender`, or from the pool of `messaging_profile_id`.

    A name needs both. `public_key` is the account's, in base64; without it reports are refused.
    """

    channels = frozenset({"sms"})
    # Unroutable, no such number, opted out, invalid.
    permanent = frozenset({"40001", "40012", "40300", "40310"})
    # Too many requests, a full queue, a name that may not be used for now.
    temporary = frozenset({"10011", "40011", "40318", "40320"})
    statuses = {
        "sent": "sent",
        "delivery_unconfirmed": "sent",
        "delivered": "delivered",
        "delivery_failed": "undelivered",
        "expired": "undelivered",
        "sending_failed": "failed",
    }
    causes = by_code(
        credentials="10009",
        account="10010 20012 20013 20014 20015 20016 20017 40314",
        balance="20100",
        country="40309 40331",
        registration="40010 40019 40150 40151 40155 40329",
        configuration=(
            "10001 10002 10003 10004 10005 10006 10015 10016 10017 40009 40013 40100 40301 40302 "
            "40304 40305 40306 40307 40308 40311 40312 40313 40316 40319 40321 40323 40325 40330"
        ),
        not_mobile="40001",
        invalid_number="40012 40310",
        unreachable="40005 40006 40008",
        opted_out="40300",
        spam="40002 40003 40015 40017 40020 40315 40322",
        rate_limited="10011 40011 40014 40016 40018 40318 40320 40333",
        provider_down="10007",
        no_answer="10008",
        unknown="40004 failed",
    )
    error_list = "https://developers.telnyx.com/docs/messaging/messages/error-codes/index"

    def __init__(
        self,
        alias: str,
        *,
        api_key: str,
        sender: str = "",
        messaging_profile_id: str = "",
        public_key: str = "",
        base_url: str = "https://api.telnyx.com",
    ) -> None:
        super().__init__(alias)
        if not (sender or messaging_profile_id):
            raise ValueError("give sender or messaging_profile_id")
        self.api_key = api_key
        self.origin = rest.fields(from_=sender, messaging_profile_id=messaging_profile_id)
        self.public_key = _ed25519(public_key) if public_key else None
        self.url = f"{base_url}/v2/messages"
        self.reporting = bool(public_key)

    def request(self, message: Message) -> rest.Request:
        """Ask for a text; Telnyx finds out the alphabet."""
        body: dict[str, object] = {"to": message.to, "text": message.body, "type": "SMS"}
        if url := self.callback_of(message):
            body |= {"webhook_url": url, "use_profile_webhooks": False}
        headers = {"Authorization": f"Bearer {self.api_key}"}
        return rest.Request(self.url, json=body | self.origin, headers=headers)

    def receipt(self, data: object) -> Receipt:
        """Read the id and, where it is known already, the price."""
        amount = rest.pick(data, "data", "cost", "amount")
        price = rest.money(amount, rest.pick(data, "data", "cost", "currency"))
        return Receipt(rest.pick(data, "data", "id"), *price)

    def error(self, data: object) -> str:
        """Read the first error, or that of a message which has failed at once."""
        failed = rest.pick(data, "data", "to", 0, "status") in _FAILED
        at_once = rest.pick(data, "data", "errors", 0, "code") or "failed" if failed else ""
        return rest.pick(data, "errors", 0, "code") or at_once

    def refuses_recipient(self, data: object, code: str) -> bool:
        """Look at what an invalid number was given for, too: it may be the sender's."""
        where = rest.pick(data, "errors", 0, "source", "pointer")
        invalid = code in _INVALID_NUMBER and where.rpartition("/")[2] == "to"
        return invalid or super().refuses_recipient(data, code)

    def is_signed(self, callback: Callback) -> bool:
        """Look at the Ed25519 signature of time and body."""
        sent_at = callback.headers.get("telnyx-timestamp", "")
        given = signatures.decoded(callback.headers.get("telnyx-signature-ed25519", ""))
        if self.public_key is None or not signatures.recent(sent_at):
            return False
        try:
            self.public_key.verify(given, sent_at.encode() + b"|" + callback.body)
        except InvalidSignature:
            return False
        return True

    def read(self, callback: Callback) -> Iterable[Report]:
        """Read the event of one message."""
        data = rest.parsed(callback.body)
        if rest.pick(data, "data", "event_type") not in {"message.sent", "message.finalized"}:
            return []
        message = "data", "payload"
        return self.report(
            rest.pick(data, *message, "id"),
            rest.pick(data, *message, "to", 0, "status"),
            rest.pick(data, *message, "errors", 0, "code"),
            rest.pick(data, *message, "cost", "amount"),
            rest.pick(data, *message, "cost", "currency"),
        )


def _ed25519(text: str) -> Ed25519PublicKey:
    return Ed25519PublicKey.from_public_bytes(signatures.decoded(text))
