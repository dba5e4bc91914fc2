"""What works once works once: under a race, after a rollback, after a rotation of keys."""

import datetime as dt

import pytest
from django.db import transaction
from django.utils import timezone

from django_verify.models import SpentToken
from django_verify.proofs import single_use
from tests.conftest import ROUNDS, purged

pytestmark = pytest.mark.django_db(transaction=True)
NEW, OLD = "n" * 40, "o" * 40


def later():
    return timezone.now() + dt.timedelta(minutes=5)


def test_a_token_is_used_once_for_each_kind_and_is_not_kept():
    assert single_use.consume("proof", "tøken", later())
    assert not single_use.consume("proof", "tøken", later())
    assert single_use.consume("gate", "tøken", later())
    assert not any("token" in key for key in SpentToken.objects.values_list("key", flat=True))


@pytest.mark.parametrize("round_", range(ROUNDS))
def test_of_fifty_at_one_moment_one_wins(aligned, round_):
    assert aligned([lambda: single_use.consume("proof", "x", later())] * 50).count(True) == 1


def test_a_rollback_of_the_caller_gives_it_back():
    with pytest.raises(ValueError), transaction.atomic():
        assert single_use.consume("proof", "x", later())
        assert not single_use.consume("proof", "x", later())
        raise ValueError
    assert single_use.consume("proof", "x", later())


def test_it_stays_used_when_keys_rotate(settings):
    settings.DJANGO_VERIFY = {"KEYS": {"old": OLD}}
    assert single_use.consume("proof", "x", later())
    settings.DJANGO_VERIFY = {"KEYS": {"new": NEW, "old": OLD}}
    assert not single_use.consume("proof", "x", later())


@pytest.mark.parametrize("behind", [{"old": OLD}, {"old": OLD, "new": NEW}])
def test_it_is_used_for_a_machine_that_has_not_rotated_yet(settings, behind):
    settings.DJANGO_VERIFY = {"KEYS": {"new": NEW, "old": OLD}}
    assert single_use.consume("proof", "x", later())
    settings.DJANGO_VERIFY = {"KEYS": behind}
    assert not single_use.consume("proof", "x", later())


@pytest.mark.parametrize("round_", range(ROUNDS))
def test_of_fifty_under_several_keys_one_wins(aligned, settings, round_):
    settings.DJANGO_VERIFY = {"KEYS": {"new": NEW, "old": OLD, "older": "p" * 40}}
    assert aligned([lambda: single_use.consume("proof", "x", later())] * 50).count(True) == 1


def test_the_pass_takes_what_has_run_out(clock):
    single_use.consume("proof", "x", later())
    clock.shift(3600)
    assert purged("spent tokens") == 0
    clock.shift(301)
    assert purged("spent tokens") == 1
    assert not SpentToken.objects.exists()
