"""Sends through Meta's WhatsApp Cloud API, by a template of its kind "authentication"."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from urllib.parse import parse_qsl, urlsplit

from django_verify.senders import rest, signatures
from django_verify.senders.base import (
    UNSUITED,
    Callback,
    CallbackRefused,
    Message,
    Receipt,
    Report,
    TemporarySendError,
)
from django_verify.senders.causes import by_code

_VERSION = re.compile(r"v[0-9]{1,3}\.[0-9]\Z")
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{1,128}\Z")
# Languages that Meta knows by another name; the others go by their own.
_LANGUAGES = {"pt": "pt_PT", "zh": "zh_CN", "tl": "fil"}
# Meta's greatest length of a code.
_CODE = 15


class WhatsAppSender(rest.RestSender):
    """The template `template` of the number `phone_number_id`, with the code in text and button.

    `languages` maps our locales to the template's, and each other locale goes by Meta's name.
    Reports need `app_secret`, and `verify_token` for Meta to accept the URL.
    """

    channels = frozenset({"whatsapp"})
    reports_to_console = True
    # Cannot be delivered, an experiment's number, the sender itself.
    permanent = frozenset({"131026", "130472", "131021"})
    # Unknown errors, outages and limits.
    temporary = frozenset(
        {
            *("1", "2", "4", "80007", "130429", "131000", "131016", "131048", "131056", "131057"),
            *("133004", "133016"),
        }
    )
    # Credentials, permissions, blocks, bills, the registration of the number.
    account = frozenset(
        {
            *("0", "3", "10", "190", "200", "368", "130497", "131005", "131031", "131042"),
            *("131045", "133010"),
        }
    )
    statuses = {"sent": "sent", "delivered": "delivered", "read": "read", "failed": "failed"}
    causes = by_code(
        credentials="0 190",
        account="3 10 200 368 131005 131031 133010 131045",
        balance="131042",
        country="130497",
        registration="131047 132000 132001 132005 132007 132012 132015 132016 132068 132069",
        configuration="33 100 131008 131009 131021 131051 135000",
        invalid_number="131026 131030",
        unreachable="130472 131052",
        opted_out="131050",
        spam="131048 131049 131064",
        rate_limited="4 80007 130429 131056 133016",
        provider_down="1 2 131000 131016 131057 133004",
    )
    error_list = "https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/"

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
            text = "the template carries nothing but a code"
            raise TemporarySendError(text, fault=UNSUITED)
        if len(message.code) > _CODE:
            text = "the code is longer than the provider takes"
            raise TemporarySendError(text, fault=UNSUITED)
        values = [{"type": "text", "text": message.code}]
        parts: list[dict[str, object]] = [{"type": "body", "parameters": values}]
        if self.button:
            parts.append({"type": "button", "sub_type": "url", "index": "0", "parameters": values})
        plain = _LANGUAGES.get(message.locale, message.locale.replace("-", "_"))
        language = self.languages.get(message.locale, plain)
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
        for entry in rest.entries(rest.parsed(callback.body), "entry"):
            for change in rest.entries(entry, "changes"):
                value = change.get("value") if isinstance(change, dict) else None
                for status in rest.entries(value, "statuses"):
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
