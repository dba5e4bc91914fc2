"""RFC 6238 against its own vectors and against pyotp; the contract's URI; seeds."""

import base64
from types import SimpleNamespace

import pyotp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_verify import exceptions
from django_verify.crypto import codes
from django_verify.factors import entities, totp
from django_verify.models import Factor

SEEDS = {
    "sha1": b"12345678901234567890",
    "sha256": b"12345678901234567890123456789012",
    "sha512": b"1234567890" * 6 + b"1234",
}
# RFC 6238, appendix B: second, and the code of each algorithm.
VECTORS = [
    (59, "94287082", "46119246", "90693936"),
    (1111111109, "07081804", "68084774", "25091201"),
    (1111111111, "14050471", "67062674", "99943326"),
    (1234567890, "89005924", "91819424", "93441116"),
    (2000000000, "69279037", "90698825", "38618901"),
    (20000000000, "65353130", "77737706", "47863826"),
]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: str(vector[0]))
def test_the_vectors_of_the_rfc(vector):
    moment, *expected = vector
    found = [
        totp.code_at(seed, moment, time_step=30, digits=8, algorithm=name)
        for name, seed in SEEDS.items()
    ]
    assert found == expected


@given(
    seed=st.binary(min_size=20, max_size=80),
    moment=st.integers(0, 2**40),
    time_step=st.integers(20, 60),
    algorithm=st.sampled_from(sorted(totp.ALGORITHMS)),
)
def test_pyotp_agrees_over_all_digits_steps_and_algorithms(seed, moment, time_step, algorithm):
    # Ten digits are pyotp's most: the shorter codes are their tails.
    oracle = pyotp.TOTP(
        base64.b32encode(seed).decode(), digits=10, digest=algorithm, interval=time_step
    ).generate_otp(moment // time_step)
    for digits in range(3, 9):
        code = totp.code_at(seed, moment, time_step=time_step, digits=digits, algorithm=algorithm)
        assert code == oracle[-digits:]


def test_the_uri_is_the_contracts():
    config = {"alg": "sha1", "code_length": 6, "time_step": 30}
    secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
    assert totp.uri(secret, "test-issuer", "John’s Account Name", config) == (
        "otpauth://totp/test-issuer:John%E2%80%99s%20Account%20Name"
        "?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=test-issuer"
        "&algorithm=SHA1&digits=6&period=30"
    )


def test_a_name_cannot_add_to_the_uri():
    config = {"alg": "sha256", "code_length": 8, "time_step": 60}
    found = totp.uri("ABC", "A:B/?", "x&secret=Y#é", config)
    assert found == (
        "otpauth://totp/A%3AB%2F%3F:x%26secret%3DY%23%C3%A9"
        "?secret=ABC&issuer=A%3AB%2F%3F&algorithm=SHA256&digits=8&period=60"
    )
    assert pyotp.parse_uri(found.replace("ABC", "GEZDGNBVGY3TQOJQ" * 2)).name == "x&secret=Y#é"


def enrol(service, **params):
    return entities.enrol(service, "user-0001", "totp", "Phone", params=params)


def seed_of(factor):
    return totp.Totp().binding(factor)["secret"]


@pytest.mark.parametrize(("algorithm", "length"), [("sha1", 32), ("sha256", 52), ("sha512", 103)])
def test_a_new_seed_is_as_long_as_the_hash(service, algorithm, length):
    factor = enrol(service, config_alg=algorithm)
    assert len(seed_of(factor)) == length
    assert seed_of(enrol(service, config_alg=algorithm)) != seed_of(factor)


@pytest.mark.parametrize(
    "given",
    ["GEZDGNBVGY3TQOJQ", "gezdgnbvgy3tqojq", "GEZDGNBVGY3TQOJQGE======", "A" * 256],
    ids=["short", "lower case", "padded", "longest"],
)
def test_a_callers_seed_is_kept(service, given):
    factor = enrol(service, binding_secret=given)
    assert seed_of(factor) == given.upper().rstrip("=")
    assert given.upper().rstrip("=") not in factor.sealed_secret


@pytest.mark.parametrize(
    "given", ["A" * 15, "A" * 257, "A1" * 8, "A" * 16 + " ", "é" * 16, "A" * 17, "A=A" * 8]
)
def test_what_is_no_seed(service, given):
    with pytest.raises(exceptions.InvalidFactorParameter):
        enrol(service, binding_secret=given)
    assert not Factor.objects.exists()


def test_an_entity_binds_a_seed_once(service):
    enrol(service, binding_secret="GEZDGNBVGY3TQOJQ")
    with pytest.raises(exceptions.BindingExists):
        enrol(service, binding_secret="gezdgnbvgy3tqojq")
    # Another entity's conflict would reveal whose seed it is.
    entities.enrol(
        service, "user-0002", "totp", "Phone", params={"binding_secret": "GEZDGNBVGY3TQOJQ"}
    )


def test_the_services_values_are_the_defaults(service):
    service.totp_time_step, service.totp_skew, service.totp_code_length = 60, 0, 8
    assert enrol(service).config == {
        "alg": "sha1",
        "skew": 0,
        "code_length": 8,
        "time_step": 60,
    }
    assert enrol(service, config_skew=2, config_alg="sha512").config["skew"] == 2


def test_the_issuer_is_the_services_name_unless_it_has_one(service):
    factor = enrol(service)
    assert "otpauth://totp/Acme:Phone?" in totp.Totp().binding(factor)["uri"]
    service.totp_issuer = "Acme Shop"
    assert "otpauth://totp/Acme%20Shop:Phone?" in totp.Totp().binding(factor)["uri"]


def factor_with(**values):
    config = {"alg": "sha1", "skew": 1, "code_length": 6, "time_step": 30}
    row = Factor(config={**config, **values.pop("config", {})}, **values)
    row.sealed_secret = codes.seal(
        base64.b32encode(SEEDS["sha1"]).decode(), bound_to=row.sid, key_id=row.key_id
    )
    return row


def proof(row, code, second):
    return totp.Totp().prove(row, code, SimpleNamespace(timestamp=lambda: second))


def code(second, time_step=30):
    return totp.code_at(SEEDS["sha1"], second, time_step=time_step, digits=6, algorithm="sha1")


@pytest.mark.parametrize("skew", [0, 1, 2])
def test_the_skew_counts_steps_on_each_side(skew):
    row = factor_with(config={"skew": skew})
    now = 1_000_000_015
    for distance in range(-4, 5):
        found = proof(row, code(now + 30 * distance), now)
        assert (found is not None) == (abs(distance) <= skew), distance


def test_only_steps_younger_than_the_last_accepted_one_count():
    now = 1_000_000_000
    step = now // 30 * 30
    row = factor_with(last_step=step - 30)
    assert proof(row, code(now - 30), now) is None
    found = proof(row, code(now), now)
    assert found.where == {"last_step__lt": step}
    assert found.changes["last_step"] == step


def test_longer_steps_do_not_open_old_seconds_again():
    now = 1_000_000_000 // 60 * 60 + 45
    row = factor_with(last_step=now // 30 * 30, config={"time_step": 60, "skew": 0})
    assert proof(row, code(now, 60), now) is None
    assert proof(row, code(now + 60, 60), now + 60) is not None


def test_a_seed_whose_key_has_gone_makes_no_code_right():
    row = factor_with()
    row.key_id = "gone"
    assert proof(row, code(1_000_000_000), 1_000_000_000) is None


@pytest.mark.parametrize(
    "payload", ["", "12345", "1234567", "12345a", "１２３４５６", "12345\n", "-12345", "٣" * 6]
)
def test_what_cannot_be_a_code_is_refused_before_it_is_charged(payload):
    with pytest.raises(exceptions.InvalidFactorParameter):
        totp.Totp().read(factor_with(), payload)
