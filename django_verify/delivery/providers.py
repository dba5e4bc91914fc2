"""What an operator wants to know of each configured sender, whether or not it ever failed.

Counted from the newest messages alone, so that it costs the same however many there are.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from statistics import median

from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from django_verify import conf, senders
from django_verify.db import queries
from django_verify.delivery.explanations import Explanation, explain_error
from django_verify.models import Price, SenderState, VerificationAttempt
from django_verify.senders import Sender

#: How many of the newest messages are looked at.
SAMPLE = 10_000
HOUR, DAY, _NOW = dt.timedelta(hours=1), dt.timedelta(days=1), dt.timedelta(0)

_Status = VerificationAttempt.MessageStatus
_ARRIVED = frozenset({_Status.DELIVERED, _Status.READ})
_ACCEPTED = frozenset({_Status.SENT, _Status.UNDELIVERED, *_ARRIVED})
_ENDED = _ACCEPTED | {_Status.FAILED}
# The words that only a report has, and no answer.
_REPORTED = frozenset({_Status.UNDELIVERED, *_ARRIVED})
_COLUMNS = (
    *("sender", "message_status", "provider_sid", "date_created", "date_updated"),
    *("price_value", "price_currency"),
)


class State(StrEnum):
    """Whether a sender gets messages, and how it fares."""

    WORKING = "working"
    UNUSED = "unused"
    FAILING = "failing"
    SKIPPED = "skipped"
    PAUSED = "paused"

    @property
    def label(self) -> object:
        """What people read; translated when it is shown."""
        return _LABELS[self]


_LABELS = {
    State.WORKING: _("Working"),
    State.UNUSED: _("Never used"),
    State.FAILING: _("Failing"),
    State.SKIPPED: _("Failing, and used last"),
    State.PAUSED: _("Paused"),
}


_FAILS = (State.FAILING, State.SKIPPED)


@dataclass(slots=True)
class Traffic:
    """The messages of a stretch of time that ended with one sender.

    `accepted` are those that the provider took, `arrived` those it has reported as delivered.
    `seconds` are how long these took, of one without reports until the provider took them.
    """

    messages: int = 0
    accepted: int = 0
    arrived: int = 0
    seconds: list[float] = field(default_factory=list)

    @property
    def accepted_share(self) -> float | None:
        """Per cent of the messages that were accepted; None without messages."""
        return 100 * self.accepted / self.messages if self.messages else None

    @property
    def arrived_share(self) -> float | None:
        """Per cent of the accepted ones that have arrived; None without any."""
        return 100 * self.arrived / self.accepted if self.accepted else None

    @property
    def latency(self) -> float | None:
        """The median, in seconds; None where nothing was measured."""
        return median(self.seconds) if self.seconds else None


@dataclass(slots=True)
class Provider:
    """One configured sender. Shares are per cent, latencies seconds, moments aware.

    `countries` has for each channel the countries that the settings route to it: None for all,
    an empty list for none; `shares` the per cent that it gets first there, where a route has
    weights. `since` is the first failure after the last success, of one that fails.
    `prices` are the means of what the provider has reported, by currency;
    `listed_prices` the rows of the list of prices that name the sender. `reported` is whether one
    of the newest messages has a report.
    """

    alias: str
    kind: str
    channels: list[str]
    countries: dict[str, list[str] | None]
    shares: dict[str, dict[str, int]]
    is_development: bool
    reports: bool
    row: SenderState
    state: State = State.UNUSED
    since: dt.datetime | None = None
    last_success: dt.datetime | None = None
    problem: Explanation | None = None
    hour: Traffic = field(default_factory=Traffic)
    day: Traffic = field(default_factory=Traffic)
    prices: dict[str, Decimal] = field(default_factory=dict)
    listed_prices: list[Price] = field(default_factory=list)
    reported: bool = False
    report_url: str = ""
    wants_url: bool = False
    wants_token: bool = False


def providers(aliases: Iterable[str] | None = None) -> list[Provider]:
    """Return the configured senders, or those of them that are named, in the settings' order.

    Three statements, whatever their number. Raises ImproperlyConfigured.
    """
    known = senders.configured()
    chosen = [alias for alias in known if aliases is None or alias in set(aliases)]
    states = SenderState.objects.using(queries.database()).in_bulk(chosen)
    found = {alias: _provider(known[alias], states.get(alias)) for alias in chosen}
    now = timezone.now()
    _count(found, now)
    _price(found)
    for provider in found.values():
        _judge(provider, now)
    return list(found.values())


def only_sender_of(alias: str) -> list[str]:
    """Return the channels that no other sender serves which is not paused."""
    now = timezone.now()
    known = senders.configured()
    states = SenderState.objects.using(queries.database()).filter(paused_at__isnull=False)
    paused = {row.alias for row in states if row.is_paused(now)}
    others = {one for one in known if one != alias and one not in paused}
    return sorted(
        c for c in known[alias].channels if not any(c in known[o].channels for o in others)
    )


def _provider(sender: Sender, row: SenderState | None) -> Provider:
    kind = type(sender).__name__.removesuffix("Sender") or type(sender).__name__
    token = getattr(sender, "callback_token", "")
    return Provider(
        alias=sender.alias,
        kind=kind,
        channels=sorted(sender.channels),
        countries={
            channel: _countries(sender.alias, channel) for channel in sorted(sender.channels)
        },
        shares={channel: _shares(sender.alias, channel) for channel in sorted(sender.channels)},
        is_development=sender.development,
        reports=sender.reporting,
        row=row or SenderState(alias=sender.alias),
        report_url=report_url(sender),
        wants_url=sender.reports_to_console,
        wants_token=bool(token),
    )


def report_url(sender: Sender) -> str:
    """Return the one URL of a sender's reports; empty where there are none.

    It holds no secret: one that belongs into its query is in the settings alone.
    """
    base = conf.current().BASE_URL.rstrip("/")
    if not (base and sender.reporting):
        return ""
    try:
        return base + reverse("verify_site:callback", args=[sender.alias])
    except NoReverseMatch:
        return ""


def _countries(alias: str, channel: str) -> list[str] | None:
    """Return the countries that ROUTES sends to a sender; None for all, [] for none."""
    by_country = _chains(channel)
    if by_country is None:
        return None
    named = sorted(country for country, chain in by_country.items() if alias in chain)
    return None if named == [conf.ELSEWHERE] and len(by_country) == 1 else named


def _shares(alias: str, channel: str) -> dict[str, int]:
    """Return the per cent of verifications that ROUTES gives a sender first, by country.

    Only where the route has weights.
    """
    return {
        country: round(100 * chain[alias] / sum(chain.values()))
        for country, chain in (_chains(channel) or {}).items()
        if isinstance(chain, Mapping) and alias in chain
    }


def _chains(channel: str) -> Mapping[str, conf.Chain] | None:
    """Return the chains of a channel by country; None where the settings have no routes."""
    settings = conf.current()
    everywhere: Mapping[str, conf.Chain] = {conf.ELSEWHERE: ()}
    return None if settings.ROUTES is None else settings.chains.get(channel, everywhere)


def _count(found: Mapping[str, Provider], now: dt.datetime) -> None:
    """Add what the newest messages show."""
    rows = queries.attempts().filter(withheld="").order_by("-sid").values_list(*_COLUMNS)
    prices: Counter[tuple[str, str, str]] = Counter()
    for alias, status, sid, created, updated, amount, currency in rows[:SAMPLE]:
        provider = found.get(alias)
        if provider is None or status not in _ENDED:
            continue
        accepted = status in _ACCEPTED or bool(sid)
        if accepted:
            provider.last_success = max(provider.last_success or updated, updated)
        provider.reported |= status in _REPORTED
        if amount:
            prices[alias, currency, amount] += 1
        age = now - created
        if _NOW <= age < DAY:
            seconds = (updated - created).total_seconds()
            _add(provider.day, status, accepted, seconds, provider)
            if age < HOUR:
                _add(provider.hour, status, accepted, seconds, provider)
    _average(found, prices)


def _average(found: Mapping[str, Provider], prices: Mapping[tuple[str, str, str], int]) -> None:
    """Add the mean of the prices that providers have reported, which are few different ones."""
    sums: defaultdict[tuple[str, str], list[Decimal]] = defaultdict(lambda: [Decimal(0)] * 2)
    for (alias, currency, amount), count in prices.items():
        if (price := _decimal(amount)) is not None:
            total = sums[alias, currency]
            total[0] += price * count
            total[1] += count
    for (alias, currency), (total_price, count_of) in sums.items():
        found[alias].prices[currency] = total_price / count_of


def _add(traffic: Traffic, status: str, accepted: bool, seconds: float, provider: Provider) -> None:
    traffic.messages += 1
    traffic.accepted += accepted
    traffic.arrived += status in _ARRIVED
    # Of a message that was read, the moment of its delivery is no longer known.
    if status == (_Status.DELIVERED if provider.reports else _Status.SENT):
        traffic.seconds.append(max(seconds, 0.0))


def _price(found: Mapping[str, Provider]) -> None:
    """Add what the list of prices says of each sender by its name."""
    rows = Price.objects.using(queries.database()).filter(sender__in=list(found))
    for row in rows.order_by("sender", "country", "channel"):
        found[row.sender].listed_prices.append(row)


def _judge(provider: Provider, now: dt.datetime) -> None:
    """Add the last error in words, and the state that all of it comes to."""
    row = provider.row
    if row.last_error:
        provider.problem = explain_error(provider.alias, row.last_code, row.last_error)
    failed = row.last_error_at
    if row.is_paused(now):
        provider.state = State.PAUSED
    elif row.open_until is not None:
        provider.state = State.SKIPPED
    elif row.failures or (failed and (provider.last_success or failed) <= failed > now - DAY):
        provider.state = State.FAILING
    elif provider.last_success or failed:
        provider.state = State.WORKING
    began = row.error_since
    # A success is noted on the row of a sender with failures in a row alone.
    if began and provider.state in _FAILS and not (provider.last_success or began) > began:
        provider.since = began


def _decimal(text: str) -> Decimal | None:
    try:
        return abs(Decimal(text)) if text else None
    except InvalidOperation:
        return None
