"""Codes and secrets: derive, seal, open, hash, compare.

The only module that sees a code in clear. A generated code is never stored: it is derived from
the verification's identity under a key, so a resend is the same code and a copy of the database
holds none. A caller's own code cannot be derived and is sealed instead.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from typing import Protocol

from django.views.decorators.debug import sensitive_variables

from django_verify import conf
from django_verify.crypto import primitives

_CUSTOM = re.compile(r"[0-9A-Za-z]{4,10}\Z")
_NONCE_BYTES = 12
# What people type between the digits, and what comes along invisibly when a code is copied.
_SPACING = re.compile(
    r"[\s\u00ad\u061c\u200b-\u200f\u2010-\u2015\u202a-\u202e\u2060\u2066-\u2069\u2212\ufeff-]"
)


def new_nonce() -> str:
    """Return 128 random bits as text."""
    return secrets.token_urlsafe(16)


def new_secret() -> str:
    """Return a credential of 256 random bits, 43 URL-safe characters."""
    return secrets.token_urlsafe(32)


def current_key_id() -> str:
    """Return the id of the key to use for a new row."""
    return next(iter(conf.key_ring()))


def derive(*parts: str, digits: int, key_id: str) -> str:
    """Return the decimal code of a verification, leading zeros kept.

    All 256 bits of the digest are used, and each part carries its length, so that no two lists
    of parts share an input. Raises LookupError when the key is no longer configured.
    """
    data = b"".join(len(part.encode()).to_bytes(4) + part.encode() for part in parts)
    digest = hmac.digest(_key(key_id, "derive"), data, "sha256")
    return f"{int.from_bytes(digest) % 10**digits:0{digits}d}"


@sensitive_variables()
def without_spacing(typed: str) -> str:
    """Return a code as a person has typed or copied it, without spaces, hyphens and marks."""
    return _SPACING.sub("", typed)


class Holder(Protocol):
    """What a row must have for its code to be known: every field but the code."""

    sid: str
    nonce: str
    amount: str | None
    payee: str | None
    sealed_code: str
    code_length: int
    key_id: str


def reveal(row: Holder) -> str:
    """Return the code of a verification in clear.

    No method of the model does this, because templates call methods. Raises LookupError when
    the row's key is no longer configured.
    """
    if row.sealed_code:
        return unseal(row.sealed_code, bound_to=row.sid, key_id=row.key_id)
    parts = (row.sid, row.nonce, row.amount or "", row.payee or "")
    return derive(*parts, digits=row.code_length, key_id=row.key_id)


def seal(code: str, *, bound_to: str, key_id: str) -> str:
    """Encrypt a caller's own code so that only the row `bound_to` can open it."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    box = primitives.AESGCM(_key(key_id, "seal")).encrypt(nonce, code.encode(), bound_to.encode())
    return base64.urlsafe_b64encode(nonce + box).decode()


def unseal(sealed: str, *, bound_to: str, key_id: str) -> str:
    """Decrypt what `seal` made. Raises LookupError for a missing key or another row's seal."""
    box = primitives.AESGCM(_key(key_id, "seal"))
    try:
        raw = base64.urlsafe_b64decode(sealed)
        return box.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], bound_to.encode()).decode()
    except (primitives.InvalidTag, ValueError):
        raise LookupError("The sealed code is damaged, or belongs to another row.") from None


def is_custom_code(value: str) -> bool:
    """Whether value may be a caller's own code: 4–10 ASCII letters and digits."""
    return _CUSTOM.match(value) is not None


def matches(expected: str, given: str) -> bool:
    """Compare in constant time; text that is not ASCII is simply wrong."""
    if not given.isascii():
        return False
    return hmac.compare_digest(expected.encode(), given.encode())


def hash_secret(secret: str) -> str:
    """Return the stored form of a credential: the key's id and a keyed digest.

    A fast hash is right for 256 random bits, and is paid on every request.
    """
    key_id = current_key_id()
    return f"{key_id}${_digest(key_id, secret)}"


def secret_matches(stored: str, given: str) -> bool:
    """Whether given is the credential behind stored; costs the same when nothing is stored."""
    key_id, _, digest = stored.partition("$")
    known = key_id in conf.key_ring()
    actual = _digest(key_id if known else current_key_id(), given)
    return hmac.compare_digest(actual, digest if known else "") and known


def is_orphaned(stored: str) -> bool:
    """Whether nothing can match what `hash_secret` made: its key is no longer configured."""
    return bool(stored) and stored.partition("$")[0] not in conf.key_ring()


def token_key(key_id: str) -> bytes:
    """Return the key that seals access tokens. Raises LookupError if it is not configured."""
    return _key(key_id, "access token")


def proof_key(key_id: str) -> bytes:
    """Return the key that signs proofs. Raises LookupError when it is no longer configured."""
    return _key(key_id, "proof")


def fingerprint(*parts: str) -> str:
    """Return 64 hexadecimal digits that stand for values which must not be stored themselves.

    The newest key makes them, so they change when keys rotate.
    """
    return _fingerprint(current_key_id(), *parts)


def fingerprints(*parts: str) -> list[str]:
    """Return the same under each key of the ring, the newest first."""
    return [_fingerprint(key_id, *parts) for key_id in conf.key_ring()]


def _fingerprint(key_id: str, *parts: str) -> str:
    data = b"".join(_measured(part) for part in parts)
    return hmac.digest(_key(key_id, "fingerprint"), data, "sha256").hex()


def _measured(part: str) -> bytes:
    raw = part.encode("utf-8", "surrogatepass")
    return len(raw).to_bytes(4) + raw


def _digest(key_id: str, secret: str) -> str:
    raw = secret.encode("utf-8", "surrogatepass")
    return hmac.new(_key(key_id, "secret"), raw, hashlib.sha256).hexdigest()


def _key(key_id: str, purpose: str) -> bytes:
    """One 256-bit key for each purpose, so that no output of one use helps another."""
    try:
        root = conf.key_ring()[key_id]
    except KeyError:
        raise LookupError(f"DJANGO_VERIFY: the key {key_id!r} is no longer configured.") from None
    return hmac.digest(root, b"django_verify " + purpose.encode(), "sha256")
