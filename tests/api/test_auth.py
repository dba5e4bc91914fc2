"""HTTP Basic with account tokens and API keys."""

import base64

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from django_verify.crypto import codes
from tests.conftest import Api, make_account, make_key

pytestmark = pytest.mark.django_db


def basic(text):
    return "Basic " + base64.b64encode(text.encode()).decode()


def test_account_and_key(account):
    key = make_key(account)
    for name, secret in (
        (account.sid, account.token),
        (key.sid, key.secret),
        (account.sid.upper().replace("AC", "AC", 1), account.token),
    ):
        assert Api(name, secret).get("Services").status == 200


def test_bad_credentials_are_one_answer(account):
    key = make_key(account)
    off_key = make_key(account)
    off_key.is_active = False
    off_key.save()
    other = make_account("Off")
    other.is_active = False
    other.save()
    other_key = make_key(other)
    headers = [
        None, "", "Basic", "Basic !!!", "Bearer x", basic("no colon"), basic(":"), basic("\0:\0"),
        basic(f"{account.sid}:"), basic(f"{account.sid}:wrong"), basic("AC" + "0" * 32 + ":" + account.token),
        basic(f"{account.sid}:{key.secret}"), basic(f"{key.sid}:{account.token}"),
        basic(f"SK{'0' * 32}:{key.secret}"), basic(f"{off_key.sid}:{off_key.secret}"),
        basic(f"{other.sid}:{other.token}"), basic(f"{other_key.sid}:{other_key.secret}"),
        basic(f"x{account.sid}:{account.token}"), basic(f"{account.sid}\0:{account.token}"),
        basic("é:é"), "Basic " + "é",
    ]  # fmt: skip
    answers = set()
    for header in headers:
        response = Client(raise_request_exception=False).get(
            "/v2/Services", headers={"authorization": header} if header is not None else {}
        )
        answers.add((response.status_code, response.content, response["WWW-Authenticate"]))
    assert len(answers) == 1
    status, content, challenge = answers.pop()
    assert (status, challenge) == (401, 'Basic realm="Verify API"')
    assert b'"code":20003' in content
    assert b'"message":"Authenticate"' in content


def test_unknown_and_wrong_take_the_same_steps(account, monkeypatch):
    hashed = []
    real = codes._digest
    monkeypatch.setattr(codes, "_digest", lambda *args: hashed.append(args) or real(*args))
    steps = []
    for name in (account.sid, "AC" + "0" * 32, "SK" + "0" * 32, "nobody"):
        hashed.clear()
        with CaptureQueriesContext(connection) as queries:
            assert Api(name, "wrong").get("Services").status == 401
        steps.append((len(queries), len(hashed)))
    assert set(steps) == {(1, 1)}


def test_401_comes_before_everything_else(db):
    stranger = Api("AC" + "0" * 32, "x")
    for answer in (
        stranger.get("Services/VA" + "0" * 32),
        stranger.get("Nothing"),
        stranger.post("Services", body=b"[" * 1000, content_type="application/json"),
        stranger.request("PUT", "Services"),
    ):
        assert answer.status == 401


def test_the_hosts_user_is_left_alone(account, admin_user):
    client = Client()
    client.force_login(admin_user)
    assert Api(account.sid, account.token, client).get("Services").status == 200
    assert client.get("/v2/Services").status_code == 401


def test_secrets_survive_key_rotation(account, settings):
    api = Api(account.sid, account.token)
    old = settings.SECRET_KEY
    settings.SECRET_KEY = "a new key of more than fifty characters for the tests of rotation"
    assert api.get("Services").status == 401
    settings.SECRET_KEY_FALLBACKS = [old]
    assert api.get("Services").status == 200


def test_csrf_is_not_asked_for(account):
    client = Client(enforce_csrf_checks=True)
    assert (
        Api(account.sid, account.token, client).post("Services", {"FriendlyName": "A"}).status
        == 201
    )
