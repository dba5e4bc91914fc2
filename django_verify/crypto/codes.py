"""Codes and secrets: derive, seal, open, hash, compare.

The only module that sees a code in clear. A generated code is never stored: it is derived from
the verification's identity under a key, so a resend is the same code and a copy of the database
holds none. A caller's own code cannot be derived and is sealed instead.
"""

from __future__ import annotations

import base64
import hmac
import re
import secrets
from collections.abc import Iterable
from functools import lru_cache
from typing import Protocol

from django.views.decorators.debug import sensitive_variables

from django_verify import conf
from django_verify.contact import typed as typed_texts
from django_verify.crypto import primitives

# \Z and not $, which would let a closing newline pass.
_CUSTOM = re.compile(r"[0-9A-Za-z]{4,10}\Z")
_NONCE_BYTES = 12
_DIGITS = re.compile(r"[0-9]+\Z")
# A code of ten digits with something between any two of them.
_LONGEST_TYPED = 64


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
    digest = _signature(key_id, "derive", _joined(parts))
    # Of 256 bits the remainder favours no code by more than 2⁻²²⁰, so none is drawn again.
    return f"{int.from_bytes(digest) % 10**digits:0{digits}d}"


@sensitive_variables()
def without_spacing(typed: str) -> str:
    """Return a code as a person has typed or copied it, in ASCII, without what stands between."""
    return typed_texts.joined(typed) if len(typed) <= _LONGEST_TYPED else typed


class Holder(Protocol):
    """What a row must have for its code to be known: every field but the code."""

    sid: str
    nonce: str
    amount: str | None
    payee: str | None
    sealed_code: str
    code_length: int
    key_id: str


@sensitive_variables()
def read(row: Holder, typed: str) -> str:
    """Return a code as it is compared with a row's; typed as people do.

    Raises ValueError for what cannot be its code: another length, letters where there are none. A
    caller's own codes are of any length, and the message at hand may have the one before.
    """
    code = without_spacing(typed)
    if row.sealed_code:
        if not _CUSTOM.match(code):
            raise ValueError("it has 4–10 characters")
    elif len(code) != row.code_length or not _DIGITS.match(code):
        raise ValueError(f"it has {row.code_length} digits")
    return code


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
    # New for each seal: a resend may seal another code for this row under the same key, and AES-GCM
    # breaks where a nonce comes twice.
    nonce = secrets.token_bytes(_NONCE_BYTES)
    box = primitives.AESGCM(_key(key_id, "seal")).encrypt(nonce, code.encode(), bound_to.encode())
    return base64.urlsafe_b64encode(nonce + box).decode()


def unseal(sealed: str, *, bound_to: str, key_id: str) -> str:
    """Decrypt what `seal` made. Raises LookupError for a missing key or another row's seal."""
    box = primitives.AESGCM(_key(key_id, "seal"))
    try:
        raw = base64.urlsafe_b64decode(sealed)
        # The row is authenticated with the code: a seal that was copied into another row opens
        # nothing.
        return box.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], bound_to.encode()).decode()
    except (primitives.InvalidTag, ValueError):
        raise LookupError("The sealed code is damaged, or belongs to another row.") from None


def is_custom_code(value: str) -> bool:
    """Whether value may be a caller's own code: 4–10 ASCII letters and digits."""
    return _CUSTOM.match(value) is not None


def matches(expected: str, given: str) -> bool:
    """Compare in constant time; text that is not ASCII is simply wrong."""
    # A lone surrogate has no UTF-8, so encoding it would raise.
    if not given.isascii():
        return False
    # `==` ends at the first difference, and its time would reveal how many digits are right.
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
    # A name that does not exist must take as long as a wrong secret, or names could be tried out.
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


def report_key(key_id: str, alias: str) -> bytes:
    """Return the key of one sender's URLs for reports. Raises LookupError as above."""
    return _key(key_id, f"reports of {alias}")


def device_signature(key_id: str, *parts: str) -> str:
    """Return what signs the token of a known device. Raises LookupError for an unknown key."""
    return _signature(key_id, "known device", _joined(parts)).hex()


def fingerprint(*parts: str) -> str:
    """Return 64 hexadecimal digits that stand for values which must not be stored themselves.

    The newest key makes them, so they change when keys rotate.
    """
    return _fingerprint(current_key_id(), *parts)


def fingerprints(*parts: str) -> list[str]:
    """Return the same under each key of the ring, the newest first."""
    return [_fingerprint(key_id, *parts) for key_id in conf.key_ring()]


def _fingerprint(key_id: str, *parts: str) -> str:
    return _signature(key_id, "fingerprint", _joined(parts)).hex()


def _joined(parts: Iterable[str]) -> bytes:
    """Return the parts, each behind its length."""
    # A part may come from a caller and hold a lone surrogate, which is wrong and must not raise.
    raws = [part.encode("utf-8", "surrogatepass") for part in parts]
    return b"".join([len(raw).to_bytes(4) + raw for raw in raws])


def _digest(key_id: str, secret: str) -> str:
    raw = secret.encode("utf-8", "surrogatepass")
    return _signature(key_id, "secret", raw).hex()


def _signature(key_id: str, purpose: str, data: bytes) -> bytes:
    """Return the HMAC of data. Raises LookupError as `_key`."""
    # To begin one costs OpenSSL twice a copy of one that has begun.
    begun = _begun(_key(key_id, purpose)).copy()
    begun.update(data)
    return begun.digest()


@lru_cache(maxsize=64)
def _begun(key: bytes) -> hmac.HMAC:
    return hmac.new(key, digestmod="sha256")


def _key(key_id: str, purpose: str) -> bytes:
    """One 256-bit key for each purpose, so that no output of one use helps another."""
    try:
        root = conf.key_ring()[key_id]
    except KeyError:
        raise LookupError(f"DJANGO_VERIFY: the key {key_id!r} is no longer configured.") from None
    return _derived_key(root, purpose)


@lru_cache(maxsize=64)
def _derived_key(root: bytes, purpose: str) -> bytes:
    return hmac.digest(root, b"django_verify " + purpose.encode(), "sha256")
