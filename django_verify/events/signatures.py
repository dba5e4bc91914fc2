"""Signs outbound events: two signatures under one secret, without database or network."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Iterable
from urllib.parse import urldefrag, urlsplit

import requests

PREFIX = "whsec_"
SHORTEST, LONGEST = 24, 64
# Of a secret that the receiver chose: the column holds it sealed.
LONGEST_TEXT = 128

_KEY_BYTES = 32


def new_secret() -> str:
    """Return a signing secret as Standard Webhooks writes it: `whsec_` and 256 bits in base64."""
    return PREFIX + base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode()


def is_secret(text: str) -> bool:
    """Whether text can sign: `whsec_` and 24–64 bytes in base64, or 24–128 ASCII characters."""
    if not text.isascii() or not text.isprintable() or not SHORTEST <= len(text) <= LONGEST_TEXT:
        return False
    try:
        return not text.startswith(PREFIX) or SHORTEST <= len(_key(text)) <= LONGEST
    except binascii.Error:
        return False


def canonical_url(url: str) -> str:
    """Return a URL as the receiver sees it, which is what is signed: no fragment, never no path."""
    try:
        return requests.Request("POST", urldefrag(url).url).prepare().url or url
    except requests.RequestException:
        return url  # it cannot be called, and the call reports that


def with_body_hash(url: str, body: bytes) -> str:
    """Return the URL with the digest of a body that is no form: the signature covers the URL."""
    separator = "&" if urlsplit(url).query else "" if url.endswith("?") else "?"
    return f"{url}{separator}bodySHA256={hashlib.sha256(body).hexdigest()}"


def url_signature(secret: str, url: str, pairs: Iterable[tuple[str, str]] = ()) -> str:
    """Return the vendor's `X-Twilio-Signature`: over the URL and the sorted form, HMAC-SHA1.

    Each name occurs once. The key is the text of the secret, as the SDKs' validator takes it.
    """
    signed = url + "".join(name + value for name, value in sorted(pairs))
    # The validators of the SDKs know SHA-1 alone; the other signature of each post is by SHA-256.
    return base64.b64encode(hmac.digest(secret.encode(), signed.encode(), "sha1")).decode()


def standard_signature(secrets_: Iterable[str], event_id: str, timestamp: int, body: bytes) -> str:
    """Return Standard Webhooks' `webhook-signature`: one `v1,…` for each secret, HMAC-SHA256."""
    signed = f"{event_id}.{timestamp}.".encode() + body
    digests = (hmac.digest(_key(secret), signed, "sha256") for secret in secrets_)
    return " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests)


def _key(secret: str) -> bytes:
    if secret.startswith(PREFIX):
        return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    return secret.encode()
