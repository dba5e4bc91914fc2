"""A sender that takes every message and does nothing, so that no provider is measured."""

from __future__ import annotations

from django_verify.senders import Message, Receipt, Sender


class NowhereSender(Sender):
    """Answers a receipt at once."""

    channels = frozenset({"sms"})
    development = True

    def send(self, message: Message) -> Receipt:
        """Take the message."""
        return Receipt(provider_sid=message.attempt_sid)
