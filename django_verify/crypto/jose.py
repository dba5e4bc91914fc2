"""Signatures of devices, the grammar of tokens, and seals: the only importer of joserfc.

Whatever is wrong with what a caller sent is a ValueError here, with no part of it in the text.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
)

from django_verify.conf.backends import installed
from django_verify.exceptions import FeatureDisabled

ALGORITHM = "ES256"
# As in the contract's example: one symmetric key used as it is, and compressed claims.
_SEALING = ["dir", "A256GCM", "DEF"]
_SEALED = {"alg": "dir", "enc": "A256GCM", "zip": "DEF"}
# The members of a header that RFC 7515 and those after it give a meaning to: a key to verify with,
# what must be understood, what is inside.
_REGISTERED = frozenset(
    "alg jku jwk kid x5u x5c x5t x5t#S256 typ cty crit".split()
    + "enc zip epk apu apv p2s p2c b64 url nonce".split()
)
_SEGMENT = re.compile(r"[0-9A-Za-z_-]+\Z")


def available() -> bool:
    """Whether the library for signed and sealed tokens, the extra `jose`, is installed."""
    return installed("joserfc")


def refuse_unavailable() -> None:
    """Raise FeatureDisabled where the extra is missing, rather than fail half-way."""
    if not available():
        raise FeatureDisabled("Push factors need django-verify[jose], which is not installed here")


def decoded(text: str) -> bytes:
    """Return the bytes of standard base64 with its padding, and of nothing that resembles it."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("not base64") from None
    # Stray bits in the last character would give one value two spellings.
    if base64.b64encode(raw).decode() != text:
        raise ValueError("not canonical base64")
    return raw


def public_key(text: str) -> ec.EllipticCurvePublicKey:
    """Return the key in base64 of DER SubjectPublicKeyInfo: P-256, uncompressed, nothing else."""
    raw = decoded(text)
    try:
        key = load_der_public_key(raw)
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("not a public key") from None
    if not (isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1)):
        raise ValueError("not a key of P-256")  # noqa: TRY004 - the one error of this module
    # One key has one spelling: no compressed point, no explicit curve, no trailing bytes.
    if key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) != raw:
        raise ValueError("not the canonical encoding")
    return key


def is_signed(key: ec.EllipticCurvePublicKey, message: bytes, signature: bytes) -> bool:
    """Whether a DER signature is the key's, of this message."""
    try:
        key.verify(signature, message, ec.ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True


def parse(text: str, longest: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return header and payload of a compact JWS, of which nothing is proved yet.

    Raises ValueError for what is no JWS of at most `longest` characters with objects in it.
    """
    # The length first: whatever a stranger sends is decoded before anything about it is proved.
    parts = text.split(".") if len(text) <= longest else []
    if len(parts) != 3 or not all(_SEGMENT.match(part) for part in parts):
        raise ValueError("not three segments")
    return _object(parts[0]), _object(parts[1])


def understood(header: Mapping[str, Any]) -> dict[str, Any]:
    """Return a header without members of other meanings, which RFC 7515 has ignored."""
    return {name: value for name, value in header.items() if name in _REGISTERED}


def url_encoded(raw: bytes) -> str:
    """Return base64url without padding, as segments of tokens are written."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def url_decoded(segment: str) -> bytes:
    """Return the bytes of a segment in its one spelling. Raises ValueError for any other."""
    raw = base64.b64decode(segment + "=" * (-len(segment) % 4), b"-_", validate=True)
    if url_encoded(raw) != segment:
        raise ValueError("not canonical base64url")
    return raw


def is_jws_of(key: ec.EllipticCurvePublicKey, text: str) -> bool:
    """Whether a compact JWS that `parse` has read is signed with this key, by ES256 alone."""
    from joserfc import jws  # noqa: PLC0415 - an extra
    from joserfc.errors import JoseError  # noqa: PLC0415 - an extra
    from joserfc.jwk import ECKey  # noqa: PLC0415 - an extra

    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    try:
        # A header's own `alg` is not believed: it could be `none`, or HMAC under the public key.
        # What the library does not know is ignored, too; `crit` is refused all the same.
        registry = jws.JWSRegistry(algorithms=[ALGORITHM], strict_check_header=False)
        jws.deserialize_compact(text, ECKey.import_key(der), registry=registry)
    except (JoseError, ValueError):
        return False
    return True


def seal(claims: Mapping[str, Any], header: Mapping[str, str], key: bytes) -> str:
    """Return claims as a compact JWE: `dir`, A256GCM, compressed."""
    from joserfc import jwe  # noqa: PLC0415 - an extra
    from joserfc.jwk import OctKey  # noqa: PLC0415 - an extra

    protected = {**_SEALED, **header}
    plain = json.dumps(claims).encode()
    sealed: str = jwe.encrypt_compact(protected, plain, OctKey.import_key(key), algorithms=_SEALING)
    return sealed


def sealed_header(text: str, longest: int) -> dict[str, Any]:
    """Return the header of a compact JWE made by `seal`. Raises ValueError for anything else."""
    parts = text.split(".") if len(text) <= longest else []
    if len(parts) != 5 or parts[1] or not _SEGMENT.match(parts[0]):
        raise ValueError("not five segments")
    header = _object(parts[0])
    # The library trips over members of odd types, so none reaches it that `seal` does not write.
    if header.keys() != {*_SEALED, "kid", "cty"} or header != {**header, **_SEALED}:
        raise ValueError("not a header of ours")
    return header


def unseal(text: str, key: bytes) -> dict[str, Any]:
    """Return the claims in a compact JWE of this key. Raises ValueError."""
    from joserfc import jwe  # noqa: PLC0415 - an extra
    from joserfc.errors import JoseError  # noqa: PLC0415 - an extra
    from joserfc.jwk import OctKey  # noqa: PLC0415 - an extra

    sealed_header(text, len(text))
    try:
        opened = jwe.decrypt_compact(text, OctKey.import_key(key), algorithms=_SEALING)
    except (JoseError, ValueError):
        raise ValueError("not sealed with this key") from None
    return _members((opened.plaintext or b"").decode())


def _object(segment: str) -> dict[str, Any]:
    try:
        return _members(url_decoded(segment).decode())
    except (binascii.Error, UnicodeDecodeError):
        raise ValueError("not base64url of text") from None


def _members(text: str) -> dict[str, Any]:
    try:
        # Another reader of the same text must not see other claims: no NaN, and no name twice.
        value = json.loads(text, parse_constant=_refuse, object_pairs_hook=_once)
    except RecursionError:
        # Brackets within the length that is allowed are enough to exceed Python's limit.
        raise ValueError("nested too deep") from None
    if not isinstance(value, dict):
        raise ValueError("not an object")  # noqa: TRY004 - the one error of this module
    return value


def _refuse(constant: str) -> None:
    raise ValueError("not a number of JSON")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name is repeated")
    return members
