"""The callback recipient: signed or refused, quick, silent, and never a page of ours."""

import json

import pytest
from django.db import OperationalError
from django.test import Client

from django_verify import verifications
from django_verify.delivery import reports
from django_verify.models import VerificationAttempt
from django_verify.senders import Receipt
from tests.conftest import PHONE
from tests.scripted import Reporting, Scripted, configured

pytestmark = pytest.mark.django_db(transaction=True)

URL = "https://verify.example.com"
PATH = "/verify/callbacks/a"


@pytest.fixture(autouse=True)
def senders(settings, monkeypatch):
    monkeypatch.setattr(Scripted, "script", {"a": Receipt("SM1")})
    monkeypatch.setattr(Scripted, "asked", [])
    settings.DJANGO_VERIFY = configured(reporting="a", BASE_URL=URL, MAX_BODY=2000)


def post(path=PATH, body=None, *, signed="", client=None, **headers):
    """Post a report as the provider does, signed for the public address."""
    data = json.dumps([["SM1", "delivered"]]) if body is None else body
    headers = {"x-signature": f"right {signed or URL + path}", **headers}
    client = client or Client(enforce_csrf_checks=True)
    return client.post(path, data, content_type="application/json", headers=headers)


def status():
    return VerificationAttempt.objects.get().message_status


def test_a_report_finds_its_attempt(service):
    row = verifications.start(service, PHONE)
    path = f"{PATH}?attempt={row.attempts.get().sid}"
    answer = post(path, host="testserver")
    assert (answer.status_code, answer.content, status()) == (204, b"", "delivered")
    assert "no-store" in answer["Cache-Control"]
    assert post(path).status_code == 204


def test_the_recipient_is_part_of_the_signature(service):
    row = verifications.start(service, PHONE)
    path = f"{PATH}?attempt={row.attempts.get().sid}"
    for signed in (URL + PATH, f"http://testserver{path}", "x"):
        answer = post(path, signed=signed)
        assert (answer.status_code, answer.content) == (403, b"")
    assert status() == "sent"


@pytest.mark.parametrize(
    "path", ["/verify/callbacks/b", "/verify/callbacks/x", "/verify/callbacks/"]
)
def test_who_does_not_report_has_no_recipient(path):
    assert post(path).status_code == 404
    assert Client().get(path).status_code == 404


def test_an_alias_is_spelled_as_in_the_recipient_that_was_given_out(service, settings):
    settings.DJANGO_VERIFY = configured(reporting=["tel co"], aliases=["tel co"], BASE_URL=URL)
    urls = []
    Scripted.script = {
        "tel co": lambda message: urls.append(message.callback_url) or Receipt("SM1")
    }
    verifications.start(service, PHONE)
    path = urls[0].removeprefix(URL)
    assert path.startswith("/verify/callbacks/tel%20co?attempt=VL")
    assert post(path).status_code == 204
    assert status() == "delivered"


def test_without_a_public_recipient_there_is_no_callback(settings):
    settings.DJANGO_VERIFY = configured(reporting="a")
    assert post().status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        "[]",
        '[["SM9", "delivered"]]',
        '[["", "delivered"]]',
        '[["SM1", "?"]]',
        '[["SM1\\u0000", "sent"]]',
    ],
)
def test_what_is_unknown_is_accepted_and_changes_nothing(service, body):
    verifications.start(service, PHONE)
    for query in ("", "?attempt=", "?attempt=VL0", "?attempt=%00", "?" + "a&" * 1500):
        assert post(PATH + query, body).status_code == 204
    assert status() == "sent"


def test_a_large_body_is_not_read(monkeypatch):
    monkeypatch.setattr(Reporting, "reports", lambda self, callback: 1 / 0)
    assert post(body="x" * 2001).status_code == 413


@pytest.mark.parametrize("fault", [OperationalError("db.internal"), ZeroDivisionError("x")])
def test_what_fails_here_has_the_provider_come_again(monkeypatch, caplog, fault):
    def fail(*args):
        raise fault

    monkeypatch.setattr(reports, "record", fail)
    answer = post()
    assert (answer.status_code, answer.content) == (503, b"")
    assert type(fault).__name__ in caplog.text
    assert "db.internal" not in caplog.text


def test_a_senders_bug_is_no_page(caplog):
    assert post(body="{not JSON").status_code == 503


def test_a_handshake():
    answer = Client().get(f"{PATH}?hub=1")
    assert (answer.status_code, answer.content) == (200, b"challenge<b>")
    assert answer["Content-Type"].startswith("text/plain")
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert Client().get(PATH).status_code == 404
    assert Client().get(f"{PATH}?refuse").status_code == 403


def test_further_instructions_of_a_call_are_xml(monkeypatch):
    monkeypatch.setattr(
        "tests.scripted.Reporting.handshake", lambda *args: '<?xml version="1.0"?><a/>'
    )
    assert Client().get(PATH)["Content-Type"].startswith("text/xml")


@pytest.mark.parametrize("method", ["put", "delete", "patch", "options"])
def test_other_methods(method):
    assert getattr(Client(), method)(PATH).status_code == 405


def test_the_exemption_is_of_this_recipient_alone():
    assert Client(enforce_csrf_checks=True).post("/admin/login/", {}).status_code == 403


@pytest.mark.parametrize("atomic", [False, True])
def test_a_host_that_wraps_requests_in_transactions(service, atomic):
    from django.db import connections

    options = connections.settings["default"]
    before, options["ATOMIC_REQUESTS"] = options["ATOMIC_REQUESTS"], atomic
    try:
        verifications.start(service, PHONE)
        assert post().status_code == 204
        assert status() == "delivered"
    finally:
        options["ATOMIC_REQUESTS"] = before
