"""The configured push senders, by platform.

One push service is one file in this package; this one holds only the look-up.
"""

from __future__ import annotations

from django_verify.conf.backends import Backends
from django_verify.push_senders.base import (
    Credential,
    PushError,
    PushMessage,
    PushSender,
    TemporaryPushError,
    Unregistered,
)

__all__ = [
    "Credential",
    "PushError",
    "PushMessage",
    "PushSender",
    "TemporaryPushError",
    "Unregistered",
    "configured",
]

_backends = Backends("PUSH_SENDERS", PushSender, aliases=("apn", "fcm"))


def configured() -> dict[str, PushSender]:
    """Return every push sender of DJANGO_VERIFY["PUSH_SENDERS"] by platform.

    Raises ImproperlyConfigured for a platform that does not exist, a backend that does not import
    and options it does not know.
    """
    return _backends.by_alias
