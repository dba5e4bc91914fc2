"""The levels of the guard: judges a start by what has been seen, and closes what is attacked.

`evidence` counts, `bars` say how much is enough, `trips` are what is closed; `decide` in `verbs`
asks the operator's lists first and this after them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

from django_verify import conf
from django_verify.contact import countries
from django_verify.crypto import codes
from django_verify.db import queries
from django_verify.db.queries import Place
from django_verify.exceptions import FraudBlocked
from django_verify.fraud import bars, places, sightings, spend, table, trips
from django_verify.fraud.asked import Asked, Decision
from django_verify.fraud.counts import Count
from django_verify.fraud.evidence import LONG, Ledger
from django_verify.fraud.sightings import Sightings
from django_verify.fraud.spend import Cap
from django_verify.fraud.table import Table
from django_verify.fraud.tallies import CALLERS, Tally, country_key
from django_verify.fraud.trips import CLOSED, GUARDED, Trip
from django_verify.models import SafeListNumber, Verification, VerifyService
from django_verify.net import client_ip

OFF = "off"
#: Seconds after which nothing is remembered of a send.
REMEMBERED = LONG
#: The cause of a decision that a block has no room.
BURST = "burst"
#: The mark of an attempt that the guard would have refused.
RECORDED = "recorded"
#: The mark of one that somebody vouches for, which is no evidence either.
VOUCHED = "vouched"
# Sends without a conversion after which a number that was verified before is like any other.
_TRUSTED = 3


@dataclass(frozen=True, slots=True)
class Finding:
    """Why a start should not be sent."""

    cause: str
    key: str
    reason: str


def level_of(service: VerifyService) -> str:
    """Return the level that a service has, or the site's."""
    settings = conf.current()
    if settings.GUARD_REFRESH is None:
        return OFF
    return service.guard_level or settings.GUARD_LEVEL


def level_by_sid(known: Table, service_sid: str | None) -> str:
    """Return the same where the service is not at hand."""
    return known.levels.get(service_sid or "") or conf.current().GUARD_LEVEL


def records_only(service: VerifyService) -> bool:
    """Whether the guard refuses nothing for a service."""
    return service.guard_record_only or conf.current().GUARD_RECORD_ONLY


def review(
    asked: Asked, found: Decision, known: Table, now: dt.datetime, *, vouched: bool
) -> Decision:
    """Return what the guard makes of a start that the lists let pass.

    One that somebody vouches for is not judged, and counts in the caps all the same.
    """
    if asked.channel == "sna":  # sends nothing
        return found
    level = level_of(asked.service)
    counted = in_caps(asked, found, known, now)
    if level == OFF:
        return replace(found, counts=counted) if counted else found
    marks, account = _marks(asked), asked.service.account_id
    price = known.prices.of(asked.country, asked.channel, asked.sender)
    seen = sightings.current(now, known.prices.of, partial(_examine, known=known, now=now))
    if level not in seen.levels.get(account, ()):
        seen.levels.setdefault(account, set()).add(level)
    if vouched:
        marks["guard"] = VOUCHED
        return replace(found, marks=marks, level=level, counts=counted)
    ledger = seen.ledgers.get(account)
    if ledger is None:
        ledger = Ledger(known.prices.of, len)
    country = ledger.tallies.get(country_key(asked.country))
    if country is None or country.proved() < bars.PROVED:
        counted.append(_cold(asked, country, level, price))
    room = _room(asked, ledger)
    # As `replace` does it, which asks for each field by its name.
    found = Decision(
        without=found.without,
        monitored=found.monitored,
        marks=marks,
        level=level,
        counts=counted,
        room=room,
    )
    finding = _finding(asked, found, ledger, country, known, price, now)
    return found if finding is None or is_known(asked) else against(found, finding)


def in_caps(asked: Asked, found: Decision, known: Table, now: dt.datetime) -> list[Count]:
    """Return what a start counts in the caps, by the dearest channel that may be tried."""
    caps = caps_of(known, asked.service)
    if not caps:
        return []
    fallbacks = set(asked.fallbacks) - found.without
    dearest = known.prices.at_most(asked.country, asked.channel, asked.sender, fallbacks)
    return spend.counts_of(caps, dearest, now)


def against(found: Decision, finding: Finding) -> Decision:
    """Return a decision with what the guard has found against the start."""
    return replace(
        found,
        cause=finding.cause,
        key=finding.key,
        reasons=(*found.reasons, finding.reason),
        refused=FraudBlocked(),
    )


def caps_of(known: Table, service: VerifyService) -> list[Cap]:
    """Return the caps that a service's messages count in."""
    caps = known.caps
    return [*caps.get(service.sid, ()), *caps.get(service.account_id, ())] if caps else []


def burst(asked: Asked, latest: Place | None, room: float, now: dt.datetime) -> Finding | None:
    """Return why a start is not sent for which its number block has no room; None where it has."""
    if not places.is_full(latest, room, now):
        return None
    block = asked.key[: -places.DIGITS]
    proved = (room - places.AT_ONCE) / places.FOR_A_CONVERSION
    confirmed = f"{proved:.0f}" if proved >= 1 else "none"
    reason = f"{room:.0f} messages to numbers that begin with {block}, {confirmed} confirmed"
    return Finding(BURST, f"{asked.country} {block}", reason)


def cold(asked: Asked) -> Finding:
    """Return why a start that found no room in the count of its country is not sent."""
    where = named(asked.country)
    text = f"As many messages as a country may get before it has proved itself went to {where}"
    return Finding("cold", country_key(asked.country), text)


def named(country: str) -> str:
    """Return how a reason names a country: in English, as the rest of it."""
    return countries.name(country) if country else "numbers of no country"


def _cold(asked: Asked, country: Tally | None, level: str, price: float) -> Count:
    """Return what a start counts of the messages of a country that is new."""
    room = bars.room(country, price, level)
    return Count(f"cold {asked.service.account_id} {asked.country}", 1.0, room, room / 3600)


def _room(asked: Asked, ledger: Ledger) -> float:
    """Return how many messages the number's block gets at once."""
    tally = ledger.tallies.get(f"{asked.country} {asked.key[: -places.DIGITS]}")
    proved = tally.long_converted if tally else 0
    return float(places.AT_ONCE + places.FOR_A_CONVERSION * proved)


def _finding(
    asked: Asked,
    found: Decision,
    ledger: Ledger,
    country: Tally | None,
    known: Table,
    price: float,
    now: dt.datetime,
) -> Finding | None:
    """Return what the evidence says against a start."""
    account, level, marks = asked.service.account_id, found.level, found.marks
    closed = known.trips.of(account, level, CLOSED)
    guarded = known.trips.of(account, level, GUARDED)
    names = ledger.keys_of(
        asked.key, asked.country, marks["network"], marks["device"], wide=bool(closed or guarded)
    )
    for name in names if closed else ():
        if name in closed and closed[name].is_open(now):
            ledger.closed_at.setdefault((level, name), now.timestamp())
            return Finding(_kind(name), name, closed[name].reason)
    if full := burst(asked, asked.latest_place, found.room, now):
        return full
    own = ledger.of_number(asked.key)
    if bars.is_worn_out(own, by_stranger=asked.by_stranger):
        reason = f"{bars.OF_NUMBER} messages went to the number in a day, and no code was entered"
        return Finding("number", "", reason)
    is_guarded = bool(guarded) and any(
        name in guarded and guarded[name].is_open(now) for name in names
    )
    # Most numbers are the first of their block.
    if near := [name for name in names if name in ledger.tallies]:
        crowd = bars.Crowd(
            ledger, asked.key, asked.country, level, price, now.timestamp(), guarded=is_guarded
        )
        if crowded := crowd.key(near, own):
            return Finding("crowd", crowded, _crowd_words(ledger.tallies[crowded]))
    return _of_country(asked, ledger, country, level, price)


def _of_country(
    asked: Asked, ledger: Ledger, country: Tally | None, level: str, price: float
) -> Finding | None:
    """Return what the start's country says against it, or all new countries together."""
    if country is not None and bars.unexplained(country) < 0:
        return None
    if country is not None and country.unproved() >= bars.room(country, price, level):
        return Finding("cold", country.key, _words(country, 0, ledger.normal(asked.country)))
    if bars.is_unexplained(country):
        out = bars.new_countries(ledger)
        if out >= bars.room_of_new_countries(price, level):
            text = (
                f"{out:.0f} messages wait unconfirmed in countries that have not proved themselves"
            )
            return Finding("cold", country_key(asked.country), text)
    return None


def is_known(asked: Asked) -> bool:
    """Whether the number was verified before, and is not tried again and again since.

    One statement, for starts alone that would be refused.
    """
    ledger = _ledger(asked.service.account_id)
    wish = ledger.of_number(asked.key) if ledger else None
    if wish is not None and wish.converted_at is None:
        # A stranger's tries take nothing from the owner, who asks by a backend or a known device.
        tries = wish.sends if asked.by_stranger else wish.sends - wish.of_strangers
        if tries >= _TRUSTED:
            return False
    approved = queries.verifications().filter(
        account_id=asked.service.account_id,
        recipient_key=asked.key,
        status=Verification.Status.APPROVED,
    )
    return approved.exists()


def is_safe_listed(asked: Asked) -> bool:
    """Whether the account has the number on its safe list; read at once, and for refusals alone."""
    rows = SafeListNumber.objects.using(queries.database())
    return rows.filter(account_id=asked.service.account_id, key=asked.key).exists()


def passes(asked: Asked) -> bool:
    """Whether a start passes what its block or its country has no room for.

    Up to two statements, for starts alone that find it out as they are written.
    """
    return is_known(asked) or is_safe_listed(asked)


def _ledger(account_sid: str) -> Ledger | None:
    seen = sightings.now_known()
    return seen.ledgers.get(account_sid) if seen else None


def _marks(asked: Asked) -> dict[str, str]:
    """Return the digests of network and device under which a start is counted."""
    network = client_ip.wide_network_of(asked.network) if asked.network else ""
    return {
        "network": codes.fingerprint("guard network", network)[:16] if network else "",
        "device": codes.fingerprint("guard device", asked.device_id)[:16]
        if asked.device_id
        else "",
    }


def _examine(seen: Sightings, *, known: Table, now: dt.datetime) -> None:
    """Look at what has changed since the last time, and close or open what the evidence says."""
    changed = False
    for account, ledger in seen.ledgers.items():
        touched, ledger.touched = ledger.touched, {}
        for level in seen.levels.get(account, ()):
            closed = known.trips.of(account, level, CLOSED)
            guarded = known.trips.of(account, level, GUARDED)
            examine = partial(_examine_one, account, ledger, level, closed, guarded, now)
            for key, tally in touched.items():
                # Most are harmless, since people have converted.
                if key in closed or not bars.is_harmless(tally):
                    changed |= examine(tally)
    if changed:
        table.forget()


def _examine_one(
    account: str,
    ledger: Ledger,
    level: str,
    closed: Mapping[str, Trip],
    guarded: Mapping[str, Trip],
    now: dt.datetime,
    tally: Tally,
) -> bool:
    trip = closed.get(tally.key)
    if trip is not None and trip.is_open(now):
        since = ledger.closed_at.setdefault((level, tally.key), now.timestamp())
        mistaken = trip.ends_at is not None and bars.is_mistaken(tally, since)
        return mistaken and trips.lift(account, f"{level} {CLOSED}", tally.key, now)
    ledger.closed_at.pop((level, tally.key), None)
    opened_at = trip.ends_at.timestamp() if trip is not None and trip.ends_at else 0.0
    country = _country_of(tally)
    normal = ledger.normal(country)
    is_guarded = any(
        name in guarded and guarded[name].is_open(now) for name in _wider(ledger, tally)
    )
    close = partial(trips.close, account, level, now=now)
    if bars.is_attacked(ledger, tally, country, level, opened_at, guarded=is_guarded):
        words = _words(tally, 0 if tally.short_wishes else 1, normal)
        ledger.closed_at[level, tally.key] = now.timestamp()
        return close(CLOSED, tally.kind, tally.key, words)
    mine = guarded.get(tally.key)
    if (mine is None or not mine.is_open(now)) and bars.is_suspect(ledger, tally, country, level):
        return close(GUARDED, tally.kind, tally.key, _words(tally, 0, normal))
    return False


def _wider(ledger: Ledger, tally: Tally) -> Iterator[str]:
    """Yield the keys of the ranges and the country that a block is a part of."""
    if tally.kind == "block":
        country, _, begin = tally.key.partition(" ")
        for length in range(2, len(begin)):
            yield f"{country} {begin[:length]}"
        yield country_key(country)


def _country_of(tally: Tally) -> str:
    if tally.kind in CALLERS:
        return ""
    first, _, second = tally.key.partition(" ")
    return second if tally.kind == "country" else first


def _kind(name: str) -> str:
    first = name.partition(" ")[0]
    return first if first in {*CALLERS, "country"} else "block"


def _words(tally: Tally, window: int, normal: float) -> str:
    """Return what was seen, in words and numbers."""
    wishes, converted, new = tally.wishes[window], tally.converted[window], tally.new[window]
    confirmed = f"{converted} confirmed" if converted else "none confirmed"
    span = ("an hour", "three days")[window]
    return (
        f"{_where(tally)}: {new} of {wishes} numbers new, {confirmed} in {span},"
        f" normally {normal:.0%}"
    )


def _crowd_words(tally: Tally) -> str:
    out = tally.unproved()
    numbers = "number waits" if out == 1 else "numbers wait"
    return f"{_where(tally)}: {out} {numbers} unconfirmed, more than its people explain"


def _where(tally: Tally) -> str:
    first, _, rest = tally.key.partition(" ")
    if tally.kind in CALLERS:
        return f"One {first}"
    where = named(rest) if tally.kind == "country" else f"numbers that begin with {rest}"
    return where[:1].upper() + where[1:]
