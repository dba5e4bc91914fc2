"""The verbs of the guard: decide about a start, and say which countries are on offer."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import replace
from functools import partial

from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from django_verify.contact import phones
from django_verify.exceptions import DestinationRefused, FraudBlocked
from django_verify.fraud import (
    decisions,
    geo,
    guard,
    number_types,
    places,
    policies,
    rules,
    sightings,
    spend,
    table,
)
from django_verify.fraud.asked import ALLOWED, Asked, Decision
from django_verify.fraud.table import Table
from django_verify.models import VerifyService

# The channels for which RiskCheck is read: the contract has it for text messages alone.
_RISK_CHECKED = frozenset({"sms"})


def refresh() -> None:
    """Read the guard's lists anew where that is due; a verb does before it reads a number."""
    table.current()


def forget() -> None:
    """Know nothing of the guard's rows, as a process that starts."""
    table.forget()
    sightings.forget()


def block_of(service: VerifyService, number: str) -> int | None:
    """Return the block whose places a start to this recipient is to read; None for none."""
    if "@" in number or guard.level_of(service) == guard.OFF:
        return None
    return places.block_of(service.account_id, number)


@sensitive_variables()
def decide(asked: Asked) -> Decision:
    """Decide about one start: first an operator's rules, then its country, then its type.

    A safe-listed number passes them all, a start with RiskCheck off all but the type.
    """
    if "@" in asked.to:
        return ALLOWED
    known, now = table.current(), timezone.now()
    found = _listed(known, asked, asked.channel, now)
    without = [n for n in asked.fallbacks if _listed(known, asked, n, now).refused is not None]
    if without:
        found = replace(found, without=frozenset(without))
    vouched = not asked.risk_check and asked.channel in _RISK_CHECKED
    if found.refused is None:
        found = guard.review(asked, found, known, now, vouched=vouched)
    is_due = found.refused is not None or bool(without)
    # Where a block is kept from its caller, a start that passes costs as many statements.
    if (is_due or (asked.is_client and known.rules.any_block)) and guard.is_safe_listed(asked):
        found = guard.review(asked, ALLOWED, known, now, vouched=True)
    passing = partial(_passing, asked, found, known, now)
    last = policies.review(asked, found, passing)
    if last.counts and last.without != found.without:
        others = [count for count in last.counts if not count.key.startswith(spend.KIND)]
        last = replace(last, counts=[*guard.in_caps(asked, last, known, now), *others])
    return decisions.settle(asked, last)


@sensitive_variables()
def allowed(
    service: VerifyService, to: str, channels: Iterable[str], *, risk_check: bool = True
) -> list[str]:
    """Return those of the channels by which countries and types let a recipient have a message.

    For faces that offer channels. What a rule blocks, or the guard, is on offer: a caller without
    credentials must not learn of it.
    """
    names = list(channels)
    if "@" in to or not names:
        return names
    try:
        phone = phones.parse(to)
    except ValueError:
        return []
    asked = Asked(
        service=service,
        to=phone.number,
        key=phone.key,
        country=phone.region,
        number_type=phone.type,
        channel=names[0],
        risk_check=risk_check,
    )
    known, now = table.current(), timezone.now()
    found = {name: _listed(known, asked, name, now) for name in names}
    open_ = [name for name in names if found[name].refused is None or found[name].cause == "rule"]
    return names if len(open_) < len(names) and guard.is_safe_listed(asked) else open_


def countries(service: VerifyService, channels: Iterable[str]) -> dict[str, list[str]]:
    """Return the countries that a service sends to, each with those of the channels it gets."""
    known, names = table.current(), list(channels)
    opened = {name: _opened(known, service, name) for name in names}
    offered = {}
    for region, _ in phones.regions():
        fitting = [
            name
            for name in names
            if region in opened[name] or _action(known, service, region, name) != geo.BLOCK
        ]
        if fitting:
            offered[region] = fitting
    return offered


def _listed(known: Table, asked: Asked, channel: str, now: dt.datetime) -> Decision:
    """Return what the lists say; the safe list is not asked."""
    service, is_vouched_for = asked.service, not asked.risk_check and channel in _RISK_CHECKED
    numbers = phones.spellings(asked.to) if known.rules.by_prefix else ()
    rule = known.rules.match(service.account_id, numbers, channel, now)
    if rule is not None:
        if rule.action == rules.ALLOW or is_vouched_for:
            return ALLOWED
        reason = f"A rule blocks numbers that begin with {rule.prefix}"
        return Decision("rule", FraudBlocked(), reasons=(reason,))
    return _without_rules(known, asked, channel)


def _without_rules(known: Table, asked: Asked, channel: str) -> Decision:
    """Return what countries and types say."""
    service, is_vouched_for = asked.service, not asked.risk_check and channel in _RISK_CHECKED
    action = geo.ALLOW if is_vouched_for else _action(known, service, asked.country, channel)
    if action == geo.BLOCK:
        reason = f"Messages by {channel} to {guard.named(asked.country)} are blocked"
        return Decision("country", DestinationRefused("country"), reasons=(reason,))
    refused = None
    if asked.number_type not in number_types.ORDINARY:
        refused = number_types.refusal(service, asked.number_type, channel)
    if refused is not None:
        reason = f"Numbers of the type {asked.number_type} get no {channel}"
        return Decision("number_type", refused, reasons=(reason,))
    return Decision(monitored=True) if action == geo.MONITOR else ALLOWED


def _passing(asked: Asked, found: Decision, known: Table, now: dt.datetime) -> Decision:
    """Return the decision about a start that passes rules and guard, and no country or type."""
    if found.cause == "rule":
        below = _without_rules(known, asked, asked.channel)
        if below.refused is not None:
            return below
    return guard.review(asked, ALLOWED, known, now, vouched=True)


def _action(known: Table, service: VerifyService, country: str, channel: str) -> str:
    return known.permissions.action(service.account_id, service.sid, country, channel)


def _opened(known: Table, service: VerifyService, channel: str) -> set[str]:
    """Return the countries of which a rule opens a part, whatever becomes of the rest."""
    begins = known.rules.opened(service.account_id, channel, timezone.now())
    return {region for prefix in begins for region in phones.regions_under(prefix)}


def _opens(number: str) -> bool:
    known = table.latest()
    return known is not None and known.rules.opens(number, timezone.now())


# A number of a range that the installed metadata do not have is one, where a rule opens the range.
phones.take_unlisted(_opens)
