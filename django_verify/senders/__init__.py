"""How bytes leave the machine: the configured senders by alias, and the order to try them in.

One provider is one file in this package; this one holds only the look-up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.utils.module_loading import import_string

from django_verify import conf
from django_verify.senders.base import (
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
]


@lru_cache(maxsize=1)
def configured() -> dict[str, Sender]:
    """Return every sender of DJANGO_VERIFY["SENDERS"] by alias.

    Raises ImproperlyConfigured for a backend that does not import or options it does not know.
    """
    return {alias: _build(alias, entry) for alias, entry in conf.current().SENDERS.items()}


def get(alias: str) -> Sender:
    """Return one sender. Raises ImproperlyConfigured for an unknown alias."""
    try:
        return configured()[alias]
    except KeyError:
        raise ImproperlyConfigured(f"DJANGO_VERIFY['SENDERS'] has no {alias!r}.") from None


def route(channel: str, preferred: Sequence[str] = (), country: str = "") -> list[str]:
    """Return the aliases to try for a channel, in order.

    A service's own list comes before DJANGO_VERIFY["ROUTES"]; without either, every sender that
    serves the channel. Aliases that are unknown or do not serve the channel are left out.
    """
    known, routes = configured(), conf.current().ROUTES
    order = preferred
    if not order:
        listed = list(known) if routes is None else routes.get(channel, ())
        if isinstance(listed, Mapping):
            listed = listed.get(country, listed.get(conf.ELSEWHERE, ()))
        order = listed
    return [a for a in order if a in known and channel in known[a].channels]


def _build(alias: str, entry: Mapping[str, Any]) -> Sender:
    if unknown := set(entry) - {"BACKEND", "OPTIONS"}:
        raise ImproperlyConfigured(f"Sender {alias!r}: unknown keys {sorted(unknown)}.")
    if "BACKEND" not in entry:
        raise ImproperlyConfigured(f"Sender {alias!r} has no BACKEND.")
    if not isinstance(entry["BACKEND"], str):
        raise ImproperlyConfigured(f"Sender {alias!r}: BACKEND must be a dotted path.")
    try:
        backend = import_string(entry["BACKEND"])
        sender = backend(alias, **entry.get("OPTIONS", {}))
    except Exception as error:
        raise ImproperlyConfigured(f"Sender {alias!r}: {error}") from error
    if not isinstance(sender, Sender):
        raise ImproperlyConfigured(f"Sender {alias!r}: {backend!r} is no Sender.")
    return sender


def forget(*, setting: str = "", **_: object) -> None:
    """Build the senders anew: the receiver of Django's `setting_changed`."""
    if setting in {"", "DJANGO_VERIFY"}:
        configured.cache_clear()


setting_changed.connect(forget)
