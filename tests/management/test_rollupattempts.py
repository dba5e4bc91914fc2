"""Hours are counted by the worker, before a purge, and by a command of their own."""

import io

import pytest
from django.core.management import CommandError, call_command
from django.test import TestCase

from django_verify import verifications
from django_verify.management.commands import deliverattempts
from django_verify.models import AttemptRollup, VerificationAttempt
from tests.conftest import OTHER_PHONE, PHONE

pytestmark = [pytest.mark.django_db, pytest.mark.portable]


def run(command, *arguments):
    out = io.StringIO()
    call_command(command, *arguments, stdout=out)
    return out.getvalue().strip()


@pytest.fixture
def hours(service, clock):
    """Two hours with an attempt each, five hours apart, the first one in the hour from noon on."""
    for phone in (PHONE, OTHER_PHONE):
        with TestCase.captureOnCommitCallbacks(execute=True):
            verifications.start(service, phone)
        clock.shift(5 * 3600)


def test_it_counts_what_is_not_counted(hours):
    assert run("rollupattempts") == "2 hours counted"
    assert AttemptRollup.objects.count() == 2
    assert run("rollupattempts") == "0 hours counted"


@pytest.mark.parametrize(
    ("arguments", "counted"),
    [
        (["--from", "2026-03-01"], 2),
        (["--from", "2026-03-01T12:00Z", "--to", "2026-03-01T13:00Z"], 1),
        (["--from", "2026-03-01T12:59Z", "--to", "2026-03-01T13:01+00:00"], 1),
        (["--to", "2026-03-01T17:00:00"], 1),
        (["--from", "2026-03-01T13:00Z"], 1),
        (["--from", "2026-03-02"], 0),
        (["--to", "2026-03-01"], 0),
    ],
)
def test_it_counts_a_time_again(hours, arguments, counted):
    run("rollupattempts")
    VerificationAttempt.objects.update(message_status="delivered")
    assert run("rollupattempts", *arguments).endswith("hours counted")
    assert AttemptRollup.objects.filter(delivered=1).count() == counted


@pytest.mark.parametrize("text", ["yesterday", "2026-02-30", "12:00", "2026-03-01T25:00"])
def test_what_is_no_time_is_refused(text, db):
    with pytest.raises(CommandError, match="is no time"):
        run("rollupattempts", "--from", text)


def test_the_worker_counts_between_its_messages(hours, monkeypatch):
    run("deliverattempts")
    assert AttemptRollup.objects.exists()
    asked = []
    monkeypatch.setattr(deliverattempts.rollups, "advance", lambda seconds: asked.append(seconds))
    command = deliverattempts.Command(stdout=io.StringIO())
    command._claimed, command._counted_at = 0, float("-inf")
    for _ in range(3):
        command._one_pass(100)
    assert len(asked) == 1  # nothing was left, and it is not asked again at once
    monkeypatch.setattr(deliverattempts.delivery, "deliver_due", lambda limit, stop: limit)
    command._counted_at = float("-inf")
    assert command._one_pass(100)
    assert len(asked) == 1  # messages come first


def test_what_cannot_be_counted_stops_no_message(hours, monkeypatch, caplog):
    def fails(seconds):
        raise ValueError("+14155552671")

    monkeypatch.setattr(deliverattempts.rollups, "advance", fails)
    assert run("deliverattempts") == "0 attempts claimed"
    assert caplog.messages == ["hours were not counted: ValueError"]


def test_a_purge_counts_what_goes(hours, clock):
    clock.shift(40 * 86_400)
    run("purgeverifications", "--dry-run")
    assert not AttemptRollup.objects.exists()
    run("purgeverifications", "--share", "1")
    assert not VerificationAttempt.objects.exists()
    assert AttemptRollup.objects.count() == 2
