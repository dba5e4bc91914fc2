"""The guess budget of a recipient: read from its verifications, reserved at the start.

The budget belongs to the recipient within an account, so resends, restarts and other services do
not refresh it, nor does the end of a service. Each new verification reserves its guesses from
what the day has left, and the check needs no second counter. The unique serial of `Verification`
serialises the reservations of one recipient.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.db.models import Case, F, IntegerField, Max, QuerySet, Sum, When

from django_verify import conf
from django_verify.db.queries import HISTORY, of_recipient, verifications
from django_verify.exceptions import MaxSendsReached, TooManyRequests
from django_verify.models import Verification
from django_verify.net.times import seconds_until

_DAY = dt.timedelta(hours=24)
_Status = Verification.Status


@dataclass(frozen=True, slots=True)
class History:
    """A recipient's verifications, newest first, and its wrong guesses since the last approval.

    `rows` holds at least all that count for the day; `before` counts the guesses of the rows
    that were left out.
    """

    rows: list[Verification]
    before: int = 0

    @property
    def next_serial(self) -> int:
        """The serial of the recipient's next verification."""
        return self.rows[0].serial + 1 if self.rows else 1

    def in_a_row(self, now: dt.datetime) -> int:
        """Return the wrong guesses since the last approval, with all that may come."""
        total = 0
        for row in self.rows:
            if row.valid:
                return total
            total += used(row, now)
        return total + self.before


def history(account_sid: str, key: str, now: dt.datetime) -> History:
    """Read as many of the recipient's verifications as its budget depends on."""
    recent = of_recipient(account_sid, key)
    if len(recent) < HISTORY:
        return History(recent)
    everything = verifications().filter(account_id=account_sid, recipient_key=key)
    if recent[-1].expires_at > now - _DAY:
        limit = conf.current().RECIPIENT_STARTS_PER_DAY
        recent += everything.order_by("-serial")[HISTORY:limit]
    if any(row.valid for row in recent):
        return History(recent)
    return History(recent, _wrong_since_approval(everything, recent[-1].serial))


def reserve(
    past: History, *, wanted: int, code_length: int, now: dt.datetime, sparing: bool = False
) -> int:
    """Return how many guesses a new verification of this recipient gets, at most `wanted`.

    A live verification counts with all that it may still compare, so the reserve holds whatever
    happens to it. A `sparing` one takes half of what is left: of clients without credentials each
    has a verification of its own, and a few must not hold the whole day. Raises MaxSendsReached
    when nothing is left, TooManyRequests after too many starts.
    """
    settings = conf.current()
    day = [row for row in past.rows if row.expires_at > now - _DAY]
    if len(day) >= settings.RECIPIENT_STARTS_PER_DAY:
        raise TooManyRequests(
            "Too many verifications of this recipient in 24 hours",
            retry_after=seconds_until(day[-1].expires_at + _DAY, now),
        )
    in_a_row = settings.MAX_CONSECUTIVE_FAILURES - past.in_a_row(now)
    if in_a_row < 1:
        raise MaxSendsReached("Too many wrong codes in a row: the recipient must be released")
    left = min(per_day(code_length) - sum(used(row, now) for row in day), in_a_row)
    if left < 1:
        raise _nothing_left(day, now)
    return min(wanted, (left + 1) // 2 if sparing else left)


def per_day(code_length: int) -> int:
    """Return how many wrong guesses a recipient has a day, by the length of the code."""
    settings = conf.current()
    if code_length >= 6:
        return settings.RECIPIENT_GUESSES_PER_DAY
    return settings.RECIPIENT_GUESSES_PER_DAY_SHORT_CODE


def used(row: Verification, now: dt.datetime) -> int:
    """Return the wrong guesses of a row; of a live one, all that it may come to."""
    if row.status == _Status.PENDING and not row.is_over(now):
        return row.max_checks
    if row.forgiven:
        return 0
    return row.checks - 1 if row.confirmed else row.checks


def _nothing_left(day: list[Verification], now: dt.datetime) -> MaxSendsReached:
    """Return the refusal: open verifications hold what is left, or wrong codes have used it up."""
    live = [row.expires_at for row in day if row.status == _Status.PENDING and not row.is_over(now)]
    if live:
        text = "Too many verifications of this recipient are open"
        return MaxSendsReached(text, retry_after=seconds_until(min(live), now))
    oldest = min((row.expires_at for row in day if used(row, now)), default=now)
    text = "Too many wrong codes were tried for this recipient"
    return MaxSendsReached(text, retry_after=seconds_until(oldest + _DAY, now))


def _wrong_since_approval(rows: QuerySet[Verification], below: int) -> int:
    """Sum, in the database, the wrong guesses of the rows below a serial; none of them is live."""
    older = rows.filter(serial__lt=below)
    approved = older.filter(status=_Status.APPROVED).aggregate(last=Max("serial"))["last"] or 0
    counted = older.filter(serial__gt=approved, forgiven=False)
    wrong = Case(
        When(confirmed=True, then=F("checks") - 1), default=F("checks"), output_field=IntegerField()
    )
    return counted.aggregate(total=Sum(wrong))["total"] or 0
