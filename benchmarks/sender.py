"""A sender that takes every message and does nothing, so that no provider is measured."""

from __future__ import annotations

import time

from django_verify.senders import Message, Receipt, Sender


class NowhereSender(Sender):
    """Answers a receipt at once, or as late as a slow provider."""

    channels = frozenset({"sms"})
    development = True

    def __init__(self, alias: str, *, seconds: float = 0.0) -> None:
        super().__init__(alias)
        self.seconds = seconds

    def send(self, message: Message) -> Receipt:
        """Take the message."""
        if self.seconds:
            time.sleep(self.seconds)
        return Receipt(provider_sid=message.attempt_sid)


def wake(sid: str) -> None:
    """Leave an attempt to the deliverer: the queue engine that costs nothing."""
