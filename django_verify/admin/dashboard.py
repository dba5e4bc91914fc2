"""The dashboard: what converts, what it costs, how long people wait, and what is wrong now."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.urls import NoReverseMatch, URLPattern, path, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from django_verify import conf, health, logs, sids
from django_verify.admin import alarms, charts, csv_files, periods
from django_verify.admin.closed import ClosedAdmin, LookOnly
from django_verify.admin.figures import counted_as
from django_verify.admin.guard import CAUSES
from django_verify.admin.labels import country_name, money, percent, price, seconds
from django_verify.admin.periods import NO_COUNTRY, Asked, DashboardForm, Span, place_of
from django_verify.admin.verifications import sees_recipients
from django_verify.contact import phones
from django_verify.db import queries
from django_verify.messages import channels
from django_verify.messages.channels import label
from django_verify.models import (
    Dashboard,
    GuardDecision,
    Template,
    Verification,
    VerificationAttempt,
    VerifyService,
)
from django_verify.models.rollups import begin_of
from django_verify.rollups import Figures, Period, Reading, blocks
from django_verify.rollups.counting import BOUNDS, MILLION, TIMES

#: Lines of a table on the page; its file has all.
SHOWN = 15
#: Rows that are read at once for the file of attempts.
BATCH = 2000

_DIMENSIONS: dict[str, tuple[str, Any]] = {
    "country": ("country", _("Country")),
    "channel": ("channel", _("Channel")),
    "sender": ("sender", _("Sender")),
    "locale": ("locale", _("Language")),
    "service": ("service_id", _("Service")),
    "template": ("template", _("Template")),
}
_COLUMNS = tuple(column for column, _title in _DIMENSIONS.values())
_BY_TIME = ("starts", "sent", "delivered", "converted", "approved", "spend")
_HEADS = (
    *("starts", "sent", "delivered", "approved", "conversion", "conversion before"),
    *("median seconds", "p95 seconds", "spend", "spend per approval"),
)
_ATTEMPT_COLUMNS = (
    *("time", "attempt", "verification", "service", "recipient", "country", "channel", "locale"),
    *("template", "message status", "sender", "provider message id", "error code", "error"),
    *("messages", "price", "currency", "verification status", "approved"),
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


@dataclass(slots=True)
class Sheet:
    """All figures of the page, as they are read."""

    asked: Asked
    now: Reading
    before: Reading
    by_kind: dict[tuple[Any, ...], Figures] = field(default_factory=dict)
    kinds_before: dict[tuple[Any, ...], Figures] = field(default_factory=dict)

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
        return found

    def total(self) -> Figures:
        """Return the figures of the period."""
        return _sum(self.by_kind.values())

    def total_before(self) -> Figures:
        """Return the figures of the period before."""
        return _sum(self.kinds_before.values())

    def by(self, dimension: str) -> list[tuple[Any, Figures, Figures]]:
        """Return value, figures and those before, the most starts first."""
        place = list(_DIMENSIONS).index(dimension)
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


@admin.register(Dashboard)
class DashboardAdmin(LookOnly, ClosedAdmin):
    """A page in the place of a list: `/admin/django_verify/dashboard/`."""

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whether the viewer may see figures; they show no recipient."""
        return request.user.has_perm("django_verify.view_dashboard")

    def get_urls(self) -> list[URLPattern]:
        """Return the page and its files; there are no objects to show."""
        name = f"{self.opts.app_label}_{self.opts.model_name}"
        wrap = self.admin_site.admin_view
        return [
            path("", wrap(self.changelist_view), name=f"{name}_changelist"),
            path("export/<slug:table>/", wrap(self.export_view), name=f"{name}_export"),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Return the page. Raises PermissionDenied."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        request.current_app = self.admin_site.name
        now = timezone.now()
        form = DashboardForm(request.GET)
        asked = periods.read(form, now)
        sheet = Sheet.of(asked)
        view = _View(request, form, sheet, self.admin_site.name)
        context = {
            "title": _("Dashboard"),
            "form": form,
            "period_said": view.period_said(),
            "alarms": list(alarms.find(request, asked.filters, sheet.now.period, now)),
            "is_empty": not sheet.by_kind,
            "numbers": view.numbers(now),
            "charts": view.charts(),
            "tables": view.tables(),
            "attempts_export": view.attempts_export(),
            "failures_export": view.attempts_export("failed"),
            "workers": health.worker_states(),
            "verifications_url": view.verifications_url,
            "currency": conf.current().CURRENCY,
            "has_view_permission": False,  # the breadcrumbs would link the page to itself
        }
        return self.page(request, "dashboard.html", None, context)

    def export_view(self, request: HttpRequest, table: str) -> HttpResponseBase:
        """Return a table, or the attempts, as a file. Raises PermissionDenied and Http404."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        request.current_app = self.admin_site.name
        form = DashboardForm(request.GET)
        asked = periods.read(form, timezone.now())
        if table == "attempts":
            if not request.user.has_perm("django_verify.view_verificationattempt"):
                raise PermissionDenied
            found = _attempts(
                asked, sees_recipients(request), counted_as(request.GET.get("figure", ""))
            )
            rows = csv_files.stream(_ATTEMPT_COLUMNS, found)
            answer: HttpResponseBase = StreamingHttpResponse(
                rows, content_type="text/csv; charset=utf-8"
            )
        else:
            view = _View(request, form, Sheet.of(asked), self.admin_site.name)
            columns, lines = view.file(table)
            answer = HttpResponse(
                csv_files.stream(columns, lines), content_type="text/csv; charset=utf-8"
            )
        name = f"verify-{table}-{asked.begin:%Y-%m-%d}.csv"
        answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
        return answer


class _View:
    """What the template shows of a sheet, with the links that the viewer may follow."""

    def __init__(self, request: HttpRequest, form: DashboardForm, sheet: Sheet, site: str) -> None:
        self.form, self.sheet, self.asked, self.site = form, sheet, sheet.asked, site
        self.total, self.before = sheet.total(), sheet.total_before()
        self._lists = {
            model: url
            for model in ("verificationattempt", "verification", "guarddecision")
            if request.user.has_perm(f"django_verify.view_{model}")
            and (url := self._url(f"{model}_changelist"))
        }
        self.verifications_url = self._lists.get("verification", "")
        self._services: dict[str, str] | None = None
        self._templates: dict[str, str] | None = None

    def _url(self, page: str, *args: str) -> str:
        # A host's site may have some of the pages alone.
        try:
            return reverse(f"admin:django_verify_{page}", args=args, current_app=self.site)
        except NoReverseMatch:
            return ""

    def period_said(self) -> str:
        """Return the period in words."""
        ends = (begin_of(self.asked.first), begin_of(self.asked.end))
        first, end = (date_format(timezone.localtime(m), "SHORT_DATETIME_FORMAT") for m in ends)
        return f"{first} – {end}"

    def query(self, **more: str) -> str:
        """Return the page's own filters as a query string, with these changes."""
        kept = {name: self.form.data.get(name, "") for name in DashboardForm.base_fields}
        return urlencode({name: value for name, value in {**kept, **more}.items() if value})

    def _rows_url(
        self, figure: str, span: Span | None = None, only: Mapping[str, str] | None = None
    ) -> str:
        """Return the list of the attempts that a number counts; empty for who may not see it."""
        base = self._lists.get("verificationattempt")
        if base is None:
            return ""
        first, end = self.asked.first, self.asked.end
        if span:
            first, end = span.first, span.end
        query = {
            "figure": figure,
            **self._given(),
            "date_created__gte": _bound(first),
            "date_created__lt": _bound(end),
            **(only or {}),
        }
        return f"{base}?{urlencode(query)}"

    def numbers(self, now: dt.datetime) -> list[dict[str, Any]]:
        """Return the numbers on top: what they are, what they were, and the page behind."""
        found, before = self.total, self.before
        funnel = [
            (_("Started"), found.starts, "starts", None),
            (_("Sent"), found.sent, "sent", found.sent),
            (_("Delivered"), found.delivered, "delivered", found.delivered),
            (_("Not delivered"), found.failed, "failed", found.failed),
            (_("Approved"), found.converted, "approved", found.converted),
        ]
        numbers: list[dict[str, Any]] = [
            {
                "name": name,
                "text": str(count),
                "url": self._rows_url(figure),
                "note": percent(part / found.starts) if part is not None and found.starts else "",
            }
            for name, count, figure, part in funnel
        ]
        numbers += [
            {
                "name": _("Conversion"),
                "text": percent(found.conversion),
                "note": self._was(percent(before.conversion)),
            },
            {
                "name": _("Median time"),
                "text": seconds(found.seconds(0.5)),
                "note": gettext("95 %% within %(time)s") % {"time": seconds(found.seconds(0.95))},
            },
            {
                "name": _("Spend"),
                "text": money(found.cost),
                "unit": conf.current().CURRENCY,
                "note": self._was(money(before.cost)),
            },
            {
                "name": _("Per approval"),
                "text": price(found.cost_per_approval),
                "unit": conf.current().CURRENCY,
                "note": self._was(price(before.cost_per_approval)),
            },
        ]
        locked = self._locked(now)
        base = self._lists.get("verification", "")
        numbers.append(
            {
                "name": _("Locked now"),
                "text": str(locked),
                "url": base and f"{base}?{urlencode({'locked': 'now', **self._given()})}",
                "note": gettext("too many wrong codes"),
            }
        )
        return numbers

    @staticmethod
    def _was(text: str) -> str:
        return gettext("before: %(text)s") % {"text": text}

    def _given(self) -> dict[str, str]:
        """Return the filters of the page as the lists take them."""
        filters = self.asked.filters
        given = {
            "country": NO_COUNTRY if filters.country == "" else filters.country,
            "service": filters.service,
            "channel": filters.channel,
        }
        return {name: value for name, value in given.items() if value is not None}

    def _locked(self, now: dt.datetime) -> int:
        """Return how many verifications are used up by wrong codes at this moment."""
        rows = queries.verifications().filter(
            expires_at__gt=now, status=Verification.Status.MAX_ATTEMPTS_REACHED, is_test=False
        )
        named = {"service_id": self.asked.filters.service, "country": self.asked.filters.country}
        named |= {"channel": self.asked.filters.channel}
        return rows.filter(**{name: v for name, v in named.items() if v is not None}).count()

    def charts(self) -> list[dict[str, Any]]:
        """Return the charts, each with its table beneath."""
        spans = self.asked.spans
        now, before = self.sheet.over_time()
        labels = [span.label for span in spans]
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
        total = self.total
        described = gettext(
            "%(starts)d codes were asked for, %(sent)d sent, %(delivered)d reported as delivered"
            " and %(approved)d approved."
        ) % {
            "starts": total.starts,
            "sent": total.sent,
            "delivered": total.delivered,
            "approved": total.converted,
        }
        funnel = charts.lines("funnel", _("From start to approval"), described, labels, series)
        rows = []
        for i, (span, line) in enumerate(zip(spans, now, strict=True)):
            cells = [
                Cell(str(line.starts), self._rows_url("starts", span)),
                Cell(str(line.converted), self._rows_url("approved", span)),
                Cell(percent(line.conversion)),
                Cell(str(line.sent), self._rows_url("sent", span)),
                Cell(str(line.delivered), self._rows_url("delivered", span)),
                Cell(str(before[i].starts) if i < len(before) else "–"),
                Cell(money(line.cost)),
            ]
            rows.append((Cell(span.label), cells))
        heads = (
            _("Hour") if self.asked.by_hour else _("Day"),
            *(_("Started"), _("Approved"), _("Conversion"), _("Sent"), _("Delivered")),
            *(_("Started before"), _("Spend")),
        )
        over_time = Table("time", _("Over time"), heads, rows, self._export("time"))
        return [
            {"chart": funnel, "table": over_time},
            self._spend_chart(labels, now),
            self._time_chart(),
        ]

    def _spend_chart(self, labels: Sequence[str], now: Sequence[Figures]) -> dict[str, Any]:
        described = gettext("%(spend)s %(currency)s in all, %(each)s for each approval.") % {
            "spend": money(self.total.cost),
            "currency": conf.current().CURRENCY,
            "each": price(self.total.cost_per_approval),
        }
        costs = [line.cost for line in now]
        chart = charts.bars("spend", _("Spend"), described, labels, costs, list(map(money, costs)))
        rows = [
            (
                Cell(name),
                [
                    Cell(money(line.cost)),
                    Cell(str(line.approved)),
                    Cell(price(line.cost_per_approval)),
                ],
            )
            for name, line in zip(labels, now, strict=True)
        ]
        heads = (
            _("Hour") if self.asked.by_hour else _("Day"),
            *(_("Spend"), _("Verifications approved"), _("Per approval")),
        )
        return {
            "chart": chart,
            "table": Table("spend", _("Spend"), heads, rows, self._export("time")),
        }

    def _time_chart(self) -> dict[str, Any]:
        described = gettext("Half were approved within %(half)s, 95 %% within %(most)s.") % {
            "half": seconds(self.total.seconds(0.5)),
            "most": seconds(self.total.seconds(0.95)),
        }
        labels = [f"≤ {seconds(bound)}" for bound in BOUNDS[:-1]]
        labels.append(f"> {seconds(BOUNDS[-2])}")
        counts = [getattr(self.total, name) for name in TIMES]
        chart = charts.bars(
            "waiting", _("How long people took"), described, labels, counts, list(map(str, counts))
        )
        rows = [
            (Cell(name), [Cell(str(count))]) for name, count in zip(labels, counts, strict=True)
        ]
        heads = (_("Time to approval"), _("Verifications approved"))
        table = Table("waiting", _("Time to approval"), heads, rows, self._export("waiting"))
        return {"chart": chart, "table": table}

    def _export(self, table: str) -> str:
        query = self.query()
        return f"{self._url('dashboard_export', table)}{'?' if query else ''}{query}"

    def attempts_export(self, figure: str = "") -> str:
        """Return the URL of the file of attempts; empty for who may not see them."""
        if "verificationattempt" not in self._lists:
            return ""
        query = "&".join(filter(None, (self.query(), figure and urlencode({"figure": figure}))))
        return f"{self._url('dashboard_export', 'attempts')}{'?' if query else ''}{query}"

    def tables(self) -> list[Table]:
        """Return a table for each dimension, and that of the blocks."""
        found = []
        for name, (_column, title) in _DIMENSIONS.items():
            lines = self.sheet.by(name)
            rows = [self._line(name, *line) for line in lines[:SHOWN]]
            heads = (
                title,
                *(_("Started"), _("Approved"), _("Conversion"), _("Before"), _("Sent")),
                *(_("Delivered"), _("Median"), _("95 % within"), _("Spend"), _("Per approval")),
            )
            more = max(len(lines) - SHOWN, 0)
            found.append(Table(name, title, heads, rows, self._export(name), more))
        return [*found, self._blocks()]

    def _line(
        self, dimension: str, value: Any, found: Figures, before: Figures
    ) -> tuple[Cell, list[Cell]]:
        only = self._only(dimension, value)
        starts, sent, delivered, approved = (
            Cell(str(count), self._rows_url(figure, only=only) if only else "")
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
        return Cell(self._named(dimension, value), self._narrower(dimension, value)), cells

    @staticmethod
    def _only(dimension: str, value: Any) -> dict[str, str]:
        """Return the parameters of the list for one value; nothing of a service that is gone."""
        if dimension == "service":
            return {"service": value} if value else {}
        return {dimension: value or (NO_COUNTRY if dimension == "country" else "")}

    def _narrower(self, dimension: str, value: Any) -> str:
        """Return the dashboard of one value alone, where it can be filtered by."""
        if dimension not in {"country", "channel", "service"} or (
            dimension == "service" and not value
        ):
            return ""
        return f"?{self.query(**self._only(dimension, value))}"

    def _named(self, dimension: str, value: Any) -> str:
        """Return what operators call a value."""
        if dimension == "country":
            return country_name(value)
        if dimension == "channel":
            return str(label(value))
        if dimension == "service":
            if self._services is None:
                self._services = dict(VerifyService.objects.values_list("sid", "friendly_name"))
            return self._services.get(value, "") if value else gettext("deleted service")
        if dimension == "template":
            if self._templates is None:
                self._templates = dict(Template.objects.values_list("sid", "friendly_name"))
            return self._templates.get(value, value) if value else gettext("default text")
        return value or gettext("none")

    def _blocks(self) -> Table:
        found = blocks(self.sheet.now.period, self.asked.filters)
        base = self._lists.get("guarddecision", "")
        rows = []
        for (cause, outcome), (starts, saved) in sorted(found.items(), key=lambda row: -row[1][0]):
            query = {"cause": cause, "outcome": outcome, **self._given()}
            query["date_created__gte"] = _bound(self.asked.first)
            query["date_created__lt"] = _bound(self.asked.end)
            url = base and f"{base}?{urlencode(query)}"
            named = Cell(str(CAUSES.get(cause, cause)))
            outcome_said = str(dict(GuardDecision.Outcome.choices).get(outcome, outcome))
            rows.append(
                (named, [Cell(outcome_said), Cell(str(starts), url), Cell(money(saved / MILLION))])
            )
        heads = (_("Reason"), _("Outcome"), _("Starts"), _("Saved"))
        return Table("blocks", _("Blocked"), heads, rows, self._export("blocks"))

    def file(self, table: str) -> tuple[Sequence[str], Iterable[Mapping[str, str]]]:
        """Return columns and lines of a table's file. Raises Http404."""
        if table in _DIMENSIONS:
            return (table, "name", *_HEADS), self._dimension_lines(table)
        if table == "time":
            return ("begin", *_HEADS[:5], "spend", "verifications approved"), self._time_lines()
        if table == "waiting":
            lines = (
                {
                    "seconds at most": str(bound),
                    "verifications approved": str(getattr(self.total, name)),
                }
                for bound, name in zip(BOUNDS, TIMES, strict=True)
            )
            return ("seconds at most", "verifications approved"), lines
        if table == "blocks":
            found = blocks(self.sheet.now.period, self.asked.filters)
            return ("cause", "outcome", "starts", "saved"), (
                {
                    "cause": cause,
                    "outcome": outcome,
                    "starts": str(starts),
                    "saved": f"{saved / MILLION:.6f}",
                }
                for (cause, outcome), (starts, saved) in sorted(found.items())
            )
        raise Http404

    def _dimension_lines(self, dimension: str) -> Iterator[Mapping[str, str]]:
        for value, found, before in self.sheet.by(dimension):
            texts = _texts(found)
            texts["conversion before"] = _number(before.conversion)
            yield {dimension: value or "", "name": self._named(dimension, value), **texts}

    def _time_lines(self) -> Iterator[Mapping[str, str]]:
        now, _before = self.sheet.over_time()
        for span, found in zip(self.asked.spans, now, strict=True):
            begin = timezone.localtime(begin_of(span.first)).isoformat(timespec="minutes")
            approved = {"verifications approved": str(found.approved)}
            yield {"begin": begin, **_texts(found), **approved}


def _bound(hour: int) -> str:
    """Return the begin of an hour as the lists take it in their URLs."""
    return conf.stored(begin_of(hour)).isoformat(sep=" ", timespec="seconds")


def _texts(found: Figures) -> dict[str, str]:
    """Return figures as a file has them: plain numbers, nothing where there is none."""
    return {
        "starts": str(found.starts),
        "sent": str(found.sent),
        "delivered": str(found.delivered),
        "approved": str(found.converted),
        "conversion": _number(found.conversion),
        "median seconds": _number(found.seconds(0.5)),
        "p95 seconds": _number(found.seconds(0.95)),
        "spend": f"{found.cost:.6f}",
        "spend per approval": _number(found.cost_per_approval),
    }


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def _attempts(asked: Asked, full: bool, counted: Q) -> Iterator[Mapping[str, str]]:
    """Yield the attempts of a period that are counted, the oldest first, a batch at a time."""
    rows = queries.attempts().filter(verification__is_test=False, **asked.filters.of_rows())
    rows = rows.filter(counted)
    rows = rows.filter(sid__lt=sids.first_of_hour("VL", asked.end)).order_by("sid")
    after = {"sid__gte": sids.first_of_hour("VL", asked.first)}
    while True:
        batch = list(rows.filter(**after).select_related("verification__service")[:BATCH])
        for row in batch:
            yield _attempt(row, full)
        if len(batch) < BATCH:
            return
        after = {"sid__gt": batch[-1].sid}


def _attempt(row: VerificationAttempt, full: bool) -> dict[str, str]:
    of = row.verification
    return {
        "time": sids.moment_of(row.sid).isoformat(timespec="seconds"),
        "attempt": row.sid,
        "verification": of.sid,
        "service": of.service.friendly_name if of.service else "",
        "recipient": of.to if full else channels.mask(of.to),
        "country": of.country,
        "channel": row.channel,
        "locale": row.template.get("locale") or row.locale,
        "template": row.template.get("sid", ""),
        "message status": row.message_status,
        "sender": row.sender,
        "provider message id": row.provider_sid if full else phones.mask_within(row.provider_sid),
        "error code": row.error_code,
        "error": row.error_message if full else logs.without_numbers(row.error_message),
        "messages": str(row.messages),
        "price": row.price_value,
        "currency": row.price_currency,
        "verification status": of.current_status(timezone.now()),
        "approved": "yes" if of.valid else "no",
    }
