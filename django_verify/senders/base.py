"""The base class of senders: the message it gets, the receipt it returns, its errors.

To add a provider: one file beside this one, with a subclass of `Sender`. Its options are the
keyword parameters of its `__init__`; the contract tests find it by themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from django.core.checks import CheckMessage

from django_verify.senders.causes import REPORTED, Cause

#: Why a provider did not take a message, where that is neither the recipient nor the moment.
ACCOUNT: Final = "account"
REQUEST: Final = "request"
UNSUITED: Final = "unsuited"


@dataclass(frozen=True, slots=True)
class Message:
    """One message, ready to send; its `repr` shows neither text nor recipient.

    `body` is plain text; on the call channel it is text to be spoken. `code` is for providers whose
    own template wants the code alone. `subject`, `from_email`, `from_name`, `template_id` and
    `substitutions` are for e-mail; empty ones leave the choice to the sender.
    `prompt` is spoken first on a call, which goes on after any key was pressed; `send_digits`
    are dialled after the call is answered (`w` waits half a second). `amount` and `payee` are those
    of a payment (PSD2), which the text names. `callback_url` is where the
    provider may report what became of the message; empty when the site takes no reports.
    """

    channel: str
    to: str = field(repr=False)
    body: str = field(repr=False)
    attempt_sid: str
    locale: str
    code: str = field(default="", repr=False)
    subject: str = field(default="", repr=False)
    from_email: str = field(default="", repr=False)
    from_name: str = ""
    template_id: str = ""
    substitutions: Mapping[str, str] = field(default_factory=dict, repr=False)
    prompt: str = field(default="", repr=False)
    send_digits: str = ""
    tts_name: str = ""
    amount: str = field(default="", repr=False)
    payee: str = field(default="", repr=False)
    callback_url: str = ""


@dataclass(frozen=True, slots=True)
class Receipt:
    """The provider's acceptance of a message: its id and, where it reports one, the price.

    `report_asked` is whether the provider was asked to report what becomes of it, for then the
    attempt waits for that; None: it was if the message had a `callback_url`.
    """

    provider_sid: str = ""
    price_value: str = ""
    price_currency: str = ""
    # Of our request, not of the provider's answer.
    report_asked: bool | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Callback:
    """One request of a provider to our callback URL, as it arrived.

    `url` is the public one that the provider was given, query included; header names are in lower
    case. `attempt_sid` is the attempt that the URL was given out for, by its secret token;
    empty for the sender's one URL, which a provider's dashboard has.
    """

    url: str
    method: str = "POST"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)
    attempt_sid: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """What became of a message: `sent`, `delivered`, `read`, `undelivered` or `failed`.

    `code` is the provider's own error code; price as in `Receipt`.
    """

    provider_sid: str
    status: str
    code: str = ""
    price_value: str = ""
    price_currency: str = ""


class CallbackRefused(Exception):
    """The callback is not signed as the provider signs, or cannot be read."""


class SendError(Exception):
    """The provider refused the recipient for good: no other sender is tried on this channel.

    For a number that does not exist, is barred or has opted out, and for nothing else. `code` is
    the provider's own; the text goes into the attempt row, so it holds no code, no secret and no
    recipient.
    """

    def __init__(self, text: str, *, code: str = "") -> None:
        super().__init__(text)
        self.code = code


class TemporarySendError(SendError):
    """The provider did not take the message, and not because of its recipient: another may.

    `uncertain` means that the request was written and its answer is unknown, so the message may
    have been sent; it then counts as one. `retry_after` is in seconds, where the provider said so.
    `fault` is empty where the provider is out of reach or busy. `ACCOUNT` (credentials, balance,
    permissions) and `REQUEST` (a sender id, a template) are what the site has set up wrongly, and
    raise an alarm; `UNSUITED` is a message that this sender cannot carry, and another one may. The
    last two do not count against the sender, and are not repeated.
    """

    def __init__(
        self,
        text: str,
        *,
        code: str = "",
        uncertain: bool = False,
        retry_after: int | None = None,
        fault: str = "",
    ) -> None:
        super().__init__(text, code=code)
        self.uncertain = uncertain
        self.retry_after = retry_after
        self.fault = fault


class Sender:
    """One configured provider.

    `channels` are those it serves. `development` marks a sender that reaches nobody; the deploy
    check refuses it.
    """

    channels: frozenset[str] = frozenset()
    development = False
    #: Whether the provider reports delivery to `Message.callback_url`, for `reports` to read.
    reporting = False
    #: Whether it reports to its one URL, which somebody enters in the provider's console.
    reports_to_console = False
    #: The longest `callback_url` that the provider takes; None: it has no such limit.
    callback_max_length: int | None = None
    #: Whether the provider wants to know what became of the verification whose code it carried.
    takes_outcomes = False
    #: What a report is answered; most providers want nothing but the status 200.
    report_answer = ""
    #: The provider's codes, and what they mean: of its answers, and those that only reports have.
    causes: Mapping[str, Cause] = {}
    report_causes: Mapping[str, Cause] = {}
    #: The provider's public list of its codes.
    error_list = ""

    def __init__(self, alias: str) -> None:
        self.alias = alias

    def send(self, message: Message) -> Receipt:
        """Hand the message over and return the receipt; raise SendError when it is refused."""
        raise NotImplementedError

    def reports(self, callback: Callback) -> Sequence[Report]:
        """Return what a callback reports; raise CallbackRefused unless its signature is right."""
        raise CallbackRefused

    def reports_on(self, channel: str) -> bool:
        """Whether the provider reports on messages by this channel."""
        return self.reporting

    def report_outcome(self, provider_sid: str, outcome: str) -> None:
        """Report to the provider that a verification is `approved` or `canceled`.

        It is named by the id of the receipt. Called for senders that set `takes_outcomes`, with no
        transaction open. Raises TemporarySendError where it may succeed later.
        """

    def handshake(self, callback: Callback) -> str | None:
        """Return the text that answers a callback which is no report; None where it may be one.

        For providers that try an address before they use it, and for what a call speaks further on;
        text that begins as XML or as a JSON object is answered as such. Raises CallbackRefused.
        """
        return None

    def cause_of(self, code: str, text: str = "") -> Cause | None:
        """Return what a code means, with the text of ours beside it; None for an unknown one.

        Codes of reports and of answers are often alike, and mean different things.
        """
        if text == REPORTED and code in self.report_causes:
            return self.report_causes[code]
        return self.causes.get(code)

    def check(self) -> Iterable[CheckMessage]:
        """Return what is wrong with the options, for Django's system checks."""
        return ()
