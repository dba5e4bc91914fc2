"""The keys of proofs: rotation, what is no key, the published set, and other people's libraries."""

import hmac
import json
import subprocess
import sys
import traceback

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from joserfc import jws
from joserfc.jwk import KeySet

from django_verify import checks, conf, proofs
from django_verify.crypto import codes
from django_verify.proofs import keys as proof_keys
from django_verify.proofs import tokens
from tests.conftest import PHONE
from tests.proof import (
    ED25519,
    OTHER_P256,
    P256,
    RINGS,
    SID,
    URL,
    issue,
    opened,
    pem,
    public_pem,
    reason,
    redeem,
    segment,
)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(params=RINGS)
def algorithm(request, settings):
    settings.DJANGO_VERIFY = {"BASE_URL": URL, "PROOF_KEYS": RINGS[request.param]}
    return request.param


def test_shared_keys_rotate_with_the_ring(settings):
    old, new = "o" * 40, "n" * 40
    settings.DJANGO_VERIFY = {"KEYS": {"old": old}}
    token = issue()
    settings.DJANGO_VERIFY = {"KEYS": {"new": new, "old": old}}
    assert opened(issue().split(".")[0])["kid"] == "new"
    redeem(token)
    assert reason(issue()) == "already_used"
    settings.DJANGO_VERIFY = {"KEYS": {"new": new}}
    assert reason(token) == "bad_signature"


def test_the_secret_key_and_its_fallbacks(settings):
    token = issue()
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another key for the tests, of more than fifty characters in all"
    assert proofs.read(token, purpose="sign-up")
    settings.SECRET_KEY_FALLBACKS = []
    assert reason(token) == "bad_signature"


def test_key_pairs_rotate(settings):
    settings.DJANGO_VERIFY = {"PROOF_KEYS": {"a": P256}}
    token = issue()
    settings.DJANGO_VERIFY = {"PROOF_KEYS": {"b": ED25519, "a": P256}}
    assert opened(issue().split(".")[0]) == {"typ": tokens.TYPE, "alg": "EdDSA", "kid": "b"}
    assert redeem(token).subject == PHONE
    settings.DJANGO_VERIFY = {"PROOF_KEYS": {"b": ED25519}}
    assert reason(token) == "bad_signature"
    settings.DJANGO_VERIFY = {"PROOF_KEYS": {"a": OTHER_P256}}
    assert reason(token) == "bad_signature"


def test_a_key_pair_may_be_in_a_file(settings, tmp_path):
    file = tmp_path / "proof.pem"
    file.write_text(P256)
    settings.DJANGO_VERIFY = {"PROOF_KEYS": {"a": str(file)}}
    token = issue()
    settings.DJANGO_VERIFY = {"PROOF_KEYS": {"a": "\n" + P256}}
    assert redeem(token).subject == PHONE
    assert checks.check_settings() == []


P384 = pem(ec.generate_private_key(ec.SECP384R1()))
RSA = pem(rsa.generate_private_key(65537, 2048))
LOCKED = pem(ed25519.Ed25519PrivateKey.generate(), BestAvailableEncryption(b"password"))


@pytest.mark.parametrize(
    "text",
    [
        P384,
        RSA,
        LOCKED,
        public_pem(P256).decode(),
        P256[:60],
        P256.replace("-----BEGIN", "BEGIN").replace("\n", ""),
        "-----BEGIN PRIVATE KEY-----\nplanted\n-----END PRIVATE KEY-----",
        "/nowhere/planted",
        "planted\0",
        "planted" * 1000,
        "/",
    ],
    ids=lambda text: ascii(text[:30]),
)
def test_what_is_no_key_fails_the_check_and_is_not_shown(settings, text):
    settings.DJANGO_VERIFY = {"PROOF_KEYS": {"good": P256, "bad": text}}
    (found,) = checks.check_settings()
    assert found.id == "django_verify.E040"
    assert "'bad'" in found.msg
    with pytest.raises(ImproperlyConfigured) as caught:
        issue()
    received = "".join(traceback.format_exception(caught.value))
    body = text.splitlines()[1] if "\n" in text else text
    assert len(body) < 4 or body not in received
    assert "planted" not in found.msg


def test_no_repr_shows_a_key(algorithm):
    shown = repr(proof_keys.ring())
    (key,) = proof_keys.ring().values()
    assert repr(key) == f"{type(key).__name__}()"
    assert repr(codes.proof_key(next(iter(conf.key_ring())))) not in shown


def key_set(client=None):
    return (client or Client()).get("/verify/jwks.json")


def test_a_shared_key_is_not_published():
    answer = key_set()
    assert (answer.status_code, answer.json()) == (200, {"keys": []})


def test_the_key_set(settings, django_assert_num_queries):
    settings.DJANGO_VERIFY = {"PROOF_KEYS": {"b": ED25519, "a": P256}}
    with django_assert_num_queries(0):
        answer = key_set()
    assert answer["Content-Type"] == "application/jwk-set+json"
    assert set(answer["Cache-Control"].split(", ")) == {"public", "max-age=300"}
    new, old = answer.json()["keys"]
    assert new.keys() == {"kid", "kty", "use", "alg", "crv", "x"}
    assert old.keys() == {"kid", "kty", "use", "alg", "crv", "x", "y"}
    named = [(key["kid"], key["kty"], key["use"], key["alg"], key["crv"]) for key in (new, old)]
    assert named == [("b", "OKP", "sig", "EdDSA", "Ed25519"), ("a", "EC", "sig", "ES256", "P-256")]
    assert "vary" not in answer


def test_coordinates_have_their_full_length():
    """One key in 128 has a coordinate that begins with a zero byte."""
    for number in range(1, 400):
        key = proof_keys.Elliptic(ec.derive_private_key(number, ec.SECP256R1()))
        assert {len(key.public()[name]) for name in "xy"} == {43}


@pytest.mark.parametrize("method", ["post", "put", "delete", "patch", "options"])
def test_the_key_set_is_only_read(method):
    assert getattr(Client(), method)("/verify/jwks.json").status_code == 405
    assert Client().head("/verify/jwks.json").status_code == 200


# One of them warns of the algorithm's name, which the others know by no other one.
@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
def test_other_libraries_accept_proofs_by_the_published_keys(algorithm):
    token = issue()
    if algorithm == "HS256":
        keys = codes.proof_key(next(iter(conf.key_ring())))
    else:
        published = key_set().json()
        found = jws.deserialize_compact(
            token, KeySet.import_key_set(published), algorithms=[algorithm]
        )
        assert json.loads(found.payload)["sub"] == PHONE
        keys = jwt.PyJWKSet.from_dict(published)["2026-06"]
    claims = jwt.decode(token, keys, algorithms=[algorithm], audience=URL, issuer=URL)
    assert (claims["sub"], claims["jti"]) == (PHONE, SID)
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(token[:-8] + "AAAAAAAA", keys, algorithms=[algorithm], audience=URL)


def test_a_proof_that_another_library_signed_is_accepted(algorithm):
    """The oracle the other way round: our reading agrees with its writing."""
    head, body, _ = issue().split(".")
    key = {"HS256": codes.proof_key(next(iter(conf.key_ring()))), "ES256": P256, "EdDSA": ED25519}
    headers = {"kid": opened(head)["kid"], "typ": tokens.TYPE}
    token = jwt.encode(opened(body), key[algorithm], algorithm=algorithm, headers=headers)
    assert redeem(token).subject == PHONE


def test_the_default_is_plain_hmac():
    """By nothing but the standard library, from the key that `codes` derives."""
    message, _, last = issue().rpartition(".")
    key = codes.proof_key(next(iter(conf.key_ring())))
    assert last == segment(hmac.digest(key, message.encode(), "sha256"))


def test_proofs_need_no_extra():
    code = """
import sys
sys.modules["joserfc"] = sys.modules["jwt"] = None
import django
django.setup()
import datetime as dt
from django_verify import proofs
now = dt.datetime.now(dt.UTC)
token = proofs.issue(sid="CV1", subject="+14155552671", channel="sms", service_sid="VA1",
                     purpose="x", approved_at=now)
print(proofs.read(token, purpose="x").subject)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"DJANGO_SETTINGS_MODULE": "tests.bare", "PATH": ""},
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == PHONE, done.stderr
