"""Small factories and fixtures for every test."""

from __future__ import annotations

import base64
import datetime as dt
import fcntl
import json
import tempfile
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest
import time_machine
from django.db import connection, connections, transaction
from django.template.base import VariableNode
from django.test import Client, TransactionTestCase
from django.utils import timezone

from django_verify import fraud, retention
from django_verify.delivery import circuit_breakers
from django_verify.fraud import guard
from django_verify.models import Account, ApiKey, GuardCount, TestNumber, VerifyService
from django_verify.net import client as http_client
from django_verify.senders import locmem
from tests import attributes
from tests.receivers import Receiver

PHONE = "+14155552671"
OTHER_PHONE = "+15017122661"
# Of the aligned tests: as many as a PostgreSQL server has connections for by default.
THREADS = 50
# Rounds of the aligned tests. SQLite has one writer at a time, whatever the moment.
ROUNDS = 1 if connection.vendor == "sqlite" else 3
# For how many seconds a test waits for what is sure to come, however busy the machine is.
PATIENCE = 300
# Fixtures that give a test the database.
DATABASE = {"db", "transactional_db", "live_server"}
# All files of tests, in an order of their own.
FILES = sorted(Path(__file__).parent.rglob("test_*.py"))
# Markers of tests whose cases are all run, whatever `--cases` says.
EVERY_CASE = ("races", "every_case")
# Markers of tests that take seconds each.
SLOW = ("browser", "once", "postgres")


def pytest_addoption(parser):
    text = "run N cases of each test, to see whether the code fits a server or version"
    parser.addoption("--cases", type=int, metavar="N", help=text)
    text = "run part K of N: every Nth file of tests, from the Kth on"
    parser.addoption("--part", metavar="K/N", help=text)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    for item in items:
        # A test without one of these is refused the database by pytest-django: no server changes it.
        if item.get_closest_marker("django_db") or DATABASE.intersection(item.fixturenames):
            item.add_marker("database")
        if "aligned" in item.fixturenames:
            item.add_marker("races")


def pytest_ignore_collect(collection_path, config):
    """Leave out what is not in the part that is asked for: to import a file takes its time too."""
    part = config.getoption("part")
    if not part or collection_path not in FILES:
        return None
    number, of = map(int, part.split("/"))
    return FILES.index(collection_path) % of != (number - 1) % of or None


@pytest.hookimpl(specname="pytest_collection_modifyitems", trylast=True)
def pytest_some_cases_of_the_tests(config, items):
    if most := config.getoption("cases"):
        every = {test_of(item) for item in items if any(map(item.get_closest_marker, EVERY_CASE))}
        seen = Counter()

        def wanted(test):
            seen.update([test])
            return test in every or seen[test] <= most

        keep(config, items, wanted)


def test_of(item):
    """The name of a test, which its cases share."""
    return item.nodeid.partition("[")[0]


def keep(config, items, wanted):
    kept, left_out = [], []
    for item in items:
        (kept if wanted(test_of(item)) else left_out).append(item)
    config.hook.pytest_deselected(items=left_out)
    items[:] = kept


@pytest.hookimpl(specname="pytest_collection_modifyitems", trylast=True)
def pytest_slow_files_first(items):
    """Otherwise the last process has a minute of pages left when the others are done.

    In a file, what needs the other processes to wait comes last; all else stays in its random order.
    """
    slow = {item.path for item in items if any(map(item.get_closest_marker, SLOW))}
    place = {path: number for number, path in enumerate(dict.fromkeys(i.path for i in items))}
    items.sort(key=lambda i: (i.path not in slow, place[i.path], "aligned" in i.fixturenames))


@pytest.fixture(scope="session", autouse=True)
def _nothing_localised_for_machines():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(VariableNode, "render", attributes.watched(VariableNode.render))
        yield


@pytest.fixture(scope="session", autouse=True)
def _quick_flush():
    """After a test with transactions of its own, rows go by one DELETE a table that has any.

    Django's flush cuts every table and writes all content types and permissions anew, which takes
    most of the time of a short test; here those two stay.
    """
    kept = {"django_migrations", "django_content_type", "auth_permission"}

    def flush(test):
        for alias in test._databases_names(include_mirrors=False):
            connection = connections[alias]
            names = sorted(set(connection.introspection.django_table_names()) - kept)
            quoted = {name: connection.ops.quote_name(name) for name in names}
            asked = [f"SELECT '{n}' WHERE EXISTS (SELECT 1 FROM {q})" for n, q in quoted.items()]
            with (
                connection.constraint_checks_disabled(),
                transaction.atomic(using=alias),
                connection.cursor() as cursor,
            ):
                cursor.execute(" UNION ALL ".join(asked))
                for (name,) in cursor.fetchall():
                    cursor.execute(f"DELETE FROM {quoted[name]}")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", flush)
        yield


@pytest.fixture(autouse=True)
def outbox():
    """The messages sent in this test, oldest first."""
    locmem.outbox.clear()
    yield locmem.outbox
    locmem.outbox.clear()


@pytest.fixture(autouse=True)
def healthy_senders():
    """No test goes by what another one's senders did."""
    circuit_breakers.forget()
    yield
    circuit_breakers.forget()


@pytest.fixture(autouse=True)
def no_risk_table():
    """No test goes by the lists of another one."""
    fraud.forget()
    yield
    fraud.forget()


@pytest.fixture(autouse=True)
def guard_off(monkeypatch, settings):
    """Services have no guard unless they have a level, or the settings name one.

    Tests send many messages to few numbers, and enter no codes.
    """

    def site():
        return getattr(settings, "DJANGO_VERIFY", {}).get("GUARD_LEVEL", "off")

    monkeypatch.setattr(guard, "level_of", lambda service: service.guard_level or site())
    monkeypatch.setattr(guard, "level_by_sid", lambda known, sid: known.levels.get(sid) or site())


@pytest.fixture
def clock():
    """The time, which stands still until `clock.shift(seconds)`."""
    with time_machine.travel("2026-03-01T12:00:00.250Z", tick=False) as traveller:
        yield traveller


def make_account(name="Acme Inc."):
    """An account and its token, as the attribute `token`."""
    account = Account(friendly_name=name)
    token = account.set_auth_token()
    account.save()
    account.token = token
    return account


def make_key(account):
    key = ApiKey(account=account, friendly_name="key")
    key.secret = key.set_secret()
    key.save()
    return key


def make_service(account=None, **values):
    values.setdefault("friendly_name", "Acme")
    return VerifyService.objects.create(account=account or make_account(), **values)


def make_pair(service, recipient=PHONE, code="482913", days=7, **values):
    """A test number of a service."""
    if days is not None:
        values.setdefault("expires_at", timezone.now() + dt.timedelta(days=days))
    pair = TestNumber(service=service, recipient=recipient, **values)
    pair.set_code(code)
    pair.save()
    return pair


def fill(account, country):
    """Let a country that is new have no room for one more message."""
    now = timezone.now()
    GuardCount.objects.update_or_create(
        key=f"cold {account.sid} {country}",
        defaults={
            "level": 1e6,
            "room": 60,
            "drain": 0,
            "counted_at": now.timestamp(),
            "passed": True,
            "ends_at": now + dt.timedelta(days=1),
        },
    )


def purged(name, **options):
    """How many rows of a kind a purge deletes now."""
    (kind,) = [kind for kind in retention.KINDS if kind.name == name]
    (outcome,) = retention.purge([kind], share=1, **options)
    return outcome.deleted


def code_in(message):
    """The code of a message: its only run of four or more digits, which may be in groups."""
    import re

    between = r"(?<=\d), (?=\d)" if message.channel == "call" else r"(?<=\d) (?=\d)"
    text = re.sub(between, "", message.body)
    (code,) = set(re.findall(r"(?<!\d)\d{4,10}(?!\d)", text))
    return code


def wrong(code, number=1):
    """A code of the same length that is not this one."""
    return f"{(int(code) + number) % 10 ** len(code):0{len(code)}d}"


def database_url():
    """The URL of this test's database, for another process."""
    given = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{given['NAME']}"
    host = f"{given['HOST']}:{given['PORT']}" if given["PORT"] else given["HOST"]
    scheme = "postgres" if connection.vendor == "postgresql" else "mysql"
    password = f":{given['PASSWORD']}" if given["PASSWORD"] else ""
    return f"{scheme}://{given['USER']}{password}@{host}/{given['NAME']}"


@pytest.fixture
def account(db):
    return make_account()


@pytest.fixture
def service(account):
    return make_service(account)


class Api:
    """The wire without an SDK: forms in, JSON out, Basic authentication."""

    def __init__(self, name, secret, client=None, root="/v2/"):
        token = base64.b64encode(f"{name}:{secret}".encode()).decode()
        self.headers = {"authorization": f"Basic {token}"}
        self.client = client or Client(raise_request_exception=False)
        self.root = root

    def _answer(self, response):
        data = json.loads(response.content) if response.content else None
        return SimpleNamespace(
            status=response.status_code, data=data, headers=response.headers, raw=response
        )

    def get(self, path, **query):
        return self._answer(self.client.get(self.root + path, query, headers=self.headers))

    def post(
        self,
        path,
        data=None,
        body=None,
        content_type="application/x-www-form-urlencoded",
        **headers,
    ):
        from urllib.parse import urlencode

        if body is None:
            body = urlencode(data or {}, doseq=True)
        return self._answer(
            self.client.post(
                self.root + path,
                body,
                content_type=content_type,
                headers={**self.headers, **headers},
            )
        )

    def delete(self, path):
        return self._answer(self.client.delete(self.root + path, headers=self.headers))

    def request(self, method, path):
        return self._answer(self.client.generic(method, self.root + path, headers=self.headers))


@pytest.fixture
def api(account):
    return Api(account.sid, account.token)


@pytest.fixture(scope="module")
def aligned():
    """`aligned(calls)` runs up to 50 calls at one moment, each in a thread, and returns the results.

    One process at a time has these threads: two would need more connections than a server has.
    """
    name = f"django-verify-aligned-tests-{connection.vendor}"
    lock = (Path(tempfile.gettempdir()) / name).open("w")
    if connections.settings["default"]["ENGINE"] != "django.db.backends.sqlite3":
        fcntl.flock(lock, fcntl.LOCK_EX)
    # The threads keep their connection warm over a request, and close it themselves.
    options = connections.settings["default"]
    kept, options["CONN_MAX_AGE"] = options["CONN_MAX_AGE"], None
    pool = ThreadPoolExecutor(THREADS)

    def run(call, barrier):
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        barrier.wait(PATIENCE)
        return call()

    def aligned(calls):
        assert len(calls) <= THREADS
        barrier = threading.Barrier(len(calls))
        return [future.result() for future in [pool.submit(run, call, barrier) for call in calls]]

    def close(barrier):
        barrier.wait(PATIENCE)
        connections.close_all()

    yield aligned
    barrier = threading.Barrier(THREADS)
    for future in [pool.submit(close, barrier) for _ in range(THREADS)]:
        future.result()
    pool.shutdown()
    options["CONN_MAX_AGE"] = kept
    lock.close()


@pytest.fixture
def loopback(monkeypatch):
    """Loopback passes for a public address."""
    real = http_client.call
    monkeypatch.setattr(http_client, "call", lambda *a, **k: real(*a, **{**k, "public": False}))


@pytest.fixture
def make_receiver(loopback):
    made = []

    def make():
        made.append(Receiver())
        return made[-1]

    yield make
    for receiver in made:
        receiver.close()


@pytest.fixture
def receiver(make_receiver):
    return make_receiver()
