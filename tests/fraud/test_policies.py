"""The site's own policy: it may veto, allow, and demand another channel."""

import re
import sys
from pathlib import Path

import pytest
from django.test import override_settings

from django_verify import fraud, verifications
from django_verify.exceptions import (
    ChannelDisabled,
    DestinationRefused,
    FraudBlocked,
    TooManyRequests,
)
from django_verify.fraud import places
from django_verify.fraud.asked import ALLOWED
from django_verify.models import (
    GeoPermission,
    GuardDecision,
    PrefixRule,
    SpendCap,
    VerificationAttempt,
)
from tests.conftest import OTHER_PHONE, PHONE, fill, make_service

pytestmark = pytest.mark.django_db(transaction=True)


class Scripted(fraud.Policy):
    """Says what the test has it say."""

    def __init__(self, verdict="follow", channel="call"):
        self.verdict, self.channel = verdict, channel

    def review(self, asked, found):
        made = {
            "follow": fraud.follow,
            "allow": fraud.allow,
            "veto": lambda: fraud.veto("SIM swapped yesterday"),
            "demand": lambda: fraud.demand(self.channel, reason="SIM swapped"),
        }
        return made[self.verdict]()


def says(verdict, **options):
    path = f"{__name__}.Scripted"
    entry = {"BACKEND": path, "OPTIONS": {"verdict": verdict, **options}}
    return override_settings(DJANGO_VERIFY={"GUARD_POLICY": entry, "GUARD_LEVEL": "off"})


def test_a_veto_refuses_and_keeps_its_reason_for_the_operator(service):
    with says("veto"), pytest.raises(FraudBlocked) as refused:
        verifications.start(service, PHONE)
    assert "SIM" not in str(refused.value)
    decision = GuardDecision.objects.get()
    assert (decision.cause, decision.reason) == ("policy", "SIM swapped yesterday")


def test_a_veto_stands_where_the_guard_only_records(account):
    service = make_service(account, guard_record_only=True)
    with says("veto"), pytest.raises(FraudBlocked):
        verifications.start(service, PHONE)


def test_another_channel_may_be_demanded(service):
    with says("demand"), pytest.raises(ChannelDisabled) as refused:
        verifications.start(service, PHONE)
    assert refused.value.code == 60223
    assert str(refused.value).endswith("use call")
    with says("demand", channel="sms"):
        assert verifications.start(service, PHONE).status == "pending"


def test_it_may_allow_what_a_rule_or_the_guard_blocks(service):
    PrefixRule.objects.create(prefix=PHONE[:5], action="block")
    fraud.forget()
    with says("follow"), pytest.raises(FraudBlocked):
        verifications.start(service, PHONE)
    with says("allow"):
        assert verifications.start(service, PHONE).status == "pending"


def test_it_opens_no_blocked_country(account, service):
    GeoPermission.objects.create(account=account, country="US", action="block")
    fraud.forget()
    with says("allow"), pytest.raises(DestinationRefused):
        verifications.start(service, PHONE)


def test_what_it_changes_is_its_own(service, monkeypatch):
    """What it gets may be shared with every other start."""

    def review(self, asked, found):
        asked.country, asked.channel, asked.block = "DE", "call", None
        found.marks["guard"] = "recorded"
        found.counts.append(None)
        found.withheld = found.recorded = True
        return fraud.follow()

    monkeypatch.setattr(Scripted, "review", review)
    for to in (PHONE, OTHER_PHONE):
        with says("follow"):
            verifications.start(service, to)
    for attempt in VerificationAttempt.objects.all():
        assert (attempt.guard, attempt.withheld, attempt.channel) == ("", "", "sms")
    assert (dict(ALLOWED.marks), list(ALLOWED.counts)) == ({}, [])


def test_one_that_fails_lets_the_guards_decision_stand(service, caplog):
    with says("nonsense"):
        assert verifications.start(service, PHONE).status == "pending"
    assert "policy failed: KeyError" in caplog.text


def test_it_opens_no_blocked_country_behind_a_rule(account, service):
    PrefixRule.objects.create(prefix=PHONE[:5], action="block")
    GeoPermission.objects.create(account=account, country="US", action="block")
    fraud.forget()
    with says("allow"), pytest.raises(DestinationRefused):
        verifications.start(service, PHONE)


def test_what_it_allows_counts_in_the_caps(account, service):
    PrefixRule.objects.create(prefix=PHONE[:5], action="block")
    SpendCap.objects.create(account=account, period="day", amount="0.05")
    fraud.forget()
    with says("allow"):
        verifications.start(service, PHONE)
        with pytest.raises(TooManyRequests):
            verifications.start(service, PHONE[:-1] + "2")


@pytest.mark.parametrize("cause", ["burst", "cold"])
def test_what_it_allows_passes_the_bounds_of_blocks_and_countries(account, cause, monkeypatch):
    service = make_service(account, guard_level="standard")
    if cause == "burst":
        monkeypatch.setattr(places, "AT_ONCE", 0)
    else:
        fill(account, "US")
    with says("follow"), pytest.raises(FraudBlocked):
        verifications.start(service, PHONE)
    assert GuardDecision.objects.get().cause == cause
    with says("allow"):
        assert verifications.start(service, PHONE).status == "pending"


def test_a_demand_leaves_no_other_channel_behind_the_one_that_is_asked_for(service):
    wishes = {"whatsapp": {"enabled": True}, "sms": {"enabled": True}}
    with says("demand", channel="whatsapp"):
        verifications.start(service, PHONE, "whatsapp", channel_configuration=wishes)
    assert VerificationAttempt.objects.get().fallback_channel == ""
    with says("follow"):
        verifications.start(service, OTHER_PHONE, "whatsapp", channel_configuration=wishes)
    assert VerificationAttempt.objects.latest("sid").fallback_channel == "sms"


@pytest.mark.parametrize(
    "verdict",
    [None, "allow", fraud.veto(5), fraud.demand(1, 2), fraud.Policy],
    ids=["nothing", "a text", "a number as reason", "numbers as channels", "a class"],
)
def test_what_is_no_verdict_lets_the_guards_decision_stand(service, caplog, monkeypatch, verdict):
    monkeypatch.setattr(Scripted, "review", lambda self, asked, found: verdict)
    with says("follow"):
        assert verifications.start(service, PHONE).status == "pending"
    assert "policy failed: TypeError" in caplog.text


def test_a_reason_is_kept_without_what_no_database_stores(service, monkeypatch):
    monkeypatch.setattr(Scripted, "review", lambda self, asked, found: fraud.veto("a\0b"))
    with says("follow"), pytest.raises(FraudBlocked):
        verifications.start(service, PHONE)
    assert GuardDecision.objects.get().reason == "ab"


@pytest.fixture
def documented(tmp_path, monkeypatch):
    """The example of docs/fraud.md as the package `shop` on a path of its own, and its settings."""
    text = (Path(__file__).parent.parent.parent / "docs/fraud.md").read_text()
    pieces = dict(re.findall(r"^```python\n# (\S+)\n(.*?)^```", text, re.M | re.S))
    assert set(pieces) == {"shop/policies.py", "settings.py"}
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "policies.py").write_text(pieces["shop/policies.py"])
    (folder / "carrier.py").write_text(
        "swaps = {}\n\n\ndef swapped_within(number, hours):\n"
        "    return swaps.get(number, hours + 1) <= hours\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("shop", "shop.policies", "shop.carrier"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    made = {}
    exec(pieces["settings.py"], made)
    yield made["DJANGO_VERIFY"]
    for name in ("shop", "shop.policies", "shop.carrier"):
        sys.modules.pop(name, None)


def test_the_documented_policy_demands_a_call_after_a_swap(service, documented, settings):
    settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, **documented, "GUARD_LEVEL": "off"}
    assert verifications.start(service, PHONE).status == "pending"
    swaps = sys.modules["shop.carrier"].swaps
    swaps[OTHER_PHONE] = 20
    with pytest.raises(ChannelDisabled) as refused:
        verifications.start(service, OTHER_PHONE)
    assert str(refused.value).endswith("use call")
    assert GuardDecision.objects.get().reason == "the SIM was swapped within 24 hours"
    assert verifications.start(service, OTHER_PHONE, "call").channel == "call"
    swaps[OTHER_PHONE] = 30  # hours ago
    assert verifications.start(service, OTHER_PHONE).status == "pending"
    swaps[OTHER_PHONE] = 1
    PrefixRule.objects.create(prefix=OTHER_PHONE[:5], action="block")
    fraud.forget()
    with pytest.raises(FraudBlocked):  # what is refused anyway costs no call of the carrier
        verifications.start(service, OTHER_PHONE)
