"""The floor's code, and the stored forms of codes and keys."""

from __future__ import annotations

import hashlib
import hmac

from django.conf import settings


def hash_key(key: str) -> str:
    """Return the stored form of an API key."""
    return hashlib.sha256(key.encode()).hexdigest()


def derive_code(pk: str) -> str:
    """Return a row's six digits, so that the client knows the right code without a message."""
    digest = hmac.digest(settings.SECRET_KEY.encode(), pk.encode(), "sha256")
    return f"{int.from_bytes(digest[:8]) % 1_000_000:06d}"


def hash_code(pk: str, code: str) -> str:
    """Return the stored form of a code, bound to its row."""
    return hmac.new(settings.SECRET_KEY.encode(), f"{pk}{code}".encode(), "sha256").hexdigest()
