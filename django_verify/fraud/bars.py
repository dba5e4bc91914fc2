"""How much evidence closes a block, a country, a network or a device: the levels of the guard.

Pure functions of what `evidence` has counted: they read no clock and no row.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from django_verify.fraud.evidence import LONG, Ledger
from django_verify.fraud.tallies import Tally, Wish

#: The levels, with what each adds to the evidence that is asked for.
LEVELS = {"basic": 3.0, "standard": 0.0, "max": -1.5}
#: How long something is closed for the first time; each time within a week doubles it.
FIRST, LONGEST, WEEK = dt.timedelta(hours=12), dt.timedelta(days=7), dt.timedelta(days=7)
#: Numbers that fail before anything is closed, and after it was opened again.
FEWEST, FEWEST_AGAIN, FEWEST_GUARDED = 3, 3, 2
#: The same of ranges and countries, and of those of a site that is new.
FEWEST_WIDE, FEWEST_NEW = 8, 50
#: The kinds that are never closed for an hour's failures once they have converted.
WIDE = frozenset({"range", "country"})
#: Conversions of what was sent before that open again what was closed by mistake.
LATE = 3
#: Messages to one number without a conversion in a day, and those of strangers among them that
#: count against a caller who is none.
OF_NUMBER, OF_STRANGERS = 10, 5
#: Conversions of a country, beyond those that an attack may fake, from which on it is not new.
PROVED = 50

# e to this is how much likelier an attack must be than the usual share of failures, for messages
# of this price; the dearer a message, the less evidence is waited for. Nothing is closed on less
# than the lowest.
_BASE, _PRICE = 7.0, 0.05
_LEAST, _MOST, _LOWEST = 5.0, 9.0, 1.0
# What a mistake costs: a block from which nobody comes counts for so many people, and a device is
# one person's.
_NOBODY, _ONE_PERSON = 0.05, 2.0
# How much less evidence closes a part of what is guarded; how much the people of a block outweigh
# at most, and the evidence of an hour against which they do not.
_GUARDED, _FRIENDLY, _SOME = 3.0, 6.0, 3.0
# Conversions of people up to which a range may be closed for an hour's failures.
_FEW_PEOPLE = 6
_DAY = 24 * 3600.0
# The day's highest hour by its average: as many failures as there usually are wishes may be an
# outage and no attack.
_PEAK = 2.0
# Failures of an hour in the same blocks, beyond those by chance, from which on a range is guarded.
_AHEAD = 3.0
_CLUSTERED = {"basic": 8, "standard": 4, "max": 2}
# Unproved messages of an hour that a block may have where nobody lives, for one of the price above
# and in any case; those until a country has converted as often; and how many each level has.
_AT_ONCE, _AT_ONCE_LEAST, _AT_ONCE_MOST, _AT_ONCE_UNKNOWN = 6.0, 4.0, 10.0, 20
_AT_ONCE_OF_LEVEL = {"basic": 2.0, "standard": 1.0, "max": 0.34}
# People of an hour in one block from which on two numbers side by side may be chance.
_DENSE = 0.5
# The same of a network and a device, outside of what is guarded and in it.
_OF_CALLER = {"network": (20, 2), "device": (4, 2)}
# Of a guarded range: the money of an hour that may be out beyond its people's, and the least
# messages.
_WIDE, _WIDE_LEAST = 4.0, 30
# Of a country that has not converted yet: the money that may be out, the messages at least and at
# most, and how many more each conversion allows.
_COLD, _COLD_LEAST, _COLD_MOST, _PER_CONVERSION = 3.0, 20, 100, 3
# All new countries together get as much as so many of them.
_NEW_COUNTRIES = 2
_OF_LEVEL = {"basic": 2.0, "standard": 1.0, "max": 0.6}


def bar(tally: Tally, level: str, people: float = 1.0) -> float:
    """Return the likelihood from which something is closed.

    It weighs what a mistake costs. What has converted much is closed on more evidence, since more
    people would be refused; a block from which hardly anybody comes, on less. `people` are those
    who are expected from it in three days.
    """
    cost = float(tally.clean) if tally.kind in WIDE else math.log1p(tally.proved())
    if tally.kind == "block":
        cost += min(0.0, math.log(_NOBODY + people * FIRST.total_seconds() / LONG))
    elif tally.kind == "device":
        cost -= _ONE_PERSON
    return max(_LOWEST, _base(tally, level) + cost)


def is_harmless(tally: Tally) -> bool:
    """Whether nothing speaks against something, which spares it the closer look."""
    if tally.long_wishes - tally.long_converted < FEWEST_GUARDED:
        return True
    if tally.short_value > 0 or tally.long_value > 0:
        return False
    return not (tally.short_clustered and tally.kind in WIDE)


def is_attacked(
    ledger: Ledger,
    tally: Tally,
    country: str,
    level: str,
    opened_at: float = 0.0,
    *,
    guarded: bool = False,
) -> bool:
    """Whether the evidence suffices to close something.

    `opened_at` is when it was last opened again, if ever: it is closed again on new evidence alone.
    Within a range that is guarded, less evidence suffices; within a block of people, more.
    """
    people, least = 1.0, 0.0
    few = FEWEST
    if tally.kind in WIDE:
        # Of a site that is new nobody knows where its people are.
        few = FEWEST_WIDE if ledger.span() >= _DAY else FEWEST_NEW
    if tally.kind == "block":
        people, few = ledger.people_in(tally, country), FEWEST_GUARDED if guarded else FEWEST
        least = _friendliness(ledger.whole(tally)) - _GUARDED * guarded
    least = max(_LOWEST, least + bar(tally, level, people))
    for window in _windows(tally, least):
        failed = tally.wishes[window] - tally.converted[window]
        if failed >= few and tally.values[window] + tally.crowd(people, window) >= least:
            again = 1 if tally.kind == "block" and not tally.long_converted else FEWEST_AGAIN
            return tally.failures_since(opened_at) >= (again if opened_at else 1)
    return False


def _friendliness(tally: Tally) -> float:
    """Return by how much the people of a block outweigh what speaks against it."""
    return max(0.0, min(_FRIENDLY, -tally.long_value)) if tally.short_value < _SOME else 0.0


def _windows(tally: Tally, least: float) -> Sequence[int]:
    """Return the windows whose evidence closes something.

    Where people are is not closed for an hour's failures, unless it is narrow; nor, unless it is a
    block, for those of an attack that is over.
    """
    if tally.kind == "block":
        return (0, 1)
    people = tally.clean > _FEW_PEOPLE if tally.kind in WIDE else tally.proved() > 0
    goes_on = tally.short_value >= least / 2 and tally.unproved() >= FEWEST_AGAIN
    return (1,) * goes_on if people else (0, 1) if goes_on else (0,)


def is_suspect(ledger: Ledger, tally: Tally, country: str, level: str) -> bool:
    """Whether a range or a country has many more failures than it usually has wishes.

    Or more of them in the same blocks than comes about by chance. It is not closed for that, since
    people are among them, but guarded: its blocks are closed on less evidence, and get few messages
    at once.
    """
    if tally.kind not in WIDE:
        return False
    # Conversions come later than those who ask: when many come at once, these tell the rush.
    came = tally.short_wishes / max(1, tally.long_wishes) * ledger.span() / LONG
    rush = max(ledger.rush(country), min(came, _AHEAD * ledger.rush(country)))
    expected = ledger.people_in_a_block(country) * rush
    chance = min(1.0, expected) * tally.short_wishes + _unknown(ledger, country) / 4
    if tally.short_clustered >= _CLUSTERED[level] + 2 * chance:
        return True
    usual = max(0, tally.long_converted - tally.short_converted) / 71 * _PEAK
    return tally.short_value >= _base(tally, level) - _GUARDED + usual


def _unknown(ledger: Ledger, country: str) -> int:
    """Return how many more must convert before it is known how close to each other people live."""
    return max(0, _AT_ONCE_UNKNOWN - ledger.conversions(country))


def _base(tally: Tally, level: str) -> float:
    base = _BASE + math.log(_PRICE / max(tally.price, 0.001))
    return max(_LEAST, min(_MOST, base)) + LEVELS[level]


@dataclass(slots=True)
class Crowd:
    """The unproved messages that are out around one number: too many of them let no other in.

    `guarded` says that a range or the country of the number is.
    """

    ledger: Ledger
    number: str = field(repr=False)
    country: str
    level: str
    price: float
    now: float
    guarded: bool

    def key(self, names: Sequence[str], own: Wish | None) -> str:
        """Return the key of which enough are out, or empty for none.

        `own` is the number's own wish, which is none of them. What people's density explains is
        added to what is allowed at once. Within a guarded range it is next to nothing, and the
        range as a whole gets a bounded amount of money an hour beyond its people's.
        """
        is_out = own is not None and own.converted_at is None
        has_people = False
        for name in names:
            tally = self.ledger.tallies.get(name)
            if tally is None:
                continue
            others = tally.unproved() - is_out
            if tally.kind == "block":
                is_full = others >= 1 and others >= self._room_of_block(tally)
                if is_full or (tally.share == 1 and not is_out and self._is_in_a_row(tally)):
                    return name
                has_people = tally.share == 1 and tally.proved() > 0
            elif tally.kind in WIDE:
                if self.guarded and not has_people and others >= self._room_of_range(tally):
                    return name
            elif others >= _OF_CALLER[tally.kind][self.guarded] + _PER_CONVERSION * tally.proved():
                return name
        return ""

    def _room_of_block(self, tally: Tally) -> float:
        """Return how many may be out in a block; one at least."""
        people = self.ledger.people_in(tally, self.country)
        some = people * self.ledger.rush(self.country)
        # Evidence against it leaves less at once, and its people let more pass.
        allowed = _at_once(self.ledger, self.country, self.level, self.price, guarded=self.guarded)
        allowed *= 1 - max(0.0, *tally.values) / bar(tally, self.level, people)
        allowed = max(1.0, allowed, _friendliness(self.ledger.whole(tally)))
        return allowed + int(some + 2 * math.sqrt(some))

    def _is_in_a_row(self, tally: Tally) -> bool:
        """Whether the next numbers are out."""
        found = self.ledger.neighbours(self.number, self.now)
        if not found:
            return False
        near = 2
        if self.guarded or self.level == "max":
            people = self.ledger.people_in(tally, self.country)
            near = 1 if people * self.ledger.rush(self.country) < _DENSE else 2
        return found >= near + _unknown(self.ledger, self.country) // 4

    def _room_of_range(self, tally: Tally) -> float:
        """Return how many may be out in a guarded range or country."""
        room = max(_WIDE_LEAST, min(_COLD_MOST, _WIDE / max(self.price, 0.001)))
        usual = tally.long_converted / self.ledger.normal(self.country)
        return room * _OF_LEVEL[self.level] + usual * self.ledger.rush(self.country)


def _at_once(ledger: Ledger, country: str, level: str, price: float, *, guarded: bool) -> float:
    """Return how many unproved messages of an hour a block may have where nobody lives."""
    unknown = _unknown(ledger, country)
    if guarded:
        return (2.0 if level == "basic" else 1.0) + unknown / 4
    least = _AT_ONCE * math.sqrt(_PRICE / max(price, 0.001))
    least = max(_AT_ONCE_LEAST, min(_AT_ONCE_MOST, least))
    return max(least, unknown) * _AT_ONCE_OF_LEVEL[level]


def is_mistaken(tally: Tally, closed_at: float) -> bool:
    """Whether what was sent before something was closed has converted after all."""
    return tally.late_conversions(closed_at) >= LATE and tally.short_value <= 0


def length(times: int) -> dt.timedelta:
    """Return how long something is closed that was closed so many times within a week."""
    return min(LONGEST, FIRST * int(2 ** min(times, 8)))


def room(country: Tally | None, price: float, level: str) -> float:
    """Return how many messages to a country may be out without a conversion."""
    cold = max(_COLD_LEAST, min(_COLD_MOST, _COLD / max(price, 0.001)))
    cold *= _OF_LEVEL[level]
    return cold + _PER_CONVERSION * (country.proved() if country else 0)


def new_countries(ledger: Ledger) -> float:
    """Return the messages to all new countries that are out beyond what their people explain."""
    new = (tally for tally in ledger.countries.values() if tally.proved() < PROVED)
    return sum(max(0.0, unexplained(tally)) for tally in new)


def is_unexplained(country: Tally | None) -> bool:
    """Whether a country has no people who explain one more message."""
    return country is None or (country.proved() < PROVED and unexplained(country) >= 0)


def unexplained(country: Tally) -> float:
    """Return how many messages to a country are out beyond what its people explain."""
    return country.unproved() - _PER_CONVERSION * country.proved()


def room_of_new_countries(price: float, level: str) -> float:
    """Return how many may be: an attack that goes around the world gets what one on two gets."""
    return _NEW_COUNTRIES * room(None, price, level)


def is_worn_out(wish: Wish | None, *, by_stranger: bool = True) -> bool:
    """Whether a number was tried too often without a conversion.

    What strangers have tried shuts the door to strangers alone: others keep half of the tries.
    """
    if wish is None or wish.converted_at is not None:
        return False
    beyond = 0 if by_stranger else max(0, wish.of_strangers - OF_STRANGERS)
    return wish.sends - beyond >= OF_NUMBER
