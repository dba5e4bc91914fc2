"""Sends through Twilio: text and WhatsApp by its Messages resource, spoken text by its Calls."""

from __future__ import annotations

import base64
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from urllib.parse import parse_qsl, quote, urlsplit
from xml.sax.saxutils import escape, quoteattr

from cryptography.fernet import Fernet, InvalidToken

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

_VOICE = re.compile(r"(man|woman|alice|(Polly|Google)\.[A-Za-z0-9-]+)\Z")
# Twilio's greatest length of a document in the request.
_DOCUMENT = 4000
# Within so many seconds a key is pressed, or never.
_KEY_SECONDS = 600
_FAILED = frozenset({"failed", "undelivered", "canceled"})
_PORTS = {"https": 443, "http": 80}


class TwilioSender(rest.RestSender):
    """Text from `from_` or `messaging_service_sid`; calls from `voice_from`; WhatsApp from
    `whatsapp_from`, with the template `content_sid`, or one for each locale.

    It signs in with `auth_token`, or with `api_key` and `api_secret`; only the token verifies
    reports, and a call that waits for a key goes through the URL for reports.
    """

    # Invalid, out of reach, invalid to call, a short code, opted out, no mobile, a landline, and
    # of WhatsApp: unknown there, no recipient, blocked by the recipient.
    permanent = frozenset(
        {
            *("21211", "21214", "21217", "21265", "21610", "21614", "21635"),
            *("63003", "63024", "63033"),
        }
    )
    # Too many requests, a full queue, and the limits of WhatsApp.
    temporary = frozenset({"20429", "21611", "63018", "63038"})
    # Credentials, a suspended account, a trial's numbers.
    account = frozenset({"20003", "20005", "20006", "21219", "21608"})
    statuses = {
        "sent": "sent",
        "delivered": "delivered",
        "read": "read",
        "undelivered": "undelivered",
        "failed": "failed",
        # States of calls, and of messages that were withdrawn:
        "completed": "delivered",
        "busy": "undelivered",
        "no-answer": "undelivered",
        "canceled": "failed",
    }
    causes = by_code(
        credentials="20003 20101 20102 20103 20104 20107",
        account="20005 20006 21219 21608 30002 30037 30044 63015 63020 63051",
        country="21215 21216 21408 21612 13227",
        registration=(
            "21655 30018 30024 30032 30033 30034 30040 63016 63021 63027 63028 63040 63041 63042"
        ),
        configuration=(
            "20404 21201 21210 21212 21266 21602 21603 21604 21606 21609 21617 21656 21659 "
            "21660 21703 21704 30010 63007"
        ),
        not_mobile="21265 21614 21635 30006",
        invalid_number="13224 21211 21217 30005 63003 63024",
        unreachable="21214 30003 30036 63032",
        opted_out="21610 30004 63033",
        spam="13225 63013 30007 30038 30039 30450 30453 63049",
        rate_limited="20429 21611 30001 30022 30023 30027 63018 63038",
        provider_down="20500 20503 30017 63010 63012",
        no_answer="30410",
        unknown="30008",
    )
    error_list = "https://www.twilio.com/docs/api/errors"

    def __init__(
        self,
        alias: str,
        *,
        account_sid: str,
        auth_token: str = "",
        api_key: str = "",
        api_secret: str = "",
        from_: str = "",
        messaging_service_sid: str = "",
        voice_from: str = "",
        whatsapp_from: str = "",
        content_sid: str | Mapping[str, str] = "",
        base_url: str = "https://api.twilio.com",
    ) -> None:
        super().__init__(alias)
        if bool(api_key) != bool(api_secret):
            raise ValueError("an API key needs both api_key and api_secret")
        if not (auth_token or api_key):
            raise ValueError("give auth_token, or api_key and api_secret")
        if from_ and messaging_service_sid:
            raise ValueError("give either from_ or messaging_service_sid")
        serves = {"sms": from_ or messaging_service_sid, "call": voice_from}
        serves["whatsapp"] = whatsapp_from
        self.channels = frozenset(name for name, origin in serves.items() if origin)
        if not self.channels:
            raise ValueError("give from_, messaging_service_sid, voice_from or whatsapp_from")
        self.auth = (api_key, api_secret) if api_key else (account_sid, auth_token)
        self.auth_token, self.reporting = auth_token, bool(auth_token)
        self.origin = rest.fields(From=from_, MessagingServiceSid=messaging_service_sid)
        self.voice_from, self.whatsapp_from = voice_from, whatsapp_from
        self.content_sid = content_sid
        self.url = f"{base_url}/2010-04-01/Accounts/{account_sid}"

    def request(self, message: Message) -> rest.Request:
        """Ask for a message or a call."""
        form = {"To": message.to} | rest.fields(StatusCallback=self.callback_of(message))
        if message.channel == "call":
            form |= {"From": self.voice_from, "Twiml": self._document(message)}
            form |= rest.fields(SendDigits=message.send_digits)
            return rest.Request(f"{self.url}/Calls.json", form=form, auth=self.auth)
        if message.channel == "whatsapp":
            form |= {"To": f"whatsapp:{message.to}", "From": f"whatsapp:{self.whatsapp_from}"}
            form |= self._content(message)
        else:
            form |= self.origin | {"Body": message.body}
        return rest.Request(f"{self.url}/Messages.json", form=form, auth=self.auth)

    def receipt(self, data: object) -> Receipt:
        """Read the id and, where it is known already, the price, which Twilio has below zero."""
        price = rest.pick(data, "price").removeprefix("-"), rest.pick(data, "price_unit").upper()
        return Receipt(rest.pick(data, "sid"), *rest.money(*price))

    def error(self, data: object) -> str:
        """Read the number of Twilio's error, or of a message that has failed at once."""
        code = rest.pick(data, "code")
        failed = rest.pick(data, "status") in _FAILED
        return code or (rest.pick(data, "error_code") or "failed" if failed else "")

    def is_signed(self, callback: Callback) -> bool:
        """Verify the HMAC of the URL and the sorted parameters."""
        form = callback.body.decode()
        values: defaultdict[str, set[str]] = defaultdict(set)
        for name, value in parse_qsl(form, keep_blank_values=True, errors="strict"):
            values[name].add(value)
        text = "".join(name + value for name in sorted(values) for value in sorted(values[name]))
        given = callback.headers.get("x-twilio-signature", "")
        # Twilio may sign with the usual port written out, or left away.
        return any(self._is_of(given, url + text) for url in _spellings(callback.url))

    def read(self, callback: Callback) -> Iterable[Report]:
        """Read what became of a message or a call."""
        values = dict(parse_qsl(callback.body.decode(), keep_blank_values=True))
        if "CallSid" in values:
            return self.report(values["CallSid"], values.get("CallStatus", ""))
        sid = values.get("MessageSid", "")
        return self.report(sid, values.get("MessageStatus", ""), values.get("ErrorCode", ""))

    def handshake(self, callback: Callback) -> str | None:
        """Return the speech of a call once a key was pressed; its URL brings it along."""
        sealed = dict(parse_qsl(urlsplit(callback.url).query)).get("speak")
        if sealed is None:
            return None
        if not self.believes(callback):
            raise CallbackRefused("the signature is not the provider's")
        try:
            return self._vault().decrypt(sealed.encode(), ttl=_KEY_SECONDS).decode()
        except InvalidToken:
            raise CallbackRefused("the callback cannot be read") from None

    def _content(self, message: Message) -> dict[str, str]:
        sid = self.content_sid
        if not isinstance(sid, str):
            sid = sid.get(message.locale, "")
            if not sid:
                text = "there is no template in this language"
                raise TemporarySendError(text, fault=UNSUITED)
        if not sid:
            return {"Body": message.body}
        return {"ContentSid": sid, "ContentVariables": json.dumps({"1": message.code})}

    def _document(self, message: Message) -> str:
        """Return the speech; after a prompt Twilio fetches the code once a key is pressed."""
        tag = rest.SPEECH.get(message.locale)
        if tag is None:
            raise TemporarySendError("the provider does not speak this language", fault=UNSUITED)
        named = f" voice={quoteattr(message.tts_name)}" if _VOICE.match(message.tts_name) else ""
        begin = f'<Say language="{tag}"{named}>'
        document = _response(f"{begin}{escape(message.body)}</Say>")
        if message.prompt:
            url = self.callback_of(message)
            if not url:
                # Twilio goes on from a key at a URL alone.
                text = "the provider cannot wait for a key without callbacks"
                raise TemporarySendError(text, fault=UNSUITED)
            speak = self._vault().encrypt(document.encode()).decode()
            action = f"{url}{'&' if '?' in url else '?'}speak={quote(speak)}"
            document = _response(
                f'<Gather action={quoteattr(action)} method="GET" numDigits="1" finishOnKey=""'
                f' timeout="10">{begin}{escape(message.prompt)}</Say></Gather>'
            )
        if len(document) > _DOCUMENT:
            raise TemporarySendError("the text is too long to be spoken", fault=UNSUITED)
        return document

    def _is_of(self, given: str, text: str) -> bool:
        digest = signatures.digest(self.auth_token, text, method="sha1")
        return signatures.same(given, signatures.encoded(digest))

    def _vault(self) -> Fernet:
        """Return the box of texts to be spoken: Twilio carries them, and nobody reads them."""
        key = signatures.digest(self.auth_token, "django_verify twilio speak")
        return Fernet(base64.urlsafe_b64encode(key))


def _response(verbs: str) -> str:
    return f'<?xml version="1.0" encoding="UTF-8"?><Response>{verbs}</Response>'


def _spellings(url: str) -> tuple[str, str]:
    """Return the URL as it is, and with the port of its scheme added or left away."""
    parts = urlsplit(url)
    if parts.port is None:
        netloc = f"{parts.netloc}:{_PORTS.get(parts.scheme, 443)}"
    else:
        netloc = parts.netloc.rpartition(":")[0]
    return url, url.replace(parts.netloc, netloc, 1)
