"""Writes each message to standard output: for development."""

from __future__ import annotations

import sys

from django_verify.senders.base import Message, Receipt, Sender, TemporarySendError


class ConsoleSender(Sender):
    """Shows on the terminal what would have reached the phone."""

    channels = frozenset({"sms", "call", "whatsapp", "telegram", "email"})
    development = True

    def send(self, message: Message) -> Receipt:
        """Write the message in one piece, so that two threads do not mix theirs."""
        lines = [f"{message.channel} to {message.to} ({message.attempt_sid}, {message.locale})"]
        lines += [text for text in (message.subject, message.prompt, message.body) if text]
        try:
            sys.stdout.write("\n".join([*lines, "-" * 72, ""]))
            sys.stdout.flush()
        except (OSError, ValueError):
            raise TemporarySendError("standard output is closed") from None
        return Receipt(provider_sid=message.attempt_sid)
