"""Access tokens of devices: one to create a factor, one for the device's own requests.

An access token is sealed and single-use; no token is stored. A device signs its own.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db import IntegrityError
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from django_verify import sids
from django_verify.crypto import codes, jose
from django_verify.db import queries, savepoints
from django_verify.exceptions import AuthenticationRequired, FactorNotAllowed, NotFound
from django_verify.logs import logger
from django_verify.models import AccessToken, Factor, VerifyService

DEFAULT_TTL, SHORTEST_TTL, LONGEST_TTL = 60, 60, 300

_TYPE = "twilio-fpa;v=1"
_ISSUER, _AUDIENCE = "django_verify", "factors"
_LENGTH = 4096
_DEVICE_TYPE = "twilio-pba;v=1"
# The device SDKs sign for ten minutes; a token for longer could be replayed for as long.
_DEVICE_LIFE = 600
# Seconds by which the clocks of a device and of the site may differ.
_LEEWAY = 10


def rows() -> QuerySet[AccessToken]:
    """Return all access tokens of the database that is written, in no order."""
    return AccessToken.objects.using(queries.database()).order_by()


def issue(
    service: VerifyService,
    identity: str,
    factor_type: str = Factor.Type.PUSH,
    *,
    friendly_name: str = "",
    ttl: int = DEFAULT_TTL,
) -> AccessToken:
    """Write an access token for one factor of one identity; `text` returns the token itself.

    Raises NotFound when the service has gone.
    """
    jose.refuse_unavailable()
    now = timezone.now()
    row = AccessToken(
        account_id=service.account_id,
        service=service,
        identity=identity,
        factor_type=factor_type,
        factor_friendly_name=friendly_name,
        ttl=ttl,
        date_created=now,
        expires_at=now + dt.timedelta(seconds=ttl),
    )
    try:
        with savepoints.atomic(queries.database()):
            row.save(using=queries.database(), force_insert=True)
    except IntegrityError:
        raise NotFound from None  # the service was deleted meanwhile
    return row


def fetch(service: VerifyService, sid: str) -> AccessToken:
    """Return an access token while its time runs. Raises NotFound."""
    mine = rows().filter(service_id=service.sid, account_id=service.account_id)
    row = mine.filter(sid=sid, expires_at__gt=timezone.now()).first()
    if row is None:
        raise NotFound
    return row


@sensitive_variables()
def text(row: AccessToken) -> str:
    """Return the token of a row; each call writes it anew, and all of them count as one."""
    jose.refuse_unavailable()
    key_id = codes.current_key_id()
    began = int(row.date_created.timestamp())
    claims = {
        "iss": _ISSUER,
        "aud": _AUDIENCE,
        "jti": row.sid,
        "sub": row.account_id,
        "service": row.service_id,
        "identity": row.identity,
        "factor_type": row.factor_type,
        "friendly_name": row.factor_friendly_name,
        "iat": began,
        "nbf": began,
        "exp": began + row.ttl,
    }
    return jose.seal(claims, {"kid": key_id, "cty": _TYPE}, codes.token_key(key_id))


@sensitive_variables()
def read(given: str) -> AccessToken:
    """Return the row of an access token that may be used. Raises AuthenticationRequired."""
    jose.refuse_unavailable()
    try:
        header = jose.sealed_header(given, _LENGTH)
        key = codes.token_key(str(header.get("kid")))
        claims = jose.unseal(given, key)
    except ValueError:
        raise AuthenticationRequired from None
    except LookupError:
        # Its header is not signed: a caller may have made it up, so no part of it is repeated here.
        logger.warning("an access token answers 401: its key is no longer configured")
        raise AuthenticationRequired from None
    now = timezone.now()
    # No leeway: the site itself has written these times.
    named = (header.get("cty"), claims.get("iss"), claims.get("aud"))
    if named != (_TYPE, _ISSUER, _AUDIENCE) or not _is_running(claims, now, 0):
        raise AuthenticationRequired
    usable = rows().filter(sid=str(claims.get("jti")), used_at=None, expires_at__gt=now)
    row = usable.filter(account__is_active=True).select_related("account").first()
    if row is None:
        raise AuthenticationRequired
    return row


def refuse_other(row: AccessToken, service_sid: str, identity: str) -> None:
    """Raise FactorNotAllowed where a token is for another service or identity."""
    if (service_sid, identity.lower()) != (row.service_id, row.identity.lower()):
        raise FactorNotAllowed


def consume(row: AccessToken, now: dt.datetime) -> None:
    """Use a token up in the caller's transaction. Raises AuthenticationRequired if it was used."""
    # In the factor's transaction: a token whose factor is refused can be used again.
    unused = rows().filter(sid=row.sid, used_at=None, expires_at__gt=now)
    if not unused.update(used_at=now):
        raise AuthenticationRequired


def device(given: str) -> Factor:
    """Return the push factor whose device has signed a token. Raises AuthenticationRequired."""
    jose.refuse_unavailable()
    try:
        header, claims = jose.parse(given, _LENGTH)
    except ValueError:
        raise AuthenticationRequired from None
    kid = header.get("kid")
    expected = {"typ": "JWT", "alg": jose.ALGORITHM, "cty": _DEVICE_TYPE, "kid": kid}
    if not (isinstance(kid, str) and sids.is_sid("CR", kid)):
        raise AuthenticationRequired
    # The SDKs write these four; a key or an algorithm that the token brings along is not believed.
    if jose.understood(header) != expected:
        raise AuthenticationRequired
    factor = _owner(sids.canonical(kid))
    if factor is None or not jose.is_jws_of(_key(factor), given):
        raise AuthenticationRequired
    running = _is_running(claims, timezone.now(), _LEEWAY)
    if not running or claims.get("sub") != factor.account_id:
        raise AuthenticationRequired
    if claims["exp"] - claims["nbf"] > _DEVICE_LIFE + _LEEWAY:
        raise AuthenticationRequired
    return factor


def _owner(kid: str) -> Factor | None:
    together = Factor.objects.using(queries.database()).select_related("entity", "account")
    named = Q(sid=sids.factor_of(kid), factor_type=Factor.Type.PUSH, account__is_active=True)
    return together.filter(named).order_by().first()


def _key(factor: Factor) -> Any:
    return jose.public_key(factor.binding["public_key"])


def _is_running(claims: dict[str, Any], now: dt.datetime, leeway: int) -> bool:
    """Whether `nbf` and `exp` are whole seconds around this moment."""
    begins, ends = claims.get("nbf"), claims.get("exp")
    if type(begins) is not int or type(ends) is not int:
        return False
    return begins - leeway <= now.timestamp() < ends + leeway
