"""Refusals in a site's own REST framework views: an exception handler, and a mixin for one view.

Ours are turned into REST framework's own exceptions, so that the site's way of answering holds.
"""

from __future__ import annotations

from typing import Any

from rest_framework import exceptions as drf
from rest_framework import views
from rest_framework.response import Response

from django_verify.exceptions import InvalidParameter
from django_verify.verifications import refusals


class Refused(drf.APIException):
    """A refusal of a status that REST framework has no class for."""


_CLASSES = {403: drf.PermissionDenied, 404: drf.NotFound, 429: drf.Throttled}


def as_api_exception(error: Exception) -> Exception:
    """Return one of our refusals as an exception of REST framework, and any other as it is.

    The detail's code is the reason. A malformed parameter is a `ValidationError` of a field of its
    name.
    """
    if not refusals.is_refusal(error):
        return error
    reason, status = refusals.reason_of(error), refusals.status_of(error)
    if isinstance(error, InvalidParameter):
        return drf.ValidationError({error.parameter: [error.reason]}, reason)
    answer: drf.APIException = _CLASSES.get(status, Refused)(
        detail=refusals.message_of(error), code=reason
    )
    answer.status_code = status
    # REST framework sends it as `Retry-After`.
    vars(answer)["wait"] = getattr(error, "retry_after", None)
    return answer


def exception_handler(exc: Exception, context: dict[str, Any]) -> Response | None:
    """Answer refusals as REST framework answers its own: for `EXCEPTION_HANDLER`."""
    return views.exception_handler(as_api_exception(exc), context)


class RefusalMixin:
    """The same for one view, before its base; the site's own exception handler then answers."""

    def handle_exception(self, exc: Exception) -> Response:
        """Hand on what REST framework knows."""
        answer: Response = super().handle_exception(as_api_exception(exc))  # type: ignore[misc]
        return answer
