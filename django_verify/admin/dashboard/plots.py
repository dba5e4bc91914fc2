"""What the dashboard draws: each chart with the table beneath it that has its numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from django_verify import conf
from django_verify.admin.dashboard import charts
from django_verify.admin.dashboard.charts import Chart
from django_verify.admin.dashboard.links import Links
from django_verify.admin.dashboard.sheet import Sheet
from django_verify.admin.dashboard.tables import Cell, Table
from django_verify.admin.labels import money, number, percent, price, seconds
from django_verify.rollups import Figures
from django_verify.rollups.counting import BOUNDS, TIMES


@dataclass(frozen=True, slots=True)
class Plot:
    """A chart, and its table."""

    chart: Chart
    table: Table


def plots(sheet: Sheet, links: Links) -> list[Plot]:
    """Return all of them."""
    now, before = sheet.over_time()
    return [
        Plot(_funnel(sheet, now, before), _over_time(sheet, links, now, before)),
        Plot(_spend(sheet, now), _spend_over_time(sheet, links, now)),
        _waiting(sheet, links),
    ]


def _funnel(sheet: Sheet, now: Sequence[Figures], before: Sequence[Figures]) -> Chart:
    spans, total = sheet.asked.spans, sheet.total
    shadow = [
        *(line.starts for line in before[: len(spans)]),
        *([None] * (len(spans) - len(before))),
    ]
    series = (
        ("before", _("started, the period before"), shadow),
        ("started", _("started"), [line.starts for line in now]),
        ("sent", _("sent"), [line.sent for line in now]),
        ("delivered", _("delivered"), [line.delivered for line in now]),
        ("approved", _("approved"), [line.converted for line in now]),
    )
    described = gettext(
        "%(starts)s codes were asked for, %(sent)s sent, %(delivered)s reported as delivered"
        " and %(approved)s approved."
    ) % {
        "starts": number(total.starts),
        "sent": number(total.sent),
        "delivered": number(total.delivered),
        "approved": number(total.converted),
    }
    names = [span.label for span in spans]
    return charts.lines("funnel", _("From start to approval"), described, names, series)


def _over_time(
    sheet: Sheet, links: Links, now: Sequence[Figures], before: Sequence[Figures]
) -> Table:
    rows = []
    for i, (span, line) in enumerate(zip(sheet.asked.spans, now, strict=True)):
        cells = [
            Cell(number(line.starts), links.attempts("starts", span)),
            Cell(number(line.converted), links.attempts("approved", span)),
            Cell(percent(line.conversion)),
            Cell(number(line.sent), links.attempts("sent", span)),
            Cell(number(line.delivered), links.attempts("delivered", span)),
            Cell(number(before[i].starts) if i < len(before) else "–"),
            Cell(money(line.cost)),
        ]
        rows.append((Cell(span.label), cells))
    heads = (
        _("Hour") if sheet.asked.by_hour else _("Day"),
        *(_("Started"), _("Approved"), _("Conversion"), _("Sent"), _("Delivered")),
        *(_("Started before"), _("Spend")),
    )
    return Table("time", _("Over time"), heads, rows, links.export("time"))


def _spend(sheet: Sheet, now: Sequence[Figures]) -> Chart:
    described = gettext("%(spend)s %(currency)s in all, %(each)s for each approval.") % {
        "spend": money(sheet.total.cost),
        "currency": conf.current().CURRENCY,
        "each": price(sheet.total.cost_per_approval),
    }
    costs = [line.cost for line in now]
    names = [span.label for span in sheet.asked.spans]
    return charts.bars("spend", _("Spend"), described, names, costs, list(map(money, costs)))


def _spend_over_time(sheet: Sheet, links: Links, now: Sequence[Figures]) -> Table:
    rows = []
    for span, line in zip(sheet.asked.spans, now, strict=True):
        texts = money(line.cost), number(line.approved), price(line.cost_per_approval)
        rows.append((Cell(span.label), list(map(Cell, texts))))
    heads = (
        _("Hour") if sheet.asked.by_hour else _("Day"),
        *(_("Spend"), _("Verifications approved"), _("Per approval")),
    )
    return Table("spend", _("Spend"), heads, rows, links.export("time"))


def _waiting(sheet: Sheet, links: Links) -> Plot:
    total = sheet.total
    described = gettext("Half were approved within %(half)s, 95 %% within %(most)s.") % {
        "half": seconds(total.seconds(0.5)),
        "most": seconds(total.seconds(0.95)),
    }
    names = [f"≤ {seconds(bound)}" for bound in BOUNDS[:-1]]
    names.append(f"> {seconds(BOUNDS[-2])}")
    counts = [getattr(total, name) for name in TIMES]
    texts = list(map(number, counts))
    chart = charts.bars("waiting", _("How long people took"), described, names, counts, texts)
    rows = [(Cell(name), [Cell(text)]) for name, text in zip(names, texts, strict=True)]
    heads = (_("Time to approval"), _("Verifications approved"))
    export = links.export("waiting")
    return Plot(chart, Table("waiting", _("Time to approval"), heads, rows, export))
