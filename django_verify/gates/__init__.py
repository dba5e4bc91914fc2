"""Who may ask for a code without credentials: the configured gate.

One provider is one file in this package; this one holds only the look-up. That a token works once
is seen to by `admission`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.utils.module_loading import import_string

from django_verify import conf
from django_verify.gates.base import Gate, Verdict

__all__ = ["Gate", "Verdict", "build", "configured"]


@lru_cache(maxsize=1)
def configured() -> Gate | None:
    """Return the gate of DJANGO_VERIFY["GATE"]; None where callers pass none.

    Raises ImproperlyConfigured for a backend that does not import or options it does not know.
    """
    entry = conf.current().GATE
    return None if entry is None else build(entry, "DJANGO_VERIFY['GATE']")


def build(entry: Any, where: str) -> Gate:
    """Return the gate that an entry with BACKEND and OPTIONS describes; raise ImproperlyConfigured.

    `where` is what the error calls the entry.
    """
    if not isinstance(entry, Mapping) or not isinstance(entry.get("BACKEND"), str):
        raise ImproperlyConfigured(f"{where}: BACKEND must be a dotted path.")
    if unknown := set(entry) - {"BACKEND", "OPTIONS"}:
        raise ImproperlyConfigured(f"{where}: unknown keys {sorted(unknown)}.")
    try:
        backend = import_string(entry["BACKEND"])
        gate = backend(**entry.get("OPTIONS", {}))
    except Exception as error:
        raise ImproperlyConfigured(f"{where}: {error}") from error
    if not isinstance(gate, Gate):
        raise ImproperlyConfigured(f"{where}: {backend!r} is no Gate.")
    return gate


def forget(*, setting: str = "", **_: object) -> None:
    """Build the gate anew: the receiver of Django's `setting_changed`."""
    if setting in {"", "DJANGO_VERIFY"}:
        configured.cache_clear()


setting_changed.connect(forget)
