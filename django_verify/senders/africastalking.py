"""Sends text through Africa's Talking; its calls would fetch their speech here, so it has none."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import parse_qsl

from django_verify.senders import rest, signatures
from django_verify.senders.base import Callback, Message, Receipt, Report
from django_verify.senders.causes import by_code

# Processed, sent, queued.
_ACCEPTED = frozenset({"100", "101", "102"})
_FIRST = "SMSMessageData", "Recipients", 0
# Its numbers look like statuses of HTTP, which it also answers, and mean something else.
_NAMES = {
    "401": "RiskHold",
    "402": "InvalidSenderId",
    "403": "InvalidPhoneNumber",
    "404": "UnsupportedNumberType",
    "405": "InsufficientBalance",
    "406": "UserInBlacklist",
    "407": "CouldNotRoute",
    "409": "DoNotDisturbRejection",
    "500": "InternalServerError",
    "501": "GatewayError",
    "502": "RejectedByGateway",
}


class AfricasTalkingSender(rest.RestSender):
    """Text; the user name `sandbox` needs the sandbox's `base_url`.

    Africa's Talking signs nothing and takes no URL with a message: reports go to the URL
    in its dashboard, and are believed if the query there has `token=` and `callback_token`.
    """

    channels = frozenset({"sms"})
    reports_to_console = True
    # Not a number, of a kind without texts, unsubscribed, on a do-not-disturb list.
    permanent = frozenset(
        {"InvalidPhoneNumber", "UnsupportedNumberType", "UserInBlacklist", "DoNotDisturbRejection"}
    )
    # Errors of the provider and of its gateway.
    temporary = frozenset({"InternalServerError", "GatewayError", "RejectedByGateway"})
    # Held back for its risk, and no balance.
    account = frozenset({"RiskHold", "InsufficientBalance"})
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
    causes = by_code(
        spam="RiskHold",
        balance="InsufficientBalance",
        registration="InvalidSenderId",
        invalid_number="InvalidPhoneNumber",
        not_mobile="UnsupportedNumberType",
        opted_out="UserInBlacklist DoNotDisturbRejection",
        country="CouldNotRoute",
        provider_down="InternalServerError GatewayError RejectedByGateway",
    )
    report_causes = by_code(
        unreachable="UserIsInactive UserAccountSuspended DeliveryFailure",
        opted_out="UserInBlackList DoNotDisturbRejection",
        invalid_number="UserDoesNotExist NotNetworkSubscriber",
        configuration="InvalidLinkId UserNotSubscribedToProduct",
    )
    error_list = "https://developers.africastalking.com/docs/sms/sending/bulk"

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
        if code in _ACCEPTED:
            return ""
        return _NAMES.get(code, code) or rest.pick(data, "SMSMessageData", "Message")

    def is_signed(self, callback: Callback) -> bool:
        """Look for the token in the query, once."""
        return signatures.has_token(callback.url, self.callback_token)

    def read(self, callback: Callback) -> Iterable[Report]:
        """Read a delivery report."""
        values = dict(parse_qsl(callback.body.decode()))
        sid, status = values.get("id", ""), values.get("status", "")
        return self.report(sid, status, values.get("failureReason", ""))
