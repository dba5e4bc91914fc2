"""How providers sign what they send us: comparisons in constant time, and how old is too old."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import time
from collections.abc import Mapping
from urllib.parse import parse_qs, urlsplit

from django_verify.senders.rest import parsed, pick

#: How far a signed time may be from ours, in seconds.
WINDOW = 300
_TO_PLAIN = str.maketrans("-_", "+/")
_TIME = re.compile(r"[0-9]{1,11}")


def digest(secret: str, *parts: str | bytes, method: str = "sha256") -> bytes:
    """Return the HMAC of parts written one after another."""
    return hmac.digest(secret.encode(), b"".join(map(_bytes, parts)), method)


def same(one: str | bytes, other: str | bytes) -> bool:
    """Compare in constant time; any text will do."""
    return hmac.compare_digest(_bytes(one), _bytes(other))


def has_token(url: str, token: str) -> bool:
    """Whether the query of a URL has our token, once: the proof of who signs nothing."""
    given = parse_qs(urlsplit(url).query).get("token", [])
    return bool(token) and len(given) == 1 and same(given[0], token)


def decoded(text: str) -> bytes:
    """Decode base64 in its one form. Raises ValueError."""
    data = base64.b64decode(_bytes(text), validate=True)
    # The last letter may carry bits that nobody reads.
    if encoded(data) != text:
        raise ValueError("not base64 in its one form")
    return data


def encoded(data: bytes) -> str:
    """Encode as base64."""
    return base64.b64encode(data).decode()


def recent(timestamp: str) -> bool:
    """Whether a Unix time in seconds is within the window around now."""
    return bool(_TIME.fullmatch(timestamp)) and abs(time.time() - int(timestamp)) <= WINDOW


def claims(token: str, secret: str) -> Mapping[str, object]:
    """Return what a JWT claims. Raises ValueError unless it is signed by HS256 with the secret.

    The algorithm is ours to choose, never the token's.
    """
    head, _, signature = token.rpartition(".")
    expected = digest(secret, head)
    if not same(_part(signature), expected):
        raise ValueError("not signed with our secret")
    header, _, payload = head.partition(".")
    found = parsed(_part(payload))
    if pick(parsed(_part(header)), "alg") != "HS256" or not isinstance(found, dict):
        raise ValueError("not a token of ours")
    return found


def unsigned(algorithm: str, payload: Mapping[str, object]) -> str:
    """Return the head and the claims of a JWT: what its signature is of."""
    parts = {"alg": algorithm, "typ": "JWT"}, payload
    return ".".join(_url_encoded(json.dumps(part).encode()) for part in parts)


def joined(head: str, signature: bytes) -> str:
    """Return a JWT."""
    return f"{head}.{_url_encoded(signature)}"


def is_of_body(claim: str, body: bytes) -> bool:
    """Whether a claim is the SHA-256 of these bytes."""
    return same(claim, hashlib.sha256(body).hexdigest())


def _part(text: str) -> bytes:
    """Decode one part of a JWT, which has letters of its own and no padding."""
    if set("+/=") & set(text):
        raise ValueError("not base64 as in a token")
    padded = text.translate(_TO_PLAIN) + "=" * (-len(text) % 4)
    return decoded(padded)


def _url_encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(value: str | bytes) -> bytes:
    # A header may hold a lone surrogate, which UTF-8 has no bytes for.
    return value if isinstance(value, bytes) else value.encode("utf-8", "backslashreplace")
