"""Refusals in a site's own REST framework views: the handler, the mixin, and the site's way."""

import pytest
from django.test import RequestFactory
from rest_framework import exceptions as drf
from rest_framework import views
from rest_framework.response import Response

from django_verify import exceptions
from django_verify.db.autocommit import AtomicBlockError
from django_verify.mobile.refusals import RefusalMixin, as_api_exception, exception_handler
from django_verify.proofs import ProofRefused
from django_verify.verifications import refusals
from tests.refusals import every, named

FIVE_HUNDREDS = {503}


class View(views.APIView):
    authentication_classes = permission_classes = ()
    error = None

    def post(self, request):
        raise self.error


class Mixed(RefusalMixin, View):
    pass


def answer(view, error):
    return view.as_view(error=error)(RequestFactory().post("/"))


@pytest.fixture
def handled(settings):
    settings.REST_FRAMEWORK = {
        "EXCEPTION_HANDLER": "django_verify.mobile.refusals.exception_handler"
    }
    return View


@pytest.mark.parametrize("error", [*every()], ids=named)
def test_every_refusal_is_an_answer(error, handled):
    for view in (handled, Mixed):
        response = answer(view, error)
        assert response.status_code == refusals.status_of(error)
        assert response.status_code < 500 or response.status_code in FIVE_HUNDREDS
        seconds = getattr(error, "retry_after", None)
        assert response.get("Retry-After") == (None if seconds is None else str(seconds))
        details = response.data.get("detail") or response.data[error.parameter][0]
        assert details.code == refusals.reason_of(error)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (exceptions.NotFound(), drf.NotFound),
        (ProofRefused("expired"), drf.PermissionDenied),
        (exceptions.GateRefused("missing"), drf.PermissionDenied),
        (exceptions.MaxSendsReached(retry_after=7), drf.Throttled),
        (exceptions.InvalidParameter("to", "is no number"), drf.ValidationError),
    ],
    ids=lambda value: getattr(value, "__name__", type(value).__name__),
)
def test_it_is_the_framework_s_own_where_that_has_one(error, kind):
    assert isinstance(as_api_exception(error), kind)


def test_a_malformed_parameter_is_a_field_s_error():
    response = exception_handler(exceptions.InvalidParameter("to", "is no number"), {})
    assert response.status_code == 400
    assert response.data == {"to": ["is no number"]}


@pytest.mark.parametrize(
    "mistake",
    [exceptions.VerifyError(), AtomicBlockError("check()"), KeyError("x")],
    ids=["ours", "transaction", "theirs"],
)
def test_a_mistake_stays_one(mistake, handled):
    for view in (handled, Mixed):
        with pytest.raises(type(mistake)):
            answer(view, mistake)


def test_the_framework_s_own_errors_are_answered_as_ever(handled):
    assert answer(handled, drf.NotAuthenticated()).status_code == 403
    assert exception_handler(KeyError("x"), {}) is None


def own_handler(exc, context):
    assert isinstance(exc, drf.APIException)
    return Response({"error": exc.get_codes()}, status=exc.status_code)


def test_the_mixin_leaves_the_answer_to_the_site_s_handler(settings):
    settings.REST_FRAMEWORK = {"EXCEPTION_HANDLER": "tests.mobile.test_refusals.own_handler"}
    response = answer(Mixed, exceptions.MaxChecksReached(retry_after=9))
    assert response.data == {"error": "max_checks_reached"}
    assert response.status_code == 429


@pytest.mark.django_db
def test_what_the_request_wrote_is_undone(settings, account):
    from django.db import connection, transaction

    from django_verify.models import Account

    class Writes(Mixed):
        def post(self, request):
            Account.objects.update(friendly_name="changed")
            raise exceptions.NotFound

    settings.DATABASES["default"]["ATOMIC_REQUESTS"] = True
    connection.settings_dict["ATOMIC_REQUESTS"] = True
    try:
        with transaction.atomic():
            answer(Writes, None)
    finally:
        connection.settings_dict["ATOMIC_REQUESTS"] = False
    account.refresh_from_db()
    assert account.friendly_name != "changed"
