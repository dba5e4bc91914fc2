"""Attacks that the seven shapes do not have in them, and other people: what was decided on those
is confirmed on these.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import phonenumbers

from benchmarks.pumping.traffic import (
    COUNTRIES,
    DAY,
    HOUR,
    Country,
    Start,
    Traffic,
    is_valid,
    named,
)

_MOBILE = phonenumbers.PhoneNumberType.MOBILE
#: The attacks by name, in the order of the table.
SHAPES = (
    "runs of mixed lengths",
    "five countries at once",
    "within the spike",
    "cheap in a busy country",
    "one in twenty converts",
    "a whole range",
    "several messages each",
    "the first hour",
    "bursts for three days",
    "around the world",
)


class Others(Traffic):
    """Attacks of other shapes among the same people."""

    def attack(self, shape: str, *, starts: int = 1500) -> list[Start]:
        """Return the starts of an attack of one shape."""
        if shape not in SHAPES:
            return super().attack(shape, starts=2000)
        begin = self.rng.uniform(1.5, self.days - 3.2) * DAY
        made: dict[str, Callable[[float, int], Iterable[Start]]] = {
            "runs of mixed lengths": self._mixed_runs,
            "five countries at once": self._countries,
            "within the spike": self._spike_too,
            "cheap in a busy country": self._cheap,
            "one in twenty converts": self._twentieth,
            "a whole range": self._range,
            "several messages each": self._several,
            "the first hour": self._first_hour,
            "bursts for three days": self._bursts,
            "around the world": self._world,
        }
        return sorted(made[shape](begin, starts), key=lambda start: start.at)

    def _mixed_runs(self, at: float, starts: int) -> Iterator[Start]:
        begins = [self.rng.choice(self.rng.choice(COUNTRIES[:9]).begins) for _ in range(3)]
        left, number, step = 0, 0, 1
        for _ in range(starts):
            at += self.rng.expovariate(0.25)
            if not left:
                left, step = self.rng.randint(3, 60), self.rng.choice((-2, -1, 1, 1, 2, 3))
                number = int(self.numbers.any(self.rng.choice(begins)))
            left, number = left - 1, number + step
            if is_valid(f"+{number}"):
                yield self._bot(at, f"+{number}", self._price_of(f"+{number}"))

    def _countries(self, at: float, starts: int) -> Iterator[Start]:
        chosen = self.rng.sample(COUNTRIES, 5)
        blocks = [self._block(country) for country in chosen for _ in range(12)]
        for _ in range(starts):
            at += self.rng.expovariate(0.5)
            to = self.numbers.any(self.rng.choice(blocks))
            yield self._bot(at, to, self._price_of(to))

    def _spike_too(self, at: float, starts: int) -> Iterator[Start]:
        country, at = self.spike
        blocks = [self._block(country) for _ in range(25)]
        for _ in range(starts):
            at += self.rng.expovariate(0.8)
            yield self._bot(at, self.numbers.any(self.rng.choice(blocks)), country.price)

    def _cheap(self, at: float, starts: int) -> Iterator[Start]:
        country = COUNTRIES[3]
        blocks = [self._block(country) for _ in range(60)]
        networks = [self._home() for _ in range(40)]
        for _ in range(starts):
            at += self.rng.expovariate(0.4)
            to, ip = self.numbers.any(self.rng.choice(blocks)), self.rng.choice(networks)
            yield self._bot(at, to, country.price, ip=ip, face="api", device="")

    def _twentieth(self, at: float, starts: int) -> Iterator[Start]:
        country = self.rng.choice((COUNTRIES[4], COUNTRIES[5], COUNTRIES[9]))
        blocks = [self._block(country) for _ in range(20)]
        for place in range(starts):
            at += self.rng.expovariate(0.3)
            fakes = self.rng.uniform(8, 90) if place % 20 == 7 else None
            to = self.numbers.any(self.rng.choice(blocks))
            yield self._bot(at, to, country.price, converts_after=fakes)

    def _range(self, at: float, starts: int) -> Iterator[Start]:
        country = self._target()
        begin = self.rng.choice(country.begins)
        for _ in range(starts):
            at += self.rng.expovariate(0.5)
            yield self._bot(at, self.numbers.any(begin), country.price)

    def _several(self, at: float, starts: int) -> Iterator[Start]:
        country = self.rng.choice(COUNTRIES[6:10])
        blocks = [self._block(country) for _ in range(10)]
        for _ in range(starts // 3):
            at += self.rng.expovariate(0.12)
            to, again = self.numbers.any(self.rng.choice(blocks)), at
            for _ in range(3):
                yield self._bot(again, to, country.price)
                again += self.rng.uniform(35, 240)

    def _first_hour(self, at: float, starts: int) -> Iterator[Start]:
        country, at = self.rng.choice(COUNTRIES[4:]), self.rng.uniform(0, HOUR)
        blocks = [self._block(country) for _ in range(8)]
        for _ in range(starts):
            at += self.rng.expovariate(0.6)
            yield self._bot(at, self.numbers.any(self.rng.choice(blocks)), country.price)

    def _bursts(self, at: float, starts: int) -> Iterator[Start]:
        country = self._target()
        blocks = [self._block(country) for _ in range(12)]
        for place in range(starts // 2):
            moment = at + place // 15 * 1.3 * HOUR + self.rng.uniform(0, 20)
            yield self._bot(moment, self.numbers.any(self.rng.choice(blocks)), country.price)

    def _world(self, at: float, starts: int) -> Iterator[Start]:
        served = {country.region for country in COUNTRIES}
        begins = [
            (f"+{example.country_code}{example.national_number}"[:-6], self.rng.uniform(0.05, 0.3))
            for region in sorted(phonenumbers.SUPPORTED_REGIONS - served)
            if (example := phonenumbers.example_number_for_type(region, _MOBILE))
            and is_valid(f"+{example.country_code}{example.national_number}")
        ]
        chosen = self.rng.sample(begins, 40)
        for _ in range(starts):
            at += self.rng.expovariate(0.2)
            begin, price = self.rng.choice(chosen)
            to = begin + "".join(self.rng.choices("0123456789", k=6))
            if is_valid(to):
                yield self._bot(at, to, price)

    def _price_of(self, number: str) -> float:
        return next(
            one.price for one in COUNTRIES if number.startswith(tuple(b[:5] for b in one.begins))
        )


class Crowded(Others):
    """People whose numbers lie in few blocks, who are slow, half of them behind one address."""

    def _person(self, country: Country, at: float) -> Iterator[Start]:
        blocks = self._of_people.setdefault(country.region, [])
        if not blocks:
            blocks += (self.numbers.any(begin)[:-4] for begin in country.begins for _ in range(12))
        to = self.numbers.any(self.rng.choice(blocks))
        for start in super()._person(country, at):
            after = start.converts_after
            yield replace(
                start,
                to=to,
                ip="198.51.100.7" if start.face == "api" else start.ip,
                converts_after=None if after is None else min(590.0, after * 1.8),
            )

    def __init__(self, seed: int, *, days: float = 7, sends: int = 52_000) -> None:
        super().__init__(seed, days=days, sends=sends)
        self._of_people: dict[str, list[str]] = {}


def mixed(
    seed: int, shapes: Iterable[str] = SHAPES, *, crowded: bool = False, **sizes: int
) -> list[Start]:
    """Return people's starts with attacks of these shapes among them, of either list."""
    traffic = (Crowded if crowded else Others)(seed, **sizes)
    starts = traffic.legitimate()
    for shape in shapes:
        starts += (named(start, shape) for start in traffic.attack(shape))
    return sorted(starts, key=lambda start: start.at)
