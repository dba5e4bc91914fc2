"""Translates what a request raises into one of our errors; the unexpected is logged."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from functools import partial
from typing import Any

from django.core.exceptions import (
    DisallowedHost,
    ObjectDoesNotExist,
    PermissionDenied,
    SuspiciousOperation,
)
from django.http import Http404
from rest_framework import exceptions as drf

from django_verify import exceptions
from django_verify.db import reconnect, retry
from django_verify.exceptions import MalformedRequest, VerifyError
from django_verify.logs import logger, without_numbers

_OURS: tuple[tuple[Any, Callable[[], VerifyError]], ...] = (
    # The second of them is a row's owner that was deleted after the row was read.
    (Http404 | ObjectDoesNotExist, exceptions.NotFound),
    (drf.AuthenticationFailed | drf.NotAuthenticated, exceptions.AuthenticationRequired),
    (drf.MethodNotAllowed, exceptions.MethodNotSupported),
    (drf.UnsupportedMediaType, exceptions.UnsupportedBody),
    (drf.ParseError, MalformedRequest),
    (drf.PermissionDenied | PermissionDenied, exceptions.Forbidden),
    (
        DisallowedHost,
        partial(MalformedRequest, "The Host header names a host that this site does not serve"),
    ),
    (SuspiciousOperation, exceptions.BodyTooLarge),
)


def as_verify_error(error: Exception) -> VerifyError:
    """Return any exception of a request as one of our family."""
    if isinstance(error, VerifyError):
        return error
    if isinstance(error, reconnect.FAILURES):
        return database_failure(error)
    for kinds, ours in _OURS:
        if isinstance(error, kinds):
            return ours()
    log_failure(error)
    return VerifyError()


def log_failure(error: Exception) -> None:
    """Log an exception that nobody foresaw, without what a frame or its text may hold.

    Frames hold codes, secrets and numbers, and error mail shows their variables: only the text of
    the traceback is logged, without what looks like a number or a recipient.
    """
    where = "".join(traceback.format_tb(error.__traceback__))
    logger.error("The request failed: %s\n%s", _without_numbers(error), where)


def database_failure(error: Exception) -> VerifyError:
    """Return what a caller is answered whose request a database has failed.

    A transaction that gave way to another one is undone; a charge before it was committed and
    stands. Of a database that is away a line is logged, and no traceback for each request.
    """
    if retry.is_deadlock(error):
        return exceptions.Conflict()
    logger.error("The database failed: %s", _without_numbers(error))
    return reconnect.unavailable()


def _without_numbers(error: Exception) -> str:
    return f"{type(error).__name__}: {without_numbers(str(error))}"
