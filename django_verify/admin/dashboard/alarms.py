"""The strip above the dashboard: what is wrong now, in one sentence each, with the page for it."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from django.db.models import Count, Min
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext, ngettext

from django_verify import conf, delivery, health
from django_verify.admin import labels
from django_verify.admin.dashboard.links import Links
from django_verify.admin.labels import percent
from django_verify.db import queries
from django_verify.delivery import attempts
from django_verify.fraud.spend import Cap
from django_verify.models import GuardCount, SenderState, SpendCap
from django_verify.models.rollups import begin_of, hour_at
from django_verify.rollups import Figures, Filters, Period, Reading

#: The part of a budget that is worth an alarm.
SPENT = 0.8
# Hours that are looked at one by one, and the hours before them that are the measure.
_LOOKED_AT, _MEASURE = 24, 24 * 7
# Starts of an hour or more that are compared, and with how many.
_FEW, _ENOUGH = 30, 100
# A fall is to that part of what it was at most, and no chance: so many standard deviations.
_FALLEN, _DEVIATIONS = 0.7, 4.0

_Hours = Sequence[tuple[int, int, int]]


@dataclass(frozen=True, slots=True)
class Alarm:
    """One sentence; `url` is empty where the viewer has no page for it."""

    text: str
    url: str = ""
    link: str = ""


@dataclass(frozen=True, slots=True)
class Fall:
    """That conversion fell at an hour, from one part of the starts to another."""

    since: int
    before: float
    after: float


def find(links: Links, filters: Filters, period: Period, now: dt.datetime) -> Iterator[Alarm]:
    """Yield what is wrong now, the worst first."""
    yield from _waiting(links, now)
    yield from _senders(links, now)
    yield from _falls(links, filters, now)
    yield from _budgets(links, now)
    if period.missing is not None:
        text = gettext("The hours before %(time)s are not counted yet: run rollupattempts.")
        yield Alarm(text % {"time": said(begin_of(period.missing))})


def said(moment: dt.datetime) -> str:
    """Return a moment of today by its time, and any other with its day."""
    local = labels.local(moment)
    is_today = local.date() == labels.local(timezone.now()).date()
    return date_format(local, "TIME_FORMAT" if is_today else "SHORT_DATETIME_FORMAT")


def _ended(text: str) -> str:
    """Return sentences of which one ended in a time such as 9 a.m., with one full stop."""
    return text.replace("..", ".")


def fall(hours: _Hours, measure: tuple[int, int]) -> Fall | None:
    """Return since when fewer starts are approved than before; None where they are not.

    Of each hour there are its number, its starts and how many of them were approved, the oldest
    first; `measure` is the same of the time before. The hour is the one where before and after
    differ most.
    """
    before_starts, before_approved = measure
    starts, approved = sum(row[1] for row in hours), sum(row[2] for row in hours)
    best: tuple[float, Fall] | None = None
    for hour, here, here_approved in hours:
        if starts >= _FEW and before_starts >= _ENOUGH:
            was, now = before_approved / before_starts, approved / starts
            far = _deviations(was, before_starts, now, starts)
            if now <= was * _FALLEN and far >= _DEVIATIONS and (best is None or far > best[0]):
                best = far, Fall(hour, was, now)
        before_starts, before_approved = before_starts + here, before_approved + here_approved
        starts, approved = starts - here, approved - here_approved
    if best is None or _is_over(hours, best[1]):
        return None
    return best[1]


def _is_over(hours: _Hours, found: Fall) -> bool:
    """Whether the last hours that have enough starts are as good as they were before the fall."""
    starts = approved = 0
    for _, here, here_approved in reversed(hours):
        starts, approved = starts + here, approved + here_approved
        if starts >= _FEW:
            break
    return approved >= starts * found.before * (1 + _FALLEN) / 2


def _deviations(was: float, of: int, now: float, among: int) -> float:
    """Return how far two parts are apart, in the standard deviations of their difference."""
    both = (was * of + now * among) / (of + among)
    spread = math.sqrt(max(both * (1 - both), 1e-9) * (1 / of + 1 / among))
    return (was - now) / spread


def _falls(links: Links, filters: Filters, now: dt.datetime) -> Iterator[Alarm]:
    end = hour_at(now) + 1
    first = end - _LOOKED_AT
    names = ("starts", "converted")
    latest = Reading(Period.of(first, end), filters).by("country", per_hour=True, names=names)
    measured = Reading(Period.of(first - _MEASURE, first), filters).by("country", names=names)
    by_country: dict[str, list[tuple[int, int, int]]] = {}
    for (hour, country), found in sorted(latest.items()):
        by_country.setdefault(country, []).append((hour, *_decided(found)))
    falls = []
    for country, rows in by_country.items():
        before = measured.get((country,), Figures())
        if found_fall := fall(rows, (before.starts, before.converted)):
            falls.append((sum(row[1] for row in rows), country, found_fall))
    for _, country, one in sorted(falls, reverse=True, key=lambda item: item[0]):
        text = gettext(
            "Conversion in %(country)s fell from %(before)s to %(after)s since %(time)s."
        )
        values = {
            "country": labels.country(country, gettext("no country")),
            "before": percent(one.before),
            "after": percent(one.after),
            "time": said(begin_of(one.since)),
        }
        url = f"{links.list_of('dashboard')}?period=24h&country={country or '-'}"
        yield Alarm(_ended(text % values), url, gettext("Show"))


def _decided(found: Figures) -> tuple[int, int]:
    """Return the starts that are decided, and how many of them were approved."""
    return max(found.starts - found.undecided, found.converted), found.converted


def _waiting(links: Links, now: dt.datetime) -> Iterator[Alarm]:
    """Yield that messages are late, with what the worker does."""
    due = queries.attempts().filter(attempts.LEASES.due(now))
    late = dt.timedelta(seconds=conf.current().HEALTH_QUEUE_AGE)
    found = due.aggregate(count=Count("pk"), since=Min("due_at"))
    if not found["count"] or now - found["since"] <= late:
        return
    count = found["count"]
    beat = health.last_beat("deliverattempts")
    text = ngettext("%(count)s message waits", "%(count)s messages wait", count)
    text %= {"count": labels.number(count)}
    if beat is None:
        text += gettext(", and no worker has ever run: run deliverattempts.")
    elif (idle := now - beat) > late:
        minutes = max(int(idle.total_seconds() // 60), 1)
        rest = ngettext(
            ", and no worker has run for %(minutes)d minute: run deliverattempts.",
            ", and no worker has run for %(minutes)d minutes: run deliverattempts.",
            minutes,
        )
        text += rest % {"minutes": minutes}
    else:
        text += gettext(" since %(time)s, though a worker runs.") % {"time": said(found["since"])}
    url = links.list_of("verificationattempt")
    yield Alarm(text, url and f"{url}?message_status=queued", gettext("Show"))


def _senders(links: Links, now: dt.datetime) -> Iterator[Alarm]:
    """Yield the senders that are skipped, or that fail for what an operator mends."""
    rows = SenderState.objects.using(queries.database()).filter(failures__gt=0)
    for row in rows.order_by("failing_since"):
        why = delivery.explain_error(row.alias, row.last_code, row.last_error)
        if row.open_until is None and why.whose != "site":
            continue
        values = {
            "sentence": why.sentence,
            "time": said(row.failing_since or row.date_updated),
            "deed": why.deed,
        }
        text = _ended(gettext("%(sentence)s Since %(time)s. %(deed)s") % values)
        url = links.list_of("senderstate")
        yield Alarm(text, url, gettext("Show"))


def _budgets(links: Links, now: dt.datetime) -> Iterator[Alarm]:
    """Yield the caps of which most is spent; what is counted is what the next start goes by."""
    using = queries.database()
    caps = list(SpendCap.objects.using(using).select_related("account", "service"))
    keys = {cap.pk: cap_key(cap, now) for cap in caps}
    levels: Mapping[str, float] = dict(
        GuardCount.objects.using(using).filter(key__in=keys.values()).values_list("key", "level")
    )
    for cap in caps:
        level, amount = levels.get(keys[cap.pk], 0.0), float(cap.amount)
        if not amount or level < amount * SPENT:
            continue
        of = cap.service.friendly_name if cap.service else cap.account.friendly_name
        text = (
            gettext("%(part)s of today's budget of %(owner)s is spent.")
            if cap.period == SpendCap.Period.DAY
            else gettext("%(part)s of this month's budget of %(owner)s is spent.")
        )
        url = links.list_of("spendcap")
        yield Alarm(text % {"part": percent(level / amount), "owner": of}, url, gettext("Show"))


def cap_key(cap: SpendCap, now: dt.datetime) -> str:
    """Return the key under which the guard counts what a cap's period has spent."""
    return Cap(cap.scope, cap.period, float(cap.amount)).key(now)
