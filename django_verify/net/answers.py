"""What an outbound call ends in: the answer, or one of the errors that say how far it got."""

from __future__ import annotations

import json as jsonlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer; header names are in lower case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)

    def json(self) -> Any:
        """Return the body as JSON. Raises ValueError when it is none."""
        try:
            return jsonlib.loads(self.body)
        except RecursionError:
            raise ValueError("nested too deeply") from None

    def object(self) -> dict[str, Any]:
        """Return the JSON object in the body; an empty one where there is none."""
        try:
            value = self.json()
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}


class TransportError(Exception):
    """There is no answer; the text names no host and no content."""


class NotSent(TransportError):
    """The request was not written: the other side cannot have acted on it."""


class HostRefused(NotSent):
    """The host has an IP that is not public, and only public ones are allowed."""


class NotAnswered(TransportError):
    """The request was written, wholly or in part, and the answer is unknown."""
