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


def workers():
    return {state.name: state for state in health.worker_states()}


def test_a_new_site_misses_no_worker():
    for state in workers().values():
        assert (state.last, state.age, state.waiting, state.is_late) == (None, None, 0, False)
        assert state.sentence == "It has never run here, and nothing waits for it."


def test_messages_wait_and_no_worker_has_run(service, clock):
    health.beat("deliverattempts")
    verifications.start(service, PHONE)
    clock.shift(540)
    state = workers()["deliverattempts"]
    assert (state.is_late, state.waiting, state.age) == (True, 1, 540)
    told = state.sentence.replace("\xa0", " ")
    assert told == "1 message waits, and no worker has run for 9 minutes."
    assert state.deed == "Run “manage.py deliverattempts --loop”, or look why it ended."
    code, text = run()
    assert (code, "no worker has run" in text.replace("\xa0", " ")) == (1, True)


def test_messages_wait_where_no_worker_ever_ran(service, clock):
    verifications.start(service, PHONE)
    verifications.start(service, "+14155552672")
    clock.shift(180)
    told = workers()["deliverattempts"].sentence.replace("\xa0", " ")
    expected = "2 messages wait, the first for 3 minutes, and no worker has ever run here."
    assert told == expected


def test_a_worker_that_does_not_keep_up(service, clock):
    verifications.start(service, PHONE)
    clock.shift(180)
    health.beat("deliverattempts")
    state = workers()["deliverattempts"]
    assert state.is_late
    assert "cannot keep up" in state.sentence
    assert "second one" in state.deed


def test_a_worker_that_has_ended_is_missed_though_nothing_waits(service, clock):
    verifications.start(service, PHONE)
    VerificationAttempt.objects.update(message_status="sent", due_at=None)
    health.beat("deliverattempts")
    clock.shift(600)
    assert not workers()["deliverattempts"].is_late
    clock.shift(1)
    state = workers()["deliverattempts"]
    assert (state.is_late, state.waiting) == (True, 0)
    assert health.examine().status == "degraded"
    health.beat("deliverattempts")
    assert not workers()["deliverattempts"].is_late


def test_a_purge_that_was_forgotten(service, clock):
    verifications.start(service, PHONE)
    VerificationAttempt.objects.update(message_status="sent", due_at=None)
    clock.shift(2 * 86_400 + 1)
    assert workers()["purgeverifications"].is_late
    assert workers()["purgeverifications"].deed.startswith("Run “manage.py purgeverifications”")
    health.beat("purgeverifications")
    assert not workers()["purgeverifications"].is_late


def test_events_wait_and_no_worker_has_run(service, clock):
    make_webhook(service)
    notify(service, "created")
    clock.shift(121)
    state = workers()["deliverwebhooks"]
    assert (state.is_late, state.waiting) == (True, 1)
    assert state.sentence.startswith("1 event waits")


def test_a_clock_that_has_gone_back_makes_no_worker_late(clock):
    health.beat("deliverattempts")
    clock.shift(-3600)
    assert (workers()["deliverattempts"].age, workers()["deliverattempts"].is_late) == (0, False)


def test_the_workers_are_asked_for_in_four_statements(service, django_assert_num_queries):
    with django_assert_num_queries(4):
        health.worker_states()


def test_a_sender_that_fails_is_explained(client):
    SenderState.objects.create(
        alias="telco",
        failures=9,
        open_until=timezone.now(),
        last_code="401",
        last_error="the provider did not accept the account",
    )
    told = "telco: Wrong credentials (401). telco refuses our credentials. Compare the key"
    assert told in run()[1]
    assert "Wrong" not in client.get("/verify/healthz").content.decode()


def test_a_paused_sender_is_told_and_both_are_an_outage(client):
    for alias in ("telco", "backup"):
        SenderState.objects.create(alias=alias, paused_at=timezone.now())
        found = health.examine()
        if alias == "telco":
            assert found.status == "degraded"
    assert found.status == "failing"
    assert "telco: paused by an operator." in run()[1]
    checks = client.get("/verify/healthz").json()["checks"]
    assert checks["senders"] == {"status": "failing", "configured": 2, "failing": 0, "paused": 2}
