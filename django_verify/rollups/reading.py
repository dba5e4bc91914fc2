"""Reads figures: of hours that are counted from their lines, of all others from the rows."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from django.db.models import QuerySet, Sum
from django.utils import timezone

from django_verify.db import queries
from django_verify.models import AttemptRollup, BlockRollup, RollupHour, RollupState
from django_verify.rollups import counting, keeping
from django_verify.rollups.counting import BOUNDS, COUNTS, KEYS, MILLION, TIMES, Line, Span

#: The hours that are counted from their rows at most, where no worker has counted them.
LIVE = 48

Key = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Filters:
    """Which lines: of an account, a service, a country ("" is none), a channel; None is all."""

    account: str | None = None
    service: str | None = None
    country: str | None = None
    channel: str | None = None

    def of_lines(self) -> dict[str, str]:
        """Return the look-ups of lines, and of the guard's decisions."""
        names = {"account_id": self.account, "service_id": self.service}
        names |= {"country": self.country, "channel": self.channel}
        return {name: value for name, value in names.items() if value is not None}

    def of_rows(self) -> dict[str, str]:
        """Return the look-ups of attempts."""
        ofs = {"service_id": "verification__service_id", "country": "verification__country"}
        return {ofs.get(name, name): value for name, value in self.of_lines().items()}


@dataclass(frozen=True, slots=True)
class Period:
    """Hours from `first` up to `end`: the spans of them that are read from lines and from rows.

    `missing` is the hour before which some have been counted nowhere, and are left out.
    """

    first: int
    end: int
    lines: Sequence[Span]
    rows: Sequence[Span]
    missing: int | None = None

    @classmethod
    def of(cls, first: int, end: int, most: int | None = LIVE, *, purged: bool = True) -> Period:
        """Look which hours are counted; at most so many are read from their rows.

        Of hours from which a purge may have taken rows the lines are read, or what is left of the
        rows where they are not to be there as `purged`.
        """
        using = queries.database()
        state = RollupState.objects.using(using).first() or RollupState()
        until = min(end, state.counted_to or 0, keeping.open_from(timezone.now()))
        whole = state.attempts_from
        since = max(first, state.counted_from or 0, 0 if purged else whole)
        hours = RollupHour.objects.using(using).filter(due_at__isnull=False)
        # Of what a purge has begun with, the lines alone are right.
        due = hours.filter(hour__gte=max(since, whole), hour__lt=until)
        again = set(due.values_list("hour", flat=True)) if since < until else set()
        counted = [hour for hour in range(since, until) if hour not in again]
        known = set(counted)
        begin = max(first, whole) if purged else first
        left = [hour for hour in range(begin, end) if hour not in known]
        missing = None
        if most is not None and len(left) > most:
            passed, left = left[:-most], left[-most:]
            # A line that may have changed since is nearer to the truth than nothing.
            counted = sorted(known | again.intersection(passed))
            nowhere = [hour for hour in passed if hour not in again]
            if any(_has_attempts(span) for span in _spans(nowhere)):
                missing = nowhere[-1] + 1
        return cls(first, end, _spans(counted), _spans(left), missing)


@dataclass(slots=True)
class Figures:
    """What some attempts come to; the names are those of `AttemptRollup`'s columns."""

    counts: Line = field(default_factory=counting.new)

    def __getattr__(self, name: str) -> int:
        try:
            return self.counts[_PLACES[name]]
        except KeyError:
            raise AttributeError(name) from None

    def add(self, counts: Iterable[int]) -> None:
        """Add a line, or the columns of one."""
        for place, count in enumerate(counts):
            self.counts[place] += count

    @property
    def conversion(self) -> float | None:
        """The part of the attempts whose verification was approved; None of nothing."""
        return self._part(self.starts)

    @property
    def decided(self) -> float | None:
        """The same without those that may still be approved."""
        return self._part(self.starts - self.undecided)

    def _part(self, of: int) -> float | None:
        return min(self.converted / of, 1.0) if of > 0 else None

    @property
    def cost(self) -> float:
        """What the messages have cost, in the site's currency."""
        return self.spend / MILLION

    @property
    def cost_per_approval(self) -> float | None:
        """The same for each approved verification; None without one."""
        return self.cost / self.approved if self.approved else None

    def seconds(self, part: float) -> float | None:
        """Return within how many seconds this part of the approvals came, such as 0.5 of them.

        Read off the columns of times, evenly between their bounds: as exact as these. None without
        an approval.
        """
        times: list[int] = [getattr(self, name) for name in TIMES]
        wanted, before, low = part * sum(times), 0, 0
        if not wanted:
            return None
        for high, count in zip(BOUNDS, times, strict=True):
            if count and before + count >= wanted:
                return low + (high - low) * (wanted - before) / count
            before, low = before + count, high
        return float(BOUNDS[-1])


_PLACES = {name: place for place, name in enumerate((*COUNTS, "undecided"))}


class Reading:
    """The figures of a period that the filters leave; rows are read once, and lines when asked."""

    def __init__(self, period: Period, filters: Filters | None = None) -> None:
        self.period, self.filters = period, filters or Filters()
        self._live = counting.attempts(period.rows, **self.filters.of_rows()).lines

    def total(self, names: Collection[str] = COUNTS) -> Figures:
        """Return the figures of all of them."""
        return self.by(names=names).get((), Figures())

    def by(
        self, *columns: str, per_hour: bool = False, names: Collection[str] = COUNTS
    ) -> dict[Key, Figures]:
        """Return the figures by these of `counting.KEYS`, behind the hour if it is `per_hour`.

        Figures that are not named are not read, and 0. One statement.
        """
        wanted, found = [name for name in COUNTS if name in names], dict[Key, Figures]()
        asked = (*(("hour",) if per_hour else ()), *columns)
        for key, sums in lines(self.period, self.filters, *asked, names=wanted):
            line = found.setdefault(key, Figures()).counts
            for name, count in zip(wanted, sums, strict=True):
                line[_PLACES[name]] += count
        places = [KEYS.index(name) + 1 for name in columns]
        for key, counts in self._live.items():
            shared = tuple(key[place] for place in ([0] if per_hour else []) + places)
            found.setdefault(shared, Figures()).add(counts)
        return found


def lines(
    period: Period, filters: Filters, *columns: str, names: Sequence[str]
) -> Iterator[tuple[Key, tuple[int, ...]]]:
    """Yield the sums of these figures by columns, of the hours that are read from lines alone."""
    if not period.lines:
        return
    rows = _lines(AttemptRollup, period, filters)
    sums = {f"sum_{name}": Sum(name) for name in names}
    if not columns:
        totals = rows.aggregate(**sums)
        yield (), tuple(int(totals[name] or 0) for name in sums)
        return
    for row in rows.order_by().values_list(*columns).annotate(**sums):
        yield tuple(row[: len(columns)]), tuple(map(int, row[len(columns) :]))


def blocks(period: Period, filters: Filters) -> dict[tuple[str, str], tuple[int, int]]:
    """Return how many starts were decided against, and what that saved, by cause and outcome."""
    found: dict[tuple[str, str], tuple[int, int]] = {}

    def add(cause: str, outcome: str, starts: int, saved: int) -> None:
        before = found.get((cause, outcome), (0, 0))
        found[cause, outcome] = before[0] + starts, before[1] + saved

    if period.lines:
        rows = _lines(BlockRollup, period, filters).order_by().values_list("cause", "outcome")
        for cause, outcome, starts, saved in rows.annotate(n=Sum("starts"), s=Sum("saved")):
            add(cause, outcome, int(starts), int(saved))
    if period.rows:
        for key, counts in counting.decisions(period.rows, **filters.of_lines()).items():
            add(key[-2], key[-1], *counts)
    return found


def _lines(model: Any, period: Period, filters: Filters) -> QuerySet[Any]:
    """Return the lines of a period, by one range of the index and what is to be left out of it."""
    first, end = period.lines[0][0], period.lines[-1][1]
    table = model.objects.using(queries.database())
    rows: QuerySet[Any] = table.filter(hour__gte=first, hour__lt=end, **filters.of_lines())
    for (_, low), (high, _) in pairwise(period.lines):
        rows = rows.exclude(hour__gte=low, hour__lt=high)
    return rows


def _has_attempts(span: Span) -> bool:
    return queries.attempts().filter(counting.in_hours("VL", span)).exists()


def _spans(hours: Sequence[int]) -> list[Span]:
    """Return rising hours as spans."""
    found: list[Span] = []
    for hour in hours:
        if found and found[-1][1] == hour:
            found[-1] = found[-1][0], hour + 1
        else:
            found.append((hour, hour + 1))
    return found
