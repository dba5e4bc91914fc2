"""Who sends: inline, Django's Tasks, Celery, a host's function; and that each is a mere wake-up."""

import contextlib
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from django_verify import conf, delivery, fraud, verifications
from django_verify.delivery import attempts, dispatch
from django_verify.models import VerificationAttempt
from django_verify.net import client
from django_verify.senders.locmem import LocmemSender
from tests.api.test_statement_counts import RESEND
from tests.conftest import PATIENCE, PHONE, code_in, database_url
from tests.scripted import configured

pytestmark = pytest.mark.django_db(transaction=True)

ROOT = Path(__file__).resolve().parents[2]
MEMORY = {"SENDERS": {"memory": {"BACKEND": "django_verify.senders.locmem.LocmemSender"}}}
woken = []


def wake(sid):
    """A host's own engine: it takes the SID along, and nothing else."""
    woken.append(sid)


def broken(sid):
    raise ConnectionError("amqp://user:planted@broker/")


@pytest.fixture(autouse=True)
def nobody_woken():
    woken.clear()


@pytest.fixture
def engine(settings):
    """`engine(name)` has the site dispatch by this engine."""

    def use(name, **values):
        settings.DJANGO_VERIFY = {**MEMORY, "DISPATCH": name, **values}

    return use


def start(api, service):
    return api.post(f"Services/{service.sid}/Verifications", {"To": PHONE, "Channel": "sms"})


def test_a_queued_start_answers_the_same_and_costs_less(api, service, engine, outbox):
    start(api, service)
    engine(f"{__name__}.wake")
    fraud.refresh()
    with CaptureQueriesContext(connection) as captured:
        answer = start(api, service)
    kinds = [query["sql"].split()[0].upper() for query in captured]
    kinds = [kind for kind in kinds if kind not in {"BEGIN", "COMMIT", "SAVEPOINT", "RELEASE"}]
    assert kinds == ["SELECT", *RESEND]
    engine("inline")
    inline = start(api, service)
    assert (answer.status, answer.data.keys()) == (inline.status, inline.data.keys())
    assert woken == [answer.data["send_code_attempts"][1]["attempt_sid"]]
    assert len(outbox) == 2
    assert delivery.take(woken[0], woken=True)
    assert len({code_in(message) for message in outbox}) == 1


@pytest.mark.parametrize("name", ["inline", f"{__name__}.wake"])
def test_a_start_that_is_rolled_back_sends_nothing(service, engine, outbox, name):
    engine(name)
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        verifications.start(service, PHONE)
        raise ZeroDivisionError
    assert (outbox, woken, VerificationAttempt.objects.count()) == ([], [], 0)
    with transaction.atomic():
        verifications.start(service, PHONE)
        assert (outbox, woken) == ([], [])
    assert len(outbox) + len(woken) == 1


def test_an_engine_that_fails_harms_nothing(api, service, engine, outbox, caplog):
    engine(f"{__name__}.broken")
    assert start(api, service).status == 201
    assert "no worker was woken: ConnectionError" in caplog.text
    assert "planted" not in caplog.text
    assert delivery.deliver_due() == 1
    assert len(outbox) == 1


def test_what_breaks_after_the_commit_is_left_to_the_passer(
    api, service, monkeypatch, caplog, clock, outbox
):
    with monkeypatch.context() as patch:
        patch.setattr(attempts, "_finish", lambda *args: 1 / 0)
        assert start(api, service).status == 201
    assert "was interrupted: ZeroDivisionError" in caplog.text
    assert VerificationAttempt.objects.get().messages == 1
    clock.shift(61)
    assert delivery.deliver_due() == 1
    assert VerificationAttempt.objects.get().messages == 2
    assert len(outbox) == 2


@pytest.mark.parametrize(
    "path", ["nowhere.wake", "django_verify.delivery.dispatch.no", "django_verify.sids.LENGTH"]
)
def test_an_engine_that_cannot_be_had(engine, path):
    engine(path)
    with pytest.raises(ImproperlyConfigured, match="DISPATCH"):
        dispatch.waker()


def test_celery_is_asked_for_before_it_is_missed(engine, monkeypatch):
    engine("celery")
    monkeypatch.setattr(dispatch, "installed", lambda *names: False)
    with pytest.raises(ImproperlyConfigured, match="needs the extra"):
        dispatch.waker()


def test_a_broker_that_celery_does_not_know(engine, celery_app):
    celery_app.conf.broker_url = "pigeons://127.0.0.1/0"
    engine("celery")
    with pytest.raises(ImproperlyConfigured, match="pigeons"):
        dispatch.waker()


def test_without_celery_its_module_still_imports():
    """Huey and dramatiq import every `tasks` module that they find."""
    code = (
        "import sys; sys.modules['celery'] = None; import django; django.setup();"
        "from django_verify import tasks; print(tasks.deliver)"
    )
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.bare"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.stdout == "None\n", done.stderr


@pytest.fixture
def tasks(settings):
    """`tasks(backend)` sets up Django's Tasks, of the framework or of the package for 5.2."""
    try:
        from django.tasks import task_backends
    except ImportError:
        task_backends = pytest.importorskip("django_tasks").task_backends
    package = type(task_backends).__module__.partition(".")[0]
    package = "django.tasks" if package == "django" else package

    def use(backend, **options):
        path = f"{package}.backends.{backend.lower()}.{backend}Backend"
        settings.TASKS = {"default": {"BACKEND": path, **options}}
        return task_backends["default"]

    return use


def test_a_task_sends(service, engine, tasks, outbox):
    tasks("Immediate")
    engine("tasks")
    row = verifications.start(service, PHONE)
    assert len(outbox) == 1
    attempt = row.attempts.get()
    assert (attempt.message_status, attempt.tries) == ("sent", 1)


@pytest.mark.parametrize("queue", ["default", "codes"])
def test_a_task_carries_the_sid_alone_and_may_come_twice(service, engine, tasks, outbox, queue):
    backend = tasks("Dummy", QUEUES=["default", "codes"])
    engine("tasks", DISPATCH_QUEUE="" if queue == "default" else queue)
    with transaction.atomic():
        row = verifications.start(service, PHONE)
        assert not backend.results
    (result,) = backend.results
    assert (result.args, result.kwargs) == ([row.attempts.get().sid], {})
    assert (result.task.queue_name, result.task.module_path) == (
        queue,
        "django_verify.delivery.django_tasks.deliver",
    )
    assert [result.task.func(*result.args), result.task.func(*result.args)] == [True, False]
    assert len(outbox) == 1


@pytest.fixture
def celery_app(monkeypatch):
    celery = pytest.importorskip("celery")
    app = celery.Celery("tests", set_as_current=False)
    # Another test of this process may have made an app of its own the current one.
    monkeypatch.setattr(celery._state._tls, "current_app", app)
    app.conf.task_always_eager = True
    return app


def test_celery_sends(service, engine, celery_app, outbox):
    engine("celery", DISPATCH_QUEUE="codes")
    row = verifications.start(service, PHONE)
    assert row.attempts.get().message_status == "sent"
    assert len(outbox) == 1
    job = celery_app.tasks["django_verify.deliver"]
    assert job.acks_late
    assert job.reject_on_worker_lost
    assert job.delay(row.attempts.get().sid).result is False
    assert len(outbox) == 1


class Broker:
    """A port where a broker could be; it takes connections and says nothing, or nobody is there."""

    def __init__(self, *, silent):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=20)
        self.url = f"redis://127.0.0.1:{self.listener.getsockname()[1]}/0"
        if not silent:
            self.listener.close()

    def connections(self):
        """How many have come since the last question."""
        self.listener.setblocking(False)
        found = 0
        with contextlib.suppress(BlockingIOError):
            while True:
                self.listener.accept()[0].close()
                found += 1
        return found


@pytest.fixture(autouse=True)
def rested(monkeypatch):
    monkeypatch.setattr(dispatch._Backoff, "until", 0.0)


def test_a_broker_that_refuses_is_asked_once(api, service, engine, celery_app, monkeypatch, caplog):
    broker = Broker(silent=False)
    celery_app.conf.update(task_always_eager=False, broker_url=broker.url)
    # The library would sleep between its tries.
    monkeypatch.setattr("kombu.utils.functional.sleep", lambda seconds: 1 / 0)
    engine("celery")
    assert start(api, service).status == 201
    assert "no worker was woken: OperationalError" in caplog.text
    # What failed at once costs nothing, and may work the next time.
    assert dispatch._Backoff.until == 0
    assert delivery.deliver_due() == 1


def test_a_broker_that_keeps_silent_is_left_alone_for_a_while(
    api, service, engine, celery_app, caplog, outbox
):
    broker = Broker(silent=True)
    celery_app.conf.update(task_always_eager=False, broker_url=broker.url)
    engine("celery")
    assert start(api, service).status == 201
    assert broker.connections() == 1
    assert "the engine is not asked for 30 seconds" in caplog.text
    assert start(api, service).status == 201
    assert broker.connections() == 0
    assert delivery.deliver_due() == 2
    assert len(outbox) == 2
    dispatch._Backoff.until = 0
    assert start(api, service).status == 201
    assert broker.connections() == 1
    broker.listener.close()


@pytest.mark.parametrize("name", ["tasks", "celery", f"{__name__}.wake"])
def test_no_provider_is_called_in_a_request_whose_site_has_a_queue(
    api, service, engine, tasks, celery_app, monkeypatch, name, clock
):
    """However slow providers are, and whatever they answer, a start does not wait for them."""
    tasks("Dummy")
    celery_app.conf.update(task_always_eager=False, broker_url="memory://")
    engine(name)
    called, connected = [], []
    with monkeypatch.context() as patch:
        patch.setattr(LocmemSender, "send", lambda *args: called.append(args))
        patch.setattr(client, "call", lambda *args, **more: connected.append(args))
        form = {"To": PHONE, "Channel": "sms"}
        answers = [api.post(f"Services/{service.sid}/Verifications", form) for _ in range(2)]
    assert [answer.status for answer in answers] == [201, 201]
    assert (called, connected) == ([], [])
    assert set(VerificationAttempt.objects.values_list("message_status", "messages")) == {
        ("queued", 0)
    }
    assert delivery.deliver_due() == 2


@pytest.mark.skipif(not os.environ.get("REDIS_URL"), reason="needs a Redis (REDIS_URL)")
def test_a_celery_worker_sends(service, engine, celery_app, tmp_path, settings, caplog):
    """A real worker, on the broker and on the database of the tests."""
    queue = f"verify-tests-{os.getpid()}"
    celery_app.conf.update(
        task_always_eager=False,
        broker_url=os.environ["REDIS_URL"],
        task_default_queue=queue,
    )
    engine("celery")
    row = verifications.start(service, PHONE)
    assert row.attempts.get().message_status == "queued"
    assert "no worker was woken" not in caplog.text
    environment = {
        **os.environ,
        "DATABASE_URL": database_url(),
        "VERIFY_OUTBOX": str(tmp_path / "out"),
        "SECRET_KEY": settings.SECRET_KEY,
        "QUEUE": queue,
    }
    code = (
        "import celery, django, os; django.setup(); app = celery.Celery('tests', broker=os.environ['REDIS_URL']);"
        "app.conf.task_default_queue = os.environ['QUEUE']; app.set_default(); app.autodiscover_tasks(['django_verify'], force=True);"
        "from celery.signals import task_postrun; task_postrun.connect(lambda **_: app.control.shutdown(), weak=False);"
        "app.worker_main(['worker', '--pool=solo', '--without-gossip', '--without-mingle', '--loglevel=ERROR'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={
            **environment,
            "DJANGO_SETTINGS_MODULE": "example_project.settings",
            "PYTHONPATH": str(ROOT),
        },
        timeout=PATIENCE,
        check=False,
        capture_output=True,
        text=True,
    )
    assert row.attempts.get().message_status == "sent", done.stderr
    assert PHONE in (tmp_path / "out").read_text()


def test_without_an_engine_nobody_is_woken(settings):
    settings.DJANGO_VERIFY = configured()
    assert conf.current().DISPATCH == "inline"
    assert dispatch.wake("VL" + "0" * 32) is None
