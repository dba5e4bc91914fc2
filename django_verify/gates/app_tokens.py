"""The token format that gates of apps share, and the request that a token is bound to.

A device signs over a digest of what it asks for, so no challenge has to be fetched first.
"""

from __future__ import annotations

import base64
import hashlib
import re
import time
from dataclasses import dataclass, field

from django.views.decorators.debug import sensitive_variables

from django_verify.exceptions import GateRefused

VERSION = "1"
#: Seconds by which a device's clock may be ahead of ours.
AHEAD = 60
_MOMENT = re.compile(r"[1-9][0-9]{8,11}\Z")
_BASE64 = re.compile(r"[A-Za-z0-9_-]+\Z")


@dataclass(frozen=True, slots=True)
class Envelope:
    """A parsed token: when the device asked, and the parts it holds."""

    moment: int
    contents: tuple[str, ...] = field(repr=False)


def digest(action: str, subject: str, moment: int) -> bytes:
    """Return what a device signs over: SHA-256 of four lines, the subject last.

    Only the subject comes from strangers, so no line can pass for another.
    """
    text = f"django-verify.gate.{VERSION}\n{action}\n{moment}\n{subject}"
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


@sensitive_variables()
def opened(token: str, parts: int, max_age: int) -> Envelope:
    """Take `1.<seconds>.<part>…` apart; raise GateRefused for another form or another time."""
    version, *rest = token.split(".", parts + 1)
    if version != VERSION or len(rest) != parts + 1 or not all(rest):
        raise GateRefused("invalid")
    if not _MOMENT.match(rest[0]):
        raise GateRefused("invalid")
    moment = int(rest[0])
    if not is_recent(moment, max_age):
        raise GateRefused("expired")
    return Envelope(moment, tuple(rest[1:]))


def is_recent(moment: float, max_age: int) -> bool:
    """Whether a moment, in seconds of the epoch, is at most so old and hardly ahead."""
    return -AHEAD <= time.time() - moment <= max_age


def decoded(text: str) -> bytes:
    """Read base64url without padding, or plain base64 with it; raise GateRefused."""
    plain = text.rstrip("=").replace("+", "-").replace("/", "_")
    if not _BASE64.match(plain):
        raise GateRefused("invalid")
    try:
        return base64.urlsafe_b64decode(plain + "=" * (-len(plain) % 4))
    except ValueError:
        raise GateRefused("invalid") from None
