"""What a ledger counts: a message, the wish that it is part of, and the tally of a key."""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass, field

#: The kinds of keys that are no part of a country.
CALLERS = frozenset({"network", "device"})
# The most that the number of wishes in one block may say.
_MOST_CROWD = 4.0
# The last failures and conversions that a key remembers with their times.
_REMEMBERED = 32

#: Two numbers, such as one for each window.
Pair = tuple[int, int]


@dataclass(slots=True)  # not frozen: that takes four times as long, and there is one for each send
class Sent:
    """One message that left, or was to leave; times are seconds of the epoch."""

    verification: Hashable
    at: float
    number: str = field(repr=False)
    country: str
    channel: str = "sms"
    network: str = ""
    device: str = field(default="", repr=False)
    #: Whether a caller without credentials has asked for it, from a device that nobody knows.
    by_stranger: bool = False


@dataclass(slots=True)
class Wish:
    """One number that somebody wants verified, and what has become of it."""

    number: str = field(repr=False)
    at: float
    #: Blocks, ranges and the country, from narrow to wide, each a part of the next.
    path: tuple[Tally, ...]
    #: Network and device, as far as they are known.
    callers: tuple[Tally, ...]
    #: All that it counts under: `path` and `callers`.
    keys: tuple[Tally, ...]
    country: str
    #: Its ten thousand numbers.
    block: Tally | None = None
    sends: int = 0
    #: Those of them that strangers have asked for.
    of_strangers: int = 0
    stage: int = 0
    value: float = 0.0
    converted_at: float | None = None
    is_lost: bool = False
    is_new: bool = True
    is_adjacent: bool = False
    #: Whether another number of its block had not converted when it came.
    is_clustered: bool = False
    is_clean: bool = False
    #: The first of the two windows that it is still in; 2 when it has left both.
    window: int = 0
    verifications: tuple[Hashable, ...] = ()


@dataclass(slots=True)
class Tally:
    """What is known of one block, range, country, network or device.

    Each window has plain numbers, which are changed many times for each message: a pair of both
    would be a new object each time. The properties have the pairs, for who has a window's number.
    """

    kind: str
    key: str
    #: Of a block: its part of ten thousand numbers.
    share: float = 1.0
    #: The likelihoods.
    short_value: float = 0.0
    long_value: float = 0.0
    short_wishes: int = 0
    long_wishes: int = 0
    short_converted: int = 0
    long_converted: int = 0
    #: Wishes of numbers that were seen before and had converted.
    short_known: int = 0
    long_known: int = 0
    #: Wishes that have not converted, as another one of their block that came before them.
    short_clustered: int = 0
    long_clustered: int = 0
    price: float = 0.0
    #: Of a country: the blocks in which somebody has converted, and those in which one or two have.
    places: int = 0
    few: Pair = (0, 0)
    #: Conversions in blocks in which much fails: maybe of an attack, and not of people.
    unclean: int = 0
    #: Of a part of a country: itself and all wider ones.
    path: tuple[Tally, ...] = ()
    _failed_at: tuple[float, ...] = ()
    _converted_at: tuple[tuple[float, float], ...] = ()

    @property
    def values(self) -> tuple[float, float]:
        """The likelihoods of both windows."""
        return self.short_value, self.long_value

    @property
    def wishes(self) -> Pair:
        """The wishes of both windows."""
        return self.short_wishes, self.long_wishes

    @property
    def converted(self) -> Pair:
        """Those that have converted."""
        return self.short_converted, self.long_converted

    @property
    def new(self) -> Pair:
        """Those of numbers that were never seen before, or had not converted."""
        return self.short_wishes - self.short_known, self.long_wishes - self.long_known

    @property
    def clean(self) -> int:
        """The conversions in blocks in which hardly anything fails: of people."""
        return self.long_converted - self.unclean

    def failed(self, at: float) -> None:
        """Remember that a wish of a moment has failed."""
        self._failed_at = (*self._failed_at[1 - _REMEMBERED :], at)

    def has_converted(self, sent_at: float, at: float) -> None:
        """Remember when one was sent and has converted."""
        self._converted_at = (*self._converted_at[1 - _REMEMBERED :], (sent_at, at))

    def failures_since(self, moment: float) -> int:
        """Return how many wishes of after a moment have failed, as far as it is remembered."""
        return sum(at > moment for at in self._failed_at)

    def late_conversions(self, moment: float) -> int:
        """Return how many that were sent before a moment have converted after it."""
        return sum(sent <= moment < at for sent, at in self._converted_at)

    def crowd(self, people: float, window: int) -> float:
        """Return what it says that so many numbers come from one block, none of which converts.

        `people` are those who are expected to come from one.
        """
        seen, usual = self.wishes[window], max(1.0, people)
        if self.kind != "block" or self.long_converted or seen <= usual:
            return 0.0
        return min(_MOST_CROWD, seen * math.log(seen / usual) - seen + usual)

    def proved(self) -> float:
        """Return the conversions of the long window beyond those that an attack may fake."""
        return max(0.0, self.long_converted - 0.2 * self.long_wishes)

    def unproved(self) -> int:
        """Return the wishes of the last hour that have not converted."""
        return self.short_wishes - self.short_converted


def country_key(country: str) -> str:
    """Return the key of a country as a whole."""
    return f"country {country}"
