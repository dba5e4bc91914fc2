"""The base class of senders: the message it gets, the receipt it returns, its errors.

To add a provider: one file beside this one, with a subclass of `Sender`. Its options are the
keyword parameters of its `__init__`; the contract tests find it by themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from django.core.checks import CheckMessage


@dataclass(frozen=True, slots=True)
class Message:
    """One message, ready to send; its `repr` shows neither text nor recipient.

    `body` is plain text; on the call channel it is text to be spoken. `code` is for providers whose
    own template wants the code alone. `subject`, `from_email`, `from_name`, `template_id` and
    `substitutions` are for e-mail; empty ones leave the choice to the sender.
    `prompt` is spoken first on a call, which goes on after any key was pressed; `send_digits`
    are dialled after the call is answered (`w` waits half a second). `callback_url` is where the
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
    callback_url: str = ""


@dataclass(frozen=True, slots=True)
class Receipt:
    """The provider's acceptance of a message: its id and, where it reports one, the price."""

    provider_sid: str = ""
    price_value: str = ""
    price_currency: str = ""


@dataclass(frozen=True, slots=True)
class Callback:
    """One request of a provider to our callback URL, as it arrived.

    `url` is the public one that the provider was given, query included; header names are in lower
    case.
    """

    url: str
    method: str = "POST"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)


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
    """The provider refused for good: another try would be refused too.

    `code` is the provider's own; the text goes into the attempt row, so it holds no code, no
    secret and no recipient.
    """

    def __init__(self, text: str, *, code: str = "") -> None:
        super().__init__(text)
        self.code = code


class TemporarySendError(SendError):
    """The provider could not be reached or is busy: another sender, or later, may do.

    `uncertain`: the request was written and its answer is unknown, so the message may
    have been sent; it then counts as one. `retry_after` is in seconds, where the provider said so.
    """

    def __init__(
        self,
        text: str,
        *,
        code: str = "",
        uncertain: bool = False,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(text, code=code)
        self.uncertain = uncertain
        self.retry_after = retry_after


class Sender:
    """One configured provider.

    `channels` are those it serves. `development` marks a sender that reaches nobody; the deploy
    check refuses it.
    """

    channels: frozenset[str] = frozenset()
    development = False
    #: Whether the provider reports delivery to `Message.callback_url`, for `reports` to read.
    reporting = False

    def __init__(self, alias: str) -> None:
        self.alias = alias

    def send(self, message: Message) -> Receipt:
        """Hand the message over and return the receipt; raise SendError when it is refused."""
        raise NotImplementedError

    def reports(self, callback: Callback) -> Sequence[Report]:
        """Return what a callback reports; raise CallbackRefused unless its signature is right."""
        raise CallbackRefused

    def handshake(self, callback: Callback) -> str | None:
        """Return the text that a GET of the callback URL is answered with; None: there is none.

        For providers that try a URL before they use it; raises CallbackRefused.
        """
        return None

    def check(self) -> Iterable[CheckMessage]:
        """Return what is wrong with the options, for Django's system checks."""
        return ()
