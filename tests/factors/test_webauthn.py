"""The ceremonies against the test vectors of WebAuthn Level 3 (W3C), section "Test Vectors".

`webauthn_vectors.json` holds their values under the names and anchors of that section, in hex.
"""

import json
from pathlib import Path

import pytest

from django_verify import exceptions

pytest.importorskip("webauthn")
from django_verify.factors import webauthn

VECTORS = json.loads(Path(__file__).with_name("webauthn_vectors.json").read_text())
# Attestation is not asked for: what vouches for the authenticator is skipped.
RIGHT = (
    "none-es256",
    "packed-self-es256",
    "none-es256-long-credential-id",
    "packed-es256",
    "tpm-es256",
    "android-key-es256",
    "apple-es256",
    "fido-u2f-es256",
)
FRAMED = ("none-es256-crossOrigin", "none-es256-topOrigin")
OTHER_KEYS = tuple(set(VECTORS) - set(RIGHT) - set(FRAMED))


def values(name, ceremony):
    return {key: bytes.fromhex(value) for key, value in VECTORS[name][ceremony].items()}


def asked(**values):
    values.setdefault("rp_id", "example.org")
    values.setdefault("origins", ["https://example.org"])
    values.setdefault("needs_user_verification", False)
    return webauthn.Asked(**values)


def register(name, **changes):
    given = values(name, "registration")
    question = asked(**{"challenge": given["challenge"], **changes})
    credential_id = bytes.fromhex(VECTORS[name]["credential_id"])
    return webauthn.register(
        question, given["clientDataJSON"], given["attestationObject"], credential_id
    )


def authenticate(name, made):
    given = values(name, "authentication")
    return webauthn.authenticate(
        asked(challenge=given["challenge"]),
        given["clientDataJSON"],
        given["authenticatorData"],
        given["signature"],
        credential_id=made.id,
        public_key=made.public_key,
    )


def test_every_vector_is_used():
    assert set(VECTORS) > {*RIGHT, *FRAMED}
    assert len(OTHER_KEYS) >= 5


@pytest.mark.parametrize("name", RIGHT)
def test_a_vector_registers_and_authenticates(name):
    made = register(name)
    assert made.id.hex() == VECTORS[name]["credential_id"]
    found = authenticate(name, made)
    assert found.backup_eligible == made.backup_eligible
    assert found.sign_count == made.sign_count == 0


@pytest.mark.parametrize("name", FRAMED)
def test_a_vector_of_a_frame_is_refused(name):
    with pytest.raises(exceptions.InvalidClientData):
        register(name)


@pytest.mark.parametrize("name", FRAMED)
def test_an_assertion_of_a_frame_is_refused(name):
    with pytest.raises(exceptions.InvalidClientData):
        authenticate(name, register("none-es256"))


@pytest.mark.parametrize("name", sorted(OTHER_KEYS))
def test_a_vector_of_another_key_is_refused(name):
    with pytest.raises(exceptions.InvalidCredentialKey):
        register(name)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"challenge": b"x" * 32}, exceptions.InvalidClientData),
        ({"origins": ["https://example.com"]}, exceptions.InvalidClientData),
        ({"rp_id": "example.com"}, exceptions.InvalidAttestation),
        ({"needs_user_verification": True}, exceptions.InvalidAttestation),
    ],
    ids=str,
)
def test_a_right_vector_for_another_question(changes, error):
    """The first vector's authenticator did not verify its user."""
    with pytest.raises(error):
        register("none-es256", **changes)


def test_an_assertion_of_another_credential():
    with pytest.raises(exceptions.InvalidCredentialSignature):
        authenticate("none-es256", register("packed-self-es256"))


@pytest.mark.parametrize("cut", range(0, 240, 7))
def test_a_cut_attestation_is_refused(cut):
    given = values("none-es256", "registration")
    whole = given["attestationObject"]
    with pytest.raises(exceptions.VerifyError):
        webauthn.register(
            asked(challenge=given["challenge"]),
            given["clientDataJSON"],
            whole[: min(cut, len(whole) - 1)],
        )
