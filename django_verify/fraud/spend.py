"""What messages cost, and what may be spent: prices, currencies, caps and their warnings.

Money is in the site's currency. A start counts its price in every cap by the statement that writes
it, before its message leaves; what a receipt says afterwards corrects the count.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import CharField, QuerySet, Value
from django.db.models.functions import Cast, Concat

from django_verify import conf, signals
from django_verify.db import queries, savepoints
from django_verify.events import cloudevents
from django_verify.exceptions import TooManyRequests
from django_verify.fraud import counts
from django_verify.fraud.counts import Count
from django_verify.fraud.rows import Row, Source, columns
from django_verify.models import Currency, Price, SpendCap, SpendWarning
from django_verify.models.fraud import ELSEWHERE
from django_verify.net import times

#: Of a cap, at which its owner is warned.
PERCENTS = (50, 80, 100)
#: The beginning of a cap's key among the counts.
KIND = "cap"
# A cap's row outlives its period, for a process whose clock is behind.
_KEPT = dt.timedelta(days=1)
_TEXT: Any = CharField()
Receipt = tuple[str, str, int]
# Of one message, in the site's currency: no provider charges more, and a sum of many fits a column.
_MOST = 1e9
# Sums of prices are binary fractions: one that comes out a trifle high still fits.
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Prices:
    """All prices in the site's currency, by country, channel and sender."""

    amounts: Mapping[tuple[str, str, str], float]

    def of(self, country: str, channel: str, sender: str = "") -> float:
        """Return the price of a message; country comes before channel, and that before sender."""
        if self.amounts:
            for region in (country, ELSEWHERE):
                for name in (channel, ""):
                    for alias in (sender, ""):
                        if (found := self.amounts.get((region, name, alias))) is not None:
                            return found
        return conf.current().MESSAGE_PRICE

    def at_most(self, country: str, channel: str, sender: str, fallbacks: Iterable[str]) -> float:
        """Return the price of a message that may go by another channel where the first fails."""
        first = self.of(country, channel, sender)
        return max([first, *(self.of(country, name) for name in fallbacks)])


@dataclass(frozen=True, slots=True)
class Cap:
    """One cap as a process knows it; `scope` is the SID of what it holds for."""

    scope: str
    period: str
    amount: float

    def key(self, now: dt.datetime) -> str:
        """Return the key of its count in the period of a moment."""
        return f"{KIND} {self.scope} {self.period} {self.label(now)}"

    def label(self, now: dt.datetime) -> str:
        """Return the period's name, such as 2027-02-28 or 2027-02."""
        return now.astimezone(dt.UTC).strftime("%Y-%m-%d" if self.period == "day" else "%Y-%m")

    def ends_at(self, now: dt.datetime) -> dt.datetime:
        """Return when the period of a moment is over."""
        day = now.astimezone(dt.UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        if self.period == "day":
            return day + dt.timedelta(days=1)
        return (day.replace(day=1) + dt.timedelta(days=32)).replace(day=1)


def worth(amount: str | Decimal, currency: str, rates: Mapping[str, float]) -> float | None:
    """Return an amount in the site's currency; None where its currency has no rate.

    None also for what is no amount, or that of no message: a provider may answer anything, and a
    count that is infinite would be full for the rest of its period.
    """
    rate = 1.0 if currency == conf.current().CURRENCY else rates.get(currency)
    try:
        found = None if rate is None else float(Decimal(amount)) * rate
    except (InvalidOperation, ValueError):
        return None
    return found if found is not None and abs(found) <= _MOST else None


def cost(
    prices: Prices, rates: Mapping[str, float], where: tuple[str, str, str], receipt: Receipt
) -> float:
    """Return what an attempt has cost: by its receipt, or by the price of country, channel, sender.

    The receipt is the amount, its currency, and how many messages there were.
    """
    amount, currency, messages = receipt
    if not messages:
        return 0.0
    known = worth(amount, currency, rates) if amount else None
    return (prices.of(*where) if known is None else abs(known)) * messages


def counts_of(caps: Iterable[Cap], price: float, now: dt.datetime) -> list[Count]:
    """Return what one message counts in each of these caps."""
    return [
        Count(
            cap.key(now), price, cap.amount + _ROUNDING, 0.0, conf.stored(cap.ends_at(now) + _KEPT)
        )
        for cap in caps
    ]


def refusal(cap: Cap, now: dt.datetime) -> TooManyRequests:
    """Return the error of a start that a cap has no room for."""
    wait = times.seconds_until(cap.ends_at(now), now.astimezone(dt.UTC))
    return TooManyRequests("The spend cap of this period is reached", retry_after=wait)


def passed(cap: Cap, price: float, level: float) -> list[int]:
    """Return the percentages that a message of this price has brought a cap past."""
    before, now = level - price + _ROUNDING, level + _ROUNDING
    return [p for p in PERCENTS if before < cap.amount * p / 100 <= now and cap.amount]


def warn(cap: Cap, percent: int, now: dt.datetime) -> bool:
    """Write down once in a period that a cap has reached a percentage; signal it after commit.

    Return whether this call was the first.
    """
    using = queries.database()
    row = SpendCap.objects.using(using).filter(scope=cap.scope, period=cap.period).first()
    if row is None:
        return False
    warning = SpendWarning(cap=row, period=cap.label(now), percent=percent)
    error = savepoints.tolerate(
        lambda: warning.save(using=using, force_insert=True), using=using, ignore=IntegrityError
    )
    if error is not None:
        return False
    cloudevents.spend_warning(row, percent, warning.period)
    report = {"cap": row, "percent": percent, "period": warning.period}
    transaction.on_commit(
        lambda: signals.spend_warning.send_robust(sender=SpendCap, **report), using=using
    )
    return True


def correct(caps: Iterable[Cap], estimated: float, actual: float, at: dt.datetime) -> None:
    """Correct the counts of a message whose receipt has another price, and warn as a start does."""
    more = actual - estimated
    for cap in caps if more else ():
        counts.give(cap.key(at), more)
        if more > 0:
            for percent in passed(cap, more, counts.level(cap.key(at))):
                warn(cap, percent, at)


def _build_prices(rows: Sequence[Row]) -> Prices:
    rates = _rates(rows)
    found = {}
    for row in rows:
        if row.channels.startswith("rate"):
            continue
        channel, _, sender = row.channels.partition(" ")
        amount, _, currency = row.value.partition(" ")
        # A price in a currency without a rate is no price: the caps would count in nothing.
        if (price := worth(amount, currency, rates)) is not None:
            found[row.key, channel, sender] = price
    return Prices(found)


def rates() -> dict[str, float]:
    """Return what one unit of each currency is worth, as it is kept now."""
    rows = Currency.objects.using(queries.database()).order_by()
    return {code: float(rate) for code, rate in rows.values_list("code", "rate")}


def without_rate() -> list[str]:
    """Return the currencies that prices are in and nobody has said the worth of."""
    known = {conf.current().CURRENCY, *rates()}
    named = Price.objects.using(queries.database()).order_by("currency").values_list("currency")
    return [code for (code,) in named.distinct() if code not in known]


def _rates(rows: Sequence[Row]) -> dict[str, float]:
    return {row.key: float(row.value) for row in rows if row.channels == "rate"}


def _select_prices(using: str, now: dt.datetime) -> QuerySet[Any, Any]:
    return columns(
        PRICES.name,
        Price.objects.using(using),
        key="country",
        channels=Concat("channel", Value(" "), "sender", output_field=_TEXT),
        value=Concat(Cast("amount", _TEXT), Value(" "), "currency", output_field=_TEXT),
    )


def _build_caps(rows: Sequence[Row]) -> dict[str, list[Cap]]:
    found: dict[str, list[Cap]] = {}
    for row in rows:
        found.setdefault(row.key, []).append(Cap(row.key, row.channels, float(row.value)))
    return found


def _select_caps(using: str, now: dt.datetime) -> QuerySet[Any, Any]:
    return columns(
        CAPS.name,
        SpendCap.objects.using(using),
        key="scope",
        channels="period",
        value=Cast("amount", _TEXT),
    )


def _select_rates(using: str, now: dt.datetime) -> QuerySet[Any, Any]:
    return columns(
        PRICES.name,
        Currency.objects.using(using),
        key="code",
        channels=Value("rate", output_field=_TEXT),
        value=Cast("rate", _TEXT),
    )


PRICES = Source("prices", _select_prices, _build_prices)
CAPS = Source("caps", _select_caps, _build_caps)
# What currencies are worth comes with the prices, and under their name.
RATES = Source("rates", _select_rates, len)
