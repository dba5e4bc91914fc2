"""The wire that apps speak: JSON in and out, and refusals that a program can act on.

A refusal is `{"reason", "message"}` with, where they help, `parameter`, `retry_after` (seconds)
and `retry_at`. The reason is the error's name; `docs/mobile.md` lists them.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

from django.core.exceptions import (
    DisallowedHost,
    ObjectDoesNotExist,
    PermissionDenied,
    SuspiciousOperation,
)
from django.db import InterfaceError, InternalError, OperationalError
from django.http import Http404
from django.utils import timezone
from rest_framework import exceptions as drf
from rest_framework.response import Response

from django_verify import exceptions
from django_verify.exceptions import GateRefused, GateUnavailable, InvalidParameter, VerifyError
from django_verify.net import times
from django_verify.rest import bodies
from django_verify.verifications.clients import State, VerificationOver

#: Of an error whose reason says more than its name.
GONE = 410


def state(found: State) -> dict[str, Any]:
    """Return what a client is told of its verification, the same members at every step."""
    return {
        "id": found.sid,
        "to": found.to,
        "channel": found.channel,
        "channels": list(found.channels),
        "purpose": found.purpose,
        "status": found.status,
        "valid": found.valid,
        "expires_at": times.timestamp(found.expires_at),
        "next_send_at": times.timestamp(found.next_send_at) if found.next_send_at else None,
        "sends_left": found.sends_left,
        "checks_left": found.checks_left,
        "proof": found.proof or None,
        "not_recorded": list(found.refused),
    }


def reason_of(error: VerifyError) -> str:
    """Return the word by which a program knows a refusal."""
    match error:
        case VerificationOver():
            return f"verification_{error.ending}"
        case GateRefused() | GateUnavailable():
            return f"gate_{error.reason}"
        case exceptions.TooManyRequests() if error.limit:
            return f"{error.limit}_limit"
    if type(error) is VerifyError:
        return "server_error"
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", type(error).__name__).lower()


def refusal(error: VerifyError) -> Response:
    """Return a refusal as an answer."""
    body: dict[str, Any] = {"reason": reason_of(error), "message": error.message}
    if isinstance(error, InvalidParameter):
        body |= {"parameter": error.parameter, "message": error.reason}
    if error.retry_after is not None:
        at = timezone.now() + dt.timedelta(seconds=error.retry_after)
        body |= {"retry_after": error.retry_after, "retry_at": times.timestamp(at)}
    status = GONE if isinstance(error, VerificationOver) else error.status
    return Response(body, status=status, headers=error.headers)


def as_refusal(error: Exception) -> Response:
    """Return whatever a request raised as a refusal; what nobody foresaw is logged."""
    match error:
        case VerifyError():
            return refusal(error)
        case Http404() | ObjectDoesNotExist():
            # The last of them is a row's owner that was deleted after the row was read.
            return refusal(exceptions.NotFound())
        case OperationalError() | InterfaceError() | InternalError():
            return refusal(bodies.database_failure(error))
        case drf.AuthenticationFailed() | drf.NotAuthenticated():
            return _unauthenticated(error)
        case drf.MethodNotAllowed():
            return refusal(exceptions.MethodNotSupported())
        case drf.UnsupportedMediaType():
            return refusal(exceptions.UnsupportedBody("Send application/json"))
        case drf.ParseError() | DisallowedHost():
            return refusal(exceptions.MalformedRequest())
        case drf.PermissionDenied() | PermissionDenied():
            return refusal(exceptions.Forbidden())
        case SuspiciousOperation():
            return refusal(exceptions.BodyTooLarge())
    bodies.log_failure(error)
    return refusal(VerifyError())


def _unauthenticated(error: drf.APIException) -> Response:
    """Refuse a caller whose own credentials, by MOBILE_AUTHENTICATION, are wrong."""
    response = refusal(exceptions.AuthenticationRequired())
    response["WWW-Authenticate"] = getattr(error, "auth_header", "") or 'Bearer realm="app"'
    return response
