"""Queue engines: their documented workers, a Redis that falls silent or dies, jobs that come twice."""

import signal

import celery
import pytest
from django.db import connection
from redis import Redis as Store

from django_verify.models import Bucket, RateLimit, Verification
from tests.faults.conftest import ended, holds, the_attempt
from tests.faults.processes import Client, Redis, eventually

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.postgres,
    pytest.mark.skipif(connection.vendor != "postgresql", reason="needs PostgreSQL"),
]
needs_redis = pytest.mark.skipif(not Redis.available, reason="needs redis-server")


@pytest.fixture(scope="module")
def redis(site):
    """A Redis: broker of the jobs, and store of the rate limits."""
    return site.keep(Redis(site.folder))


def asked_for(site, redis):
    """What processes are received whose site has Celery, and its rate limits, on a Redis."""
    return {
        "values": {"DISPATCH": "celery", "RATE_LIMIT_STORE": redis.url},
        "environment": {"BROKER_URL": redis.url},
        "watched_by": f"{site.provider.url}/job",
    }


@pytest.fixture(scope="module")
def web(site, redis):
    return site.web(**asked_for(site, redis))


@pytest.fixture
def client(provider, web, redis, account, service, only):
    only(web, redis)
    return Client(web, account, service)


@pytest.fixture(scope="module")
def worker(site, redis):
    """Celery's, by its documented command line."""
    running = []

    def living():
        if not running or running[-1].popen.poll() is not None:
            running.append(site.documented("celery", **asked_for(site, redis)))
        return running[-1]

    return living


@pytest.fixture(scope="module")
def deliverer(site):
    """The deliverer, by its documented command line."""
    return site.documented("manage.py deliverattempts")


@needs_redis
def test_celery_sends_and_a_job_that_comes_eight_times_sends_once(
    worker, client, web, redis, provider, service, phones, only
):
    phone, gate = next(phones), provider.hold("after")
    only(worker(), web, redis)
    assert client.start(phone).status_code == 201
    gate.wait()
    attempt, jobs = the_attempt(phone), celery.Celery(broker=redis.url, set_as_current=False)
    for _ in range(8):
        jobs.send_task("django_verify.deliver", (attempt.sid,))
    eventually(lambda: provider.received("done") == 8, lambda: worker().log)
    assert provider.messages(attempt)
    gate.open.set()
    attempt = ended(phone, worker())
    assert (attempt.message_status, attempt.messages, attempt.tries) == ("sent", 1, 1)
    jobs.send_task("django_verify.deliver", (attempt.sid,))
    eventually(lambda: provider.received("done") == 10, lambda: worker().log)
    assert holds(provider, service, attempt) == ["first"]


@pytest.fixture(scope="module")
def rescuer(site):
    """A worker that takes over at once what is in the hands of another one."""
    return site.rescuer()


@needs_redis
def test_a_celery_worker_that_is_killed_is_followed_by_the_passer(
    worker, rescuer, client, web, redis, provider, service, phones, only
):
    phone, gate = next(phones), provider.hold("first")
    only(worker(), web, redis)
    assert client.start(phone).status_code == 201
    gate.wait()
    worker().kill()
    gate.open.set()
    only(rescuer)
    attempt = ended(phone, rescuer)
    assert (attempt.message_status, attempt.messages) == ("sent", 2)
    assert holds(provider, service, attempt) == ["first", "first"]


@needs_redis
def test_a_redis_that_dies_comes_back_and_falls_silent_stops_no_start(
    deliverer, site, provider, account, service, phones
):
    redis = site.keep(Redis(site.folder))
    deliverer.send_signal(signal.SIGCONT)
    client = Client(site.web(**asked_for(site, redis)), account, service)

    def start():
        phone = next(phones)
        assert client.start(phone).status_code == 201
        attempt = ended(phone, deliverer)
        assert (attempt.message_status, attempt.messages) == ("sent", 1)
        assert holds(provider, service, attempt) == ["first"]

    start()  # the process has imported its engine by now
    redis.kill()
    start()
    refuses_what_is_limited(client, service, next(phones))
    redis = site.keep(Redis(site.folder, redis.port))
    start()
    assert Store.from_url(redis.url).llen("celery") == 1
    redis.send_signal(signal.SIGSTOP)
    start()
    refuses_what_is_limited(client, service, next(phones))
    # From now on the silent broker is not asked, and keeps nobody waiting.
    start()


def refuses_what_is_limited(client, service, phone):
    """Where the counts cannot be read, a start that counts is refused and writes nothing."""
    limit, _ = RateLimit.objects.get_or_create(service=service, unique_name="ip")
    Bucket.objects.get_or_create(rate_limit=limit, max=1, interval=3600)
    answer = client.start(phone, RateLimits='{"ip": "203.0.113.9"}')
    assert (answer.status_code, answer.json()["code"]) == (503, 20503)
    assert not Verification.objects.filter(to=phone).exists()


def test_a_worker_of_djangos_tasks_sends(site, rescuer, provider, account, service, phones, only):
    """The worker of docs/delivery.md, on the queue in the database."""
    pytest.importorskip("django_tasks_db")
    asked = {"apps": ["django_tasks_db"], "values": {"DISPATCH": "tasks"}}
    migrated, web = (
        site.start("manage.py", "migrate", "django_tasks_database", **asked),
        site.web(**asked),
    )
    assert migrated.wait() == 0, migrated.log
    worker = site.documented("manage.py db_worker", **asked)
    client, phone, gate = Client(web, account, service), next(phones), provider.hold("first")
    only(worker, web)
    assert client.start(phone).status_code == 201
    gate.wait()
    worker.kill()
    gate.open.set()
    only(rescuer)
    attempt = ended(phone, rescuer)
    assert (attempt.message_status, attempt.messages, attempt.tries) == ("sent", 2, 2)
    assert holds(provider, service, attempt) == ["first", "first"]
