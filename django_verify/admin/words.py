"""What the admin's lists call things: countries, channels and times as people say them."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.timesince import timesince
from django.utils.translation import get_language, gettext
from django.utils.translation import gettext_lazy as _

from django_verify.contact import countries
from django_verify.messages.channels import label
from django_verify.models.fraud import ELSEWHERE

_SHORT = {"sms": _("SMS"), "call": _("Call"), "rcs": _("RCS"), "sna": _("SNA")}
_MINUTE = dt.timedelta(minutes=1)


def country(region: str) -> str:
    """Return a country's name in the viewer's language; a dash for none, * for the others."""
    if region == ELSEWHERE:
        return gettext("All other countries")
    return countries.name(region, get_language() or "en") if region else "-"


def channel(name: str) -> Any:
    """Return what people call a channel, in one or two words; a dash for none."""
    return _SHORT.get(name) or label(name) if name else "-"


def clip(text: str, whole: str = "") -> str:
    """Return an element that cuts a long text off, and shows the whole one when pointed at."""
    return format_html(
        '<span class="django-verify-clip django-verify-short" title="{}">{}</span>',
        whole or text,
        text,
    )


def relative(moment: dt.datetime, now: dt.datetime) -> str:
    """Return how long ago a moment was, or how far ahead it is."""
    if abs(now - moment) < _MINUTE:
        return gettext("just now") if moment <= now else gettext("in a moment")
    # The spaces within are none that break.
    if moment < now:
        return gettext("%(time)s ago") % {"time": timesince(moment, now, depth=1)}
    return gettext("in %(time)s") % {"time": timesince(now, moment, depth=1)}


def absolute(moment: dt.datetime) -> str:
    """Return a moment in the site's time and format, with its seconds."""
    here = local(moment)
    return f"{date_format(here, 'DATE_FORMAT')}, {here:%H:%M:%S}"


def clock(moment: dt.datetime | None, now: dt.datetime) -> str:
    """Return an element with the time of day of a moment and how long ago it was; empty for none.

    One of another day than today has its date.
    """
    if moment is None:
        return ""
    here, today = local(moment), local(now)
    day = "" if here.date() == today.date() else f"{date_format(here, 'SHORT_DATE_FORMAT')} "
    return format_html(
        '<time datetime="{}">{}{}</time> <span class="quiet">{}</span>',
        here.isoformat(timespec="seconds"),
        day,
        f"{here:%H:%M:%S}",
        relative(moment, now),
    )


def local(moment: dt.datetime) -> dt.datetime:
    """Return a moment in the viewer's time; one without a zone, without USE_TZ, is in it."""
    return timezone.localtime(moment) if timezone.is_aware(moment) else moment


def ago(moment: dt.datetime | None, now: dt.datetime) -> str:
    """Return an element that says how long ago a moment was, and on hovering when; a dash for none.

    A moment without a zone, as a site without USE_TZ has it, is one of the site's.
    """
    if moment is None:
        return "-"
    if timezone.is_naive(now) != timezone.is_naive(moment):
        moment = timezone.make_aware(moment)
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        moment.isoformat(timespec="seconds"),
        absolute(moment),
        relative(moment, now),
    )
