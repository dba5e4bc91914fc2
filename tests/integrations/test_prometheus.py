"""The metrics: behind their token, in Prometheus' format, and what the database comes to."""

import re

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_verify import health, rollups, verifications
from django_verify.integrations import prometheus
from django_verify.models import GuardDecision, VerificationAttempt
from django_verify.senders import SendError
from tests.conftest import OTHER_PHONE, PHONE, code_in, make_pair
from tests.scripted import Scripted, configured

pytestmark = pytest.mark.django_db(transaction=True)

TOKEN = "a-token-of-the-tests"
OF_WORKERS = ("worker_heartbeat_timestamp_seconds", "worker_late")
ALIAS = 'a"b\\'
LINE = re.compile(r'django_verify_([a-z_]+)\{((?:[a-z]+="(?:[^"\\\n]|\\.)*",?)*)\} (\d+)\Z')


@pytest.fixture(autouse=True)
def token(settings):
    settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "METRICS_TOKEN": TOKEN}


def scrape(client, authorization=f"Bearer {TOKEN}"):
    headers = {"authorization": authorization} if authorization else {}
    return client.get("/verify/metrics", headers=headers)


def samples(client, *, counters=False):
    """Every sample by its name and labels; each line is one of the format, and none comes twice."""
    found, types = {}, {}
    answer = scrape(client)
    assert answer["Content-Type"].startswith("text/plain; version=0.0.4")
    assert answer.text.endswith("\n")
    for line in answer.text.splitlines():
        if line.startswith("#"):
            _, word, name, rest = line.split(" ", 3)
            if word == "TYPE":
                types[name.removeprefix("django_verify_")] = rest
            continue
        name, labels, value = LINE.match(line).groups()
        key = (name, *re.findall(r'="((?:[^"\\]|\\.)*)"', labels))
        assert key not in found
        assert (types[name] == "counter") == name.endswith("_total")
        if types[name] == "counter" or not counters:
            found[key] = int(value)
    return found


def test_without_a_token_there_is_no_such_page(client, settings, service):
    settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "METRICS_TOKEN": ""}
    assert scrape(client).status_code == 404
    assert scrape(client, "Bearer ").status_code == 404
    assert client.post("/verify/metrics").status_code == 404


@pytest.mark.parametrize(
    "given", ["", "Bearer", f"Bearer {TOKEN}x", f"Basic {TOKEN}", TOKEN, "Bearer grün", "Bearer \0"]
)
def test_another_token_is_refused(client, given, service):
    answer = scrape(client, given)
    assert (answer.status_code, answer["WWW-Authenticate"]) == (401, "Bearer")
    assert answer.json()["code"] == 20003


def test_a_scrape_changes_nothing_and_is_not_kept(client, service):
    assert client.post("/verify/metrics").status_code == 405
    assert "no-store" in scrape(client)["Cache-Control"]


def test_the_counts_are_those_of_all_processes(client, service, outbox, clock):
    verifications.start(service, PHONE)
    code = code_in(outbox[-1])
    clock.shift(1)
    verifications.start(service, PHONE, "call")
    verifications.check(service, code, to=PHONE)
    verifications.start(service, OTHER_PHONE)
    for _ in range(2):
        GuardDecision.objects.create(
            account_id=service.account_id,
            service_id=service.sid,
            date_created=timezone.now(),
            attempt_sid="VL" + "1" * 32,
            country="US",
            channel="sms",
            cause="rule",
            outcome="refused",
            reason="x",
            price="0.125",
        )
    expected = {
        ("starts_total", "sms"): 2,
        ("starts_total", "call"): 1,
        ("approvals_total", "sms"): 1,
        ("approvals_total", "call"): 0,
        ("sends", "memory", "sent"): 3,
        ("sends", "memory", "delivered"): 0,
        ("sends", "memory", "failed"): 0,
        ("refusals_total", "rule", "refused"): 2,
        ("queue_depth", "messages"): 0,
        ("queue_depth", "webhooks"): 0,
    }
    assert {key: samples(client).get(key) for key in expected} == expected
    # The same when a worker has counted the hour, and nothing of it on the next day.
    clock.shift(2 * 3600)
    rollups.advance()
    assert {key: samples(client).get(key) for key in expected} == expected
    clock.shift(12 * 3600)
    assert {name for name, *_ in samples(client)} <= {"queue_depth", *OF_WORKERS}


def test_workers_and_what_waits_for_them(client, service, settings, clock):
    settings.DJANGO_VERIFY = {
        **settings.DJANGO_VERIFY,
        "DISPATCH": "tests.integrations.test_prometheus.nobody",
    }
    health.beat("deliverattempts")
    verifications.start(service, PHONE)
    clock.shift(300)
    found = samples(client)
    assert found["queue_depth", "messages"] == 1
    assert found["worker_late", "deliverattempts"] == 1
    assert found["worker_late", "purgeverifications"] == 0
    beat = found["worker_heartbeat_timestamp_seconds", "deliverattempts"]
    assert beat == int(timezone.now().timestamp()) - 300
    assert ("worker_heartbeat_timestamp_seconds", "deliverwebhooks") not in found


def nobody(sid):
    """A queue that wakes no worker."""


def test_a_sender_that_fails_and_one_with_an_odd_name(client, service, settings, monkeypatch):
    monkeypatch.setattr(Scripted, "script", {ALIAS: SendError("down")})
    settings.DJANGO_VERIFY = {**configured(aliases=[ALIAS]), "METRICS_TOKEN": TOKEN}
    verifications.start(service, PHONE)
    assert samples(client)["sends", 'a\\"b\\\\', "failed"] == 1


def test_no_counter_falls_when_another_sender_takes_over(client, service, outbox):
    """Prometheus would take that for a restart, and count the day once more."""
    verifications.start(service, PHONE)
    attempts = VerificationAttempt.objects
    attempts.update(sender="a", message_status="undelivered", provider_sid="x")
    before = samples(client, counters=True)
    attempts.update(sender="b", message_status="sent")
    after = samples(client, counters=True)
    assert before
    assert all(after.get(key, 0) >= count for key, count in before.items())
    assert samples(client)["sends", "b", "sent"] == 1


def test_test_numbers_are_left_out(client, service, settings):
    settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "TEST_NUMBERS": True}
    make_pair(service)
    verifications.start(service, PHONE)
    assert ("starts_total", "sms") not in samples(client)


def test_no_personal_data_and_few_statements(client, service, outbox):
    verifications.start(service, PHONE)
    few = CaptureQueriesContext(connection)
    with few:
        text = scrape(client).text
    assert len(few) <= 12
    for secret in (PHONE, PHONE[1:], code_in(outbox[-1]), service.sid, service.account_id):
        assert secret not in text


def test_without_a_database_the_scrape_fails(client, monkeypatch):
    def fail():
        raise OperationalError("down")

    monkeypatch.setattr(prometheus, "text", fail)
    answer = scrape(client)
    assert answer.status_code == 503
    assert int(answer["Retry-After"]) > 0
