"""A database that is away for a while: the workers wait, go on, and what was due arrives in time."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from django_verify import verifications
from django_verify.models import EventSink, WebhookDelivery, WorkerHeartbeat
from tests.conftest import make_service
from tests.faults.conftest import ended, holds, the_attempt
from tests.faults.processes import LOOP, Client, database_down, eventually
from tests.receivers import Receiver

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.postgres,
    pytest.mark.skipif(connection.vendor != "postgresql", reason="needs PostgreSQL"),
]

BLIP, IN_TIME = 2, 15
AWAY = "the database failed: OperationalError"


@pytest.fixture(scope="module")
def workers(site):
    deliverer = site.deliverer()
    poster = site.start("manage.py", "deliverwebhooks", *LOOP)
    return deliverer, poster


@pytest.fixture
def receiver(service):
    service.verify_event_subscription_enabled = True
    service.save()
    receiver = Receiver()
    EventSink.objects.create(account=service.account, url=receiver.url, friendly_name="sink")
    yield receiver
    receiver.close()


def in_time(condition, *processes):
    began = time.monotonic()
    eventually(condition, lambda: "\n".join(process.log for process in processes))
    assert time.monotonic() - began < IN_TIME


def test_both_workers_outlive_an_outage_and_go_on(
    workers, provider, receiver, service, phones, only
):
    before, phone, later = (
        [worker.log.count(AWAY) for worker in workers],
        next(phones),
        next(phones),
    )
    only(*workers)
    verifications.start(service, phone)
    ended(phone, *workers)
    with database_down():
        for worker, times in zip(workers, before, strict=True):
            worker.says(AWAY, times + 3)
    verifications.start(service, later)
    in_time(lambda: the_attempt(later).message_status == "sent", *workers)
    in_time(
        lambda: (
            WebhookDelivery.objects.count() == 4
            and not WebhookDelivery.objects.exclude(status="delivered").exists()
        ),
        *workers,
    )
    names = {"deliverattempts", "deliverwebhooks"}
    in_time(lambda: names == {row.name for row in WorkerHeartbeat.objects.all()}, *workers)
    assert holds(provider, service, the_attempt(later)) == ["first"]


def test_events_that_a_blip_delays_arrive_in_time_and_once(
    workers, provider, receiver, service, phones, only
):
    """The database goes while a post is under way, so that its outcome meets a dead connection."""
    only(*workers)
    receiver.gate = threading.Event()
    phone = next(phones)
    verifications.start(service, phone)
    eventually(lambda: receiver.requests)
    with database_down():
        receiver.gate.set()
        time.sleep(BLIP)
    in_time(lambda: not WebhookDelivery.objects.exclude(status="delivered").exists(), *workers)
    ids = [headers["webhook-id"] for _, headers, _ in receiver.requests]
    assert len(ids) == len(set(ids)) == WebhookDelivery.objects.count()
    assert not EventSink.objects.exclude(lease="").exists()


def test_a_code_that_is_entered_while_a_provider_stalls_is_followed_by_no_message(
    site, provider, account, phones, only
):
    """The person has the message of the first provider, which has not answered yet."""
    web = site.web(values={"DISPATCH": "inline"})
    only(web)
    service, phone = make_service(account), next(phones)
    client, gate = Client(web, account, service), provider.hold("first")
    started = ThreadPoolExecutor(1).submit(client.start, phone)
    gate.wait()
    code = provider.messages(the_attempt(phone))[0][1]
    answer = client.check(phone, code)
    assert (answer.status_code, answer.json()["status"]) == (200, "approved")
    provider.fail("first", 500)
    gate.open.set()
    assert started.result(IN_TIME).status_code == 201
    attempt = the_attempt(phone)
    assert [alias for alias, _ in provider.messages(attempt)] == ["first"]
    assert (attempt.message_status, attempt.messages, attempt.lease) == ("failed", 1, "")
    assert "the verification was over" in attempt.error_message


def test_without_its_database_the_api_asks_its_callers_to_come_again(
    site, provider, account, service, phones, only
):
    web = site.web()
    only(web)
    client, phone = Client(web, account, service), next(phones)
    assert client.start(phone).status_code == 201
    with database_down():
        for ask in (client.start, lambda to: client.check(to, "123456")):
            answer = ask(phone)
            assert (answer.status_code, answer.json()["code"]) == (503, 20503), answer.text
            assert int(answer.headers["Retry-After"]) > 0
    assert client.start(next(phones)).status_code == 201
