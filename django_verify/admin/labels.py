"""What operators call the values of columns: countries, channels, causes, times and amounts."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.html import format_html
from django.utils.timesince import timesince
from django.utils.translation import get_language, gettext
from django.utils.translation import gettext_lazy as _

from django_verify.contact import countries
from django_verify.contact.countries import Country
from django_verify.messages import channels
from django_verify.models.fraud import CHANNELS, country_name

#: The channels whose names are short in lists.
_SHORT = {"sms": _("SMS"), "call": _("Call"), "rcs": _("RCS"), "sna": _("SNA")}
#: What a decision of the guard goes by.
CAUSES = {
    "rule": _("a prefix rule"),
    "country": _("a closed country"),
    "number_type": _("the type of the number"),
    "block": _("a closed range"),
    "network": _("a closed network"),
    "device": _("a closed device"),
    "number": _("one number again and again"),
    "crowd": _("a range under attack"),
    "burst": _("a burst to one block"),
    "cold": _("a country without conversions"),
    "cap": _("a spend cap"),
    "policy": _("the site's policy"),
}
_CLOSED_DEED = _("If the people are genuine, open it under “Closed ranges”.")
_PASSING_DEED = _(
    "It passes by itself, mostly within an hour. If the person is genuine, put the number on the"
    " safe list."
)
#: What lets the next start pass.
DEEDS = {
    "rule": _("Change or delete the rule under “Prefix rules”."),
    "country": _("Allow the country under “Countries”, or a range of it under “Prefix rules”."),
    "number_type": _(
        "Tick the type on the service's page, under “Numbers”, or allow the range under “Prefix"
        " rules”."
    ),
    **dict.fromkeys(("block", "network", "device"), _CLOSED_DEED),
    "number": _(
        "It passes by itself, within a day. If the person is genuine, put the number on the safe"
        " list."
    ),
    **dict.fromkeys(("crowd", "burst", "cold"), _PASSING_DEED),
    "cap": _("Raise the cap under “Spend caps”, or wait for its next day or month."),
    "policy": _("Ask your developers: the site's own code has decided."),
}
#: What the guard closes.
CLOSED = {
    "block": _("number block"),
    "range": _("range of numbers"),
    "country": _("country"),
    "network": _("network"),
    "device": _("device"),
}
_MINUTE = dt.timedelta(minutes=1)


def country(region: str, none: str = "-") -> str:
    """Return a country's name in the viewer's language; that of the others for *."""
    return country_name(region) if region else none


def countries_by_name() -> list[Country]:
    """Return every country, in the order of the viewer's language."""
    return countries.choices(_language())


def _language() -> str:
    return get_language() or "en"


def channel(name: str) -> Any:
    """Return what people call a channel, in one or two words; a dash for none."""
    return _SHORT.get(name) or channels.label(name) if name else "-"


def channel_of_rule(name: str) -> Any:
    """Return what people call the channel of a rule or a price, where none stands for all."""
    return channels.label(name) if name else _("Every channel")


def channel_choices() -> list[tuple[str, Any]]:
    """Return every channel that a record can have, with its name."""
    return [(name, channels.label(name)) for name in channels.CHANNELS if name != "auto"]


def phone_channel_choices() -> list[tuple[str, Any]]:
    """Return the channels that reach a phone number, with their names."""
    return [(name, channels.label(name)) for name in CHANNELS]


def seconds(value: float | None) -> str:
    """Return a time as people read it, such as `8 s`, `1 min 20 s` or `2 h 5 min`."""
    if value is None:
        return "–"
    whole = round(value)
    if whole < 60:
        return gettext("%(seconds)d s") % {"seconds": whole}
    hours, minutes, rest = whole // 3600, whole % 3600 // 60, whole % 60
    if hours:
        text = gettext("%(hours)d h %(minutes)d min") if minutes else gettext("%(hours)d h")
    else:
        text = gettext("%(minutes)d min %(seconds)d s") if rest else gettext("%(minutes)d min")
    return text % {"hours": hours, "minutes": minutes, "seconds": rest}


def local(moment: dt.datetime) -> dt.datetime:
    """Return a moment in the viewer's time; one without a zone, without USE_TZ, is in it."""
    return timezone.localtime(moment) if timezone.is_aware(moment) else moment


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


def number(value: float | Decimal, digits: int = 0) -> str:
    """Return a number as the viewer's language writes it, its thousands apart."""
    return number_format(f"{value:.{digits}f}", digits, force_grouping=True)


def percent(part: float | None) -> str:
    """Return a part in per cent with one digit, a dash where there is none."""
    return "–" if part is None else f"{number(100 * part, 1)}\xa0%"


def money(amount: float | Decimal | None, digits: int = 2) -> str:
    """Return an amount of the site's currency, without the currency."""
    return "–" if amount is None else number(amount, digits)


def price(amount: float | Decimal | None) -> str:
    """Return what one of many costs, which is often a fraction of a cent."""
    return money(amount, 4)
