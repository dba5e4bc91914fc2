"""How push notifications leave the machine: the configured push senders by platform.

One push service is one file in this package; this one holds only the look-up.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.utils.module_loading import import_string

from django_verify import conf
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

PLATFORMS = ("apn", "fcm")


@lru_cache(maxsize=1)
def configured() -> dict[str, PushSender]:
    """Return every push sender of DJANGO_VERIFY["PUSH_SENDERS"] by platform.

    Raises ImproperlyConfigured for a platform that does not exist, a backend that does not import
    and options it does not know.
    """
    entries = conf.current().PUSH_SENDERS
    return {platform: _build(platform, entry) for platform, entry in entries.items()}


def _build(platform: str, entry: Mapping[str, Any]) -> PushSender:
    where = f"DJANGO_VERIFY['PUSH_SENDERS'][{platform!r}]"
    if platform not in PLATFORMS:
        raise ImproperlyConfigured(f"{where}: the platforms are {' and '.join(PLATFORMS)}.")
    if unknown := set(entry) - {"BACKEND", "OPTIONS"}:
        raise ImproperlyConfigured(f"{where}: unknown keys {sorted(unknown)}.")
    if not isinstance(entry.get("BACKEND"), str):
        raise ImproperlyConfigured(f"{where}: BACKEND must be a dotted path.")
    try:
        backend = import_string(entry["BACKEND"])
        sender = backend(platform, **entry.get("OPTIONS", {}))
    except Exception as error:
        raise ImproperlyConfigured(f"{where}: {error}") from error
    if not isinstance(sender, PushSender):
        raise ImproperlyConfigured(f"{where}: {backend!r} is no PushSender.")
    return sender


def forget(*, setting: str = "", **_: object) -> None:
    """Build the push senders anew: the receiver of Django's `setting_changed`."""
    if setting in {"", "DJANGO_VERIFY"}:
        configured.cache_clear()


setting_changed.connect(forget)
