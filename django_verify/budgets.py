"""What an address may still guess: read from its own verifications, reserved at the start.

The budget belongs to the address within an account, so resends, restarts and other services do
not refresh it. Each new verification reserves its guesses from what the day has left, and the
check needs no second counter. The unique serial of `Verification` makes two reservations of one
address take turns.
"""

from __future__ import annotations

import datetime as dt
import math
from itertools import takewhile

from django_verify import conf
from django_verify.exceptions import MaxSendsReached, TooManyRequests
from django_verify.models import Verification
from django_verify.models.lookups import HISTORY, of_address, verifications

_DAY = dt.timedelta(hours=24)
_Status = Verification.Status


def history(account_sid: str, key: str, now: dt.datetime) -> list[Verification]:
    """Return the address's verifications, newest first, as far as its budget depends on them."""
    recent = of_address(account_sid, key)
    settled = len(recent) < HISTORY or (
        recent[-1].expires_at <= now - _DAY and any(row.valid for row in recent)
    )
    if settled:
        return recent
    older = verifications().filter(account_id=account_sid, address_key=key).order_by("-serial")
    return recent + list(older[HISTORY : conf.current().ADDRESS_STARTS_PER_DAY])


def reserve(rows: list[Verification], *, wanted: int, code_length: int, now: dt.datetime) -> int:
    """Return how many guesses a new verification of this address gets, at most `wanted`.

    A live verification counts with all that it may still compare, so the reserve holds whatever
    happens to it. Raises MaxSendsReached when nothing is left, TooManyRequests after too many
    starts.
    """
    settings = conf.current()
    day = [row for row in rows if row.expires_at > now - _DAY]
    if len(day) >= settings.ADDRESS_STARTS_PER_DAY:
        raise TooManyRequests(
            "Too many verifications of this address in 24 hours",
            retry_after=seconds_until(day[-1].expires_at + _DAY, now),
        )
    per_day = (
        settings.ADDRESS_GUESSES_PER_DAY
        if code_length >= 6
        else settings.ADDRESS_GUESSES_PER_DAY_SHORT_CODE
    )
    used_today = sum(_spent(row, now) for row in day)
    in_a_row = sum(_spent(row, now) for row in takewhile(lambda row: not row.valid, rows))
    left = min(per_day - used_today, settings.ADDRESS_GUESSES_IN_A_ROW - in_a_row)
    if left < 1:
        oldest = min((row.expires_at for row in day if _spent(row, now)), default=now)
        raise MaxSendsReached(
            "Too many wrong codes were tried for this address",
            retry_after=seconds_until(oldest + _DAY, now),
        )
    return min(wanted, left)


def seconds_until(moment: dt.datetime, now: dt.datetime) -> int:
    """Return whole seconds, at least one, for `Retry-After`."""
    return max(math.ceil((moment - now).total_seconds()), 1)


def _spent(row: Verification, now: dt.datetime) -> int:
    """Wrong guesses of a row; of a live one, all that it may come to."""
    if row.status == _Status.PENDING and not row.is_over(now):
        return row.max_checks
    return max(row.checks - 1, 0) if row.valid else row.checks
