"""The configured senders by alias, and the order in which they are tried.

One provider is one file in this package; this one holds only the look-up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django_verify import conf
from django_verify.conf.backends import Backends
from django_verify.senders.base import (
    ACCOUNT,
    REQUEST,
    UNSUITED,
    Callback,
    CallbackRefused,
    Message,
    Receipt,
    Report,
    Sender,
    SendError,
    TemporarySendError,
)

__all__ = [
    "ACCOUNT",
    "REQUEST",
    "UNSUITED",
    "Callback",
    "CallbackRefused",
    "Message",
    "Receipt",
    "Report",
    "SendError",
    "Sender",
    "TemporarySendError",
    "configured",
    "get",
    "route",
    "serves",
]


_backends = Backends("SENDERS", Sender)


def configured() -> dict[str, Sender]:
    """Return every sender of DJANGO_VERIFY["SENDERS"] by alias.

    Raises ImproperlyConfigured for a backend that does not import or options it does not know.
    """
    return _backends.by_alias


def get(alias: str) -> Sender:
    """Return one sender. Raises ImproperlyConfigured for an unknown alias."""
    return _backends.by_alias.get(alias) or _backends[alias]


def serves(channel: str) -> bool:
    """Whether any configured sender serves a channel."""
    return any(channel in sender.channels for sender in configured().values())


def route(channel: str, preferred: Sequence[str] = (), country: str = "") -> list[str]:
    """Return the aliases to try for a channel, in order.

    A service's own list comes before DJANGO_VERIFY["ROUTES"]; without either, every sender that
    serves the channel. Aliases that are unknown or do not serve the channel are left out.
    """
    known, routes = _backends.by_alias, conf.current().ROUTES
    order = preferred
    if not order:
        listed = list(known) if routes is None else routes.get(channel, ())
        if isinstance(listed, Mapping):
            listed = listed.get(country, listed.get(conf.ELSEWHERE, ()))
        order = listed
    return [a for a in order if a in known and channel in known[a].channels]
