"""The figures of a period and of the one before it, by everything that the dashboard shows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext_lazy as _

from django_verify.admin.dashboard.periods import Asked, Span, place_of
from django_verify.rollups import Figures, Period, Reading

#: What there is a table by: the column of the roll-ups, and the title.
DIMENSIONS: dict[str, tuple[str, Any]] = {
    "country": ("country", _("Country")),
    "channel": ("channel", _("Channel")),
    "sender": ("sender", _("Sender")),
    "locale": ("locale", _("Language")),
    "service": ("service_id", _("Service")),
    "template": ("template", _("Template")),
}
_COLUMNS = tuple(column for column, _title in DIMENSIONS.values())
_BY_TIME = ("starts", "sent", "delivered", "converted", "approved", "spend")


@dataclass(slots=True)
class Sheet:
    """All figures of the page, as they are read."""

    asked: Asked
    now: Reading
    before: Reading
    by_kind: dict[tuple[Any, ...], Figures] = field(default_factory=dict)
    kinds_before: dict[tuple[Any, ...], Figures] = field(default_factory=dict)
    total: Figures = field(default_factory=Figures)
    total_before: Figures = field(default_factory=Figures)

    @classmethod
    def of(cls, asked: Asked) -> Sheet:
        """Read a period and the one before it, by everything that the tables show."""
        before = Period.of(asked.before[0].first, asked.before[-1].end)
        found = cls(
            asked,
            Reading(Period.of(asked.first, asked.end), asked.filters),
            Reading(before, asked.filters),
        )
        found.by_kind = found.now.by(*_COLUMNS)
        names = ("starts", "converted", "approved", "spend")
        found.kinds_before = found.before.by(*_COLUMNS, names=names)
        found.total = _sum(found.by_kind.values())
        found.total_before = _sum(found.kinds_before.values())
        return found

    def by(self, dimension: str) -> list[tuple[Any, Figures, Figures]]:
        """Return value, figures and those before, the most starts first."""
        place = list(DIMENSIONS).index(dimension)
        now, before = _fold(self.by_kind, place), _fold(self.kinds_before, place)
        rows = [(value, found, before.get(value, Figures())) for value, found in now.items()]
        return sorted(rows, key=lambda row: (-row[1].starts, str(row[0] or "")))

    def over_time(self) -> tuple[list[Figures], list[Figures]]:
        """Return the figures of each span, and of each span of the period before."""
        return (
            _placed(self.now, self.asked.spans),
            _placed(self.before, self.asked.before),
        )


def _sum(lines: Iterable[Figures]) -> Figures:
    found = Figures()
    for line in lines:
        found.add(line.counts)
    return found


def _fold(lines: Mapping[tuple[Any, ...], Figures], place: int) -> dict[Any, Figures]:
    found: dict[Any, Figures] = {}
    for key, line in lines.items():
        found.setdefault(key[place], Figures()).add(line.counts)
    return found


def _placed(reading: Reading, spans: Sequence[Span]) -> list[Figures]:
    found = [Figures() for _span in spans]
    for (hour,), line in reading.by(per_hour=True, names=_BY_TIME).items():
        found[place_of(spans, hour)].add(line.counts)
    return found
