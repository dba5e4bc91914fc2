"""Sends text through the Channels API of Bird, the successor of MessageBird's platform."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from django_verify.senders import rest, signatures
from django_verify.senders.base import Callback, Message, Receipt, Report
from django_verify.senders.causes import by_code

_FAILED = {"undelivered", "failed"}


class BirdSender(rest.RestSender):
    """Text through one SMS channel of a workspace.

    Reports come from a webhook subscription to `sms.outbound` that was made with `signing_key`;
    Bird takes no URL for them with a message.
    """

    channels = frozenset({"sms"})
    reports_to_console = True
    statuses = {
        "sent": "sent",
        "delivered": "delivered",
        "delivery_failed": "undelivered",
        "sending_failed": "failed",
        "rejected": "failed",
        "skipped": "failed",
    }
    causes = by_code(
        credentials="Unauthorized",
        account="Forbidden",
        configuration="InvalidPayload InvalidArgument NotFound",
        rate_limited="TooManyRequests",
        unknown="delivery_failed sending_failed rejected skipped",
    )
    error_list = (
        "https://docs.bird.com/api/channels-api/message-status-and-interactions/"
        "message-failure-sources/sms-platform-extended-error-codes"
    )

    def __init__(
        self,
        alias: str,
        *,
        access_key: str,
        workspace_id: str,
        channel_id: str,
        signing_key: str = "",
        base_url: str = "https://api.bird.com",
    ) -> None:
        super().__init__(alias)
        self.access_key, self.signing_key = access_key, signing_key
        self.url = f"{base_url}/workspaces/{workspace_id}/channels/{channel_id}/messages"
        self.reporting = bool(signing_key)

    def request(self, message: Message) -> rest.Request:
        """Ask for a text; the channel knows its own number."""
        contact = {"identifierKey": "phonenumber", "identifierValue": message.to}
        body = {
            "receiver": {"contacts": [contact]},
            "body": {"type": "text", "text": {"text": message.body}},
        }
        headers = {"Authorization": f"AccessKey {self.access_key}"}
        return rest.Request(self.url, json=body, headers=headers)

    def receipt(self, data: object) -> Receipt:
        """Read the id."""
        return Receipt(rest.pick(data, "id"))

    def error(self, data: object) -> str:
        """Read the error's name, or the status of a message that has failed at once."""
        status = rest.pick(data, "status")
        return rest.pick(data, "code") or (status if self.statuses.get(status) in _FAILED else "")

    def is_signed(self, callback: Callback) -> bool:
        """Verify the HMAC of time, URL and the digest of the body."""
        sent_at = callback.headers.get("messagebird-request-timestamp", "")
        body = hashlib.sha256(callback.body).digest()
        parts = sent_at, "\n", callback.url, "\n", body
        given = signatures.decoded(callback.headers.get("messagebird-signature", ""))
        is_ours = signatures.same(given, signatures.digest(self.signing_key, *parts))
        return is_ours and signatures.recent(sent_at)

    def read(self, callback: Callback) -> Iterable[Report]:
        """Read one event of the subscription."""
        data = rest.parsed(callback.body)
        if rest.pick(data, "event") != "sms.outbound":
            return []
        return self.report(rest.pick(data, "payload", "id"), rest.pick(data, "payload", "status"))
