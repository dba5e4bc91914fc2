"""`manage.py purgeverifications`: its sentences, its options, its exit status."""

import os
import signal
from io import StringIO

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from django_verify import health, retention
from django_verify.models import Verification
from django_verify.retention import purging
from tests.retention.test_purging import DAY, PHONES, fail, sent, start, with_settings

pytestmark = pytest.mark.django_db

NAME = "purgeverifications"


def run(*arguments):
    out = StringIO()
    try:
        call_command(NAME, "--share", "1", *arguments, stdout=out)
    except SystemExit as end:
        return end.code, out.getvalue()
    return 0, out.getvalue()


def test_it_says_what_went(service, clock, settings):
    with_settings(settings, CHALLENGE_RETENTION_DAYS=None)
    rows = start(service, *PHONES[:3])
    fail(service, rows[0])
    sent()
    clock.shift(31 * DAY)
    assert health.last_beat(NAME) is None
    status, text = run()
    assert status == 0
    assert text.splitlines() == [
        "attempts older than 30 days: 3 deleted",
        "clients older than 30 days: 0 deleted, 0 wiped",
        "verifications older than 30 days: 2 deleted, 1 wiped",
        "payments older than 1 day: 0 wiped",
        "challenges, kept for good: 0 deleted, 0 wiped",
        "webhook deliveries older than 30 days: 0 deleted",
        "device keys older than 400 days: 0 deleted",
        "access tokens that have run out: 0 deleted",
        "spent tokens that have run out: 0 deleted",
        "rate limit counts that have run out: 0 deleted",
        "status read counts that have run out: 0 deleted",
        "guard decisions older than 30 days: 0 deleted",
        "guard trips that have run out: 0 deleted",
        "guard outcomes that have run out: 0 deleted",
        "guard counts that have run out: 0 deleted",
        "hourly figures older than 800 days: 0 deleted",
    ]
    assert health.last_beat(NAME)


def test_one_kind_alone(service, clock):
    start(service, *PHONES[:3])
    sent()
    clock.shift(31 * DAY)
    assert run("--kind", "attempts") == (0, "attempts older than 30 days: 3 deleted\n")
    assert Verification.objects.count() == 3


def test_a_dry_run_prints_what_would_go(service, clock):
    start(service, *PHONES[:3])
    sent()
    clock.shift(31 * DAY)
    status, text = run("--dry-run", "--kind", "attempts", "--kind", "payments")
    assert (status, text) == (
        0,
        "attempts older than 30 days: 3 would be deleted\npayments older than 1 day: 0 would be wiped\n",
    )
    assert health.last_beat(NAME) is None


def test_a_run_without_time_left_says_so(service, clock):
    start(service, *PHONES[:3])
    sent()
    clock.shift(31 * DAY)
    status, text = run("--seconds", "0", "--batch", "1", "--kind", "attempts")
    assert status == 3
    assert text == (
        "attempts older than 30 days: 1 deleted, not finished\n"
        "Stopped before the end: the next run goes on.\n"
    )
    assert health.last_beat(NAME) is None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_after_the_batch(service, clock, monkeypatch, number):
    start(service, *PHONES[:3])
    sent()
    clock.shift(31 * DAY)
    real = purging._delete

    def signaled(rows):
        os.kill(os.getpid(), number)
        return real(rows)

    monkeypatch.setattr(purging, "_delete", signaled)
    assert run("--batch", "2")[1].startswith("attempts older than 30 days: 2 deleted, not finished")


@pytest.mark.parametrize(
    "arguments",
    [
        ("--batch", "0"),
        ("--batch", "10001"),
        ("--share", "0"),
        ("--share", "1.1"),
        ("--seconds", "-1"),
        ("--kind", "everything"),
    ],
    ids=" ".join,
)
def test_an_option_has_bounds(arguments):
    with pytest.raises(CommandError, match=arguments[0]):
        call_command(NAME, *arguments)


def test_every_kind_has_a_name_and_a_setting_of_its_own():
    names = [kind.name for kind in retention.KINDS]
    given = [kind.setting for kind in retention.KINDS if kind.setting]
    assert len(set(names)) == len(names)
    assert len(set(given)) == len(given)
    assert all(name.endswith("_RETENTION_DAYS") for name in given)
