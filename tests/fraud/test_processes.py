"""What several processes of one site owe each other: changes within five seconds, and bounds."""

import itertools
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from django.utils import timezone

from django_verify.fraud import places
from django_verify.models import (
    GeoPermission,
    GuardTrip,
    PrefixRule,
    SpendCap,
    VerificationAttempt,
)
from tests.conftest import database_url
from tests.faults.processes import Process, eventually, free_port

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres, pytest.mark.races]

#: What the issue promises.
REACHES = 5
#: Requests at one moment.
PARALLEL = 40


class Site:
    """Servers of one site, each of one process or more, and a caller of all of them."""

    def __init__(self, account, service):
        self.auth, self.service = (account.sid, account.token), service
        self.numbers, self.running = itertools.count(100_000), []

    def serve(self, folder, servers, workers):
        command = [sys.executable, "-m", "gunicorn", "--no-control-socket", "--preload"]
        for _ in range(servers):
            port = free_port()
            process = Process(
                [
                    *(*command, "--workers", str(workers), "--threads", "10"),
                    *("--bind", f"127.0.0.1:{port}", "example_project.wsgi"),
                ],
                folder,
                DJANGO_SETTINGS_MODULE="tests.settings",
                DATABASE_URL=database_url(),
            )
            self.running.append((process, f"http://127.0.0.1:{port}/v2/"))
        for process, root in self.running:
            eventually(lambda root=root: _answers(root), lambda process=process: process.log)
        return self

    def start(self, place, to):
        """Start a number at one of the servers; return the status and the error's number."""
        _, root = self.running[place % len(self.running)]
        url = f"{root}Services/{self.service.sid}/Verifications"
        body = {"To": to, "Channel": "sms"}
        answer = requests.post(url, body, auth=self.auth, timeout=60)
        return answer.status_code, answer.json().get("code")

    def starts(self, to="+4915112{}"):
        """Start a number at each server."""
        numbers = [to.format(next(self.numbers)) for _ in self.running]
        return {self.start(place, number) for place, number in enumerate(numbers)}

    def parallel(self, numbers):
        """Start many numbers, PARALLEL at a time; return how often each answer came."""
        with ThreadPoolExecutor(PARALLEL) as pool:
            return Counter(pool.map(self.start, itertools.count(), numbers))

    def reaches(self, expected, to="+4915112{}"):
        """Whether every process answers so within REACHES seconds."""
        deadline = time.monotonic() + REACHES
        while True:
            late = time.monotonic() > deadline
            if (answers := self.starts(to)) == {expected}:
                return True
            assert not late, answers
            time.sleep(0.2)


def _answers(root):
    try:
        return requests.get(root, timeout=60).status_code == 401
    except requests.ConnectionError:
        return False


@pytest.fixture
def site(account, service):
    made = Site(account, service)
    yield made
    for process, _ in made.running:
        process.kill()


@pytest.mark.once
def test_a_country_and_a_rule_hold_everywhere(site, account, service, tmp_path):
    service.guard_level = "off"  # so many starts without a check are an attack
    service.save()
    site.serve(tmp_path, servers=2, workers=1)
    assert site.starts() == {(201, None)}
    country = GeoPermission.objects.create(account=account, country="DE", action="block")
    assert site.reaches((403, 60605))
    rule = PrefixRule.objects.create(prefix="+4915112", action="allow")
    assert site.reaches((201, None))
    assert site.starts("+4915113{}") == {(403, 60605)}
    country.delete()
    rule.action = "block"
    rule.save()
    assert site.reaches((403, 60410))
    assert site.starts("+4915113{}") == {(201, None)}


def test_two_hundred_on_a_fresh_block_and_forty_on_a_closed_one(site, account, tmp_path):
    GuardTrip.objects.create(
        account=account,
        level="standard",
        state="closed",
        kind="block",
        key="DE +491511299",
        reason="closed by hand",
        started_at=timezone.now(),
        ends_at=None,
    )
    site.serve(tmp_path, servers=1, workers=4)
    found = site.parallel(f"+491511299{line:04d}" for line in range(PARALLEL))
    assert found == {(403, 60410): PARALLEL}
    assert not VerificationAttempt.objects.exists()
    found = site.parallel(f"+491511234{line:04d}" for line in range(200))
    sent = VerificationAttempt.objects.filter(withheld="").count()
    # On a slow machine the evidence is read before the places are taken, and leaves fewer of them.
    assert 5 <= found[201, None] == sent <= places.AT_ONCE
    # All others are refused, but for a few that have lost every try at one moment.
    assert found[403, 60410] >= 200 - PARALLEL - sent
    assert found[403, 60410] + found[429, 20429] == 200 - sent


def test_a_cap_holds_under_forty_parallel_starts(site, account, tmp_path):
    site.serve(tmp_path, servers=1, workers=4)
    SpendCap.objects.create(account=account, period="day", amount="0.52")  # ten of five cents
    found = site.parallel(f"+49151{line:04d}1234" for line in range(PARALLEL))
    assert found == {(201, None): 10, (429, 20429): PARALLEL - 10}
    assert VerificationAttempt.objects.count() == 10
