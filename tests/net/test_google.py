"""Service accounts of Google: what a key must be, and what its token endpoint may answer."""

import json

import pytest

from django_verify.net import client, google
from tests.gates.fakes import Google
from tests.senders.fakes import fake  # noqa: F401 - a fixture

SCOPE = "https://www.googleapis.com/auth/playintegrity"


@pytest.fixture
def provider(fake):  # noqa: F811 - the fixture
    return fake(Google)


@pytest.fixture
def account(provider):
    return google.ServiceAccount(provider.service_account(), SCOPE)


def test_an_access_token_is_kept_until_it_is_forgotten(provider, account):
    assert account.access_token() == account.access_token() == provider.access
    assert len(provider.asked) == 1
    account.forget()
    assert account.access_token() == provider.access
    assert len(provider.asked) == 2


def test_a_member_of_the_key_may_be_replaced(provider):
    key = json.loads(provider.service_account()) | {"token_uri": "https://away.example.com"}
    account = google.ServiceAccount(json.dumps(key), SCOPE, token_uri=f"{provider.url}/token")
    assert account.access_token() == provider.access


@pytest.mark.parametrize("key", ["", "{", "[]", "7", "{}", '{"private_key": 7}', "[" * 50_000])
def test_what_is_no_key(key):
    with pytest.raises(ValueError, match="not the JSON key of a service account") as caught:
        google.ServiceAccount(key, SCOPE)
    assert caught.value.__context__ is None


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_server_is_asked_once(status, provider, account):
    provider.fault = (status, {"error": "internal_failure"})
    with pytest.raises(client.TransportError):
        account.access_token()
    assert len(provider.asked) == 1


def test_a_refusal_shows_nothing_of_the_answer(provider, account):
    provider.fault = (400, {"error": "invalid_grant", "error_description": "secret"})
    with pytest.raises(ValueError, match="refused") as caught:
        account.access_token()
    assert caught.value.__context__ is None


def test_a_key_is_a_text_or_a_file_of_it(tmp_path):
    path = tmp_path / "key.json"
    path.write_text('{"type": "service_account"}')
    assert google.read_key(str(path)) == google.read_key('{"type": "service_account"}')
    with pytest.raises(OSError, match="none"):
        google.read_key(str(tmp_path / "none"))


@pytest.mark.parametrize("missing", ["google.auth", "google.oauth2"])
def test_the_library_may_be_missing(missing, monkeypatch):
    monkeypatch.setattr(google, "installed", lambda *names: missing not in names)
    assert not google.available()
