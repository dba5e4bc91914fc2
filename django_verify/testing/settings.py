"""The settings of a site under test: the same routes, and nothing that leaves the process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

RECORDER = "django_verify.testing.recorder.RecordingSender"
_PUSH = "django_verify.push_senders.memory.MemorySender"


def for_tests(given: Mapping[str, Any] | None = None, /, **changes: Any) -> dict[str, Any]:
    """Return a `DJANGO_VERIFY` for tests, made of the site's own.

    Each sender is replaced under its alias by one that records, so that `ROUTES` and the senders
    of services lead where they did. A message is sent by the process that starts it. Left out are
    bot protection, look-ups of carriers and stores outside the database. `changes` are keys that
    the tests set otherwise. It reads no settings, so `settings.py` may call it.
    """
    site = dict(given or {})
    # A site that names no sender has the console, and may route to it.
    aliases = site.get("SENDERS") or {"console": None}
    site["SENDERS"] = {alias: _recorder(entry) for alias, entry in aliases.items()}
    site["PUSH_SENDERS"] = {"apn": {"BACKEND": _PUSH}, "fcm": {"BACKEND": _PUSH}}
    site |= {
        "DISPATCH": "inline",
        "BOT_PROTECTION": None,
        "CARRIER_LOOKUP": None,
        "RATE_LIMIT_STORE": "",
    }
    return site | changes


def _recorder(entry: Any) -> dict[str, Any]:
    """Return the entry of a recorder that stands for a site's sender."""
    written = entry if isinstance(entry, Mapping) else {"BACKEND": entry or ""}
    path = written.get("BACKEND", "")
    if path == RECORDER:
        return dict(written)
    options = {"stands_for": path, "options": written.get("OPTIONS") or {}}
    return {"BACKEND": RECORDER, "OPTIONS": options}
