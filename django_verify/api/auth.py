"""HTTP Basic: an account's SID and auth token, or an API key's SID and secret."""

from __future__ import annotations

import base64
import binascii

from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from django_verify import codes, sids
from django_verify.exceptions import AuthenticationRequired
from django_verify.models import Account, ApiKey, lookups


class BasicAuthentication(BaseAuthentication):
    """Sets `request.auth` to the account; `request.user` stays the host's.

    Unknown names and wrong secrets take the same steps and get the same answer.
    """

    def authenticate(self, request: Request) -> tuple[object, Account]:
        """Return the account. Raises AuthenticationRequired, also without any credentials."""
        name, secret = _credentials(request.META.get("HTTP_AUTHORIZATION", ""))
        account, stored = _look_up(name)
        if not codes.secret_matches(stored, secret) or account is None:
            raise AuthenticationRequired
        return getattr(request._request, "user", None), account  # noqa: SLF001

    def authenticate_header(self, request: Request) -> str:
        """Return the challenge of a 401."""
        return "Basic"


def _look_up(name: str) -> tuple[Account | None, str]:
    """Return the account of a credential and the stored hash; one query."""
    if sids.is_sid("SK", name):
        keys = ApiKey.objects.select_related("account")
        try:
            key = keys.get(sid=sids.canonical(name), is_active=True, account__is_active=True)
        except ApiKey.DoesNotExist:
            return None, ""
        return key.account, key.secret_hash
    sid = sids.canonical(name) if sids.is_sid("AC", name) else ""
    account = lookups.active_account(sid)
    return account, account.auth_token_hash if account else ""


def _credentials(header: str) -> tuple[str, str]:
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        raise AuthenticationRequired
    try:
        text = base64.b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        raise AuthenticationRequired from None
    name, _, secret = text.partition(":")
    return name, secret
