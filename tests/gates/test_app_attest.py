"""App Attest: every step of Apple's guide has a device that fails it, and nothing but that."""

import base64
import datetime as dt
from pathlib import Path

import cbor2
import pytest
import time_machine
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from django_verify.exceptions import GateRefused
from django_verify.gates import app_attest, app_tokens
from django_verify.gates.app_attest import AppAttestGate
from tests.gates import attestations
from tests.gates.attestations import APP, Apple, Device, apple

SUBJECT = "+49 151 23456789"


def gate(**options):
    return AppAttestGate(**{"app_id": APP, "root": apple().pem} | options)


def verify(token, *, action="start", subject=SUBJECT, **options):
    return gate(**options).verify(token, remote_ip="203.0.113.7", action=action, subject=subject)


def reason(token, **values):
    with pytest.raises(GateRefused) as caught:
        verify(token, **values)
    return caught.value.reason


def test_a_genuine_app_passes():
    device = Device()
    result = verify(device.token())
    assert result.token_key == device.hash.hex()
    assert result.lifetime > 300 + 60


def test_every_spelling_of_one_attestation_has_one_key():
    device = Device()
    version, moment, key_id, attestation = device.token().split(".")
    plain = [
        base64.b64encode(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))).decode()
        for part in (key_id, attestation)
    ]
    keys = {verify(device.token()).token_key, verify(".".join([version, moment, *plain])).token_key}
    raw = cbor2.dumps(device.parts()) + b"more"
    assert keys == {verify(device.token(raw)).token_key}


@pytest.mark.parametrize(
    ("said", "asked"),
    [
        ({"action": "resend"}, {}),
        ({"subject": "+49 151 23456780"}, {}),
        ({}, {"subject": "+4915123456789"}),
        ({"action": "start\nx"}, {}),
        ({"nonce_head": bytes.fromhex("3022042000")}, {}),
    ],
    ids=str,
)
def test_an_attestation_for_something_else_is_refused(said, asked):
    assert reason(Device(**said).token(), **asked) == "wrong_subject"


def test_the_moment_is_signed_over():
    device = Device()
    token = device.token().replace(f"1.{device.moment}.", f"1.{device.moment - 1}.")
    assert reason(token) == "wrong_subject"


@pytest.mark.parametrize(
    ("age", "found"), [(-59, None), (-62, "expired"), (299, None), (302, "expired")]
)
def test_it_is_accepted_for_five_minutes(age, found):
    now = dt.datetime.now(dt.UTC)
    with time_machine.travel(now, tick=False):
        token = Device(moment=int(now.timestamp()) - age).token()
        assert (verify(token) and None if found is None else reason(token)) == found


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ({"app": "ABCDE12345.com.example.other"}, "wrong_app"),
        ({"aaguid": attestations.DEVELOPMENT}, "wrong_app"),
        ({"aaguid": bytes(16)}, "wrong_app"),
        ({"counter": 1}, "invalid"),
        ({"flags": 0}, "invalid"),
        ({"credential": bytes(32)}, "invalid"),
        ({"credential": bytes(31)}, "invalid"),
        ({"credential": b""}, "invalid"),
        ({"key_id": bytes(32)}, "invalid"),
        ({"key_id": b"x"}, "invalid"),
        # Told the same in both places, and no hash of the certified key.
        ({"key_id": bytes(32), "credential": bytes(32)}, "invalid"),
        ({"curve": ec.SECP384R1()}, "invalid"),
        ({"nonce_oid": x509.ObjectIdentifier("1.2.840.113635.100.8.3")}, "invalid"),
        ({"issuer": "Root"}, "invalid"),
        ({"leaf": {"days": (-3, -1)}}, "invalid"),
        ({"leaf": {"days": (1, 3)}}, "invalid"),
        ({"leaf": {"authority": True}}, "invalid"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else value,
)
def test_a_device_that_fails_one_step_is_refused(values, found):
    assert reason(Device(**values).token()) == found


def test_a_critical_demand_that_is_unknown_is_refused():
    strange = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
    assert (
        reason(Device(between=apple().authority(extensions=[(strange, True)])).token()) == "invalid"
    )
    assert verify(Device(between=apple().authority(extensions=[(strange, False)])).token())


@pytest.mark.parametrize(
    "values",
    [{"authority": False}, {"usage": False}, {"days": (-3, -1)}, {"days": (1, 3)}],
    ids=str,
)
def test_an_authority_that_is_none_is_refused(values):
    assert reason(Device(between=apple().authority(**values)).token()) == "invalid"


def test_another_root_is_refused():
    other = Apple()
    assert reason(Device(by=other).token()) == "invalid"
    assert verify(Device(by=other).token(), root=other.pem)
    # Certified by ours, signed by another's key of the same name.
    mixed = Apple(root_key=apple().root_key)
    assert reason(Device(between=mixed.between).token()) == "invalid"


def test_the_environment_is_one_of_two():
    token = Device(aaguid=attestations.DEVELOPMENT).token()
    assert verify(token, environment="development")
    assert reason(Device().token(), environment="development") == "wrong_app"
    assert gate(environment="development").development
    assert not gate().development


@pytest.mark.parametrize(
    "raw",
    [
        b"x",
        b"\x81" * 10_000,
        b"\xa1" * 5_000,
        b"\x9b" + b"\xff" * 8,
        b"\x5b" + b"\xff" * 8,
        bytes.fromhex("c48201c249") + b"\xff" * 9,
        bytes.fromhex("c5821b7fffffffffffffff03"),
        cbor2.dumps([1]),
        cbor2.dumps("text"),
    ],
    ids=lambda raw: raw[:12].hex() + f"-{len(raw)}",
)
def test_what_is_no_attestation_is_refused(raw):
    assert reason(Device().token(raw)) == "invalid"


@pytest.mark.parametrize(
    "changes",
    [
        lambda leaf, between: {"fmt": "packed"},
        lambda leaf, between: {"fmt": ["apple-appattest"]},
        lambda leaf, between: {"attStmt": []},
        lambda leaf, between: {"attStmt": {}},
        lambda leaf, between: {"authData": "text"},
        lambda leaf, between: {"authData": b""},
        lambda leaf, between: {"attStmt": {"x5c": None}},
        lambda leaf, between: {"attStmt": {"x5c": []}},
        lambda leaf, between: {"attStmt": {"x5c": [leaf]}},
        lambda leaf, between: {"attStmt": {"x5c": [leaf, between, between]}},
        lambda leaf, between: {"attStmt": {"x5c": [between, leaf]}},
        lambda leaf, between: {"attStmt": {"x5c": [leaf, leaf]}},
        lambda leaf, between: {"attStmt": {"x5c": ["a", "b"]}},
        lambda leaf, between: {"attStmt": {"x5c": [b"", b""]}},
        lambda leaf, between: {"attStmt": {"x5c": [leaf[:-1], between]}},
        lambda leaf, between: {"attStmt": {"x5c": [leaf, between[:-1]]}},
        lambda leaf, between: {"attStmt": {"x5c": {0: leaf, 1: between}}},
    ],
)
def test_an_attestation_of_another_shape_is_refused(changes):
    device = Device()
    parts = device.parts()
    assert verify(device.token(cbor2.dumps(parts)))
    different = changes(*parts["attStmt"]["x5c"])
    assert reason(device.token(cbor2.dumps(parts | different))) == "invalid"


def test_authenticator_data_cut_short_are_refused():
    device = Device()
    parts = device.parts()
    for length in (0, 36, 52, 86):
        short = parts | {"authData": parts["authData"][:length]}
        assert reason(device.token(cbor2.dumps(short))) == "invalid"


# Of certificates that a library of tomorrow may refuse to read.
@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
@given(st.binary(max_size=200), st.integers(0, 2000), st.integers(0, 255))
@examples(deadline=None, database=None, max_examples=200)
def test_no_bytes_raise_anything_else(noise, at, byte):
    device = Device()
    whole = bytearray(cbor2.dumps(device.parts()))
    whole[at % len(whole)] = byte
    for raw in (noise, bytes(whole)):
        try:
            verify(device.token(raw))
        except GateRefused as error:
            assert error.reason in {"invalid", "wrong_app", "wrong_subject"}


@pytest.mark.parametrize(
    "token",
    [
        "x",
        "1",
        "1..",
        "1.1.a.b",
        "2.1700000000.YQ.YQ",
        "1.17000000٠0.YQ.YQ",
        "1.-1700000000.YQ.YQ",
        "1.1700000000.YQ",
        "1.1700000000.YQ.Y",
        "1.1700000000.YQ.$$",
        "1.1700000000.YQ.YQ.YQ",
        "1.1700000000.YQ.YQ\n",
        "1.1700000000..YQ",
    ],
)
def test_another_envelope_is_refused(token):
    with time_machine.travel(1_700_000_000, tick=False):
        assert reason(token) == "invalid"


def test_another_version_of_the_envelope_is_refused():
    assert reason("2" + Device().token()[1:]) == "invalid"


def test_a_lone_surrogate_is_a_subject_like_any_other():
    assert reason(Device().token(), subject="\ud800") == "wrong_subject"


@pytest.mark.parametrize(
    "options",
    [
        {"app_id": "com.example.app"},
        {"app_id": ""},
        {"environment": "sandbox"},
        {"root": "-----BEGIN nothing"},
        {"root": "/nowhere.pem"},
    ],
    ids=str,
)
def test_impossible_options(options):
    with pytest.raises((ValueError, OSError)):
        gate(**options)


def test_the_root_may_be_a_file(tmp_path):
    path = tmp_path / "root.pem"
    path.write_text(apple().pem)
    assert verify(Device().token(), root=str(path))


def test_the_root_is_apples_by_default():
    root = x509.load_pem_x509_certificate(app_attest.APPLE_ROOT.encode())
    root.verify_directly_issued_by(root)
    assert root.subject.rfc4514_string() == (
        "ST=California,O=Apple Inc.,CN=Apple App Attestation Root CA"
    )
    assert root.fingerprint(SHA256()).hex() == (
        "1cb9823ba28ba6ad2d33a006941de2ae4f513ef1d4e831b9f7e0fa7b6242c932"
    )
    assert reason(Device().token(), root=app_attest.APPLE_ROOT) == "invalid"


def test_the_digest_is_the_documented_one():
    page = (Path(__file__).parents[2] / "docs/gates.md").read_text(encoding="utf-8")
    ours = app_tokens.digest("start", SUBJECT, 1_700_000_000)
    assert f"`{ours.hex()}`" in page
    assert attestations.digest("start", SUBJECT, 1_700_000_000) == ours


def test_a_missing_library_is_reported(monkeypatch):
    monkeypatch.setattr(app_attest, "find_spec", lambda name: None)
    (error,) = gate().check()
    assert error.id == "django_verify.E044"
