"""The pages of authenticator apps and passkeys, without a browser."""

import json
import re
import time

import pyotp
import pytest
from django.db import connections
from django.test import Client

from django_verify.factors import entities, passkeys
from django_verify.models import Challenge, Factor
from example_project.management.commands.serve import allow_passkeys
from tests.conftest import make_service

pytestmark = pytest.mark.django_db

ENROL, SIGN_IN, PASSKEY = "/authenticator/", "/sign-in/", "/passkey/"
PARTS = {
    "clientDataJSON": "e30", "attestationObject": "AA", "authenticatorData": "AA",
    "signature": "AA", "transports": [1],
}  # fmt: skip


@pytest.fixture(autouse=True)
def site(service):
    allow_passkeys(service, "http://localhost:8000")
    return service


def post(client, path, step="", **values):
    return client.post(path, {"step": step, **values}, follow=True).text


def call(client, path, body=b""):
    return client.post(path, body, content_type="application/json")


def enrolled(client):
    """The app of the client's visitor, which has used the code of this moment."""
    page = post(client, ENROL, "start")
    app = pyotp.TOTP(re.search(r'id="secret">([A-Z2-7 ]+)<', page).group(1).replace(" ", ""))
    app.moment = int(time.time())
    assert "Your app is set up" in post(client, ENROL, "confirm", code=app.at(app.moment))
    app.name = client.session["identity"]
    return app


@pytest.mark.portable
def test_the_seed_is_shown_to_its_session_until_it_is_proved(client, clock):
    page = post(client, ENROL, "start")
    assert "otpauth://totp/" in page
    assert "<svg" in page
    assert "<script" not in page
    assert "otpauth:" not in Client().get(ENROL).text
    factor = Factor.objects.get()
    app = enrolled(client)
    assert not Factor.objects.filter(sid=factor.sid).exists()  # a new start took its place
    assert app.secret not in f"{client.get(ENROL).text} {client.session.items()}"
    assert "Your app is set up" in post(client, ENROL, "confirm", code="123456")
    assert "otpauth:" in post(client, ENROL, "start")
    assert Factor.objects.filter(status="verified").count() == 1
    assert "Enrol an authenticator app" in post(client, ENROL, "stop")
    assert Factor.objects.count() == 1


def test_five_wrong_first_codes(client, clock):
    post(client, ENROL, "start")
    for code in ("", "12", "1234567", "１２３４５x", "١٢٣"):
        assert 'role="alert"' in post(client, ENROL, "confirm", code=code)
    assert Factor.objects.get().failures == 0
    for _ in range(5):
        assert "That is not the code" in post(client, ENROL, "confirm", code="000000")
    assert "start again" in post(client, ENROL, "confirm", code="000000")
    assert not Factor.objects.exists()


def test_each_code_signs_in_once(client, clock):
    app = enrolled(client)
    other = Client()
    form = {"identity": app.name.upper(), "code": app.at(app.moment)}
    assert "Each code works once" in post(other, SIGN_IN, **form)
    form["code"] = app.at(app.moment + 30)
    assert "You are signed in" in post(other, SIGN_IN, **form)
    assert other.session["identity"] == app.name
    assert "Each code works once" in post(Client(), SIGN_IN, **form)
    assert app.name in post(other, SIGN_IN, "sign-out")
    assert not other.session.keys()


def test_no_name_is_reported_to_exist(client, clock):
    app = enrolled(client)
    answers = {
        re.search(r'role="alert">(.*?)</div>', post(client, SIGN_IN, identity=name, code="000000"))[
            1
        ]
        for name in (app.name, "visitor-00000000", "x")
    }
    assert len(answers) == 1


def test_too_many_codes(client, clock):
    app = enrolled(client)
    Factor.objects.update(guesses=20, guesses_since=entities.rows().get().date_created)
    form = {"identity": app.name, "code": app.at(app.moment + 30)}
    assert "Too many codes" in post(client, SIGN_IN, **form)
    assert not Challenge.objects.filter(status="approved").exists()


@pytest.mark.django_db(transaction=True)
def test_a_guess_stays_charged_under_atomic_requests(client, monkeypatch):
    monkeypatch.setitem(connections["default"].settings_dict, "ATOMIC_REQUESTS", True)
    post(client, ENROL, "start")
    post(client, ENROL, "confirm", code="000000")
    assert Factor.objects.get().failures == 1
    body = json.dumps({"rawId": "AA", "response": {}})
    assert call(client, "/passkey/verify/", body).status_code == 400


def test_what_the_browser_is_asked(client, site):
    asked = call(client, "/passkey/register/").json()["publicKey"]
    name = client.session["identity"]
    assert asked["rp"] == {"id": "localhost", "name": site.friendly_name}
    assert asked["user"]["name"] == name
    assert asked["authenticatorSelection"]["residentKey"] == "required"
    assert call(client, "/sign-in/passkey/").json()["publicKey"]["allowCredentials"] == []
    for identity in (name, "visitor-00000000"):
        answer = call(client, "/sign-in/passkey/", json.dumps({"identity": identity}))
        assert answer.status_code in {403, 404}
        assert answer.json() == {"error": "No passkey of this name is known here."}


@pytest.mark.parametrize("path", ["/passkey/verify/", "/sign-in/passkey/approve/"])
@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b"{", b"[" * 100_000, b'{"response": 1}',
        b'{"rawId": 1, "response": {"clientDataJSON": "!"}}',
        json.dumps({"rawId": "AA", "response": PARTS}).encode(),
    ],
)  # fmt: skip
def test_answers_that_are_none(client, path, body):
    answer = call(client, path, body)
    assert answer.status_code == 400
    assert set(answer.json()) == {"error"}


def test_the_script_needs_post_and_a_token(client):
    assert client.get("/passkey/register/").status_code == 405
    strict = Client(enforce_csrf_checks=True)
    assert call(strict, "/passkey/register/").status_code == 403
    assert not Factor.objects.exists()


def test_where_there_are_no_passkeys(client, site):
    assert "http://localhost:8000/passkey/" in client.get(PASSKEY, HTTP_HOST="127.0.0.1:8000").text
    site.passkeys_relying_party_id = site.passkeys_relying_party_name = ""
    site.passkeys_relying_party_origins = ""
    site.save()
    assert "not set up" in client.get(PASSKEY).text
    assert "not set up" in call(client, "/passkey/register/").json()["error"]


def test_without_an_account(client, site):
    site.account.delete()
    for path in (ENROL, SIGN_IN, PASSKEY):
        assert client.get(path).status_code == 302
    assert call(client, "/passkey/register/").status_code == 404


def test_passkeys_are_allowed_on_this_host_and_no_other_is_overruled(site, account):
    allow_passkeys(site, "http://localhost:8001")
    site.refresh_from_db()
    assert site.passkeys_relying_party_origins == "http://localhost:8001"
    assert passkeys.available()
    other = make_service(account, passkeys_relying_party_id="example.com")
    allow_passkeys(other, "http://localhost:8001")
    assert not other.passkeys_relying_party_origins
