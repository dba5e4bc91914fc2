"""What senders over a REST API share: one request, and its answer read as a receipt or an error.

`RestSender` owns the order of events; a provider builds the request and reads the answer.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from django_verify.net import client
from django_verify.net.times import read_retry_after
from django_verify.senders.base import (
    Callback,
    CallbackRefused,
    Message,
    Receipt,
    Report,
    Sender,
    SendError,
    TemporarySendError,
)

#: The longest pause that a provider may ask for, in seconds.
LONGEST_PAUSE = 3600
#: Locales of speech by the tag that most voices go by.
SPEECH = {
    "ca": "ca-ES",
    "da": "da-DK",
    "de": "de-DE",
    "en": "en-US",
    "en-GB": "en-GB",
    "es": "es-ES",
    "fi": "fi-FI",
    "fr": "fr-FR",
    "it": "it-IT",
    "ja": "ja-JP",
    "ko": "ko-KR",
    "nb": "nb-NO",
    "nl": "nl-NL",
    "pl": "pl-PL",
    "pt": "pt-PT",
    "pt-BR": "pt-BR",
    "ru": "ru-RU",
    "sv": "sv-SE",
    "zh": "zh-CN",
    "zh-HK": "zh-HK",
}
# What is wrong with the request itself; any other refusal is of us, or of the moment.
_REFUSED = frozenset({400, 413, 422})
# The one answer of a broken server that means that nothing was done.
_UNAVAILABLE = 503
_CODE = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_PHONE_LIKE = re.compile(r"\d{7}")
_AMOUNT = re.compile(r"-?\d{1,6}(?:\.\d{1,8})?", re.ASCII)
_CURRENCY = re.compile(r"[A-Z]{3}")
_NUMBER = re.compile(r"\+?[0-9]{3,15}")


@dataclass(frozen=True, slots=True)
class Request:
    """One request to a provider, in the words of `client.call`; its `repr` shows nothing."""

    url: str = field(repr=False)
    method: str = field(default="POST", kw_only=True)
    json: object = field(default=None, repr=False)
    form: Mapping[str, str] | None = field(default=None, repr=False)
    headers: Mapping[str, str] | None = field(default=None, repr=False)
    auth: tuple[str, str] | None = field(default=None, repr=False)


class RestSender(Sender):
    """A provider that takes one message by one POST and answers with JSON.

    It overrides `request`, `receipt` and `error`, and for reports `is_signed` and `read`.
    `permanent` and `temporary` are its own codes where they are more specific than the HTTP status;
    `statuses` maps its words for what became of a message to those of `Report`.
    """

    gives_ids = True
    permanent: frozenset[str] = frozenset()
    temporary: frozenset[str] = frozenset()
    statuses: Mapping[str, str] = {}

    def send(self, message: Message) -> Receipt:
        """Ask the provider once; an answer that cannot be read leaves the outcome uncertain."""
        answer = _ask(self.request(message))
        data = _decoded(answer)
        code = code_of(self.error(data))
        if code or not 200 <= answer.status < 300:
            raise self._refusal(answer, code)
        receipt = self.receipt(data)
        if self.gives_ids and not receipt.provider_sid:
            raise TemporarySendError("the provider's answer cannot be read", uncertain=True)
        return receipt

    def request(self, message: Message) -> Request:
        """Return what to ask; raise SendError for a message that the provider cannot carry."""
        raise NotImplementedError

    def receipt(self, data: object) -> Receipt:
        """Read the acceptance; one without the provider's id counts as unreadable."""
        raise NotImplementedError

    def error(self, data: object) -> str:
        """Return the provider's error code; empty when the answer names none."""
        return ""

    def reports(self, callback: Callback) -> Sequence[Report]:
        """Return what a callback reports; its signature is verified first."""
        reports = None
        # An error of a parser holds what it read, so none may be the context of ours.
        with contextlib.suppress(ValueError):
            if self.reporting and self.is_signed(callback):
                reports = list(self.read(callback))
        if reports is None:
            raise CallbackRefused("not signed by the provider, or not to be read")
        return reports

    def is_signed(self, callback: Callback) -> bool:
        """Whether the provider signed it, in constant time; a ValueError is a no."""
        raise NotImplementedError

    def read(self, callback: Callback) -> Iterable[Report]:
        """Read a signed callback; a ValueError refuses it."""
        raise NotImplementedError

    def report(self, sid: str, status: str, code: str = "", *price: str) -> list[Report]:
        """Return the report of one message; none for a status without a meaning here."""
        known = self.statuses.get(status)
        if not (sid and known):
            return []
        return [Report(sid, known, code_of(code), *money(*price))]

    def callback_of(self, message: Message) -> str:
        """Return the URL for reports; empty when they could not be verified."""
        return message.callback_url if self.reporting else ""

    def _refusal(self, answer: client.Answer, code: str) -> SendError:
        shown = code or str(answer.status)
        permanent = answer.status in _REFUSED and code not in self.temporary
        if permanent or code in self.permanent:
            return SendError("the provider refused the message", code=shown)
        return TemporarySendError(
            "the provider did not take the message for now",
            code=shown,
            uncertain=answer.status >= 500 and answer.status != _UNAVAILABLE,
            retry_after=read_retry_after(answer.headers.get("retry-after"), LONGEST_PAUSE),
        )


def pick(data: object, *path: str | int) -> str:
    """Return the text or number at a path through decoded JSON; empty when there is none."""
    for step in path:
        if isinstance(data, dict):
            data = data.get(step)
        elif isinstance(data, list) and isinstance(step, int) and step < len(data):
            data = data[step]
        else:
            return ""
    if isinstance(data, bool) or not isinstance(data, str | int | float):
        return ""
    return str(data)


def code_of(value: str) -> str:
    """Return a provider's code, or nothing when it could be more: it goes into rows and logs."""
    return value if _CODE.fullmatch(value) and not _PHONE_LIKE.search(value) else ""


def money(amount: str = "", currency: str = "") -> tuple[str, str]:
    """Return a price and its currency as columns take them; without an amount, neither."""
    if not _AMOUNT.fullmatch(amount):
        return "", ""
    return amount, currency if _CURRENCY.fullmatch(currency) else ""


def parsed(body: bytes) -> object:
    """Decode JSON. Raises ValueError, however deep it is nested."""
    try:
        return json.loads(body)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def fields(**values: str) -> dict[str, str]:
    """Return those that have a value; a trailing `_` sets a name apart from a keyword."""
    return {name.rstrip("_"): value for name, value in values.items() if value}


def number(*candidates: str) -> str:
    """Return the first that is a phone number, not a name: calls can come from no other."""
    return next((one for one in candidates if _NUMBER.fullmatch(one)), "")


def voice(message: Message, voices: Mapping[str, str] = SPEECH, *, dials: bool = False) -> str:
    """Return the tag of the voice to speak with.

    Raises TemporarySendError for a call that another provider may make: one that waits for a key,
    dials digits where this provider does not, or is in a language it does not speak.
    """
    if message.prompt:
        raise TemporarySendError("the provider cannot wait for a key")
    if message.send_digits and not dials:
        raise TemporarySendError("the provider cannot dial digits")
    if message.locale not in voices:
        raise TemporarySendError("the provider does not speak this language")
    return voices[message.locale]


def _ask(request: Request) -> client.Answer:
    try:
        return client.call(
            request.method,
            request.url,
            json=request.json,
            form=request.form,
            headers=request.headers,
            auth=request.auth,
        )
    except client.NotAnswered:
        raise TemporarySendError("the provider did not answer", uncertain=True) from None
    except client.TransportError:
        raise TemporarySendError("the provider could not be reached") from None


def _decoded(answer: client.Answer) -> object:
    try:
        return answer.json()
    except ValueError:
        return None
