"""Whatever a request raises becomes one of our own errors; what nobody foresaw is logged."""

import pytest
from django.core import exceptions as django
from django.db import InterfaceError, InternalError, OperationalError
from django.http import Http404
from rest_framework import exceptions as drf

from django_verify import exceptions
from django_verify.models import Account
from django_verify.rest import errors


@pytest.mark.parametrize(
    ("error", "ours"),
    [
        (Http404(), exceptions.NotFound),
        (Account.DoesNotExist(), exceptions.NotFound),
        (drf.AuthenticationFailed(), exceptions.AuthenticationRequired),
        (drf.NotAuthenticated(), exceptions.AuthenticationRequired),
        (drf.MethodNotAllowed("PUT"), exceptions.MethodNotSupported),
        (drf.UnsupportedMediaType("text/plain"), exceptions.UnsupportedBody),
        (drf.ParseError(), exceptions.MalformedRequest),
        (drf.PermissionDenied(), exceptions.Forbidden),
        (django.PermissionDenied(), exceptions.Forbidden),
        (django.DisallowedHost(), exceptions.MalformedRequest),
        (django.RequestDataTooBig(), exceptions.BodyTooLarge),
        (OperationalError(), exceptions.ServiceUnavailable),
        (InterfaceError(), exceptions.ServiceUnavailable),
        (InternalError(), exceptions.ServiceUnavailable),
    ],
    ids=lambda value: getattr(value, "__name__", type(value).__name__),
)
def test_a_known_error_has_its_counterpart(error, ours):
    assert type(errors.as_verify_error(error)) is ours


def test_one_of_ours_stays_itself():
    error = exceptions.Conflict()
    assert errors.as_verify_error(error) is error


def test_what_nobody_foresaw_is_logged_without_numbers(caplog):
    error = errors.as_verify_error(KeyError("+14155552671 ann@example.com"))
    assert (type(error), error.status) == (exceptions.VerifyError, 500)
    assert "KeyError" in caplog.text
    assert "4155552671" not in caplog.text
    assert "ann@" not in caplog.text
