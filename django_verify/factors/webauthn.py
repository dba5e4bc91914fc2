"""The two ceremonies of WebAuthn, on bytes: a browser's answer verified against its question.

Needs the extra `passkeys`; nothing else of the package imports this module at once. There are no
rows, no clock and no SIDs here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from webauthn import verify_registration_response
from webauthn.helpers import (
    bytes_to_base64url,
    decode_credential_public_key,
    decoded_public_key_to_cryptography,
    encode_cbor,
    parse_authenticator_data,
    parse_cbor,
    verify_signature,
)
from webauthn.helpers.cose import COSEAlgorithmIdentifier
from webauthn.helpers.structs import (
    AuthenticatorAttestationResponse,
    AuthenticatorData,
    RegistrationCredential,
)

from django_verify.exceptions import (
    InvalidAttestation,
    InvalidAttestedData,
    InvalidAuthenticatorData,
    InvalidClientData,
    InvalidCredentialId,
    InvalidCredentialKey,
    InvalidCredentialSignature,
    InvalidParameter,
)

MAX_ID = 1023
ES256 = COSEAlgorithmIdentifier.ECDSA_SHA_256
RS256 = COSEAlgorithmIdentifier.RSASSA_PKCS1_v1_5_SHA_256
# The bounds keep weak keys out, and those whose size makes each verification slow.
_RSA_BITS, _RSA_EXPONENTS = range(2048, 4097), range(3, 2**32, 2)

_CLIENT_DATA = "response.clientDataJSON"
_ATTESTATION = "response.attestationObject"
_AUTHENTICATOR_DATA = "response.authenticatorData"


@dataclass(frozen=True, slots=True)
class Asked:
    """What the browser was asked, and by whom."""

    challenge: bytes
    rp_id: str
    origins: Sequence[str]
    needs_user_verification: bool


@dataclass(frozen=True, slots=True)
class Credential:
    """What a registration leaves behind; the key is in COSE."""

    id: bytes
    public_key: bytes
    sign_count: int
    aaguid: str
    backup_eligible: bool
    backed_up: bool


@dataclass(frozen=True, slots=True)
class Assertion:
    """What a valid assertion states about its authenticator."""

    sign_count: int
    backup_eligible: bool
    backed_up: bool


def register(
    asked: Asked, client_data: bytes, attestation_object: bytes, credential_id: bytes | None = None
) -> Credential:
    """Return the credential of a registration; its id must be `credential_id`, if that is known.

    Attestation was not asked for, so none is believed and no certificate in it is looked at: the
    credential counts as one that came without. Raises what was wrong.
    """
    verify_client_data(asked, client_data, "webauthn.create")
    bare, data = _without_attestation(attestation_object)
    _verify_authenticator(asked, data, InvalidAttestation(_ATTESTATION, ""))
    attested = data.attested_credential_data
    if attested is None or len(attested.aaguid) != 16 or not attested.credential_id:
        raise InvalidAttestedData(_ATTESTATION, "it holds no credential")
    if len(attested.credential_id) > MAX_ID:
        raise InvalidCredentialId("id", "it is longer than 1023 bytes")
    if credential_id not in {None, attested.credential_id}:
        raise InvalidCredentialId("id", "it is not that of the attested credential")
    _verify_key(attested.credential_public_key)
    try:
        found = verify_registration_response(
            credential=RegistrationCredential(
                id=bytes_to_base64url(attested.credential_id),
                raw_id=attested.credential_id,
                response=AuthenticatorAttestationResponse(
                    client_data_json=_plain(client_data), attestation_object=bare
                ),
            ),
            expected_challenge=asked.challenge,
            expected_rp_id=asked.rp_id,
            expected_origin=list(asked.origins),
            require_user_verification=asked.needs_user_verification,
            supported_pub_key_algs=[ES256, RS256],
        )
    except Exception:  # noqa: BLE001 - the library lets its parsers' errors of all kinds pass
        raise InvalidAttestation(_ATTESTATION, "it is not valid") from None
    return Credential(
        id=found.credential_id,
        public_key=found.credential_public_key,
        sign_count=found.sign_count,
        aaguid=found.aaguid,
        backup_eligible=data.flags.be,
        backed_up=found.credential_backed_up,
    )


def authenticate(
    asked: Asked,
    client_data: bytes,
    authenticator_data: bytes,
    signature: bytes,
    *,
    public_key: bytes,
) -> Assertion:
    """Return what an assertion states, if the key made it. Raises the error that applies.

    The signature counter is not compared here: that belongs into the update that uses it.
    """
    verify_client_data(asked, client_data, "webauthn.get")
    try:
        data = parse_authenticator_data(authenticator_data)
    except Exception:  # noqa: BLE001 - as above
        raise InvalidAuthenticatorData(_AUTHENTICATOR_DATA, "it is malformed") from None
    _verify_authenticator(asked, data, InvalidAuthenticatorData(_AUTHENTICATOR_DATA, ""))
    signed = authenticator_data + hashlib.sha256(client_data).digest()
    try:
        decoded = decode_credential_public_key(public_key)
        key = decoded_public_key_to_cryptography(decoded)
        verify_signature(
            public_key=key, signature_alg=decoded.alg, signature=signature, data=signed
        )
    except Exception:  # noqa: BLE001 - as above
        reason = "it is not the credential's"
        raise InvalidCredentialSignature("response.signature", reason) from None
    return Assertion(data.sign_count, data.flags.be, data.flags.bs)


def verify_client_data(asked: Asked, client_data: bytes, ceremony: str) -> None:
    """Refuse another ceremony, challenge or origin, and every frame of another site."""
    data = client_data_members(client_data)
    if data.get("type") != ceremony:
        raise InvalidClientData(_CLIENT_DATA, f"its type must be {ceremony}")
    if data.get("challenge") != bytes_to_base64url(asked.challenge):
        raise InvalidClientData(_CLIENT_DATA, "its challenge is another one")
    if data.get("origin") not in list(asked.origins):
        raise InvalidClientData(_CLIENT_DATA, "its origin is not one of the relying party")
    # Within another site's frame the user may be led to approve what they do not see.
    crosses = data.get("crossOrigin")
    if not (crosses is None or crosses is False) or data.get("topOrigin") is not None:
        raise InvalidClientData(_CLIENT_DATA, "it comes from a frame of another origin")


def client_data_members(client_data: bytes) -> dict[str, Any]:
    """Return the members of a client's data. Raises InvalidClientData."""
    try:
        members = json.loads(client_data.decode())
    except (ValueError, RecursionError):
        raise InvalidClientData(_CLIENT_DATA, "it is not JSON") from None
    if not isinstance(members, dict):
        raise InvalidClientData(_CLIENT_DATA, "it is not a JSON object")
    return members


def _plain(client_data: bytes) -> bytes:
    """Return the three members that count: the library stumbles over odd forms of others.

    Nothing is signed over a client's data where no attestation is looked at.
    """
    members = client_data_members(client_data)
    return json.dumps({name: members[name] for name in ("type", "challenge", "origin")}).encode()


def _without_attestation(attestation_object: bytes) -> tuple[bytes, AuthenticatorData]:
    """Return the object as it would be without attestation, and the authenticator's data in it."""
    try:
        members = parse_cbor(attestation_object)
        raw, form, statement = members["authData"], members["fmt"], members["attStmt"]
        data = parse_authenticator_data(raw)
        bare = encode_cbor({"fmt": "none", "attStmt": {}, "authData": raw})
    except Exception:  # noqa: BLE001 - as above
        raise InvalidAttestation(_ATTESTATION, "it is malformed") from None
    if not (isinstance(form, str) and isinstance(statement, dict)) or (
        form == "none" and statement
    ):
        raise InvalidAttestation(_ATTESTATION, "its statement is malformed")
    return bare, data


def _verify_authenticator(asked: Asked, data: AuthenticatorData, error: InvalidParameter) -> None:
    """Raise the error, with its reason, for another relying party or a user who is not there."""
    flags = data.flags
    if data.rp_id_hash != hashlib.sha256(asked.rp_id.encode()).digest():
        reason = "it is of another relying party"
    elif not flags.up:
        reason = "the user was not present"
    elif asked.needs_user_verification and not flags.uv:
        reason = "the user was not verified"
    elif flags.bs and not flags.be:
        reason = "it is backed up and cannot be"
    else:
        return
    raise type(error)(error.parameter, reason)


def _verify_key(public_key: bytes) -> None:
    """Refuse all but keys for ES256 and RS256: the library looks at them when first used."""
    try:
        decoded = decode_credential_public_key(public_key)
        fine = _fits(decoded.alg, decoded_public_key_to_cryptography(decoded))
    except Exception:  # noqa: BLE001 - as above
        fine = False
    if not fine:
        raise InvalidCredentialKey(_ATTESTATION, "its key must be one of ES256 or RS256")


def _fits(algorithm: int, key: object) -> bool:
    """Whether a key is a point on P-256 for ES256, or an RSA key of fair size for RS256."""
    if isinstance(key, EllipticCurvePublicKey):
        return algorithm == ES256 and isinstance(key.curve, SECP256R1)
    return (
        algorithm == RS256
        and isinstance(key, RSAPublicKey)
        and key.key_size in _RSA_BITS
        and key.public_numbers().e in _RSA_EXPONENTS
    )
