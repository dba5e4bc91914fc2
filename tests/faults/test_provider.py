"""A provider that fails in every way, workers that die, and a database that restarts under them."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from django_verify import verifications
from django_verify.models import Verification, VerificationAttempt
from tests.conftest import make_service
from tests.faults.conftest import ended, holds, the_attempt
from tests.faults.processes import Client, database_down
from tests.senders import fakes

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.postgres,
    pytest.mark.skipif(connection.vendor != "postgresql", reason="needs PostgreSQL"),
]


# Places where a provider holds a worker up: about to send, asked, and answered.
MOMENTS = ("before", "first", "after")
DOWN = "the database failed"


@pytest.fixture(scope="module")
def pool(site):
    """Workers, one more than there are moments; those that were killed are followed by others."""
    running = []

    def living():
        running[:] = [each for each in running if each.popen.poll() is None]
        while len(running) <= len(MOMENTS):
            running.append(site.deliverer())
        return running

    return living


@pytest.fixture
def deliverers(pool, provider, only):
    """The workers of a cell."""
    only(*pool())
    return pool()


@pytest.fixture(scope="module")
def rescuer(site):
    """A worker that takes over at once what is in the hands of another one."""
    return site.rescuer()


#: What the first provider does → the messages that may have left when the second one has sent.
FAULTS = {
    "timeout": (fakes.slow, 2),
    "500": (500, 2),
    "503": (503, 1),
    "slow drip": (fakes.drip, 2),
    "slow drip of the body": (fakes.drip_body, 2),
    "reset after the request": (fakes.reset, 2),
    "hung up": (fakes.hang_up, 2),
}


def test_a_provider_that_fails_is_followed_by_the_next(deliverers, provider, service, phones):
    numbers = {}
    for name, (fault, _) in FAULTS.items():
        numbers[name] = next(phones)
        provider.fail("first", fault, to=numbers[name])
        verifications.start(service, numbers[name])
    for name, (_, counted) in FAULTS.items():
        attempt = ended(numbers[name], *deliverers)
        trail = [(row["sender"], row["status"]) for row in attempt.trail]
        received = (name, attempt.message_status, attempt.sender, attempt.messages, trail)
        assert received == (name, "sent", "second", counted, [("first", "unknown")] * (counted - 1))
        assert holds(provider, service, attempt) == ["first", "second"][-counted:], name


def test_a_provider_that_cannot_be_reached_costs_no_message(deliverers, provider, account, phones):
    phone = next(phones)
    service = make_service(account, senders={"sms": ["nowhere", "second"]})
    verifications.start(service, phone)
    attempt = ended(phone, *deliverers)
    assert (attempt.message_status, attempt.messages, attempt.trail) == ("sent", 1, [])
    assert holds(provider, service, attempt) == ["second"]


def test_providers_that_all_keep_silent_end_it_visibly(deliverers, provider, service, phones):
    phone = next(phones)
    provider.fail("first", fakes.slow)
    provider.fail("second", fakes.reset)
    verifications.start(service, phone)
    attempt = ended(phone, *deliverers)
    assert (attempt.message_status, attempt.messages) == ("failed", 2)
    assert attempt.error_message == "the provider did not answer"
    assert holds(provider, service, attempt) == ["first", "second"]


def started(deliverers, provider, service, phones):
    """One verification at each moment of its send, each in the hands of a worker of its own."""
    held = {}
    for place in MOMENTS:
        phone = next(phones)
        gate = provider.hold(place, to=phone)
        verifications.start(service, phone)
        process = gate.wait()
        received = [each.log for each in deliverers]
        assert the_attempt(phone).message_status == "sending", received
        held[place] = phone, gate, process
    assert len({process for *_, process in held.values()}) == len(MOMENTS)
    return held


def test_workers_that_are_killed_before_during_and_after_the_send(
    deliverers, rescuer, provider, service, phones, only
):
    workers = {each.popen.pid: each for each in deliverers}
    held = started(deliverers, provider, service, phones)
    for _, gate, process in held.values():
        workers[process].kill()
        gate.open.set()
    only(rescuer)
    for moment, (phone, *_) in held.items():
        attempt = ended(phone, rescuer)
        # The message was counted before it could leave, and the next worker cannot know.
        assert (attempt.message_status, attempt.messages, attempt.tries) == ("sent", 2, 2)
        assert [(row["sender"], row["status"]) for row in attempt.trail] == [("first", "unknown")]
        read = holds(provider, service, attempt)
        assert read == ["first"] * (1 if moment == "before" else 2), moment


def test_workers_that_are_killed_again_and_again(site, brief, provider, service, phones, only):
    phone = next(phones)
    verifications.start(service, phone)
    for leases in range(2):
        worker, gate = brief(site.rescuer(leases)), provider.hold("after")
        assert gate.wait() == worker.popen.pid
        worker.kill()
        gate.open.set()
    attempt = ended(phone, brief(site.rescuer(2)))
    assert (attempt.message_status, attempt.messages) == ("failed", 2)
    assert "two messages may have left" in attempt.error_message
    assert holds(provider, service, attempt) == ["first", "first"]


def test_the_database_restarts_under_workers_before_during_and_after_the_send(
    deliverers, rescuer, provider, service, phones, only
):
    workers = {each.popen.pid: each for each in deliverers}
    held = started(deliverers, provider, service, phones)
    failed = {process: workers[process].log.count(DOWN) for *_, process in held.values()}
    with database_down():
        for _, gate, process in held.values():
            gate.open.set()
            workers[process].says(DOWN, failed[process] + 1)
    assert [each.popen.poll() for each in deliverers] == [None] * len(deliverers)
    only(rescuer)
    for phone, *_ in held.values():
        attempt = ended(phone, rescuer)
        assert (attempt.message_status, attempt.messages) == ("sent", 2)
        assert holds(provider, service, attempt) == ["first", "first"]
    # They have connections again, and go on.
    only(*deliverers)
    phone = next(phones)
    verifications.start(service, phone)
    assert holds(provider, service, ended(phone, *deliverers)) == ["first"]


@pytest.fixture(scope="module")
def web(site):
    """A web process that sends by itself."""
    return site.web(values={"DISPATCH": "inline"})


@pytest.fixture
def client(provider, web, account, service, only):
    only(web)
    return Client(web, account, service)


def behind(call, *values):
    """Call in a thread, as a person who waits for the answer."""
    return ThreadPoolExecutor(1).submit(call, *values)


def test_the_database_restarts_while_a_web_process_sends(
    rescuer, client, provider, service, phones, only
):
    phone, gate = next(phones), provider.hold("first")
    answer = behind(client.start, phone)
    gate.wait()
    with database_down():
        gate.open.set()
        # The message has left, and the row with its claim was written before it did.
        assert answer.result().status_code == 201
        assert client.start(next(phones)).status_code == 503
    only(rescuer)
    attempt = ended(phone, rescuer)
    assert (attempt.message_status, attempt.messages) == ("sent", 2)
    assert holds(provider, service, attempt) == ["first", "first"]


def test_the_database_restarts_before_a_start_is_written(client, provider, service, phones):
    phone, gate = next(phones), provider.hold("starting")
    answer = behind(client.start, phone)
    gate.wait()
    with database_down():
        gate.open.set()
        assert answer.result().status_code == 503
    assert not VerificationAttempt.objects.exists()
    assert client.start(phone).status_code == 201
    attempt = ended(phone)
    assert (attempt.message_status, attempt.messages) == ("sent", 1)
    assert holds(provider, service, attempt) == ["first"]


def test_the_database_restarts_between_the_charge_and_the_approval(client, provider, phones):
    phone = next(phones)
    assert client.start(phone).status_code == 201
    ((_, code),) = provider.messages(the_attempt(phone))
    gate = provider.hold("compared")
    answer = behind(client.check, phone, code)
    gate.wait()
    with database_down():
        gate.open.set()
        assert answer.result().status_code == 503
    row = Verification.objects.get(to=phone)
    # The guess stays charged: nothing that fails later may give it back.
    assert (row.status, row.checks) == ("pending", 1)
    answers = [client.check(phone, code) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 404]
    row.refresh_from_db()
    assert (row.status, row.checks, row.confirmed) == ("approved", 2, True)
