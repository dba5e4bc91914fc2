"""The token in a URL for delivery reports: it names an attempt and its sender, and is secret.

An attempt's 128 bits are one block of a cipher, under a key of the sender's own: nothing is stored,
nobody can make a token up, and who knows the attempt's SID does not know its token.
"""

from __future__ import annotations

import base64
import datetime as dt
import re
from collections.abc import Iterable

from django.utils import timezone

from django_verify import conf, sids
from django_verify.crypto import codes, primitives

LENGTH = 22
#: How old a message may be of which something is reported.
OLDEST = dt.timedelta(days=400)

_SHAPE = re.compile(r"[A-Za-z0-9_-]{22}\Z")
# Of clocks that differ.
_AHEAD = dt.timedelta(days=1)


def issue(attempt_sid: str, alias: str) -> str:
    """Return the token of an attempt for one sender, under the newest key."""
    cipher = _cipher(codes.current_key_id(), alias)
    return _encoded(cipher.encryptor().update(bytes.fromhex(attempt_sid[2:])))


def read(token: str, aliases: Iterable[str]) -> tuple[str, str] | None:
    """Return the sender's alias and the attempt's SID; None for what no key of the ring has made.

    Whether there is such an attempt is for the caller to look up: one in millions of made-up
    tokens looks like the SID of one.
    """
    if not _SHAPE.match(token):
        return None
    block = base64.urlsafe_b64decode(token + "==")
    if _encoded(block) != token:
        return None  # the last letter has bits that nobody reads
    now = timezone.now()
    first, last = sids.first_at("VL", now - OLDEST), sids.first_at("VL", now + _AHEAD)
    for alias in aliases:
        for key_id in conf.key_ring():
            sid = "VL" + _cipher(key_id, alias).decryptor().update(block).hex()
            # A block of another key opens to random bits, which hardly ever are the SID of a recent
            # attempt.
            if sids.is_timed(sid) and first <= sid < last:
                return alias, sid
    return None


def _cipher(key_id: str, alias: str) -> primitives.Cipher[primitives.modes.ECB]:
    # One block, and never the same one of two attempts: there is nothing to chain.
    return primitives.Cipher(
        primitives.algorithms.AES(codes.report_key(key_id, alias)), primitives.modes.ECB()
    )


def _encoded(block: bytes) -> str:
    return base64.urlsafe_b64encode(block).rstrip(b"=").decode()
