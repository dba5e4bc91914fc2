"""The hard bound on a number block: each message takes a place in it, and parallel ones another.

A start reads the latest place by the statement that reads its recipient, and writes the next one
into the row that it writes anyway, under a unique constraint: of two that have read the same one is
let in, and the other reads again. So the bound costs no statement, and holds in every process.
"""

from __future__ import annotations

import datetime as dt
import hashlib

from django_verify.db.queries import Place

#: The digits of a number that are not its block's.
DIGITS = 4
#: Messages that one block gets at once without a conversion, and as many more an hour.
AT_ONCE = 45
#: How many more each conversion allows.
FOR_A_CONVERSION = 3
_HOUR = 3600


def block_of(account_sid: str, number: str) -> int:
    """Return what stands for a number's block in an account's rows."""
    # Short, and no secret: the row has the number as well.
    text = f"{account_sid} {number[:-DIGITS]}".encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest()) >> 1


def level(latest: Place | None, room: float, now: dt.datetime) -> float:
    """Return how many messages a block holds, which drains in an hour by what it has room for."""
    if latest is None:
        return 0.0
    waited = (now - latest.taken_at).total_seconds()
    if waited < -_HOUR:
        return 0.0  # a clock was wrong, and the block would be full until that time has come
    waited = max(0.0, waited)
    return max(0.0, latest.level - waited * room / _HOUR)


def is_full(latest: Place | None, room: float, now: dt.datetime) -> bool:
    """Whether a block has no room for one more."""
    return level(latest, room, now) + 1 > room


def take(
    block: int, latest: Place | None, room: float, now: dt.datetime, *, tries: int, salt: str
) -> dict[str, object]:
    """Return the columns of the row that takes a place in a block that is not full.

    A start that has lost its place to others before (`tries`) does not go for the next one, where
    they all meet again, but for one of the next two, four, eight: a place that nobody takes counts
    as if it were.
    """
    held = level(latest, room, now)
    skipped = int(salt[-8:], 16) % min(1 << tries, int(room - held))
    number = (latest.number if latest else 0) + 1 + skipped
    return {"guard_block": block, "guard_place": number, "guard_level": held + 1 + skipped}
