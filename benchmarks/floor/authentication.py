"""Who calls: a key by its hash, read once for each process."""

from __future__ import annotations

from functools import lru_cache

from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from benchmarks.floor.codes import hash_key
from benchmarks.floor.models import ApiKey


@lru_cache(maxsize=1000)
def _active(key_hash: str) -> ApiKey:
    return ApiKey.objects.get(key_hash=key_hash, is_active=True)


class KeyAuthentication(BaseAuthentication):
    """`Authorization: Bearer <key>`; a revoked key goes on working until its process ends."""

    def authenticate(self, request: Request) -> tuple[ApiKey, None]:
        """Return the key's row. Raises AuthenticationFailed."""
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        try:
            if scheme != "Bearer":
                raise AuthenticationFailed
            return _active(hash_key(key)), None
        except ApiKey.DoesNotExist:
            raise AuthenticationFailed from None

    def authenticate_header(self, request: Request) -> str:
        """Return the challenge of a 401."""
        return "Bearer"
