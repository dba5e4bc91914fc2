"""The error answers of the endpoints for apps: a status, and a reason for programs.

A refusal is `{"reason", "message"}` with, where they help, `parameter`, `retry_after` (seconds)
and `retry_at`. The reason is the error's name; `docs/mobile.md` lists them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.utils import timezone
from rest_framework.exceptions import APIException
from rest_framework.response import Response

from django_verify import exceptions
from django_verify.db import reconnect
from django_verify.exceptions import InvalidParameter, VerifyError
from django_verify.net import times
from django_verify.rest import errors
from django_verify.verifications.refusals import reason_of, status_of


def refusal(error: VerifyError) -> Response:
    """Return a refusal as an answer."""
    body: dict[str, Any] = {"reason": reason_of(error), "message": error.message}
    if isinstance(error, InvalidParameter):
        body |= {"parameter": error.parameter, "message": error.reason}
    if error.retry_after is not None:
        at = timezone.now() + dt.timedelta(seconds=error.retry_after)
        body |= {"retry_after": error.retry_after, "retry_at": times.timestamp(at)}
    return Response(body, status=status_of(error), headers=error.headers)


class Unavailable(APIException):
    """The database failed in a view of the host; REST framework answers 503 with `Retry-After`."""

    status_code = exceptions.ServiceUnavailable.status
    default_detail = exceptions.ServiceUnavailable.message
    default_code = "service_unavailable"
    wait = reconnect.RETRY_AFTER


def hide_parameters(request: Any) -> None:
    """Keep a form's parameters, a proof among them, out of error mail about this request."""
    if request is not None:
        getattr(request, "_request", request).sensitive_post_parameters = "__ALL__"


@contextmanager
def database_failures() -> Iterator[None]:
    """Raise Unavailable where a database fails, in a serializer or permission of the host.

    Else error mail shows the frames of REST framework, with a proof in them that is still unused.
    """
    try:
        yield
    except reconnect.FAILURES as error:
        errors.database_failure(error)
        raise Unavailable from None
