"""What `docs/mobile.md` says of members, refusals and limits is what the code does."""

import ast
import importlib
import json
import pkgutil
import re
from pathlib import Path

import pytest
from django.urls import include, path

import django_verify
from django_verify import conf, exceptions
from django_verify.exceptions import GateRefused, GateUnavailable, TooManyRequests, VerifyError
from django_verify.mobile import wire
from django_verify.mobile.serializers import (
    CheckBody,
    Refusal,
    ResendBody,
    StartAnswer,
    StartBody,
)
from django_verify.models import Verification
from django_verify.users import verified_phones
from django_verify.verifications.clients import ResendTooSoon, VerificationOver
from django_verify.verifications.offers import ClientsNotServed
from tests.conftest import PHONE, code_in, make_service
from tests.mobile.pages import DOCS, MOBILE, blocks, names, refusals, rows
from tests.mobile.test_views import App

BODIES = {"start": StartBody, "resend": ResendBody, "check": CheckBody}


def test_every_member_that_may_be_sent_is_explained():
    received = {
        names(member)[0]: verbs.split(", ") for member, verbs, _ in rows("What may be sent")
    }
    for verb, body in BODIES.items():
        assert set(body().fields) == {name for name, verbs in received.items() if verb in verbs}


def test_every_member_that_is_answered_is_explained():
    received = {name: row[1] for row in rows("What is answered") for name in names(row[0])}
    assert set(received) == set(StartAnswer().fields)
    assert set(names(received["status"])) == set(StartAnswer().fields["status"].choices)
    reasons = {error.reason for error in verified_phones.ClaimRefused.__subclasses__()}
    assert set(names(received["not_recorded"])) == reasons


#: Errors of the modules below that no client can meet: of parameters which no client has.
ELSEWHERE = {
    "ChannelWithoutPsd2",
    "CheckTargetMissing",
    "EmailSenderNotAllowed",
    "EmailTemplateUnknown",
    "FeatureDisabled",
    "InvalidSubstitutions",
    "LocaleNotSpoken",
    "NoUsableChannel",
    "RestrictedWord",
    "SnaFailed",
    "SnaWithoutPsd2",
    "TemplateNeedsText",
    "TemplateNotFound",
    "TemplateWithoutChannel",
    "TooManyEntities",
}


def family():
    found = [*vars(exceptions).values(), ClientsNotServed, ResendTooSoon, VerificationOver]
    return {c.__name__: c for c in found if isinstance(c, type) and issubclass(c, VerifyError)}


def sources():
    """The package's modules that a client's request may reach: all that these two import."""
    every = {
        found.name for found in pkgutil.walk_packages(django_verify.__path__, "django_verify.")
    }
    left, reached = ["django_verify.verifications.clients", "django_verify.mobile.views"], {}
    while left:
        name = left.pop()
        if name in reached or name.startswith("django_verify.exceptions"):
            continue
        tree = ast.parse(Path(importlib.import_module(name).__file__).read_text())
        reached[name] = tree
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("django_verify"):
                inner = [f"{node.module}.{alias.name}" for alias in node.names]
                left += [module for module in (node.module, *inner) if module in every]
    return reached


def reachable():
    """The errors that those modules name, whether they raise them there or hand them on."""
    known = family()
    found = set()
    for tree in sources().values():
        for node in ast.walk(tree):
            name = getattr(node, "id", getattr(node, "attr", None))
            found |= {name} & known.keys()
    return {known[name] for name in found - ELSEWHERE}


def cases(error):
    """The errors of a class that have reasons of their own."""
    if error is VerificationOver:
        over = set(Verification.Status) - {"pending", "max_attempts_reached"}
        return [error(str(ending)) for ending in over]
    if error in {GateRefused, GateUnavailable, exceptions.DestinationRefused}:
        return [error(word) for word in set(re.findall(r"`(\w+)`", error.__doc__)) - {"reason"}]
    if error is TooManyRequests:
        return [error(), *(error(limit=name) for name in conf.CLIENT_LIMITS)]
    return [error("to", "wrong") if error is exceptions.InvalidParameter else error()]


def test_the_table_of_refusals_is_complete():
    errors = reachable()
    assert {ResendTooSoon, exceptions.ConcurrentStarts, exceptions.WhatsappNotConfigured} <= errors
    answers = [wire.refusal(case) for error in errors for case in cases(error)]
    assert {(answer.data["reason"], answer.status_code) for answer in answers} == refusals()


def test_the_table_of_limits_has_the_defaults():
    spans = {600: "10 minutes", 3600: "an hour", 86_400: "a day"}
    received = {names(row[0])[0]: row[1] for row in rows("Limits")}
    for name, windows in conf.CLIENT_LIMITS.items():
        assert received.pop(name) == ", ".join(f"{most} in {spans[span]}" for most, span in windows)
    assert not received
    text = MOBILE.read_text()
    settings = conf.Settings()
    waits = ", ".join(str(wait) for wait in settings.RESEND_COOLDOWNS[:4])
    assert f"The wait grows: {waits} seconds" in text
    assert f"`RECIPIENT_GUESSES_PER_DAY`, {settings.RECIPIENT_GUESSES_PER_DAY}" in text


def test_the_pages_that_it_names_are_there():
    for page in (MOBILE, DOCS / "schema.md"):
        for target, anchor in re.findall(r"\]\(([\w.]*)(?:#([\w-]+))?\)", page.read_text()):
            text = (DOCS / target).read_text() if target else page.read_text()
            headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
            anchors = {re.sub(r"[^\w -]", "", h).lower().replace(" ", "-") for h in headings}
            assert not anchor or anchor in anchors, (target, anchor)


@pytest.mark.django_db(transaction=True)
class TestExamples:
    """The examples of the page, as they stand."""

    @pytest.fixture(autouse=True)
    def service(self, account):
        service = make_service(account)
        names = {"path": path, "include": include, "service": service}
        for text in blocks("python"):
            exec(text, names)
        assert [route.pattern._route for route in names["urlpatterns"][1:]] == ["mobile/"]
        service.refresh_from_db()
        service.full_clean()
        return service

    def test_are_what_happens(self, outbox, clock):
        body, started, check, approved, resend, offer, refused = map(json.loads, blocks("json"))
        app = App()
        offered = app.get("verifications?language=en").data
        assert offered["countries"].index(offer["countries"][0])
        assert offered | offer == offer
        answer = app.post("verifications", body)
        assert answer.status == 201
        assert list(answer.data) == list(started)
        own = {name: answer.data[name] for name in ("id", "client_secret")}
        assert answer.data == started | own
        assert started["to"] == PHONE
        mine = {"client_secret": own["client_secret"]}
        path = f"verifications/{own['id']}"
        answer = app.post(f"{path}/resend", resend | mine)
        assert (answer.status, answer.data) == (429, refused)
        assert answer.headers["Retry-After"] == str(refused["retry_after"])
        clock.shift(refused["retry_after"])
        assert app.post(f"{path}/resend", resend | mine).data["channel"] == resend["channel"]
        answer = app.post(f"{path}/check", check | mine | {"code": code_in(outbox[0])})
        assert answer.status == 200
        signed = {"proof": 0, "device_token": 0}
        assert answer.data | approved | signed == answer.data | signed
        assert set(refused) <= set(Refusal().fields)
