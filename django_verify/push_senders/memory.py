"""Keeps notifications in memory: for tests, as Django's locmem mail backend does."""

from __future__ import annotations

from django_verify.push_senders.base import Credential, PushMessage, PushSender

#: Every notification of every memory sender of this process, oldest first; tests clear it.
outbox: list[PushMessage] = []


class MemorySender(PushSender):
    """Appends to `outbox`."""

    development = True

    def send(self, message: PushMessage, credential: Credential | None) -> str:
        """Append the message."""
        outbox.append(message)
        return message.sid
