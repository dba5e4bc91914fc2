"""The configured senders by alias, and the order in which they are tried.

One provider is one file in this package; this one holds only the look-up.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from itertools import accumulate

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
    "taking_outcomes",
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


def taking_outcomes() -> list[str]:
    """Return the aliases of the senders that want to know what became of a verification."""
    return [alias for alias, sender in _backends.by_alias.items() if sender.takes_outcomes]


def route(
    channel: str, preferred: Sequence[str] = (), country: str = "", key: str = ""
) -> list[str]:
    """Return the aliases to try for a channel, in order.

    A service's own list comes before DJANGO_VERIFY["ROUTES"]; without either, every sender that
    serves the channel. Aliases that are unknown or do not serve the channel are left out. Where a
    route has weights, `key` decides which sender comes first, always the same one for a key; the
    others follow by weight, and without a key all of them do.
    """
    known, settings = _backends.by_alias, conf.current()
    order: conf.Chain = preferred
    if not order:
        if settings.ROUTES is None:
            order = list(known)
        else:
            by_country = settings.chains.get(channel, {})
            order = by_country.get(country, by_country.get(conf.ELSEWHERE, ()))
    usable = [a for a in order if a in known and channel in known[a].channels]
    return _by_weight(usable, order, key) if isinstance(order, Mapping) else usable


def _by_weight(aliases: list[str], weights: Mapping[str, int], key: str) -> list[str]:
    """Return aliases by falling weight, behind the one that a key draws by its share."""
    ordered = sorted(aliases, key=lambda alias: -weights[alias])
    if not (key and ordered):
        return ordered
    # A digest and no random number: each process that looks at a verification finds the same.
    digest = hashlib.sha256(b"django_verify route\0" + key.encode()).digest()
    drawn = int.from_bytes(digest) % sum(weights[alias] for alias in ordered)
    bounds = accumulate(weights[alias] for alias in ordered)
    first = next(alias for alias, bound in zip(ordered, bounds, strict=True) if drawn < bound)
    return [first, *(alias for alias in ordered if alias != first)]
