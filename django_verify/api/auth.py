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
from django_verify.db import config_cache, queries
from django_verify.db.config_cache import Credential
from django_verify.exceptions import AuthenticationRequired
from django_verify.factors import access_tokens
from django_verify.logs import logger
from django_verify.models import AccessToken, Account, Factor

_ORPHANED = (
    "%s answers 401: its secret was hashed under a key that is no longer configured. Put the old"
    " SECRET_KEY into SECRET_KEY_FALLBACKS (or the old key behind KEYS), or give it a new secret."
)
TOKEN_USER = "token"  # noqa: S105 - a user name


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: an account; or, within it, one device or the holder of an access token."""

    account: Account
    credential: Credential | None = None
    device: Factor | None = None
    access_token: AccessToken | None = None


class BasicAuthentication(BaseAuthentication):
    """Sets `request.auth` to the caller; `request.user` stays the host's.

    Unknown names and wrong secrets take the same steps and get the same answer.
    """

    def authenticate(self, request: Request) -> tuple[object, Caller]:
        """Return the caller. Raises AuthenticationRequired, also without any credentials."""
        user = getattr(request._request, "user", None)  # noqa: SLF001
        return user, caller(request.META.get("HTTP_AUTHORIZATION", ""))

    def authenticate_header(self, request: Request) -> str:
        """Return the challenge of a 401."""
        return "Basic"


def caller(header: str) -> Caller:
    """Return who sends an Authorization header. Raises AuthenticationRequired."""
    name, secret = _name_and_secret(header)
    if name == TOKEN_USER:
        return _bearer(secret)
    found = queries.credential(name)
    stored = found.secret_hash if found else ""
    # Compared first, also where there is no account: the time must not reveal which names exist.
    if not codes.secret_matches(stored, secret) or found is None:
        if codes.is_orphaned(stored):
            logger.warning(_ORPHANED, sids.canonical(name))
        raise AuthenticationRequired
    return Caller(found.account, credential=found)


def known_caller(header: str) -> Caller | None:
    """Return who sends a header, if this process has a copy of the account and the secret is right.

    Nothing may be done for the caller until the database has confirmed the copy. A wrong secret
    is looked up like an unknown name, or the time would reveal which names exist.
    """
    try:
        name, secret = _name_and_secret(header)
    except AuthenticationRequired:
        return None
    found = config_cache.credential(sids.canonical(name))
    is_right = codes.secret_matches(found.secret_hash if found else "", secret)
    return Caller(found.account, credential=found) if found and is_right else None


def _bearer(token: str) -> Caller:
    """Return who holds a token: three segments are signed by a device, five are sealed by us."""
    if token.count(".") == 2:
        device = access_tokens.device(token)
        return Caller(device.account, device=device)
    access_token = access_tokens.read(token)
    return Caller(access_token.account, access_token=access_token)


def _name_and_secret(header: str) -> tuple[str, str]:
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        raise AuthenticationRequired
    try:
        text = base64.b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        raise AuthenticationRequired from None
    name, _, secret = text.partition(":")
    return name, secret
