"""A provider of the simulated site, which takes every message and reports what does not arrive."""

from __future__ import annotations

from django_verify.senders import Message, Receipt, Sender


class SimulatedSender(Sender):
    """Answers a receipt at once."""

    channels = frozenset({"sms", "call", "whatsapp", "telegram", "rcs"})
    development = True
    reporting = True

    def send(self, message: Message) -> Receipt:
        """Take the message."""
        return Receipt(provider_sid=message.attempt_sid)
