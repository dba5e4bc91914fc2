"""The numbers on top of the dashboard: what they are, what they were, and the page behind."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from django_verify import conf
from django_verify.admin.dashboard.links import Links
from django_verify.admin.dashboard.sheet import Sheet
from django_verify.admin.labels import money, number, percent, price, seconds
from django_verify.db import queries
from django_verify.models import Verification
from django_verify.rollups import Filters


def numbers(sheet: Sheet, links: Links, now: dt.datetime) -> list[dict[str, Any]]:
    """Return name, text, and where there are any unit, note and URL of each number."""
    locked = {
        "name": _("Locked now"),
        "text": number(_locked(sheet.asked.filters, now)),
        "url": links.locked(),
        "note": gettext("too many wrong codes"),
    }
    return [*_funnel(sheet, links), *_rates(sheet), locked]


def _funnel(sheet: Sheet, links: Links) -> Iterator[dict[str, Any]]:
    found = sheet.total
    steps = [
        (_("Started"), found.starts, "starts"),
        (_("Sent"), found.sent, "sent"),
        (_("Delivered"), found.delivered, "delivered"),
        (_("Not delivered"), found.failed, "failed"),
        (_("Approved"), found.converted, "approved"),
    ]
    for name, count, figure in steps:
        is_part = figure != "starts" and found.starts
        yield {
            "name": name,
            "text": number(count),
            "url": links.attempts(figure),
            "note": percent(count / found.starts) if is_part else "",
        }


def _rates(sheet: Sheet) -> Iterator[dict[str, Any]]:
    found, before = sheet.total, sheet.total_before
    yield {
        "name": _("Conversion"),
        "text": percent(found.conversion),
        "note": _was(percent(before.conversion)),
    }
    yield {
        "name": _("Median time"),
        "text": seconds(found.seconds(0.5)),
        "note": gettext("95 %% within %(time)s") % {"time": seconds(found.seconds(0.95))},
    }
    yield {
        "name": _("Spend"),
        "text": money(found.cost),
        "unit": conf.current().CURRENCY,
        "note": _was(money(before.cost)),
    }
    yield {
        "name": _("Per approval"),
        "text": price(found.cost_per_approval),
        "unit": conf.current().CURRENCY,
        "note": _was(price(before.cost_per_approval)),
    }


def _was(text: str) -> str:
    return gettext("before: %(text)s") % {"text": text}


def _locked(filters: Filters, now: dt.datetime) -> int:
    """Return how many verifications are used up by wrong codes at this moment."""
    rows = queries.verifications().filter(
        expires_at__gt=now, status=Verification.Status.MAX_ATTEMPTS_REACHED, is_test=False
    )
    named = {
        "service_id": filters.service,
        "country": filters.country,
        "channel": filters.channel,
    }
    return rows.filter(**{name: v for name, v in named.items() if v is not None}).count()
