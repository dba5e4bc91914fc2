"""Play Integrity: what Google is asked, what a result must hold, and what it is bound to."""

import json
import time

import pytest
import time_machine
from django.core.exceptions import ImproperlyConfigured

from django_verify.exceptions import GateRefused, GateUnavailable
from django_verify.net import google as google_accounts
from tests.gates.conftest import verify
from tests.gates.fakes import PHONE, Google
from tests.senders.fakes import FAULTS


@pytest.fixture
def google(fake):
    return fake(Google)


@pytest.fixture
def front(gate_of, google):
    def front(**options):
        known = {
            "package_name": Google.package,
            "service_account": google.service_account(),
            "endpoint": google.url,
        }
        return gate_of("play_integrity", **known | options)

    return front


def reason(gate, token, **values):
    with pytest.raises((GateRefused, GateUnavailable)) as caught:
        verify(gate, token, **values)
    return caught.value.reason


def test_a_genuine_app_passes(front, google):
    gate = front()
    token = google.issue("start", PHONE)
    result = verify(gate, token)
    hash_ = google.payloads[token.split(".", 2)[2]]["requestDetails"]
    assert result.token_key == f"{hash_['requestHash']}.{hash_['timestampMillis']}"
    assert result.lifetime > 300 + 60
    assert [asked.path for asked in google.asked] == [
        "/token",
        "/v1/com.example.app:decodeIntegrityToken",
    ]


def test_an_access_token_is_used_until_it_runs_out(front, google):
    gate = front()
    with time_machine.travel(time.time(), tick=False) as clock:
        for _ in range(3):
            verify(gate, google.issue("start", PHONE))
        assert [asked.path for asked in google.asked].count("/token") == 1
        clock.shift(3599)
        verify(gate, google.issue("start", PHONE))
        assert [asked.path for asked in google.asked].count("/token") == 2


def test_an_access_token_that_is_refused_is_forgotten(front, google):
    gate = front()
    verify(gate, google.issue("start", PHONE))
    google.access = "ya29.two"
    assert reason(gate, google.issue("start", PHONE)) == "misconfigured"
    assert verify(gate, google.issue("start", PHONE))


def test_the_nonce_of_a_classic_request_will_do(front, google):
    token = google.issue("start", PHONE)
    details = google.payloads[token.split(".", 2)[2]]["requestDetails"]
    details["nonce"] = details.pop("requestHash") + "="
    assert verify(front(), token)


@pytest.mark.parametrize(
    "asked", [{"action": "resend"}, {"subject": "+49 151 23456780"}, {"subject": ""}], ids=str
)
def test_a_token_for_something_else_is_refused(asked, front, google):
    assert reason(front(), google.issue("start", PHONE), **asked) == "wrong_subject"


def test_the_moment_is_bound(front, google):
    moment = int(time.time())
    token = google.issue("start", PHONE, moment=moment)
    assert reason(front(), token.replace(str(moment), str(moment - 1), 1)) == "wrong_subject"


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"requestDetails__requestPackageName": "com.example.other"}, "wrong_app"),
        ({"requestDetails__requestPackageName": None}, "wrong_app"),
        ({"requestDetails__requestHash": None}, "wrong_subject"),
        ({"requestDetails__requestHash": ["x"]}, "wrong_subject"),
        ({"requestDetails__timestampMillis": "1"}, "expired"),
        ({"requestDetails__timestampMillis": None}, "expired"),
        ({"requestDetails__timestampMillis": "-5"}, "expired"),
        ({"requestDetails__timestampMillis": "9" * 30}, "expired"),
        ({"appIntegrity__appRecognitionVerdict": "UNRECOGNIZED_VERSION"}, "wrong_app"),
        ({"appIntegrity__appRecognitionVerdict": "UNEVALUATED"}, "wrong_app"),
        ({"appIntegrity__packageName": "com.example.other"}, "wrong_app"),
        ({"deviceIntegrity__deviceRecognitionVerdict": []}, "wrong_device"),
        ({"deviceIntegrity__deviceRecognitionVerdict": None}, "wrong_device"),
        ({"deviceIntegrity__deviceRecognitionVerdict": ["MEETS_BASIC_INTEGRITY"]}, "wrong_device"),
        ({"deviceIntegrity__deviceRecognitionVerdict": "MEETS_DEVICE_INTEGRITY"}, "wrong_device"),
    ],
    ids=str,
)
def test_a_result_that_will_not_do_is_refused(changes, found, front, google):
    assert reason(front(), google.issue("start", PHONE, **changes)) == found


@pytest.mark.parametrize("part", ["requestDetails", "appIntegrity", "deviceIntegrity"])
@pytest.mark.parametrize("value", [None, [], "x"], ids=str)
def test_a_result_without_a_part_is_refused(part, value, front, google):
    token = google.issue("start", PHONE)
    google.payloads[token.split(".", 2)[2]][part] = value
    with pytest.raises(GateRefused):
        verify(front(), token)


def test_the_signing_certificate_may_be_demanded(front, google):
    assert verify(front(certificates=[Google.certificate]), google.issue("start", PHONE))
    padded = [Google.certificate + "=", "x"]
    assert verify(front(certificates=padded), google.issue("start", PHONE))
    assert reason(front(certificates=["other"]), google.issue("start", PHONE)) == "wrong_app"
    token = google.issue("start", PHONE, appIntegrity__certificateSha256Digest=[7, None])
    assert reason(front(certificates=["other"]), token) == "wrong_app"


def test_a_stronger_device_may_be_demanded(front, google):
    gate = front(device="MEETS_STRONG_INTEGRITY")
    assert reason(gate, google.issue("start", PHONE)) == "wrong_device"
    both = ["MEETS_DEVICE_INTEGRITY", "MEETS_STRONG_INTEGRITY"]
    token = google.issue("start", PHONE, deviceIntegrity__deviceRecognitionVerdict=both)
    assert verify(gate, token)
    assert [m.id for m in front(device="MEETS_BASIC_INTEGRITY").check()] == ["django_verify.W044"]


@pytest.mark.parametrize(
    ("age", "found"), [(298, ""), (302, "expired"), (-58, ""), (-62, "expired")]
)
def test_it_is_accepted_for_five_minutes(age, found, front, google):
    gate = front()
    with time_machine.travel(int(time.time()), tick=False):
        token = google.issue("start", PHONE, moment=int(time.time()) - age)
        assert (reason(gate, token) if found else verify(gate, token) and "") == found


def test_two_tokens_for_one_request_have_keys_of_their_own(front, google):
    gate, moment = front(), int(time.time())
    keys = set()
    for number, name in enumerate("abc"):
        millis = str(moment * 1000 + number)
        changes = {"name": name, "requestDetails__timestampMillis": millis}
        token = google.issue("start", PHONE, moment=moment, **changes)
        keys.add(verify(gate, token).token_key)
    assert len(keys) == 3


@pytest.mark.parametrize("token", ["", "x", "eyJ.a.b.c.d", "1.x.eyJ", "2.1700000000.eyJ"])
def test_another_envelope_costs_no_call(token, front, google):
    assert reason(front(), token) in {"missing", "invalid", "expired"}
    assert google.asked == []


def test_a_token_that_google_cannot_decrypt_is_refused(front):
    assert reason(front(), f"1.{int(time.time())}.eyJ.a.b.c.d") == "invalid"


@pytest.mark.parametrize(
    ("fault", "found"),
    [
        ((500, b"<h1>no"), "unavailable"),
        ((429, {}), "unavailable"),
        ((302, b"", {"Location": "/elsewhere"}), "misconfigured"),
        ((403, {"error": {"status": "PERMISSION_DENIED"}}), "misconfigured"),
        ((404, b""), "misconfigured"),
        ((200, b"<html>"), "unreadable"),
        ((200, b"[" * 50_000), "unreadable"),
        ((200, []), "unreadable"),
        ((200, {"tokenPayloadExternal": []}), "unreadable"),
    ],
    ids=str,
)
def test_without_an_answer_nobody_is_let_in(fault, found, front, google, caplog):
    gate, token = front(fail_open=True), google.issue("start", PHONE)
    verify(gate, google.issue("start", PHONE, name="before"))
    google.fault = fault
    assert reason(gate, token) == found
    assert len(google.asked) == 3
    assert google.access not in caplog.text
    assert token not in caplog.text


@pytest.mark.parametrize(
    ("fault", "found"),
    [
        ((500, b""), "unavailable"),
        ((400, {"error": "invalid_grant"}), "misconfigured"),
        ((200, b"x"), "misconfigured"),
        ((200, []), "misconfigured"),
        ((200, {"expires_in": 3599}), "misconfigured"),
        ((200, {"access_token": "x", "expires_in": "soon"}), "misconfigured"),
    ],
    ids=str,
)
def test_without_an_access_token_nobody_is_let_in(fault, found, front, google):
    gate, token = front(), google.issue("start", PHONE)
    google.fault = fault
    assert reason(gate, token) == found
    assert len(google.asked) == 1


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_google_that_breaks_off_is_unavailable(fault, front, google, quick):
    gate, token = front(), google.issue("start", PHONE)
    google.fault = fault
    assert reason(gate, token) == "unavailable"


def test_the_account_may_be_a_file(front, google, tmp_path):
    path = tmp_path / "account.json"
    path.write_text(google.service_account())
    assert verify(front(service_account=str(path)), google.issue("start", PHONE))


@pytest.mark.parametrize(
    "options",
    [
        {"service_account": "{}"},
        {"service_account": '{"private_key": 7}'},
        {"service_account": "/nowhere.json"},
        {"package_name": ""},
        {"certificates": "abc"},
    ],
    ids=str,
)
def test_impossible_options(options, front):
    with pytest.raises(ImproperlyConfigured, match=r"DJANGO_VERIFY\['BOT_PROTECTION'\]"):
        front(**options)


def test_without_the_library_it_is_not_built(front, monkeypatch):
    monkeypatch.setattr(google_accounts, "find_spec", lambda name: None)
    with pytest.raises(ImproperlyConfigured, match=r"install django-verify\[playintegrity\]"):
        front()


def test_an_account_that_cannot_be_read_is_not_shown(front, google):
    account = json.loads(google.service_account())
    account["private_key"] = account["private_key"].replace("BEGIN", "BEGINN")
    with pytest.raises(ImproperlyConfigured) as caught:
        front(service_account=json.dumps(account))
    assert account["private_key"][40:80] not in repr(caught.value.__cause__) + str(caught.value)
