"""What has been seen of an account's sends: by number block, country, network and device.

A ledger is fed with sends, conversions and failures, and says which part of the traffic looks like
an attack. It reads and writes no row; what a process does about it is in `guard`.

The unit is one number's wish to be verified, however many messages it takes. Each one adds to a
logarithm of likelihoods: how much better an attack, of which hardly anything converts, explains
what has become of it than the normal share of conversions does. One that is too young to have
converted says nothing yet, by the delays seen so far.
"""

from __future__ import annotations

import heapq
import math
from bisect import bisect_left
from collections.abc import Callable, Hashable
from itertools import count

from django_verify.fraud.tallies import Sent, Tally, Wish, country_key

#: Seconds that the two windows reach back. The short one sees an attack on what has converted so
#: far, the long one a slow drip.
SHORT, LONG = 3600.0, 72 * 3600.0
#: A number that is tried again after so long is a new wish.
AGAIN = 24 * 3600.0
#: What converts of an attack, at most, as the guard assumes it.
OF_ATTACKS = 0.05
#: What is expected to convert before anything is known, and how many wishes that counts for.
USUAL, USUAL_WEIGHT = 0.65, 20
# What is learned of conversions never leaves these bounds: an attack must not make itself normal.
_LEAST, _MOST = 0.35, 0.8
# Ages in seconds at which a wish is looked at again, and what share of the conversions has come by
# then where nothing is known, which counts for so many conversions.
AGES = (30.0, 60.0, 120.0, 300.0, 600.0)
_BY_THEN = (0.39, 0.66, 0.86, 0.98, 1.0)
_BY_THEN_WEIGHT = 30
# After how long a wish is looked at, or leaves a window.
_STEPS = (*AGES, SHORT, LONG)
# What one part of a range may say about the range as a whole: one bad block is no bad country.
_CAP, _FLOOR = 3.0, -40.0
# How much more a failure says where the next numbers have failed too.
_ADJACENT = 1.5
_ADJACENT_WITHIN, _ADJACENT_FOR = 10, 3600.0
# How many people are expected of a block within three days where nothing is known, and how many
# blocks that counts for.
_PEOPLE, _PEOPLE_WEIGHT = 2.0, 10
# The day's busiest hour by its average.
_PEAK = 2.0
#: The sizes of number blocks, in digits that are left out.
BLOCKS = (3, 4)
_NARROW, _BLOCK = BLOCKS
# The last numbers of a block among which the next ones are looked for.
_NEIGHBOURS = 32


class Ledger:
    """All that is remembered of one account."""

    def __init__(
        self, price_of: Callable[[str, str], float], calling_digits: Callable[[str], int]
    ) -> None:
        self.tallies: dict[str, Tally] = {}
        #: Those of countries.
        self.countries: dict[str, Tally] = {}
        self.touched: dict[str, Tally] = {}
        #: When something was first seen closed, by level and key.
        self.closed_at: dict[tuple[str, str], float] = {}
        self._price_of = price_of
        self._calling_digits = calling_digits
        self._wishes: dict[str, Wish] = {}
        self._of_verification: dict[Hashable, Wish] = {}
        self._agenda: list[tuple[float, int, Wish, int]] = []
        self._order = count()
        self._began_at = math.inf
        self._now = 0.0
        self._delays = [0] * (len(AGES) + 1)
        #: By block, the last four digits of its last numbers, with their times.
        self._recent: dict[str, tuple[tuple[int, float], ...]] = {}

    def __len__(self) -> int:
        return len(self._of_verification)

    def sent(self, sent: Sent) -> None:
        """Learn of a message."""
        if sent.at < self._began_at:
            self._began_at = sent.at
        if sent.at > self._now:
            self._now = sent.at
        known = self._of_verification.get(sent.verification)
        if known is not None and known.converted_at is not None:
            return  # it is read late: nothing is sent of what has converted
        wish = self._wishes.get(sent.number)
        if wish is None or wish.converted_at is not None or sent.at - wish.at > AGAIN:
            wish = self._new(sent, is_new=wish is None or wish.converted_at is None)
        wish.sends += 1
        wish.of_strangers += sent.by_stranger
        if known is not wish:
            self._of_verification[sent.verification] = wish
            wish.verifications += (sent.verification,)

    def converted(self, verification: Hashable, at: float) -> None:
        """Learn that a message's code was entered."""
        wish = self._of_verification.get(verification)
        if wish is None or wish.converted_at is not None:
            return
        wish.converted_at = at
        self._delays[bisect_left(AGES, at - wish.at)] += 1
        self._count_conversion(wish, 1)
        if self.closed_at:  # what has converted before is not late
            for tally in wish.keys:
                tally.has_converted(wish.at, at)
        self._say(wish, math.log(OF_ATTACKS / _normal(wish.path[-1])))

    def has_converted(self, verification: Hashable) -> bool:
        """Whether a message's code was entered, so that nothing more becomes of it."""
        wish = self._of_verification.get(verification)
        return wish is not None and wish.converted_at is not None

    def undelivered(self, verification: Hashable, at: float) -> None:
        """Learn that a message did not arrive: what cannot convert says less, or nothing.

        Where numbers of the range have converted it is an outage of their operator.
        """
        wish = self._of_verification.get(verification)
        if wish is not None and wish.converted_at is None:
            wish.is_lost = True
            self._say(wish, self._failure(wish))

    def not_sent(self, verification: Hashable, at: float) -> None:
        """Learn that a message did not even leave, as while the site's senders are out of order.

        A wish that has no other one is none. May be called again for the same message.
        """
        wish = self._of_verification.get(verification)
        if wish is None or wish.converted_at is not None:
            return
        if wish.sends > 1:
            self.undelivered(verification, at)
            return
        begin, line = wish.number[:-_BLOCK], int(wish.number[-_BLOCK:])
        recent = self._recent.get(begin, ())
        self._recent[begin] = tuple(one for one in recent if one != (line, wish.at))
        for window in range(wish.window, 2):
            self._leave(wish, window)

    def advance(self, now: float) -> None:
        """Let time pass: wishes ripen, and leave the windows."""
        if now > self._now:
            self._now = now
        agenda = self._agenda
        while agenda and agenda[0][0] <= now:
            _, _, wish, step = agenda[0]
            if wish.window == 2:  # it was none
                heapq.heappop(agenda)
                continue
            after = step + 1
            if wish.converted_at is not None and after < len(AGES):
                after = len(AGES)  # one that has converted ripens no more
            if after < len(_STEPS):
                heapq.heapreplace(agenda, (wish.at + _STEPS[after], next(self._order), wish, after))
            else:
                heapq.heappop(agenda)
            if step < len(AGES):
                if wish.converted_at is None:
                    self._ripen(wish, step + 1)
            else:
                self._leave(wish, step - len(AGES))

    def normal(self, country: str) -> float:
        """Return the share of wishes that convert in a country when all is well."""
        tally = self.tallies.get(country_key(country))
        return USUAL if tally is None else _normal(tally)

    def by_then(self, age_number: int) -> float:
        """Return the share of conversions that have come by one of AGES."""
        seen = sum(self._delays)
        early = sum(self._delays[: age_number + 1])
        prior = _BY_THEN[age_number] * _BY_THEN_WEIGHT
        return (prior + early) / (_BY_THEN_WEIGHT + seen)

    def people_in_a_block(self, country: str) -> float:
        """Return how many people come in three days from a block of which one has been seen.

        As Robbins has it, from the blocks with two conversions and those with one: hardly anybody
        where numbers are spread, and nobody new where all people's blocks are known.
        """
        tally = self.tallies.get(country_key(country))
        once, twice = tally.few if tally else (0, 0)
        expected = 2 * twice * LONG / self.span() + _PEOPLE * _PEOPLE_WEIGHT
        return expected / (once + _PEOPLE_WEIGHT)

    def people_in(self, tally: Tally, country: str) -> float:
        """Return how many people are expected of a block in three days, by its own if it has any.

        Those of the block of ten thousand that it is a part of count for it too.
        """
        own = max(tally.proved(), tally.share * self.whole(tally).proved())
        own *= LONG / self.span() / self.normal(country)
        return max(tally.share * self.people_in_a_block(country), own)

    def whole(self, tally: Tally) -> Tally:
        """Return the block of ten thousand numbers that a block is, or is a part of."""
        return tally if tally.share == 1 else self.tallies.get(tally.key[:-1], tally)

    def conversions(self, country: str) -> int:
        """Return how many of three days have converted in a country."""
        tally = self.tallies.get(country_key(country))
        return tally.long_converted if tally else 0

    def rush(self, country: str) -> float:
        """Return which part of three days' people comes in an hour, now or when it is busiest."""
        tally = self.tallies.get(country_key(country))
        usual = SHORT / LONG
        if tally is None or not tally.long_converted:
            return _PEAK * usual
        share = tally.short_converted / tally.long_converted
        return max(share * self.span() / LONG, _PEAK * usual)

    def span(self) -> float:
        """Return how far back it is known what has been sent, three days at most."""
        return min(LONG, max(SHORT, self._now - self._began_at))

    def neighbours(self, number: str, at: float) -> int:
        """Return how many of the next numbers were tried within minutes, and did not convert."""
        block = number[:-_BLOCK]
        recent = self._recent.get(block)
        if not recent:
            return 0
        line, found = int(number[-_BLOCK:]), 0
        for other, then in recent:
            if 0 < abs(line - other) <= _ADJACENT_WITHIN and at - then < _ADJACENT_FOR:
                wish = self._wishes.get(f"{block}{other:04d}")
                found += wish is None or wish.converted_at is None
        return found

    def keys_of(
        self, number: str, country: str, network: str = "", device: str = "", *, wide: bool = True
    ) -> list[str]:
        """Return the keys that a start counts under, the narrowest first.

        Not `wide`: without ranges and the country, which decide only where one is closed or
        guarded.
        """
        name, sizes = f"{country} {number}", self._sizes(number, country)
        names = [name[:-size] for size in (sizes if wide else sizes[: len(BLOCKS)])]
        if wide:
            names.append(country_key(country))
        if network:
            names.append(f"network {network}")
        if device:
            names.append(f"device {device}")
        return names

    def of_number(self, number: str) -> Wish | None:
        """Return the wish of a number of which another message is part, if there is one."""
        wish = self._wishes.get(number)
        # What is refused is no wish, so that an old one may be remembered as the latest.
        return wish if wish is not None and self._now - wish.at <= AGAIN else None

    def _sizes(self, number: str, country: str) -> range:
        """Return how many digits the blocks and ranges of a number leave out, from narrow to wide.

        None of them is wider than two digits behind the calling code.
        """
        return range(_NARROW, len(number) - self._calling_digits(country) - 1)

    def _path(self, number: str, country: str) -> tuple[Tally, ...]:
        """Return what a number is a part of, from narrow to wide; what is new there is made."""
        name, missing = f"{country} {number}", []
        for size in self._sizes(number, country):
            key = name[:-size]
            known = self.tallies.get(key)
            if known is not None:
                path = known.path
                break
            missing.append((size, key))
        else:
            last = self._tally("country", country_key(country))
            path = last.path = (last,)
        for size, key in reversed(missing):
            tally = self.tallies[key] = Tally("block" if size in BLOCKS else "range", key)
            if size == _NARROW:
                tally.share = 10.0 ** (_NARROW - _BLOCK)
            path = tally.path = (tally, *path)
        return path

    def _new(self, sent: Sent, *, is_new: bool) -> Wish:
        number, at = sent.number, sent.at
        path = keys = self._path(number, sent.country)
        callers: tuple[Tally, ...] = ()
        if sent.network or sent.device:
            callers = self._callers(sent)
            keys = path + callers
        wish = Wish(number, at, path, callers, keys, sent.country, is_new=is_new)
        block = wish.block = _block_of(path)
        wish.is_clustered = block is not None and block.unproved() > 0
        wish.is_adjacent = self.neighbours(number, at) > 0
        price = self._price_of(sent.country, sent.channel)
        for tally in keys:
            known = tally.price
            if known != price:
                tally.price = known + 0.1 * (price - known) if known else price
            tally.short_wishes += 1
            tally.long_wishes += 1
        if not is_new:
            for tally in keys:
                tally.short_known += 1
                tally.long_known += 1
        if wish.is_clustered:
            for tally in keys:
                tally.short_clustered += 1
                tally.long_clustered += 1
            self.touched.update({tally.key: tally for tally in path})
        self._wishes[number] = wish
        begin = number[:-_BLOCK]
        recent = self._recent.get(begin, ())
        self._recent[begin] = (*recent[1 - _NEIGHBOURS :], (int(number[-_BLOCK:]), at))
        heapq.heappush(self._agenda, (at + _STEPS[0], next(self._order), wish, 0))
        return wish

    def _callers(self, sent: Sent) -> tuple[Tally, ...]:
        named = (("network", sent.network), ("device", sent.device))
        return tuple(self._tally(kind, f"{kind} {name}") for kind, name in named if name)

    def _count_conversion(self, wish: Wish, by: int) -> None:
        """Count that a wish has converted, or that such a one leaves the long window."""
        block, country = wish.block, wish.path[-1]
        if block is not None:
            before, after = block.long_converted, block.long_converted + by
            if by > 0:
                failures = block.long_wishes - after
                wish.is_clean = failures <= _usual_in_a_block(country)
            country.places += (after > 0) - (before > 0)
            once, twice = country.few
            once += (after == 1) - (before == 1)
            country.few = once, twice + (after == 2) - (before == 2)
        if not wish.is_clean:
            for tally in wish.path:
                tally.unclean += by
        short = 0 if wish.window else by
        for tally in wish.keys:
            tally.short_converted += short
            tally.long_converted += by
        if wish.is_clustered:
            for tally in wish.keys:
                tally.short_clustered -= short
                tally.long_clustered -= by

    def _tally(self, kind: str, key: str) -> Tally:
        tally = self.tallies.get(key)
        if tally is None:
            tally = self.tallies[key] = Tally(kind, key)
            if kind == "country":
                self.countries[key] = tally
        return tally

    def _ripen(self, wish: Wish, stage: int) -> None:
        wish.stage = stage
        if stage == len(AGES) // 2:
            for tally in wish.keys:
                tally.failed(wish.at)
        self._say(wish, self._failure(wish))

    def _failure(self, wish: Wish) -> float:
        """Return what it says that a wish has not converted by its age."""
        if not wish.stage:
            return 0.0
        come, normal = self.by_then(wish.stage - 1), _normal(wish.path[-1])
        value = math.log((1 - OF_ATTACKS * come) / (1 - normal * come))
        if wish.is_adjacent:
            value *= _ADJACENT
        return value * self._weight_of_lost(wish) if wish.is_lost else value

    def _weight_of_lost(self, wish: Wish) -> float:
        """Return how much a message that did not arrive says: little, where others have."""
        ranges = [tally for tally in wish.path if tally.kind == "range"]
        proved = ranges[-2].proved() if len(ranges) > 1 else 0
        return 1 / (1 + proved / 2)

    def _say(self, wish: Wish, value: float) -> None:
        """Replace what a wish says, in every key that it counts under."""
        change, wish.value = value - wish.value, value
        if wish.window < 2:
            _spread(wish, change if wish.window == 0 else 0.0, change)
        touched = self.touched
        for tally in wish.keys:
            touched[tally.key] = tally

    def _leave(self, wish: Wish, window: int) -> None:
        """Take a wish out of a window that it is too old for."""
        wish.window = window + 1
        if window:
            self._leave_long(wish)
        else:
            self._leave_short(wish)
        touched = self.touched
        for tally in wish.keys:
            touched[tally.key] = tally
        if window:
            self._forget(wish)

    def _leave_short(self, wish: Wish) -> None:
        _spread(wish, -wish.value, 0.0)
        has_converted = wish.converted_at is not None
        for tally in wish.keys:
            tally.short_wishes -= 1
            tally.short_converted -= has_converted
        if not wish.is_new:
            for tally in wish.keys:
                tally.short_known -= 1
        if wish.is_clustered and not has_converted:
            for tally in wish.keys:
                tally.short_clustered -= 1

    def _leave_long(self, wish: Wish) -> None:
        _spread(wish, 0.0, -wish.value)
        if wish.converted_at is not None:
            self._count_conversion(wish, -1)
        for tally in wish.keys:
            tally.long_wishes -= 1
        if not wish.is_new:
            for tally in wish.keys:
                tally.long_known -= 1
        if wish.is_clustered:
            for tally in wish.keys:
                tally.long_clustered -= 1

    def _forget(self, wish: Wish) -> None:
        if self._wishes.get(wish.number) is wish:
            del self._wishes[wish.number]
        for verification in wish.verifications:
            self._of_verification.pop(verification, None)
        for tally in wish.keys:
            if not tally.long_wishes:
                self.tallies.pop(tally.key, None)
                self.countries.pop(tally.key, None)
                self.touched.pop(tally.key, None)
        if wish.block is None or not wish.block.long_wishes:
            self._recent.pop(wish.number[:-_BLOCK], None)


def _block_of(path: tuple[Tally, ...]) -> Tally | None:
    """Return the block of ten thousand numbers of a path, which short numbers have not."""
    for tally in path[:2]:
        if tally.kind == "block" and tally.share == 1:
            return tally
    return None


def _normal(country: Tally) -> float:
    """Return the share of wishes that convert in a country when all is well."""
    converted = country.long_converted
    # What was seen before the guard closed something is still in the windows, and is no measure of
    # what is normal: beyond twice the conversions it counts as an attack.
    failed = min(country.long_wishes - converted, converted)
    share = (USUAL * USUAL_WEIGHT + converted) / (USUAL_WEIGHT + converted + failed)
    return min(_MOST, max(_LEAST, share))


def _usual_in_a_block(country: Tally) -> float:
    """Return how many convert in a block of ten thousand numbers in which any does."""
    return (country.long_converted + 1) / (country.places + 1)


def _spread(wish: Wish, short: float, long: float) -> None:
    """Add to both windows of every key of a wish, as far as each part may speak for the whole."""
    for tally in wish.callers:
        tally.short_value += short
        tally.long_value += long
    # Written out: this is the innermost loop of all.
    for tally in wish.path:
        before = tally.long_value
        # Both are the same where nothing is older than the short window.
        is_same = short == long and tally.short_value == before
        if long:
            tally.long_value = after = before + long
            before = _CAP if before > _CAP else _FLOOR if before < _FLOOR else before
            after = _CAP if after > _CAP else _FLOOR if after < _FLOOR else after
            long = after - before
        if is_same:
            tally.short_value, short = tally.long_value, long
        elif short:
            before = tally.short_value
            tally.short_value = after = before + short
            before = _CAP if before > _CAP else _FLOOR if before < _FLOOR else before
            after = _CAP if after > _CAP else _FLOOR if after < _FLOOR else after
            short = after - before
        if not (short or long):
            return
