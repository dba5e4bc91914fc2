"""What the dashboard is asked: a period, a service, a country, a channel; and the time before."""

from __future__ import annotations

import datetime as dt
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.http import QueryDict
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext_lazy as _

from django_verify.admin import labels
from django_verify.models import VerifyService
from django_verify.models.rollups import begin_of, hour_at
from django_verify.rollups import Filters

#: The country of recipients that have none, in the URL.
NO_COUNTRY = "-"
LONGEST = 366
# Longer ago there was nothing.
_AT_ALL = dt.timedelta(days=20 * 366)
_PERIODS = {
    "today": _("Today"),
    "yesterday": _("Yesterday"),
    "24h": _("24 hours"),
    "7d": _("7 days"),
    "30d": _("30 days"),
    "dates": _("From – to"),
}
_DAYS = {"today": 1, "7d": 7, "30d": 30}
# Up to so many days are shown by the hour.
_BY_HOUR = 2


class LeanSelect(forms.Select):
    """A select that is written in one go: Django renders a template for each of 250 countries."""

    def render(
        self, name: str, value: Any, attrs: dict[str, Any] | None = None, renderer: Any = None
    ) -> SafeString:
        """Return the element."""
        chosen = str(value or "")
        offered = (
            (one, mark_safe(" selected") if one == chosen else "", text)
            for one, text in self.choices
        )
        options = format_html_join("", '<option value="{}"{}>{}</option>', offered)
        return format_html('<select name="{}" id="id_{}">{}</select>', name, name, options)


class DashboardForm(forms.Form):
    """The filters; whatever is not valid is as if it were not given."""

    period = forms.ChoiceField(label=_("Period"), choices=list(_PERIODS.items()), required=False)
    since = forms.DateField(
        label=_("From"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )
    until = forms.DateField(
        label=_("To"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )
    service = forms.ChoiceField(label=_("Service"), required=False, widget=LeanSelect)
    country = forms.ChoiceField(label=_("Country"), required=False, widget=LeanSelect)
    channel = forms.ChoiceField(label=_("Channel"), required=False, widget=LeanSelect)

    def __init__(self, data: QueryDict) -> None:
        given, has_dates = data.copy(), bool(data.get("since") or data.get("until"))
        # Of a period and dates, what was changed last is meant: `was` is the period that was shown.
        if has_dates and data.get("period") in {None, "", "dates", data.get("was")}:
            given["period"] = "dates"
        elif has_dates:
            given["since"] = given["until"] = ""
        # Django reads a bound form's missing choice as empty, which none of the periods is.
        given.setdefault("period", "today")
        super().__init__(given)
        rows = VerifyService.objects.order_by("friendly_name", "sid")
        names = rows.values_list("sid", "friendly_name", "account__friendly_name")
        self._offer("service", [(sid, f"{name} ({account})") for sid, name, account in names])
        named = [(country.region, country.name) for country in labels.countries_by_name()]
        self._offer("country", [*named, (NO_COUNTRY, _("no country"))])
        self._offer("channel", labels.channel_choices())

    def _offer(self, name: str, choices: list[tuple[str, Any]]) -> None:
        self.fields[name].choices = [("", _("all")), *choices]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        """Return the values. Raises ValidationError for days in the wrong order."""
        found = super().clean() or {}
        since, until = found.get("since"), found.get("until")
        if since and until and not dt.timedelta() <= until - since < dt.timedelta(days=LONGEST):
            text = _("From must not be after To, nor more than %(days)d days before it.")
            raise ValidationError(text, params={"days": LONGEST})
        return found


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a period: an hour or a day, by its hours from `first` up to `end`."""

    first: int
    end: int
    label: str


@dataclass(frozen=True, slots=True)
class Asked:
    """A period in spans, the same time before it, and the filters."""

    name: str
    spans: Sequence[Span]
    before: Sequence[Span]
    filters: Filters
    by_hour: bool

    @property
    def first(self) -> int:
        """The first hour."""
        return self.spans[0].first

    @property
    def end(self) -> int:
        """The hour behind the last."""
        return self.spans[-1].end

    @property
    def begin(self) -> dt.datetime:
        """When it begins, in the viewer's time."""
        return timezone.localtime(begin_of(self.first))


def place_of(spans: Sequence[Span], hour: int) -> int:
    """Return the place of an hour among spans that have it."""
    return bisect_right([span.first for span in spans], hour) - 1


def read(form: DashboardForm, now: dt.datetime) -> Asked:
    """Return what is asked for; what is not valid falls back to today, and to all."""
    valid = form.cleaned_data if form.is_valid() else _valid_part(form)
    name = valid.get("period") or "today"
    country = valid.get("country") or None
    filters = Filters(
        service=valid.get("service") or None,
        country="" if country == NO_COUNTRY else country,
        channel=valid.get("channel") or None,
    )
    if name == "24h":
        end = hour_at(now) + 1
        spans, before = _hours(end - 24, end), _hours(end - 48, end - 24)
        return Asked(name, spans, before, filters, by_hour=True)
    today = labels.local(now).date()
    first, last = today, today
    if name in _DAYS:
        first = today - dt.timedelta(days=_DAYS[name] - 1)
    elif name == "yesterday":
        first = last = today - dt.timedelta(days=1)
    elif name == "dates":
        last = max(min(valid.get("until") or today, today), today - _AT_ALL)
        first = min(valid.get("since") or last, last)
        first = max(first, last - dt.timedelta(days=LONGEST - 1))
    days = (last - first).days + 1
    by_hour = days <= _BY_HOUR
    make = _by_hour if by_hour else _by_day
    spans, before = make(first, days), make(first - dt.timedelta(days=days), days)
    if last == today:
        # What is still to come is no part of it, nor what came in the same time before.
        ends = hour_at(now) + 1
        spans = [span for span in spans if span.first < ends]
        before = _up_to(before, before[0].first + ends - spans[0].first)
    return Asked(name, spans, before, filters, by_hour)


def _up_to(spans: Sequence[Span], end: int) -> list[Span]:
    """Return the spans as far as they are before an hour."""
    return [replace(span, end=min(span.end, end)) for span in spans if span.first < end]


def _valid_part(form: DashboardForm) -> dict[str, Any]:
    """Return the fields that are valid by themselves; no days where they do not go together."""
    found = dict(form.cleaned_data)
    if form.non_field_errors():
        found |= {"since": None, "until": None}
    return found


def _by_hour(first: dt.date, days: int) -> list[Span]:
    return _hours(_midnight(first), _midnight(first + dt.timedelta(days=days)))


def _by_day(first: dt.date, days: int) -> list[Span]:
    found = []
    for number in range(days):
        day = first + dt.timedelta(days=number)
        ends = _midnight(day + dt.timedelta(days=1))
        found.append(Span(_midnight(day), ends, date_format(day, "j M")))
    return found


def _hours(first: int, end: int) -> list[Span]:
    return [
        Span(hour, hour + 1, timezone.localtime(begin_of(hour)).strftime("%H:%M"))
        for hour in range(first, end)
    ]


def _midnight(day: dt.date) -> int:
    """Return the hour in which a day of the site's time zone begins."""
    begin = dt.datetime.combine(day, dt.time(), tzinfo=timezone.get_current_timezone())
    return hour_at(begin)
