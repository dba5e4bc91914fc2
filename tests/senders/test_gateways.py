"""The recipes of `docs/gateways.md`, as they stand there, against gateways on loopback."""

import re
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
from django.test import Client

from django_verify import senders, verifications
from django_verify.models import VerificationAttempt
from django_verify.senders import Receipt, SendError, TemporarySendError
from tests.senders.fakes import fake  # noqa: F401 - a fixture
from tests.senders.gateways import GATEWAYS, PHONE, sign
from tests.senders.test_callback_view import BASE

pytestmark = pytest.mark.django_db(transaction=True)

DOCS = Path(__file__).parent.parent.parent / "docs" / "gateways.md"
ASKED_FOR = ("Infobip", "MSG91", "46elks", "GatewayAPI", "SMSAPI", "ClickSend", "BulkSMS")
ASKED_FOR += ("Clickatell", "Termii", "Unifonic", "Textlocal", "Kavenegar")
every_gateway = pytest.mark.parametrize("name", GATEWAYS)


class Environ(dict):
    def __missing__(self, name):
        return f"test-{name}-secret"


def recipes():
    """Gateway → alias and its entry of SENDERS."""
    found = {}
    for section in DOCS.read_text("utf-8").split("\n## ")[1:]:
        name = section.partition("\n")[0]
        (block,) = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
        environ = SimpleNamespace(environ=Environ(INFOBIP_HOST="xyz1.api.infobip.com"))
        entry = eval("{" + block + "}", {"os": environ})
        ((found[name]),) = entry.items()
    return found


RECIPES = recipes()


@pytest.fixture
def site(settings, fake):  # noqa: F811
    """`site(name)` configures a recipe, its URL led to a fake of the gateway; returns the fake."""

    def site(name, **more):
        alias, entry = RECIPES[name]
        server = fake()
        server.fault = GATEWAYS[name].accept
        url = urlsplit(entry["OPTIONS"]["url"])
        assert url.scheme == "https"
        where = server.url + url.path + (f"?{url.query}" if url.query else "")
        entry = entry | {"OPTIONS": entry["OPTIONS"] | {"url": where}}
        settings.DJANGO_VERIFY = {"SENDERS": {alias: entry}, "BASE_URL": BASE, **more}
        return server

    return site


def start(service):
    verifications.start(service, PHONE, locale="en")
    return VerificationAttempt.objects.get()


def test_every_gateway_has_a_recipe_and_a_fake():
    assert set(RECIPES) == set(GATEWAYS) == set(ASKED_FOR)


@every_gateway
def test_the_recipe_asks_the_gateway_and_reads_its_acceptance(name, site, service):
    gateway, server = GATEWAYS[name], site(name)
    attempt = start(service)
    (asked,) = server.asked
    assert gateway.asked(asked)
    assert (attempt.message_status, attempt.provider_sid) == ("sent", gateway.sid)
    assert (attempt.price_value, attempt.price_currency) == gateway.price


@pytest.mark.parametrize(
    ("name", "status", "body", "code", "fault"),
    [(name, *refusal) for name, gateway in GATEWAYS.items() for refusal in gateway.refusals],
)
def test_the_recipe_knows_whose_fault_a_refusal_is(name, status, body, code, fault, site):
    server = site(name)
    server.fault = status, body
    alias, _ = RECIPES[name]
    message = senders.Message("sms", PHONE, "Your code is: 904716", "VL" + "0" * 32, "en")
    with pytest.raises(SendError) as caught:
        senders.get(alias).send(message)
    assert caught.value.code == code
    assert isinstance(caught.value, TemporarySendError) == (fault is not None)
    assert getattr(caught.value, "fault", None) == fault


def report(name, url, word, **more):
    """Make the request of a gateway; returns the answer."""
    gateway, (alias, entry) = GATEWAYS[name], RECIPES[name]
    callback = entry["OPTIONS"]["callback"]
    method, content, kind = gateway.report(word)
    path = urlsplit(url).path if gateway.by == "url" else f"/verify/callbacks/{alias}"
    query = {"token": more.get("token", callback.get("token"))} if gateway.by == "token" else {}
    headers = sign(content, more.get("secret", callback["secret"])) if "secret" in callback else {}
    path += "?" + "&".join(f"{key}={value}" for key, value in query.items()) if query else ""
    if method == "GET":
        return Client().get(f"{path}{'&' if '?' in path else '?'}{content}")
    client = Client(enforce_csrf_checks=True)
    return client.generic(method, path, content, content_type=kind, headers=headers)


@every_gateway
@pytest.mark.parametrize("outcome", ["delivered", "undelivered"])
def test_the_gateways_report_moves_the_attempt(name, outcome, site, service, monkeypatch):
    gateway = GATEWAYS[name]
    site(name)
    urls = spied(monkeypatch)
    attempt = start(service)
    answer = report(name, urls[0], gateway.arrived if outcome == "delivered" else gateway.lost)
    assert (answer.status_code, answer.content) == (200, gateway.answer)
    attempt.refresh_from_db()
    assert attempt.message_status == outcome


@every_gateway
def test_a_report_without_its_proof_is_refused(name, site, service, monkeypatch):
    gateway = GATEWAYS[name]
    site(name)
    urls = spied(monkeypatch)
    attempt = start(service)
    url = urls[0][:-22] + "A" * 22
    answer = report(name, url, gateway.arrived, token="another" * 4, secret="another" * 4)
    assert answer.status_code == (404 if gateway.by == "url" else 403)
    alias, _ = RECIPES[name]
    method, content, kind = gateway.report(gateway.arrived)
    bare = f"/verify/callbacks/{alias}"
    if method == "GET":
        assert Client().get(f"{bare}?{content}").status_code == 403
    else:
        assert Client().generic(method, bare, content, content_type=kind).status_code == 403
    attempt.refresh_from_db()
    assert attempt.message_status == "sent"


@every_gateway
def test_an_attempt_waits_for_its_report(name, site, service):
    site(name, DELIVERY_REPORT_TIMEOUT=45)
    assert start(service).due_at is not None


def spied(monkeypatch):
    """Return a list of the URLs that messages are given for their reports."""
    urls = []
    real = senders.http.HttpSender.send

    def send(self, message):
        urls.append(message.callback_url)
        return real(self, message)

    monkeypatch.setattr(senders.http.HttpSender, "send", send)
    return urls


def test_a_recipe_shows_no_secret():
    for alias, entry in RECIPES.values():
        shown = repr(senders.http.HttpSender(alias, **entry["OPTIONS"]))
        assert "secret" not in shown


def test_the_fake_answers_what_the_receipt_holds(site):
    for name, gateway in GATEWAYS.items():
        site(name)
        alias, _ = RECIPES[name]
        message = senders.Message("sms", PHONE, "Code", "VL" + "0" * 32, "en")
        assert senders.get(alias).send(message) == Receipt(gateway.sid, *gateway.price)
