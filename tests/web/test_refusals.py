"""Refusals in a site's own plain views: the middleware, the decorator, pages and JSON."""

import asyncio
import json

import pytest
from django.db import connection, transaction
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.utils import translation

from django_verify import exceptions
from django_verify.db.autocommit import AtomicBlockError
from django_verify.models import Account
from django_verify.proofs import ProofRefused
from django_verify.users.verified_phones import NumberTaken
from django_verify.verifications import refusals
from django_verify.verifications.clients import VerificationOver
from django_verify.web.refusals import RefusalMiddleware, answer, answers_refusals
from tests.refusals import every, named

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


def request(accept=BROWSER, **more):
    return RequestFactory().post("/", headers={"accept": accept}, **more)


def raises(error):
    def view(request):
        raise error

    return view


@pytest.mark.parametrize("error", [*every()], ids=named)
def test_every_refusal_is_a_page_or_json(error):
    page = RefusalMiddleware(raises(error)).process_exception(request(), error)
    decorated = answers_refusals(raises(error))(request("application/json"))
    for response in (page, decorated):
        assert response.status_code == refusals.status_of(error)
        seconds = getattr(error, "retry_after", None)
        assert response.get("Retry-After") == (None if seconds is None else str(seconds))
        assert "no-store" in response["Cache-Control"]
    assert page["Content-Type"] == "text/html; charset=utf-8"
    assert "<h1>That did not work</h1>" in page.text
    members = json.loads(decorated.content)
    assert members["reason"] == refusals.reason_of(error)
    assert members["message"]
    assert members.get("retry_after") == seconds


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (exceptions.MaxChecksReached(retry_after=7200), "You can try again in 2 hours."),
        (exceptions.NotFound(), "The code is no longer valid."),
        (VerificationOver("expired"), "The code is no longer valid."),
        (ProofRefused("expired"), "Your session has ended."),
        (NumberTaken(), "This number belongs to another account here"),
        (exceptions.InvalidParameter("to", "is no number"), "This number cannot receive a code."),
        (exceptions.InvalidParameter("code", "is no code"), "That is not the code we sent."),
        (exceptions.InvalidParameter("locale", "is no tag"), "This cannot be done at the moment."),
        (exceptions.ChannelDisabled(), "This way of sending is not available."),
        (exceptions.ChallengeExpired(), "This cannot be done at the moment."),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_page_has_a_sentence_for_people(error, sentence):
    assert sentence in answer(request(), error).text


def test_a_page_is_in_the_visitor_s_language():
    with translation.override("de"):
        assert "Das hat nicht geklappt" in answer(request(), exceptions.NotFound()).text


@pytest.mark.parametrize(
    ("asked", "kind"),
    [
        (request(), "text/html"),
        (request("*/*"), "text/html"),
        (request("*/*", content_type="application/json"), "application/json"),
        (request("application/json"), "application/json"),
        (request("application/json;q=0.5,text/html;q=0.9"), "text/html"),
        (request(content_type="application/json"), "text/html"),
        (request("image/png"), "text/html"),
    ],
)
def test_who_gets_json(asked, kind):
    assert answer(asked, exceptions.NotFound())["Content-Type"].partition(";")[0] == kind


def test_a_malformed_parameter_is_named():
    refused = answer(request("application/json"), exceptions.InvalidParameter("to", "is no number"))
    assert json.loads(refused.content) == {
        "reason": "invalid_parameter",
        "message": "is no number",
        "parameter": "to",
    }


@pytest.mark.parametrize(
    "mistake",
    [exceptions.VerifyError(), AtomicBlockError("check()"), KeyError("x")],
    ids=["ours", "transaction", "theirs"],
)
def test_a_mistake_stays_one(mistake):
    assert RefusalMiddleware(raises(mistake)).process_exception(request(), mistake) is None
    with pytest.raises(type(mistake)):
        answers_refusals(raises(mistake))(request())


def test_an_asynchronous_view():
    @answers_refusals
    async def view(request, error):
        if error:
            raise error
        return HttpResponse("fine")

    assert asyncio.run(view(request(), exceptions.NotFound())).status_code == 404
    assert asyncio.run(view(request(), None)).text == "fine"
    with pytest.raises(KeyError):
        asyncio.run(view(request(), KeyError("x")))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("atomic", [True, False])
def test_what_the_request_wrote_is_undone(account, atomic):
    @answers_refusals
    def view(request):
        Account.objects.update(friendly_name="changed")
        raise exceptions.NotFound

    connection.settings_dict["ATOMIC_REQUESTS"] = atomic
    try:
        with transaction.atomic():
            view(request())
    finally:
        connection.settings_dict["ATOMIC_REQUESTS"] = False
    account.refresh_from_db()
    assert (account.friendly_name == "changed") is not atomic


@pytest.mark.django_db
@pytest.mark.parametrize("accept", [BROWSER, "application/json"])
def test_the_middleware_in_a_site(settings, accept):
    settings.ROOT_URLCONF = "tests.web.urls"
    bare = Client(raise_request_exception=False)
    assert bare.post("/refuses/", headers={"accept": accept}).status_code == 500
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django_verify.web.refusals.RefusalMiddleware"]
    client = Client()
    response = client.post("/refuses/", headers={"accept": accept})
    assert response.status_code == 429
    assert response["Retry-After"] == "60"
    assert client.get("/plain/").status_code == 302
