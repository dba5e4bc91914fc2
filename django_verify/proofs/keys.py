"""The keys that sign proofs: shared ones of the ring, or the site's key pairs, which it publishes.

The standard library signs under the ring; key pairs are cryptography's. A token's header only
names its key, and the key determines the algorithm.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import ClassVar, Protocol

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)
from django.core.exceptions import ImproperlyConfigured
from django.views.decorators.debug import sensitive_variables

from django_verify import conf
from django_verify.crypto import codes, jose

# Seconds for which readers of proofs may keep the published keys.
PUBLISHED_FOR = 300

# Each algorithm is one call of cryptography. A JOSE library would bring its own reader of tokens,
# and joserfc's takes repeated names and NaN, so `crypto.jose` would have to read them first anyway.
_PEM = "-----BEGIN "
_HALF = 32


class Key(Protocol):
    """What signs proofs, and knows its own signatures again."""

    algorithm: ClassVar[str]

    def sign(self, message: bytes) -> bytes:
        """Return the signature as tokens have it."""

    def has_signed(self, message: bytes, signature: bytes) -> bool:
        """Whether a signature is this key's, of this message."""

    def public(self) -> dict[str, str]:
        """Return the members of the JSON Web Key that may be known; none of a shared key."""


@dataclass(frozen=True, slots=True)
class Shared:
    """HMAC, for proofs that nobody but the site checks."""

    algorithm: ClassVar[str] = "HS256"
    secret: bytes = field(repr=False)

    def sign(self, message: bytes) -> bytes:
        """Return the signature as tokens have it."""
        return hmac.digest(self.secret, message, "sha256")

    def has_signed(self, message: bytes, signature: bytes) -> bool:
        """Whether a signature is this key's, of this message."""
        # In constant time, or the right signature could be found byte by byte.
        return hmac.compare_digest(self.sign(message), signature)

    def public(self) -> dict[str, str]:
        """Return nothing: who may check could sign as well."""
        return {}


@dataclass(frozen=True, slots=True)
class Elliptic:
    """ECDSA on P-256; tokens have the two numbers of a signature side by side, not in DER."""

    algorithm: ClassVar[str] = "ES256"
    private: ec.EllipticCurvePrivateKey = field(repr=False)

    def sign(self, message: bytes) -> bytes:
        """Return the signature as tokens have it."""
        r, s = decode_dss_signature(self.private.sign(message, ec.ECDSA(SHA256())))
        return r.to_bytes(_HALF) + s.to_bytes(_HALF)

    def has_signed(self, message: bytes, signature: bytes) -> bool:
        """Whether a signature is this key's, of this message."""
        if len(signature) != 2 * _HALF:
            return False
        r, s = int.from_bytes(signature[:_HALF]), int.from_bytes(signature[_HALF:])
        der = encode_dss_signature(r, s)
        try:
            self.private.public_key().verify(der, message, ec.ECDSA(SHA256()))
        except InvalidSignature:
            return False
        return True

    def public(self) -> dict[str, str]:
        """Return the members of the JSON Web Key that may be known."""
        point = self.private.public_key().public_numbers()
        x, y = (jose.url_encoded(n.to_bytes(_HALF)) for n in (point.x, point.y))
        return {"kty": "EC", "crv": "P-256", "x": x, "y": y}


@dataclass(frozen=True, slots=True)
class Edwards:
    """Ed25519, under the name that JOSE libraries have known for longest."""

    algorithm: ClassVar[str] = "EdDSA"
    private: Ed25519PrivateKey = field(repr=False)

    def sign(self, message: bytes) -> bytes:
        """Return the signature as tokens have it."""
        return self.private.sign(message)

    def has_signed(self, message: bytes, signature: bytes) -> bool:
        """Whether a signature is this key's, of this message."""
        try:
            self.private.public_key().verify(signature, message)
        except InvalidSignature:
            return False
        return True

    def public(self) -> dict[str, str]:
        """Return the members of the JSON Web Key that may be known."""
        raw = self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return {"kty": "OKP", "crv": "Ed25519", "x": jose.url_encoded(raw)}


@sensitive_variables()
def ring() -> dict[str, Key]:
    """Return key id → key; the first one signs, and no key outside counts.

    One ring or the other: with key pairs no shared key is accepted. Raises ImproperlyConfigured for
    what is no private key, and shows none of it.
    """
    if pairs := conf.current().PROOF_KEYS:
        return {key_id: _pair(key_id, text) for key_id, text in pairs.items()}
    return {key_id: Shared(codes.proof_key(key_id)) for key_id in conf.key_ring()}


def published() -> list[dict[str, str]]:
    """Return the public keys as JSON Web Keys, the newest first."""
    return [
        {"kid": key_id, "use": "sig", "alg": key.algorithm, **known}
        for key_id, key in ring().items()
        if (known := key.public())
    ]


@lru_cache(maxsize=32)
@sensitive_variables()
def _pair(key_id: str, text: str) -> Elliptic | Edwards:
    """Read a key once; a file that changes is read by the next process."""
    wrong = f"DJANGO_VERIFY['PROOF_KEYS']: {key_id!r} is no private key of P-256 or Ed25519 in PEM."
    try:
        pem = text.encode() if text.lstrip().startswith(_PEM) else Path(text).read_bytes()
        key = load_pem_private_key(pem, None)
    except OSError as error:
        found = f"its file cannot be read ({type(error).__name__})"
        raise ImproperlyConfigured(f"DJANGO_VERIFY['PROOF_KEYS']: {key_id!r}: {found}.") from None
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # `from None`, because the frames of a reader of keys hold the key.
        raise ImproperlyConfigured(wrong) from None
    if isinstance(key, Ed25519PrivateKey):
        return Edwards(key)
    if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1):
        return Elliptic(key)
    raise ImproperlyConfigured(wrong)
