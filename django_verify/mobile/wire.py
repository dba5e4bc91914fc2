"""The error answers of the endpoints for apps: a status, and a reason for programs.

A refusal is `{"reason", "message"}` with, where they help, `parameter`, `retry_after` (seconds)
and `retry_at`. The reason is the error's name; `docs/mobile.md` lists them.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.utils import timezone
from rest_framework.response import Response

from django_verify.exceptions import InvalidParameter, VerifyError
from django_verify.net import times
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
