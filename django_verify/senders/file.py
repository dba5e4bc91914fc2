"""Appends messages to a file, one JSON object a line: for demonstrations and end-to-end tests."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from django.core.checks import CheckMessage, Error

from django_verify.senders.base import Message, Receipt, Sender, TemporarySendError


class FileSender(Sender):
    """Appends to `path`; each line is written by one call, so processes do not mix theirs."""

    channels = frozenset({"sms", "call", "whatsapp", "telegram", "email"})
    development = True

    def __init__(self, alias: str, *, path: str | os.PathLike[str]) -> None:
        super().__init__(alias)
        self.path = Path(path)

    def send(self, message: Message) -> Receipt:
        """Append the message's fields as one JSON line; a new file is its owner's only."""
        line = json.dumps(asdict(message), ensure_ascii=False) + "\n"
        try:
            handle = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                os.write(handle, line.encode())
            finally:
                os.close(handle)
        except OSError as error:
            raise TemporarySendError(f"cannot write: {error.strerror}") from None
        return Receipt(provider_sid=message.attempt_sid)

    def check(self) -> Iterable[CheckMessage]:
        """Report a path that cannot be written."""
        target = self.path if self.path.exists() else self.path.parent
        is_file = target == self.path
        if target.is_dir() == is_file or not os.access(target, os.W_OK):
            yield Error(
                f"Sender {self.alias!r}: its path cannot be written as a file.",
                id="django_verify.E004",
            )
