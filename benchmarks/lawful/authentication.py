"""Who calls: a key by its hash, kept in the process with the version that it was read with.

Nothing is asked here: the statements of the request compare the version, see `store`.
"""

from __future__ import annotations

import threading
from typing import NamedTuple

from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from benchmarks.lawful.codes import hash_key
from benchmarks.lawful.models import ApiKey

_known: dict[str, Caller] = {}
_lock = threading.Lock()


class Caller(NamedTuple):
    """A key as it was read."""

    id: str
    version: int
    is_authenticated: bool = True


def forget() -> None:
    """Read the keys again: one of them is not what it was."""
    with _lock:
        _known.clear()


class KeyAuthentication(BaseAuthentication):
    """`Authorization: Bearer <key>`."""

    def authenticate(self, request: Request) -> tuple[Caller, None]:
        """Return the caller. Raises AuthenticationFailed."""
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer":
            raise AuthenticationFailed
        key_hash = hash_key(key)
        return _known.get(key_hash) or _read(key_hash), None

    def authenticate_header(self, request: Request) -> str:
        """Return the challenge of a 401."""
        return "Bearer"


def _read(key_hash: str) -> Caller:
    row = ApiKey.objects.filter(key_hash=key_hash, is_active=True).values_list("id", "version")
    found = row.first()
    if found is None:
        raise AuthenticationFailed
    with _lock:
        _known[key_hash] = Caller(*found)
    return _known[key_hash]
