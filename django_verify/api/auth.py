"""HTTP Basic: an account's SID and auth token, or an API key's SID and secret; or a token.

Under the user name `token` comes a device, with a token it has signed, or an app that is allowed
to create one factor. Neither may do anything that a resource has not opened to it.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from django_verify import sids
from django_verify.crypto import codes
from django_verify.db import queries
from django_verify.exceptions import AuthenticationRequired
from django_verify.factors import access_tokens
from django_verify.models import AccessToken, Account, ApiKey, Factor

TOKEN_USER = "token"  # noqa: S105 - a user name


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: an account; or, within it, one device or the holder of an access token."""

    account: Account
    device: Factor | None = None
    access_token: AccessToken | None = None


class BasicAuthentication(BaseAuthentication):
    """Sets `request.auth` to the caller; `request.user` stays the host's.

    Unknown names and wrong secrets take the same steps and get the same answer.
    """

    def authenticate(self, request: Request) -> tuple[object, Caller]:
        """Return the caller. Raises AuthenticationRequired, also without any credentials."""
        name, secret = _credentials(request.META.get("HTTP_AUTHORIZATION", ""))
        user = getattr(request._request, "user", None)  # noqa: SLF001
        if name == TOKEN_USER:
            return user, _bearer(secret)
        account, stored = _look_up(name)
        # Compared first, also where there is no account: the time must not reveal which names
        # exist.
        if not codes.secret_matches(stored, secret) or account is None:
            raise AuthenticationRequired
        return user, Caller(account)

    def authenticate_header(self, request: Request) -> str:
        """Return the challenge of a 401."""
        return "Basic"


def _bearer(token: str) -> Caller:
    """Return who holds a token: three segments are signed by a device, five are sealed by us."""
    if token.count(".") == 2:
        device = access_tokens.device(token)
        return Caller(device.account, device=device)
    access_token = access_tokens.read(token)
    return Caller(access_token.account, access_token=access_token)


def _look_up(name: str) -> tuple[Account | None, str]:
    """Return the account of a credential and the stored hash; one query."""
    if sids.is_sid("SK", name):
        keys = ApiKey.objects.select_related("account")
        try:
            key = keys.get(sid=sids.canonical(name), is_active=True, account__is_active=True)
        except ApiKey.DoesNotExist:
            return None, ""
        return key.account, key.secret_hash
    # An empty SID finds nothing, and costs the query that a known one costs.
    sid = sids.canonical(name) if sids.is_sid("AC", name) else ""
    account = queries.active_account(sid)
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
