"""What the figures of any hours are when each row is looked at, and what we answer for them."""

import datetime as dt
from collections import Counter

import pytest
from django.utils import timezone

from django_verify import rollups, sids
from django_verify.fraud import spend, table
from django_verify.models import GuardDecision, VerificationAttempt
from django_verify.models.rollups import begin_of, hour_at
from django_verify.rollups import Filters, Period, Reading
from django_verify.rollups.counting import BOUNDS, COUNTS, KEYS

DAY, HOUR = 86_400, 3600


@pytest.fixture(autouse=True)
def _today(clock):
    """Every test here has the clock in hand."""


def answered(first=None, end=None, **filters):
    """The figures as they are read, by all keys and the hour; nothing of what is 0."""
    now = hour_at(timezone.now())
    first, end = now - 24 * 40 if first is None else first, now + 1 if end is None else end
    period = Period.of(first, end, most=None)
    found = Reading(period, Filters(**filters)).by(*KEYS, per_hour=True)
    return {key: named(line.counts) for key, line in found.items()}


def named(counts):
    return {name: count for name, count in zip(COUNTS, counts, strict=False) if count}


def by_rows(**filters):
    """The same, from every row there is, one by one and by other code."""
    found = {}
    prices, rates = table.current().prices, spend.rates()
    newest_first = VerificationAttempt.objects.order_by("-sid")
    firsts = dict(newest_first.values_list("verification_id", "sid"))
    for row in VerificationAttempt.objects.select_related("verification"):
        of = row.verification
        if of.is_test:
            continue
        key = (
            int(sids.moment_of(row.sid).timestamp()) // HOUR,
            of.account_id,
            of.service_id,
            of.country,
            row.channel,
            row.sender,
            row.template.get("locale", row.locale),
            row.template.get("sid", ""),
        )
        line = found.setdefault(key, Counter())
        line["starts"] += 1
        arrived = row.message_status in {"delivered", "read"}
        line["delivered"] += arrived
        line["failed"] += row.message_status in {"failed", "undelivered"}
        line["sent"] += (
            arrived
            or row.message_status in {"sent", "undelivered"}
            or (row.message_status == "failed" and bool(row.provider_sid))
        )
        line["converted"] += of.valid
        if row.messages:
            known = row.price_value and spend.worth(row.price_value, row.price_currency, rates)
            price = abs(known) if known else prices.of(of.country, row.via_channel, row.sender)
            line["spend"] += round(price * row.messages * 1_000_000)
        if firsts[of.sid] == row.sid:
            line["verifications"] += 1
            if of.valid:
                line["approved"] += 1
                took = (of.date_updated - of.date_created).total_seconds()
                line[next(f"within_{n}" for n in BOUNDS if took <= n or n == BOUNDS[-1])] += 1
    return {key: {name: n for name, n in line.items() if n} for key, line in found.items()}


def blocks_by_rows():
    found = Counter()
    for row in GuardDecision.objects.all():
        found[row.cause, row.outcome] += 1
    return found


def aged(days):
    """The first hour of a day so many days ago."""
    return hour_at(timezone.now() - dt.timedelta(days=days))


__all__ = ["DAY", "HOUR", "aged", "answered", "begin_of", "blocks_by_rows", "by_rows", "rollups"]
