"""Sends text through Africa's Talking; its calls would fetch their speech here, so it has none."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import parse_qsl

from django_verify.senders import rest, signatures
from django_verify.senders.base import Callback, Message, Receipt, Report

# Processed, sent, queued.
_ACCEPTED = frozenset({"100", "101", "102"})
_FIRST = "SMSMessageData", "Recipients", 0


class AfricasTalkingSender(rest.RestSender):
    """Text; the user name `sandbox` needs the sandbox's `base_url`.

    Africa's Talking signs nothing and takes no URL with a message: reports go to the URL
    in its dashboard, and are believed if the query there has `token=` and `callback_token`.
    """

    channels = frozenset({"sms"})
    # Not a number, of a kind without texts, unsubscribed, on a do-not-disturb list.
    permanent = frozenset({"403", "404", "406", "409"})
    # Errors of the provider and of its gateway.
    temporary = frozenset({"500", "501", "502"})
    # Held back for its risk, and no balance.
    account = frozenset({"401", "405"})
    statuses = {
        "Sent": "sent",
        "Submitted": "sent",
        "Buffered": "sent",
        "Success": "delivered",
        "Rejected": "undelivered",
        "Failed": "undelivered",
        "AbsentSubscriber": "undelivered",
        "Expired": "undelivered",
    }

    def __init__(
        self,
        alias: str,
        *,
        username: str,
        api_key: str,
        sender: str = "",
        callback_token: str = "",
        base_url: str = "https://api.africastalking.com",
    ) -> None:
        super().__init__(alias)
        self.username, self.api_key, self.sender = username, api_key, sender
        self.callback_token = callback_token
        self.url = f"{base_url}/version1/messaging"
        self.reporting = bool(callback_token)

    def request(self, message: Message) -> rest.Request:
        """Ask for a text; without `sender` it comes from the account's default."""
        form = {"username": self.username, "to": message.to, "message": message.body}
        return rest.Request(
            self.url,
            form=form | {"bulkSMSMode": "1"} | rest.fields(from_=self.sender),
            headers={"apiKey": self.api_key, "Accept": "application/json"},
        )

    def receipt(self, data: object) -> Receipt:
        """Read the id, and the price from words like `KES 0.8000`."""
        currency, _, amount = rest.pick(data, *_FIRST, "cost").partition(" ")
        return Receipt(rest.pick(data, *_FIRST, "messageId"), *rest.money(amount, currency))

    def error(self, data: object) -> str:
        """Read the recipient's status, or why there is no recipient, from a body of HTTP 201."""
        code = rest.pick(data, *_FIRST, "statusCode")
        return "" if code in _ACCEPTED else code or rest.pick(data, "SMSMessageData", "Message")

    def is_signed(self, callback: Callback) -> bool:
        """Look for the token in the query, once."""
        return signatures.has_token(callback.url, self.callback_token)

    def read(self, callback: Callback) -> Iterable[Report]:
        """Read a delivery report."""
        values = dict(parse_qsl(callback.body.decode()))
        sid, status = values.get("id", ""), values.get("status", "")
        return self.report(sid, status, values.get("failureReason", ""))
