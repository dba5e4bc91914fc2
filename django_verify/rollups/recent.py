"""Sums of the last hours for monitoring: of hours that are counted from lines, of others in SQL."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field

from django.utils import timezone

from django_verify.models.rollups import hour_at
from django_verify.rollups import counting, reading
from django_verify.rollups.reading import Filters, Period

NAMES = ("starts", "sent", "delivered", "failed", "approved")


@dataclass(slots=True)
class Sums:
    """What some attempts come to; the names are those of `AttemptRollup`'s columns."""

    starts: int = 0
    sent: int = 0
    delivered: int = 0
    failed: int = 0
    approved: int = 0


@dataclass(frozen=True, slots=True)
class Recent:
    """Attempts by channel and sender, and starts that were decided against by cause and outcome."""

    attempts: dict[tuple[str, str], Sums] = field(default_factory=dict)
    refusals: dict[tuple[str, str], int] = field(default_factory=dict)


def since(moment: dt.datetime) -> Recent:
    """Return the sums from the hour of a moment up to now; two days are read at most.

    Of hours that no worker has counted yet the database adds up the rows, by one range of an index.
    """
    period, found = Period.of(hour_at(moment), hour_at(timezone.now()) + 1), Recent()
    keys = ("channel", "sender")
    of_lines = reading.lines(period, Filters(), *keys, names=NAMES)
    for (channel, sender), counts in (*of_lines, *counting.sums(period.rows, *keys, names=NAMES)):
        sums = found.attempts.setdefault((channel, sender), Sums())
        for name, count in zip(NAMES, counts, strict=True):
            setattr(sums, name, getattr(sums, name) + count)
    for key, (starts, _saved) in reading.blocks(period, Filters()).items():
        found.refusals[key] = starts
    return found
