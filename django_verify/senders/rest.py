"""What senders over a REST API share: one request, and its answer read as a receipt or an error.

`RestSender` owns the order of events; a provider builds the request and reads the answer.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from django_verify.logs import logger
from django_verify.net import client
from django_verify.net.times import read_retry_after
from django_verify.senders.base import (
    ACCOUNT,
    REQUEST,
    UNSUITED,
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
# Of one request, be it under a status of success; of its recipient these prove nothing.
_OF_REQUEST = frozenset({*range(200, 300), 400, 406, 409, 410, 411, 413, 414, 415, 422, 431, 451})
# Come again: too slow, too early, too many.
_BUSY = frozenset({408, 425, 429})
#: The one answer of a broken server by which nothing was done.
UNAVAILABLE = 503
#: The texts of refusals, by the fault.
REFUSALS = {
    "": "the provider did not take the message for now",
    ACCOUNT: "the provider did not accept the account",
    REQUEST: "the provider refused the request, and not for its recipient",
}
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
    #: What is sent as it is, where a signature is of these bytes; its type is in the headers.
    body: bytes | None = field(default=None, repr=False)
    headers: Mapping[str, str] | None = field(default=None, repr=False)
    auth: tuple[str, str] | None = field(default=None, repr=False)


class RestSender(Sender):
    """A provider that takes one message by one POST and answers with JSON.

    It overrides `request`, `receipt` and `error`, and for reports `is_signed` and `read`.
    `permanent` are its codes for what is wrong with the recipient: nothing else ends an attempt.
    `temporary` and `account` are its codes for what the HTTP status does not show: limits and
    outages, and what concerns the whole account. `statuses` maps its words for what became of a
    message to those of `Report`.
    """

    gives_ids = True
    permanent: frozenset[str] = frozenset()
    temporary: frozenset[str] = frozenset()
    account: frozenset[str] = frozenset()
    statuses: Mapping[str, str] = {}

    def send(self, message: Message) -> Receipt:
        """Ask the provider once; an answer that cannot be read leaves the outcome uncertain."""
        answer = ask(self.request(message))
        data = self.decode(answer)
        error = self.error(data)
        code = self.shown(error)
        if error or not 200 <= answer.status < 300:
            raise self._refusal(answer, data, code)
        receipt = self.receipt(data)
        if self.gives_ids and not receipt.provider_sid:
            raise TemporarySendError("the provider's answer cannot be read", uncertain=True)
        return replace(receipt, report_asked=self.asks_report(message))

    def request(self, message: Message) -> Request:
        """Return what to ask; raise SendError for a message that the provider cannot carry."""
        raise NotImplementedError

    def decode(self, answer: client.Answer) -> object:
        """Return the content of the answer; None for what cannot be read."""
        try:
            return answer.json()
        except ValueError:
            return None

    def receipt(self, data: object) -> Receipt:
        """Read the acceptance; one without the provider's id counts as unreadable."""
        raise NotImplementedError

    def error(self, data: object) -> str:
        """Return the provider's error code; empty when the answer names none."""
        return ""

    def refuses_recipient(self, data: object, code: str) -> bool:
        """Whether a refusal is known to be about the recipient, and not about what we asked."""
        return code in self.permanent

    def has_left_in_part(self, data: object) -> bool:
        """Whether a refusal is of a later part of a message, the first of which has left."""
        return False

    def reports(self, callback: Callback) -> Sequence[Report]:
        """Return what a callback reports; its signature is verified first."""
        reports = None
        # An error of a parser holds what it read, so none may be the context of ours.
        with contextlib.suppress(ValueError, RecursionError):
            if self.believes(callback):
                reports = list(self.read(callback))
        if reports is None:
            raise CallbackRefused("not signed by the provider, or not to be read")
        return reports

    def believes(self, callback: Callback) -> bool:
        """Whether it is signed by the provider; what cannot be read is not."""
        with contextlib.suppress(ValueError):
            return self.reporting and self.is_signed(callback)
        return False

    def is_signed(self, callback: Callback) -> bool:
        """Whether the provider signed it, in constant time; a ValueError is a no."""
        raise NotImplementedError

    def read(self, callback: Callback) -> Iterable[Report]:
        """Read a signed callback; a ValueError refuses it."""
        raise NotImplementedError

    def report(self, sid: str, status: str, code: str = "", *price: str) -> list[Report]:
        """Return the report of one message; none for a status without a meaning here."""
        known = self.status_of(status, status) if sid else ""
        return [Report(sid, known, code_of(code), *money(*price))] if known else []

    def status_of(self, word: str, key: str) -> str:
        """Return the meaning of a provider's word, which is in the table under a key.

        A provider may add to its words at any time: an unknown one is logged, and is no error.
        """
        known = self.statuses.get(key, "")
        if word and not known:
            text = "%r reported a status without a meaning here: %s"
            logger.info(text, self.alias, code_of(word))
        return known

    def shown(self, error: str) -> str:
        """Return a code as rows and logs may have it: one that we know, or a short one."""
        known = self.permanent | self.temporary | self.account
        return error if error in known else code_of(error)

    def callback_of(self, message: Message) -> str:
        """Return the URL for reports; empty when they could not be verified, or it is too long."""
        url = message.callback_url if self.reporting else ""
        return "" if len(url) > (self.callback_max_length or len(url)) else url

    def asks_report(self, message: Message) -> bool:
        """Whether the provider is asked to report on this message."""
        return self.reports_on(message.channel) and bool(self.callback_of(message))

    def _refusal(self, answer: client.Answer, data: object, code: str) -> SendError:
        shown = code or str(answer.status)
        in_part = self.has_left_in_part(data)
        if not in_part and self.refuses_recipient(data, code):
            return SendError("the provider refused the recipient", code=shown)
        fault = "" if in_part else self._fault(answer.status, code)
        return TemporarySendError(
            REFUSALS[fault],
            code=shown,
            uncertain=in_part or (answer.status >= 500 and answer.status != UNAVAILABLE),
            retry_after=read_retry_after(answer.headers.get("retry-after"), LONGEST_PAUSE),
            fault=fault,
        )

    def _fault(self, status: int, code: str) -> str:
        if code in self.account:
            return ACCOUNT
        return "" if code in self.temporary else fault_of(status)


def fault_of(status: int) -> str:
    """Return what a refusal under an HTTP status is about, as `TemporarySendError` has it."""
    if status in _BUSY or status >= 500:
        return ""
    return REQUEST if status in _OF_REQUEST else ACCOUNT


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


def entries(data: object, name: str) -> list[object]:
    """Return a list in decoded JSON; an empty one when there is none of that name."""
    found = data.get(name) if isinstance(data, dict) else None
    return found if isinstance(found, list) else []


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


def parsed_list(body: bytes) -> list[object]:
    """Read a JSON list of reports. Raises ValueError for anything else."""
    data = parsed(body)
    if not isinstance(data, list):
        raise ValueError("not a list of reports")  # noqa: TRY004 - the one error of a parser
    return data


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
        raise TemporarySendError("the provider cannot wait for a key", fault=UNSUITED)
    if message.send_digits and not dials:
        raise TemporarySendError("the provider cannot dial digits", fault=UNSUITED)
    if message.locale not in voices:
        raise TemporarySendError("the provider does not speak this language", fault=UNSUITED)
    return voices[message.locale]


def ask(request: Request) -> client.Answer:
    """Make one request; raises TemporarySendError without an answer."""
    try:
        return client.call(
            request.method,
            request.url,
            json=request.json,
            form=request.form,
            body=request.body,
            headers=request.headers,
            auth=request.auth,
        )
    except client.NotAnswered:
        raise TemporarySendError("the provider did not answer", uncertain=True) from None
    except client.TransportError:
        raise TemporarySendError("the provider could not be reached") from None
