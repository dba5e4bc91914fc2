"""What operators call the values of columns: countries, languages, times."""

from __future__ import annotations

from django.utils.translation import get_language, gettext

from django_verify.contact import countries


def country_name(region: str) -> str:
    """Return a country's name in the viewer's language; e-mail addresses have none."""
    return countries.name(region, get_language() or "en") if region else gettext("no country")


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


def percent(part: float | None) -> str:
    """Return a part in per cent with one digit, a dash where there is none."""
    return "–" if part is None else f"{100 * part:.1f} %"


def money(amount: float | None, digits: int = 2) -> str:
    """Return an amount of the site's currency, without the currency."""
    return "–" if amount is None else f"{amount:.{digits}f}"


def price(amount: float | None) -> str:
    """Return what one of many costs, which is often a fraction of a cent."""
    return money(amount, 4)
