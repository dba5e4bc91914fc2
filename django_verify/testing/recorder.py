"""The sender of tests: records what it is given, fails on demand, and sends nothing."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from django.utils import timezone
from django.utils.module_loading import import_string

from django_verify.messages import channels
from django_verify.senders import Message, Receipt, Sender, SendError, TemporarySendError

#: Messages that an outbox keeps; the oldest go.
MOST = 10_000
_NUMBERS = itertools.count(1)


@dataclass(frozen=True, slots=True)
class SentMessage:
    """One message that a sender took; its `repr` shows neither code, text nor recipient.

    `message` is what the sender was given, with all that is not repeated here.
    """

    channel: str
    to: str = field(repr=False)
    body: str = field(repr=False)
    code: str = field(repr=False)
    attempt_sid: str
    sender: str
    provider_sid: str
    sent_at: dt.datetime
    message: Message = field(repr=False)


class Outbox(list[SentMessage]):
    """The messages that were sent, oldest first."""

    def append(self, message: SentMessage) -> None:
        """Keep a message; of more than `MOST` the oldest goes."""
        super().append(message)
        if len(self) > MOST:
            del self[0]

    def to(self, recipient: str) -> list[SentMessage]:
        """Return the messages to a recipient, whose number or address is read as people type it."""
        wanted = channels.read_typed(recipient)
        # A copy: the threads of a server append meanwhile.
        return [sent for sent in list(self) if channels.same_recipient(sent.to, wanted)]

    def latest(self, recipient: str) -> SentMessage:
        """Return the last message to a recipient. Raises LookupError."""
        if found := self.to(recipient):
            return found[-1]
        raise LookupError(
            f"no message was sent to {channels.mask(recipient)}; {len(self)} to others were"
        )


@dataclass(slots=True)
class _Fault:
    """What is to happen to the next messages that it is about; `left` None: to all of them."""

    make: Callable[[], Exception]
    to: str
    sender: str
    channel: str
    left: int | None
    arrives: bool = False

    def is_about(self, alias: str, message: Message) -> bool:
        return (
            self.left != 0
            and self.sender in {"", alias}
            and self.channel in {"", message.channel}
            and (not self.to or channels.same_recipient(message.to, self.to))
        )


class Failures:
    """Faults of a provider. Each verb names one, for the messages that it is about.

    `to` is a recipient, `sender` an alias of `SENDERS`, `channel` a channel; left out, it holds for
    all. `times` is for how many messages; None: until `clear`. The first that fits counts.
    """

    def __init__(self) -> None:
        self._faults: list[_Fault] = []

    def refuse(
        self,
        to: str = "",
        *,
        code: str = "21211",
        sender: str = "",
        channel: str = "",
        times: int | None = None,
    ) -> None:
        """Have the provider refuse the recipient for good, with an error code of its own."""
        text = "the provider refused the recipient"
        self._add(lambda: SendError(text, code=code), to, sender, channel, times)

    def unavailable(
        self,
        to: str = "",
        *,
        retry_after: int | None = None,
        sender: str = "",
        channel: str = "",
        times: int | None = None,
    ) -> None:
        """Have the provider out of reach or busy; `retry_after` is in seconds."""
        text = "the provider is out of reach"
        self._add(
            lambda: TemporarySendError(text, retry_after=retry_after), to, sender, channel, times
        )

    def lose_answer(
        self, to: str = "", *, sender: str = "", channel: str = "", times: int | None = None
    ) -> None:
        """Have the message arrive, and the provider's answer get lost."""
        text = "the provider's answer is unknown"
        self._add(
            lambda: TemporarySendError(text, uncertain=True),
            to,
            sender,
            channel,
            times,
            arrives=True,
        )

    def misconfigured(
        self, to: str = "", *, sender: str = "", channel: str = "", times: int | None = None
    ) -> None:
        """Have the provider refuse the site's account, as for wrong credentials or no balance."""
        text = "the provider refused the account"
        self._add(lambda: TemporarySendError(text, fault="account"), to, sender, channel, times)

    def clear(self) -> None:
        """Have every provider work again."""
        self._faults.clear()

    def _add(
        self,
        make: Callable[[], Exception],
        to: str,
        sender: str,
        channel: str,
        times: int | None,
        *,
        arrives: bool = False,
    ) -> None:
        to = channels.read_typed(to) if to else ""
        self._faults.append(_Fault(make, to, sender, channel, times, arrives))

    def next(self, alias: str, message: Message) -> _Fault | None:
        """Return what happens to a message, and count it."""
        for fault in list(self._faults):
            if fault.is_about(alias, message):
                if fault.left is not None:
                    fault.left -= 1
                return fault
        return None


#: Every message of every recorder of this process, oldest first; `Kit` clears it.
outbox = Outbox()
failures = Failures()


class RecordingSender(Sender):
    """Appends to `outbox`, or fails as `failures` has it.

    With `stands_for`, the dotted path of a sender's class, it serves the channels that one has with
    these options, or without them where they are incomplete, and reports where that one does; a
    class that cannot be imported or has none is taken to serve all.
    """

    channels = frozenset(
        name for name, channel in channels.CHANNELS.items() if channel.compose is not None
    )
    development = True
    reporting = True

    def __init__(
        self, alias: str, *, stands_for: str = "", options: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(alias)
        try:
            real = import_string(stands_for) if stands_for else None
        except ImportError:
            real = None
        if real is not None:
            made = real
            # Whatever a sender raises for what tests do not have, such as credentials.
            with suppress(Exception):
                made = real(alias, **(options or {}))
            self.channels = getattr(made, "channels", None) or self.channels
            # Some set `reporting` by their options, which are not here.
            self.reporting = getattr(real, "reports", None) is not Sender.reports

    def send(self, message: Message) -> Receipt:
        """Record the message. Raises the fault that it was told to have."""
        fault = failures.next(self.alias, message)
        if fault is not None and not fault.arrives:
            raise fault.make()
        provider_sid = f"recorded-{next(_NUMBERS)}"
        outbox.append(
            SentMessage(
                channel=message.channel,
                to=message.to,
                body=message.body,
                code=message.code,
                attempt_sid=message.attempt_sid,
                sender=self.alias,
                provider_sid=provider_sid,
                sent_at=timezone.now(),
                message=message,
            )
        )
        if fault is not None:
            raise fault.make()
        return Receipt(provider_sid=provider_sid)
