"""Who calls: one SELECT of a key by its hash."""

from __future__ import annotations

from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from benchmarks.floor.codes import hash_key
from benchmarks.floor.models import ApiKey


class KeyAuthentication(BaseAuthentication):
    """`Authorization: Bearer <key>`."""

    def authenticate(self, request: Request) -> tuple[ApiKey, None]:
        """Return the key's row. Raises AuthenticationFailed."""
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        try:
            if scheme != "Bearer":
                raise AuthenticationFailed
            return ApiKey.objects.get(key_hash=hash_key(key), is_active=True), None
        except ApiKey.DoesNotExist:
            raise AuthenticationFailed from None

    def authenticate_header(self, request: Request) -> str:
        """Return the challenge of a 401."""
        return "Bearer"
