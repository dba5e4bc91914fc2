"""The permission for requests with a proof: where it is looked for, and when it is used up."""

import json
import sys

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError
from django.views.debug import ExceptionReporter
from rest_framework.permissions import AllowAny, IsAuthenticated
from rest_framework.request import clone_request
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory
from rest_framework.views import APIView

from django_verify.mobile.permissions import HEADER, HasProof
from django_verify.models import SpentToken
from django_verify.proofs import single_use
from tests.conftest import PHONE, ROUNDS
from tests.proof import issue

pytestmark = pytest.mark.django_db(transaction=True)


class Transfer(APIView):
    permission_classes = [HasProof.for_purpose("sign-up")]

    def get(self, request):
        return Response(request.proof.subject)

    post = put = delete = get


def ask(method="post", body=None, view=Transfer, **headers):
    factory = APIRequestFactory()
    request = getattr(factory, method)("/", body, format="json", headers=headers)
    answer = view.as_view()(request)
    detail = answer.data.get("detail") if isinstance(answer.data, dict) else None
    return (answer.status_code, getattr(detail, "code", answer.data))


def with_header(token, method="post", **values):
    return ask(method, **{HEADER: token}, **values)


def test_the_header_or_the_body_brings_it():
    assert with_header(issue()) == (200, PHONE)
    assert ask(body={"proof": issue(sid="CV2")}) == (200, PHONE)


@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_it_is_used_up(method):
    token = issue()
    assert with_header(token, method) == (200, PHONE)
    assert with_header(token, method) == (403, "already_used")
    assert ask(method, {"proof": token}) == (403, "already_used")


def test_safe_methods_leave_it_unused():
    token = issue()
    for _ in range(2):
        assert with_header(token, "get") == (200, PHONE)
    assert not SpentToken.objects.exists()
    with_header(token)
    # To read is no less than to use: a proof that was used up is still one of its subject.
    assert with_header(token, "get") == (200, PHONE)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (None, "missing"),
        ({}, "missing"),
        ({"proof": None}, "missing"),
        ({"proof": ""}, "missing"),
        ({"proof": "x"}, "malformed"),
        ({"proof": ["x"]}, "malformed"),
        ({"proof": {"x": []}}, "malformed"),
        ({"proof": 1}, "malformed"),
        (["proof"], "missing"),
        ("proof", "missing"),
    ],
    ids=str,
)
def test_what_is_no_proof_is_403_for_visitors_too(body, reason):
    assert ask(body=body) == (403, reason)


def test_a_header_decides_alone():
    assert with_header("", body={"proof": issue()}) == (403, "missing")
    assert with_header("x", body={"proof": issue()}) == (403, "malformed")
    assert not SpentToken.objects.exists()


def test_a_body_that_cannot_be_read():
    factory = APIRequestFactory()
    for content, status in (("{", 400), ("x", 400)):
        asked = factory.generic("POST", "/", content, content_type="application/json")
        assert Transfer.as_view()(asked).status_code == status
    asked = factory.generic("POST", "/", "x", content_type="application/odd")
    assert Transfer.as_view()(asked).status_code == 415


def test_the_reasons_of_proofs(clock):
    assert with_header(issue(purpose="login")) == (403, "wrong_purpose")
    assert with_header(issue(test=True)) == (403, "test_proof")
    token = issue()
    clock.shift(600)
    assert with_header(token) == (403, "expired")


def test_a_subclass_states_more():
    class Strict(HasProof):
        purpose = "sign-up"
        allow_test = True

        def nonce(self, request):
            return request.headers.get("X-Form", "")

    class View(Transfer):
        permission_classes = [Strict]

    token = issue(nonce="7", test=True)
    assert with_header(token, view=View) == (403, "wrong_nonce")
    assert with_header(token, view=View, **{"X-Form": "7"}) == (200, PHONE)


def test_without_a_purpose_it_lets_nobody_in():
    class View(Transfer):
        permission_classes = [HasProof]

    with pytest.raises(ImproperlyConfigured, match="HasProof"):
        with_header(issue(), view=View)


def test_what_refuses_before_it_leaves_the_proof_unused():
    class View(Transfer):
        permission_classes = [IsAuthenticated, HasProof.for_purpose("sign-up")]

    assert with_header(issue(), view=View)[0] in {401, 403}

    class Either(Transfer):
        permission_classes = [AllowAny | HasProof.for_purpose("sign-up")]

        def post(self, request):
            return Response("in")

    assert with_header(issue(), view=Either) == (200, "in")
    assert not SpentToken.objects.exists()


def test_the_browsable_api_uses_up_no_proof_by_reading():
    """It asks for each method whether the page may offer its form."""
    view = Transfer()
    request = view.initialize_request(APIRequestFactory().get("/", headers={HEADER: issue()}))
    for method in ("POST", "PUT", "DELETE"):
        view.check_permissions(clone_request(request, method))
    assert not SpentToken.objects.exists()


def test_a_refusal_names_neither_token_nor_number():
    token = issue(purpose="login")
    request = APIRequestFactory().post("/", headers={HEADER: token})
    received = json.dumps(Transfer.as_view()(request).data)
    assert not any(part in received for part in (*token.split("."), PHONE))


def test_the_error_mail_of_a_view_shows_no_proof():
    class Failing(Transfer):
        def post(self, request):
            raise RuntimeError("broken")

    token = issue()
    request = APIRequestFactory().post("/", headers={HEADER: token})
    try:
        Failing.as_view()(request)
    except RuntimeError:
        mail = ExceptionReporter(request, *sys.exc_info()).get_traceback_text()
    assert "HTTP_VERIFY_PROOF" in mail
    assert not any(part in mail for part in token.split("."))
    assert PHONE not in mail


@pytest.mark.parametrize("round_", range(ROUNDS))
def test_of_twenty_requests_at_one_moment_one_is_let_in(aligned, round_):
    token = issue()
    answers = aligned([lambda: with_header(token)] * 20)
    assert sorted(status for status, _ in answers) == [200] + [403] * 19


def test_a_database_that_fails_is_503_and_leaves_the_proof_unused(monkeypatch):
    def gone(*args, **kwargs):
        raise OperationalError("server closed the connection")

    token = issue()
    monkeypatch.setattr(single_use, "consume", gone)
    assert with_header(token) == (503, "service_unavailable")
    monkeypatch.undo()
    assert with_header(token) == (200, PHONE)
