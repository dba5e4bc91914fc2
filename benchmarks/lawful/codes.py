"""The lawful floor's code, which no row holds, and the stored form of a key."""

from __future__ import annotations

import hashlib
import hmac

from django.conf import settings


def hash_key(key: str) -> str:
    """Return the stored form of an API key."""
    return hashlib.sha256(key.encode()).hexdigest()


def derive(pk: str, nonce: str, key_id: str) -> str:
    """Return the six digits of a verification."""
    key = f"{key_id}:{settings.SECRET_KEY}".encode()
    return f"{int.from_bytes(hmac.digest(key, f'{pk}{nonce}'.encode(), 'sha256')) % 10**6:06d}"
