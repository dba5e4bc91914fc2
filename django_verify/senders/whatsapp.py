"""Sends through Meta's WhatsApp Cloud API, by a template of its kind "authentication"."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from urllib.parse import parse_qsl, urlsplit

from django_verify.senders import rest, signatures
from django_verify.senders.base import (
    Callback,
    CallbackRefused,
    Message,
    Receipt,
    Report,
    SendError,
    TemporarySendError,
)

_VERSION = re.compile(r"v[0-9]{1,3}\.[0-9]\Z")
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{1,128}\Z")
# Meta's greatest length of a code.
_CODE = 15


class WhatsAppSender(rest.RestSender):
    """The template `template` of the number `phone_number_id`, with the code in text and button.

    `languages` maps our locales to the template's, and each other locale goes by its own name.
    Reports need `app_secret`, and `verify_token` for Meta to accept the URL.
    """

    channels = frozenset({"whatsapp"})
    # Cannot be delivered, an experiment's number, the sender itself.
    permanent = frozenset({"131026", "130472", "131021"})
    # Limits, blocks, bills and templates: of this account, not of the recipient.
    temporary = frozenset(
        {
            *("1", "2", "4", "10", "190", "368", "80007", "130429", "130497", "131000", "131005"),
            *("131008", "131009", "131016", "131031", "131042", "131045", "131048", "131056"),
            *("131057", "132000", "132001", "132005", "132007", "132012", "132015", "132016"),
            *("133004", "133010"),
        }
    )
    statuses = {"sent": "sent", "delivered": "delivered", "read": "read", "failed": "failed"}

    def __init__(
        self,
        alias: str,
        *,
        phone_number_id: str,
        access_token: str,
        template: str,
        languages: Mapping[str, str] | None = None,
        button: bool = True,
        app_secret: str = "",
        verify_token: str = "",
        api_version: str = "v23.0",
        base_url: str = "https://graph.facebook.com",
    ) -> None:
        super().__init__(alias)
        if not (phone_number_id and access_token and template):
            raise ValueError("phone_number_id, access_token and template must not be empty")
        if not _VERSION.match(api_version):
            raise ValueError('api_version looks like "v23.0"')
        if verify_token and not app_secret:
            raise ValueError("reports need app_secret, not verify_token alone")
        self.access_token, self.template, self.button = access_token, template, button
        self.languages = dict(languages or {})
        self.app_secret, self.verify_token = app_secret, verify_token
        self.reporting = bool(app_secret)
        self.url = f"{base_url}/{api_version}/{phone_number_id}/messages"

    def request(self, message: Message) -> rest.Request:
        """Ask for the template; copy-code and one-tap buttons are both filled as a URL's end."""
        if not message.code:
            raise TemporarySendError("the template carries nothing but a code")
        if len(message.code) > _CODE:
            raise SendError("the code is longer than the provider takes")
        values = [{"type": "text", "text": message.code}]
        parts: list[dict[str, object]] = [{"type": "body", "parameters": values}]
        if self.button:
            parts.append({"type": "button", "sub_type": "url", "index": "0", "parameters": values})
        language = self.languages.get(message.locale, message.locale.replace("-", "_"))
        template = {"name": self.template, "language": {"code": language}, "components": parts}
        return rest.Request(
            self.url,
            json={
                "messaging_product": "whatsapp",
                "recipient_type": "individual",
                "to": message.to,
                "type": "template",
                "template": template,
            },
            headers={"Authorization": f"Bearer {self.access_token}"},
        )

    def receipt(self, data: object) -> Receipt:
        """Read the id; Meta names no price."""
        return Receipt(rest.pick(data, "messages", 0, "id"))

    def error(self, data: object) -> str:
        """Read the number of Meta's error."""
        return rest.pick(data, "error", "code")

    def is_signed(self, callback: Callback) -> bool:
        """Look at the HMAC of the body."""
        expected = "sha256=" + signatures.digest(self.app_secret, callback.body).hex()
        return signatures.same(callback.headers.get("x-hub-signature-256", ""), expected)

    def read(self, callback: Callback) -> Iterable[Report]:
        """Read every status of a callback, which may hold many, and other things."""
        for entry in _list(rest.parsed(callback.body), "entry"):
            for change in _list(entry, "changes"):
                value = change.get("value") if isinstance(change, dict) else None
                for status in _list(value, "statuses"):
                    sid, word = rest.pick(status, "id"), rest.pick(status, "status")
                    yield from self.report(sid, word, rest.pick(status, "errors", 0, "code"))

    def handshake(self, callback: Callback) -> str | None:
        """Return Meta's challenge when it names our token: so it tries a new URL."""
        query = dict(parse_qsl(urlsplit(callback.url).query))
        if not self.verify_token or query.get("hub.mode") != "subscribe":
            return None
        if not signatures.same(query.get("hub.verify_token", ""), self.verify_token):
            raise CallbackRefused("the token is not ours")
        challenge = query.get("hub.challenge", "")
        return challenge if _CHALLENGE.match(challenge) else None


def _list(data: object, name: str) -> list[object]:
    found = data.get(name) if isinstance(data, dict) else None
    return found if isinstance(found, list) else []
