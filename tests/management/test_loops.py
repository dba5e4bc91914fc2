"""The loop of the workers: what it outlives, how long it waits, and when it has last been at work."""

import itertools
import threading
from types import SimpleNamespace

import pytest
from django.db import InterfaceError, OperationalError, ProgrammingError
from django.utils import timezone

from django_verify import health
from django_verify.management import loops
from django_verify.models import WorkerHeartbeat

pytestmark = pytest.mark.django_db(transaction=True)


class Stop(threading.Event):
    """Set after a number of pauses; keeps them, and lets no time pass."""

    def __init__(self, pauses):
        super().__init__()
        self.left, self.pauses = pauses, []

    def wait(self, timeout=None):
        self.pauses.append(timeout)
        if len(self.pauses) == self.left:
            self.set()


def run(looks, pauses, interval=1.0):
    """Run a loop whose looks do this in turn, and then nothing; return its pauses."""
    stop, script = Stop(pauses), iter(looks)

    def look():
        outcome = next(script, False)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    loops.run("deliverattempts", look, stop, interval=interval)
    return stop.pauses


def test_it_looks_again_at_once_where_work_was_left():
    assert run([True, True, False], pauses=2) == [1.0, 1.0]


@pytest.mark.parametrize("kind", [OperationalError, InterfaceError, ProgrammingError])
def test_while_the_database_is_away_the_pauses_grow(kind, caplog):
    faults = [kind("at db.internal")] * 6
    assert run([*faults, False], pauses=8) == [2.0, 4.0, 4.0, 4.0, 4.0, 4.0, 1.0, 1.0]
    assert run([*faults[:3]], pauses=4, interval=0.01) == [0.1, 0.2, 0.4, 0.01]
    assert run([*faults[:2]], pauses=3, interval=60) == [4.0, 4.0, 60]
    assert f"deliverattempts: the database failed: {kind.__name__}" in caplog.text
    assert "db.internal" not in caplog.text


def test_a_fault_of_its_own_ends_it():
    with pytest.raises(ZeroDivisionError):
        run([ZeroDivisionError()], pauses=3)


def test_its_heart_beats_every_ten_seconds_of_work(monkeypatch):
    now, beats = itertools.count(0, 3), []
    monkeypatch.setattr(loops, "time", SimpleNamespace(monotonic=now.__next__))
    monkeypatch.setattr(health, "beat", beats.append)
    run([OperationalError()] * 20, pauses=20)
    assert beats == []
    run([False], pauses=8)
    assert beats == ["deliverattempts"] * 2


def test_a_heartbeat_is_one_row_of_a_worker(clock, client):
    health.beat("deliverattempts")
    clock.shift(30)
    health.beat("deliverwebhooks")
    assert workers(client) == {"deliverattempts_seconds": 30, "deliverwebhooks_seconds": 0}
    health.beat("deliverattempts")
    assert WorkerHeartbeat.objects.get(name="deliverattempts").beat_at == timezone.now()
    clock.shift(-3600)
    assert workers(client) == {"deliverattempts_seconds": 0, "deliverwebhooks_seconds": 0}


def workers(client):
    checks = client.get("/verify/healthz").json()["checks"]
    assert checks["workers"].pop("status") == "ok"
    return checks["workers"]


def test_two_first_heartbeats_at_one_moment(aligned):
    aligned([lambda: health.beat("deliverattempts")] * 12)
    assert WorkerHeartbeat.objects.count() == 1
