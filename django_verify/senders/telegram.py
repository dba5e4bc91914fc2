"""Sends the code by Telegram's Gateway, to those who have registered their number there."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable

from django_verify.senders import rest, signatures
from django_verify.senders.base import UNSUITED, Callback, Message, Receipt, Report
from django_verify.senders.base import TemporarySendError as LeftToAnother
from django_verify.senders.causes import by_code

_CODE = re.compile(r"[0-9]{4,8}")
_SHORTEST_TTL, _LONGEST_TTL = 30, 3600


class TelegramSender(rest.RestSender):
    """Our code in Telegram's own words, from the verified channel `sender_username` if it has one.

    After `ttl` seconds a message that did not arrive is withdrawn, refunded and reported, so that
    another channel may take over. Reports are signed with the access token.
    """

    channels = frozenset({"telegram"})
    reporting = True
    callback_max_length = 256
    # No number, and none that has registered with Telegram: another channel may reach it.
    permanent = frozenset(
        {"PHONE_NUMBER_INVALID", "PHONE_NUMBER_NOT_FOUND", "PHONE_NUMBER_NOT_AVAILABLE"}
    )
    temporary = frozenset({"FLOOD_WAIT"})
    account = frozenset({"ACCESS_TOKEN_INVALID", "ACCESS_TOKEN_REQUIRED", "BALANCE_NOT_ENOUGH"})
    statuses = {
        "sent": "sent",
        "delivered": "delivered",
        "read": "read",
        "expired": "undelivered",
        "revoked": "failed",
    }
    causes = by_code(
        credentials="ACCESS_TOKEN_INVALID ACCESS_TOKEN_REQUIRED",
        balance="BALANCE_NOT_ENOUGH",
        invalid_number="PHONE_NUMBER_INVALID PHONE_NUMBER_NOT_FOUND",
        unreachable="PHONE_NUMBER_NOT_AVAILABLE",
        registration="SENDER_NOT_VERIFIED SENDER_USERNAME_INVALID SENDER_NOT_OWNED",
        configuration=(
            "CALLBACK_URL_INVALID CODE_INVALID CODE_LENGTH_INVALID PAYLOAD_INVALID TTL_INVALID"
        ),
        rate_limited="FLOOD_WAIT",
    )
    error_list = "https://core.telegram.org/gateway/api"

    def __init__(
        self,
        alias: str,
        *,
        access_token: str,
        sender_username: str = "",
        ttl: int = 0,
        base_url: str = "https://gatewayapi.telegram.org",
    ) -> None:
        super().__init__(alias)
        if not access_token:
            raise ValueError("access_token is empty")
        if ttl and not _SHORTEST_TTL <= ttl <= _LONGEST_TTL:
            raise ValueError(f"ttl is {_SHORTEST_TTL} to {_LONGEST_TTL} seconds, or 0 for none")
        self.access_token, self.ttl = access_token, ttl
        self.sender_username = sender_username.removeprefix("@")
        self.url = f"{base_url}/sendVerificationMessage"

    def request(self, message: Message) -> rest.Request:
        """Ask for a message with our code. Raises TemporarySendError for one it cannot carry."""
        if not _CODE.fullmatch(message.code):
            raise LeftToAnother("Telegram carries codes of 4 to 8 digits alone", fault=UNSUITED)
        body: dict[str, object] = {
            "phone_number": message.to,
            "code": message.code,
            "payload": message.attempt_sid,
        }
        body |= rest.fields(
            sender_username=self.sender_username, callback_url=self.callback_of(message)
        )
        if self.ttl:
            body["ttl"] = self.ttl
        headers = {"Authorization": f"Bearer {self.access_token}"}
        return rest.Request(self.url, json=body, headers=headers)

    def receipt(self, data: object) -> Receipt:
        """Read the id, and the price, which is in dollars."""
        price = rest.money(rest.pick(data, "result", "request_cost"), "USD")
        return Receipt(rest.pick(data, "result", "request_id"), *price)

    def error(self, data: object) -> str:
        """Read the error's name; that of a pause ends with its length."""
        code = rest.pick(data, "error")
        return "FLOOD_WAIT" if code.startswith("FLOOD_WAIT") else code

    def is_signed(self, callback: Callback) -> bool:
        """Look at the HMAC of time and body, whose key is the digest of the token."""
        sent_at = callback.headers.get("x-request-timestamp", "")
        key = hashlib.sha256(self.access_token.encode()).digest()
        signed = sent_at.encode("ascii", "replace") + b"\n" + callback.body
        expected = hmac.new(key, signed, hashlib.sha256).hexdigest()
        given = callback.headers.get("x-request-signature", "")
        return signatures.same(given, expected) and signatures.recent(sent_at)

    def read(self, callback: Callback) -> Iterable[Report]:
        """Read what became of one message."""
        data = rest.parsed(callback.body)
        status = rest.pick(data, "delivery_status", "status")
        return self.report(rest.pick(data, "request_id"), status)
