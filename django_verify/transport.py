"""One outbound HTTP call: timeouts, a size cap, no redirects, no private addresses where told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Answer:
    """What the other side said; header names are in lower case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)


class TransportError(Exception):
    """There is no answer; the text names no address and no content."""


class NotSent(TransportError):
    """The request was not written: the other side cannot have acted on it."""


class AddressRefused(NotSent):
    """The host has an address that is not public, and only public ones are allowed."""


class NotAnswered(TransportError):
    """The request was written, wholly or in part, and the answer is unknown."""
