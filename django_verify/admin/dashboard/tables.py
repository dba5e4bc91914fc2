"""The tables of the dashboard: one for each dimension, and that of what was blocked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from django_verify.admin import labels
from django_verify.admin.dashboard.links import Links
from django_verify.admin.dashboard.periods import NO_COUNTRY
from django_verify.admin.dashboard.sheet import DIMENSIONS, Sheet
from django_verify.admin.labels import money, number, percent, price, seconds
from django_verify.messages import channels
from django_verify.models import GuardDecision, Template, VerifyService
from django_verify.rollups import Figures, blocks
from django_verify.rollups.counting import MILLION

#: Lines of a table on the page; its file has all.
SHOWN = 15

_HEADS = (
    *(_("Started"), _("Approved"), _("Conversion"), _("Before"), _("Sent")),
    *(_("Delivered"), _("Median"), _("95 % within"), _("Spend"), _("Per approval")),
)


@dataclass(frozen=True, slots=True)
class Cell:
    """A text, and the page behind it."""

    text: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the page; `more` lines are in its file alone."""

    name: str
    title: Any
    heads: Sequence[Any]
    rows: Sequence[tuple[Cell, Sequence[Cell]]]
    export: str
    more: int = 0

    @property
    def more_said(self) -> str:
        """The number of the lines that are left out."""
        return number(self.more)


class Names:
    """What operators call the values of the dimensions."""

    def of(self, dimension: str, value: Any) -> str:
        """Return the name of a value, or what stands for none."""
        if dimension == "country":
            return labels.country(value, gettext("no country"))
        if dimension == "channel":
            return str(channels.label(value))
        if dimension == "service":
            return self._services.get(value, "") if value else gettext("deleted service")
        if dimension == "template":
            return self._templates.get(value, value) if value else gettext("default text")
        return value or gettext("none")

    @cached_property
    def _services(self) -> dict[str, str]:
        return dict(VerifyService.objects.values_list("sid", "friendly_name"))

    @cached_property
    def _templates(self) -> dict[str, str]:
        return dict(Template.objects.values_list("sid", "friendly_name"))


def tables(sheet: Sheet, links: Links) -> Iterator[Table]:
    """Yield a table for each dimension, and that of the blocks."""
    names = Names()
    for dimension, (_column, title) in DIMENSIONS.items():
        lines = sheet.by(dimension)
        rows = [_line(dimension, *line, links, names) for line in lines[:SHOWN]]
        more = max(len(lines) - SHOWN, 0)
        yield Table(dimension, title, (title, *_HEADS), rows, links.export(dimension), more)
    yield _blocks(sheet, links)


def _line(
    dimension: str, value: Any, found: Figures, before: Figures, links: Links, names: Names
) -> tuple[Cell, list[Cell]]:
    only = _only(dimension, value)
    starts, sent, delivered, approved = (
        Cell(number(count), links.attempts(figure, only=only) if only else "")
        for count, figure in (
            (found.starts, "starts"),
            (found.sent, "sent"),
            (found.delivered, "delivered"),
            (found.converted, "approved"),
        )
    )
    # What matters most comes first: on a phone the others are to be scrolled to.
    cells = [
        starts,
        approved,
        Cell(percent(found.conversion)),
        Cell(percent(before.conversion)),
        sent,
        delivered,
        Cell(seconds(found.seconds(0.5))),
        Cell(seconds(found.seconds(0.95))),
        Cell(money(found.cost)),
        Cell(price(found.cost_per_approval)),
    ]
    is_filter = dimension in {"country", "channel", "service"} and bool(only)
    narrower = links.narrower(only) if is_filter else ""
    return Cell(names.of(dimension, value), narrower), cells


def _only(dimension: str, value: Any) -> dict[str, str]:
    """Return the parameters of the list for one value; nothing of a service that is gone."""
    if dimension == "service":
        return {"service": value} if value else {}
    return {dimension: value or (NO_COUNTRY if dimension == "country" else "")}


def _blocks(sheet: Sheet, links: Links) -> Table:
    found = blocks(sheet.now.period, sheet.asked.filters)
    outcomes = dict(GuardDecision.Outcome.choices)
    rows = []
    for (cause, outcome), (starts, cost) in sorted(found.items(), key=lambda row: -row[1][0]):
        cells = [
            Cell(str(outcomes.get(outcome, outcome))),
            Cell(number(starts), links.decisions(cause, outcome)),
            Cell(money(cost / MILLION)),
        ]
        rows.append((Cell(str(labels.CAUSES.get(cause, cause))), cells))
    heads = (_("Reason"), _("Outcome"), _("Starts"), _("Price"))
    return Table("blocks", _("Blocked"), heads, rows, links.export("blocks"))
