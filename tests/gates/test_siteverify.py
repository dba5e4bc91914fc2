"""Turnstile, hCaptcha and reCAPTCHA: what each is asked, and how its answers are verified."""

import pytest
from django.core.exceptions import ImproperlyConfigured

from django_verify.exceptions import GateRefused, GateUnavailable
from tests.gates import fakes
from tests.gates.conftest import verify
from tests.gates.fakes import HOST, IP, SECRET
from tests.senders.fakes import FAULTS

PROVIDERS = {
    "turnstile": (fakes.Turnstile, {}),
    "hcaptcha": (fakes.HCaptcha, {"sitekey": fakes.HCaptcha.sitekey}),
    "recaptcha": (fakes.Recaptcha, {}),
}
every_provider = pytest.mark.parametrize("name", PROVIDERS)


@pytest.fixture
def front(gate_of, fake):
    """`front(name, **options)`: the gate and the fake behind it."""

    def front(name, **options):
        kind, needed = PROVIDERS[name]
        provider = fake(kind)
        known = {"secret": SECRET, "hostnames": [HOST], "endpoint": f"{provider.url}/siteverify"}
        return gate_of(name, **known | needed | options), provider

    return front


def reason(gate, token="good-1", **values):
    with pytest.raises((GateRefused, GateUnavailable)) as caught:
        verify(gate, token, **values)
    return caught.value.reason


@every_provider
def test_a_good_token_passes(name, front):
    gate, provider = front(name)
    result = verify(gate, "good-1")
    assert result.token_key == "good-1"
    assert result.lifetime >= 240
    (asked,) = provider.asked
    form = {"secret": SECRET, "response": "good-1", "remoteip": IP}
    assert asked.form == form | PROVIDERS[name][1]
    assert asked.query == {}


@every_provider
def test_a_recipient_that_is_unknown_is_not_reported(name, front):
    gate, provider = front(name)
    verify(gate, "good-1", remote_ip="")
    assert "remoteip" not in provider.asked[0].form


@every_provider
def test_the_provider_itself_refuses_a_replay(name, front):
    gate, _ = front(name)
    verify(gate, "good-1")
    assert reason(gate) == {"hcaptcha": "used"}.get(name, "expired")


@every_provider
@pytest.mark.parametrize(
    ("token", "found"),
    [("", "missing"), ("bad", "invalid"), ("old", "expired")],
)
def test_what_the_provider_refuses_is_refused(name, token, found, front):
    gate, _ = front(name)
    assert reason(gate, token) == found


@every_provider
@pytest.mark.parametrize(
    "token", ["", "good\n", "good 1", "göod", "good\0", "\ud800", "g" * 9000], ids=ascii
)
def test_what_no_provider_issues_costs_no_call(name, token, front):
    gate, provider = front(name)
    assert reason(gate, token) in {"missing", "invalid"}
    assert provider.asked == []


@every_provider
@pytest.mark.parametrize("host", ["evil.example", f"x{HOST}", f"{HOST}.", "", None, 7, [HOST]])
def test_a_token_of_another_page_is_refused(name, host, front):
    gate, provider = front(name)
    provider.more = {"hostname": host}
    assert reason(gate) == "wrong_host"


@every_provider
def test_hostnames_are_compared_without_case(name, front):
    gate, provider = front(name, hostnames=["Example.COM", HOST])
    provider.more = {"hostname": "EXAMPLE.com"}
    assert verify(gate, "good-1")


@every_provider
def test_without_hostnames_any_page_will_do_and_a_check_warns(name, front):
    gate, provider = front(name, hostnames=[])
    provider.more = {"hostname": "anywhere.example"}
    assert verify(gate, "good-1")
    assert [m.id for m in gate.check()] == ["django_verify.W043"]


@pytest.mark.parametrize("name", ["turnstile", "recaptcha"])
def test_the_action_is_that_of_the_request(name, front):
    gate, provider = front(name)
    assert verify(gate, "good-1", action="start")
    assert reason(gate, "good-2", action="resend") == "wrong_action"
    provider.more = {"action": None}
    assert reason(gate, "good-3", action="start") == "wrong_action"


@pytest.mark.parametrize("name", ["turnstile", "recaptcha"])
def test_the_action_may_be_an_option(name, front):
    gate, _ = front(name, action="start")
    assert verify(gate, "good-1", action="resend")
    gate, _ = front(name, action="sign-up")
    assert reason(gate, "good-2", action="start") == "wrong_action"
    gate, _ = front(name, action="")
    assert verify(gate, "good-3", action="resend")


@pytest.mark.parametrize(
    "score", [0.49, 0, -1, None, "0.9", True, float("nan"), float("-inf"), [1], {}]
)
def test_a_low_score_is_refused(score, front):
    gate, provider = front("recaptcha")
    provider.more = {"score": score}
    assert reason(gate) == "low_score"


def test_scores_are_compared_with_the_least(front):
    gate, _ = front("recaptcha")
    assert reason(gate, "good-but-odd") == "low_score"
    gate, _ = front("recaptcha", minimum_score=0.1)
    assert verify(gate, "good-but-odd")
    gate, provider = front("recaptcha", minimum_score=1)
    provider.more = {"score": 1}
    assert verify(gate, "good-1")


def test_version_2_has_neither_score_nor_action(front):
    gate, provider = front("recaptcha", minimum_score=None)
    provider.more = {"score": None, "action": None}
    assert verify(gate, "good-1", action="resend")


def test_a_token_of_another_site_key_is_refused(front):
    gate, _ = front("hcaptcha", sitekey="20000000-ffff-ffff-ffff-000000000002")
    assert reason(gate) == "wrong_site"


@every_provider
def test_a_wrong_secret_is_our_fault_and_lets_nobody_in(name, front, caplog):
    gate, _ = front(name, secret="planted-wrong-secret", fail_open=True)
    assert reason(gate) == "misconfigured"
    assert "misconfigured: invalid-input-secret" in caplog.text
    assert "planted-wrong-secret" not in caplog.text
    assert "good-1" not in caplog.text


@every_provider
@pytest.mark.parametrize(
    ("codes", "found"),
    [
        (["bad-request"], "misconfigured"),
        (["invalid-input-response", "missing-input-secret"], "misconfigured"),
        (["internal-error"], "unavailable"),
        ([], "invalid"),
        (["something-new"], "invalid"),
        (["\nforged line", 7, None, {}], "invalid"),
        (None, "invalid"),
        ("bad-request", "invalid"),
        ({}, "invalid"),
    ],
    ids=str,
)
def test_the_providers_errors(name, codes, found, front, caplog):
    gate, provider = front(name)
    for status in (200, 400):
        provider.fault = status, {"success": False, "error-codes": codes}
        assert reason(gate) == found
    assert "forged" not in caplog.text


@every_provider
@pytest.mark.parametrize(
    ("fault", "found"),
    [
        ((500, b"<h1>no"), "unavailable"),
        ((503, {"success": True}), "unavailable"),
        ((429, {"success": True}), "unavailable"),
        ((302, b"", {"Location": "/elsewhere"}), "unreadable"),
        ((301, {"success": True, "hostname": HOST, "action": "start", "score": 1}), "unreadable"),
        ((403, {"success": True}), "unreadable"),
        ((200, b""), "unreadable"),
        ((200, b"<html>"), "unreadable"),
        ((200, b"[" * 50_000), "unreadable"),
        ((200, b"\xff\xfe"), "unreadable"),
        ((200, []), "unreadable"),
        ((200, {}), "unreadable"),
        ((200, {"success": "true"}), "unreadable"),
        ((200, {"success": 1}), "unreadable"),
        ((200, b'{"success": true, "x": "' + b"x" * 70_000), "unreadable"),
        ((400, {"success": None}), "unreadable"),
    ],
    ids=str,
)
def test_without_an_answer_nobody_is_let_in(name, fault, found, front):
    gate, provider = front(name)
    provider.fault = fault
    assert reason(gate) == found
    assert len(provider.asked) == 1  # neither another try, nor a redirect


@every_provider
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_provider_that_breaks_off_is_unavailable(name, fault, front, quick, caplog):
    gate, provider = front(name)
    provider.fault = fault
    assert reason(gate) == "unavailable"
    assert "good-1" not in caplog.text
    assert SECRET not in caplog.text


@every_provider
def test_a_provider_that_is_not_there_is_unavailable(name, front):
    gate, provider = front(name)
    provider.close()
    assert reason(gate) == "unavailable"


@every_provider
@pytest.mark.parametrize(
    "secret",
    [
        "1x0000000000000000000000000000000AA",
        "0x0000000000000000000000000000000000000000",
        "6LeIxAcTAAAAAGG-vFI1TnRWxMZNFuojJ4WifJWe",
    ],
)
def test_the_secret_that_lets_anything_pass_is_for_development(name, secret, front):
    place = {"1": "turnstile", "0": "hcaptcha", "6": "recaptcha"}[secret[0]]
    gate, _ = front(name, secret=secret)
    assert gate.development is (place == name)


@every_provider
@pytest.mark.parametrize(
    "options", [{"hostnames": HOST}, {"secret": ""}, {"sitekey": ""}, {"minimum_score": 0}], ids=str
)
def test_impossible_options(name, options, front):
    with pytest.raises(ImproperlyConfigured, match=r"DJANGO_VERIFY\['BOT_PROTECTION'\]"):
        front(name, **options)
