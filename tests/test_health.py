"""Ready or not: the checks, the command and the recipients, and what they do not show."""

import json
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import OperationalError
from django.utils import timezone

from django_verify import health, verifications
from django_verify.models import SenderState, VerificationAttempt
from tests.conftest import PHONE
from tests.receivers import make_webhook, notify
from tests.scripted import configured

pytestmark = pytest.mark.django_db

READY = {
    "status": "ok",
    "checks": {
        "database": {"status": "ok"},
        "queue": {"status": "ok", "oldest_due_seconds": 0},
        "senders": {"status": "ok", "configured": 2, "failing": 0},
        "webhooks": {"status": "ok", "overdue": 0, "oldest_due_seconds": 0},
        "workers": {"status": "ok"},
    },
}


@pytest.fixture(autouse=True)
def two_senders(settings):
    settings.DJANGO_VERIFY = configured(
        aliases=("telco", "backup"), DISPATCH="tests.delivery.test_attempts.nobody"
    )


def run(*arguments):
    out = StringIO()
    try:
        call_command("verifyhealth", *arguments, stdout=out)
    except SystemExit as end:
        return end.code, out.getvalue()
    return 0, out.getvalue()


def fail(*aliases):
    for alias in aliases:
        SenderState.objects.create(alias=alias, failures=9, open_until=timezone.now())


def test_a_healthy_site(client):
    answer = client.get("/verify/healthz")
    assert (answer.status_code, answer.json()) == (200, READY)
    assert "no-store" in answer["Cache-Control"]
    assert run("--json") == (0, json.dumps(READY) + "\n")
    code, text = run()
    assert (code, text.splitlines()[-1]) == (0, "ok")
    assert not SenderState.objects.exists()
    assert client.post("/verify/healthz").status_code == 405


def test_a_queue_that_nobody_empties(client, service, clock):
    verifications.start(service, PHONE)
    clock.shift(120)
    assert client.get("/verify/healthz").status_code == 200
    clock.shift(1)
    answer = client.get("/verify/healthz")
    assert (answer.status_code, answer.json()["status"]) == (503, "failing")
    assert answer.json()["checks"]["queue"] == {"status": "failing", "oldest_due_seconds": 121}
    assert run()[0] == 1
    clock.shift(-3600)
    VerificationAttempt.objects.update(message_status="sending")
    assert client.get("/verify/healthz").json() == READY


@pytest.mark.parametrize(
    ("aliases", "status", "code"),
    [(["telco"], "degraded", 200), (["telco", "backup"], "failing", 503), (["gone"], "ok", 200)],
    ids=str,
)
def test_senders_that_are_skipped(client, aliases, status, code):
    fail(*aliases)
    answer = client.get("/verify/healthz")
    assert (answer.status_code, answer.json()["status"]) == (code, status)
    assert "telco" not in answer.content.decode()
    assert ("telco" in run()[1]) == ("telco" in aliases)
    assert run()[0] == (code == 503)


def test_a_database_that_cannot_be_written(client, monkeypatch):
    def refuse(self, **kwargs):
        raise OperationalError("server db.internal.example refused")

    monkeypatch.setattr(SenderState, "save", refuse)
    answer = client.get("/verify/healthz")
    assert (answer.status_code, answer.json()) == (
        503,
        {"status": "failing", "checks": {"database": {"status": "failing"}}},
    )
    assert "OperationalError" in run()[1]


@pytest.mark.parametrize("path", ["livez", "healthz?live"])
def test_live_is_not_ready(client, monkeypatch, path, django_assert_num_queries):
    monkeypatch.setattr(health, "examine", lambda: 1 / 0)
    with django_assert_num_queries(0):
        answer = client.get(f"/verify/{path}")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_events_that_nobody_posts(client, service, clock):
    make_webhook(service)
    notify(service, "created")
    clock.shift(121)
    answer = client.get("/verify/healthz")
    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
    assert answer.json()["checks"]["webhooks"] == {
        "status": "degraded",
        "overdue": 1,
        "oldest_due_seconds": 121,
    }
