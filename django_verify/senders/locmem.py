"""Keeps messages in memory: for tests, as Django's locmem mail backend does."""

from __future__ import annotations

from django_verify.senders.base import Message, Receipt, Sender

#: Every message of every locmem sender of this process, oldest first; tests clear it.
outbox: list[Message] = []


class LocmemSender(Sender):
    """Appends to `outbox`."""

    channels = frozenset({"sms", "call", "whatsapp", "telegram", "email"})
    development = True

    def send(self, message: Message) -> Receipt:
        """Append the message."""
        outbox.append(message)
        return Receipt(provider_sid=message.attempt_sid)
