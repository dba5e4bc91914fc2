"""Sends through Sinch: text by the SMS API, spoken text by the Voice API."""

from __future__ import annotations

from collections.abc import Iterable

from django_verify.senders import rest, signatures
from django_verify.senders.base import Callback, Message, Receipt, Report
from django_verify.senders.causes import by_code

_VOICES = rest.SPEECH | {"zh": "cmn-CN"}
_SIGNATURE = "x-sinch-webhook-signature"


class SinchSender(rest.RestSender):
    """Text, and with an application's `voice_key` and `voice_secret` calls as well.

    `webhook_secret` verifies the reports of texts; Sinch signs them once the account's manager
    has asked for it. Calls report to the application's own URL only, so not to us.
    """

    channels = frozenset({"sms"})
    statuses = {
        "dispatched": "sent",
        "delivered": "delivered",
        "failed": "failed",
        "aborted": "failed",
        "cancelled": "failed",
        "rejected": "undelivered",
        "deleted": "undelivered",
        "expired": "undelivered",
    }
    causes = by_code(
        credentials="unauthorized",
        account="forbidden",
        rate_limited="too_many_requests",
        configuration=(
            "syntax_invalid_json syntax_invalid_parameter_format syntax_constraint_violation "
            "unknown_resource missing_sender"
        ),
        provider_down="internal_error",
    )
    report_causes = by_code(
        country="402 412",
        provider_down="403 404",
        configuration="405 410 411",
        unreachable="406",
        spam="408",
        account="413",
        unknown="407",
    )
    error_list = "https://developers.sinch.com/docs/sms/api-reference/sms/tag/Delivery-reports/"

    def __init__(
        self,
        alias: str,
        *,
        service_plan_id: str,
        api_token: str,
        sender: str = "",
        voice_key: str = "",
        voice_secret: str = "",
        call_from: str = "",
        webhook_secret: str = "",
        region: str = "us",
        base_url: str = "",
        voice_url: str = "https://calling.api.sinch.com",
    ) -> None:
        super().__init__(alias)
        if bool(voice_key) != bool(voice_secret):
            raise ValueError("calls need both voice_key and voice_secret")
        base_url = base_url or f"https://{region}.sms.api.sinch.com"
        self.url = f"{base_url}/xms/v1/{service_plan_id}/batches"
        self.call_url = f"{voice_url}/calling/v1/callouts"
        self.api_token, self.sender = api_token, sender
        self.voice = voice_key, voice_secret
        self.call_from = rest.number(call_from, sender)
        self.webhook_secret = webhook_secret
        self.reporting = bool(webhook_secret)
        if voice_key:
            self.channels = frozenset({"sms", "call"})

    def request(self, message: Message) -> rest.Request:
        """Ask for a text, which finds its own alphabet, or for a call."""
        if message.channel == "call":
            return self._call(message)
        body: dict[str, object] = {"to": [message.to], "body": message.body}
        body |= rest.fields(from_=self.sender)
        if url := self.callback_of(message):
            body |= {"delivery_report": "per_recipient", "callback_url": url}
        headers = {"Authorization": f"Bearer {self.api_token}"}
        return rest.Request(self.url, json=body, headers=headers)

    def receipt(self, data: object) -> Receipt:
        """Read the id of the batch, or of the call."""
        return Receipt(rest.pick(data, "id") or rest.pick(data, "callId"))

    def error(self, data: object) -> str:
        """Read the name of an SMS error, or the number of one of a call."""
        return rest.pick(data, "code") or rest.pick(data, "errorCode")

    def reports_on(self, channel: str) -> bool:
        """Whether these are texts: calls report to the application's own URL."""
        return channel != "call" and super().reports_on(channel)

    def is_signed(self, callback: Callback) -> bool:
        """Look at the HMAC of body, nonce and time."""
        nonce = callback.headers.get(f"{_SIGNATURE}-nonce", "")
        sent_at = callback.headers.get(f"{_SIGNATURE}-timestamp", "")
        expected = signatures.digest(self.webhook_secret, callback.body, ".", nonce, ".", sent_at)
        given = signatures.decoded(callback.headers.get(_SIGNATURE, ""))
        return signatures.same(given, expected) and signatures.recent(sent_at)

    def read(self, callback: Callback) -> Iterable[Report]:
        """Read the report of one recipient; a batch of ours has one."""
        data = rest.parsed(callback.body)
        if rest.pick(data, "type") != "recipient_delivery_report_sms":
            return []
        status = rest.pick(data, "status").lower()
        code = rest.pick(data, "code")
        return self.report(rest.pick(data, "batch_id"), status, "" if code == "0" else code)

    def _call(self, message: Message) -> rest.Request:
        callout: dict[str, object] = {
            "destination": {"type": "number", "endpoint": message.to},
            "text": message.body,
            "locale": rest.voice(message, _VOICES, dials=True),
        }
        callout |= rest.fields(cli=self.call_from, dtmf=message.send_digits)
        body = {"method": "ttsCallout", "ttsCallout": callout}
        return rest.Request(self.call_url, json=body, auth=self.voice)
