"""The way in: the gate's result before anything else, and each token once."""

import datetime as dt

import pytest
from django.utils import timezone

from django_verify.exceptions import GateRefused, GateUnavailable
from django_verify.gates import admission, memory
from django_verify.models import SpentToken
from django_verify.proofs import single_use
from tests.conftest import ROUNDS, purged

pytestmark = pytest.mark.django_db(transaction=True)
MEMORY = "django_verify.gates.memory.MemoryGate"
ASKED = {"remote_ip": "203.0.113.7", "action": "start", "subject": "+49 151 23456789"}


@pytest.fixture(autouse=True)
def gate(settings):
    settings.DJANGO_VERIFY = {"BOT_PROTECTION": {"BACKEND": MEMORY}}
    memory.asked.clear()
    yield
    memory.asked.clear()


def reason(token):
    with pytest.raises((GateRefused, GateUnavailable)) as caught:
        admission.admit(token, **ASKED)
    return caught.value.reason


def test_without_a_gate_all_are_let_in_at_no_cost(settings, django_assert_num_queries):
    settings.DJANGO_VERIFY = {}
    with django_assert_num_queries(0):
        admission.admit("", **ASKED)


def test_a_token_lets_one_caller_in_once():
    admission.admit("open-1", **ASKED)
    assert memory.asked == [ASKED]
    assert reason("open-1") == "used"
    admission.admit("open-2", **ASKED)


def test_what_is_refused_leaves_no_row(django_assert_num_queries):
    with django_assert_num_queries(0):
        assert [reason(token) for token in ("", "shut", "a b")] == ["missing", "invalid", "invalid"]
    assert not SpentToken.objects.exists()


def test_a_token_of_another_use_is_another_token():
    assert single_use.consume("proof", "open-1", timezone.now() + dt.timedelta(hours=1))
    admission.admit("open-1", **ASKED)


@pytest.mark.parametrize("round_", range(ROUNDS))
def test_of_fifty_at_one_moment_one_is_let_in(aligned, round_):
    def enter():
        try:
            admission.admit(f"open-{round_}", **ASKED)
        except GateRefused as error:
            return error.reason
        return "in"

    assert sorted(aligned([enter] * 50)) == ["in", *["used"] * 49]


def test_while_the_provider_is_down_nobody_is_let_in():
    assert reason("down") == "unavailable"
    assert not SpentToken.objects.exists()


def test_a_site_may_stand_open_while_the_provider_is_down(settings, caplog):
    settings.DJANGO_VERIFY = {"BOT_PROTECTION": {"BACKEND": MEMORY, "OPTIONS": {"fail_open": True}}}
    admission.admit("down", **ASKED)
    assert "memory is down and fails open" in caplog.text
    assert reason("") == "missing"
    assert reason("shut") == "invalid"


@pytest.mark.parametrize("why", ["misconfigured", "unreadable"])
def test_another_fault_opens_nothing(why, settings, monkeypatch):
    settings.DJANGO_VERIFY = {"BOT_PROTECTION": {"BACKEND": MEMORY, "OPTIONS": {"fail_open": True}}}

    def verify(self, token, **asked):
        raise GateUnavailable(why)

    monkeypatch.setattr(memory.MemoryGate, "verify", verify)
    assert reason("open-1") == why


def test_a_token_that_has_run_out_makes_room(clock):
    admission.admit("open-1", **ASKED)
    clock.shift(3599 + 600)
    assert purged("spent tokens") == 0
    clock.shift(2)
    assert purged("spent tokens") == 1
