"""Traffic of a simulated site: people who verify their numbers, and attacks among them, seeded."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from django_verify.contact import phones

HOUR, DAY = 3600.0, 86_400.0
#: The attacks by name, in the order of the table.
SHAPES = (
    "one block",
    "many blocks",
    "rotating addresses",
    "adjacent runs",
    "slow drip",
    "faked conversions",
    "new country",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """One line of a replay: what is asked for, and what becomes of it where it is sent."""

    at: float
    to: str
    channel: str = "sms"
    ip: str = ""
    device: str = ""
    face: str = "api"
    legitimate: bool = True
    converts_after: float | None = None
    delivered: bool = True
    price: float = 0.05
    shape: str = ""


@dataclass(frozen=True, slots=True)
class Country:
    """How people of a country behave, and what a message to it costs."""

    region: str
    share: float
    converts: float
    delay: float
    price: float
    begins: tuple[str, ...]


#: Mobile ranges by the plans of twelve countries; shares, conversion and prices are made up.
COUNTRIES = (
    Country("DE", 0.17, 0.78, 22, 0.075, ("+49151", "+49160", "+49170", "+49176", "+49152")),
    Country("FR", 0.12, 0.74, 25, 0.060, ("+3361", "+3366", "+3367", "+3375")),
    Country("GB", 0.12, 0.76, 22, 0.040, ("+4474", "+4475", "+4477", "+4478", "+4479")),
    Country("US", 0.16, 0.70, 28, 0.008, ("+1415", "+1212", "+1305", "+1713", "+1206", "+1617")),
    Country("BR", 0.08, 0.62, 40, 0.025, ("+551199", "+552199", "+553199", "+554199")),
    Country("IN", 0.10, 0.60, 45, 0.030, ("+9198", "+9197", "+9199", "+9188", "+9170")),
    Country("ES", 0.07, 0.72, 26, 0.050, ("+3461", "+3465", "+3466", "+3469")),
    Country("IT", 0.06, 0.73, 26, 0.055, ("+39333", "+39340", "+39347", "+39320")),
    Country("PL", 0.05, 0.77, 24, 0.030, ("+4850", "+4860", "+4869", "+4888")),
    Country("ID", 0.03, 0.52, 60, 0.120, ("+62811", "+62812", "+62821", "+62857")),
    Country("NG", 0.02, 0.48, 75, 0.140, ("+234803", "+234806", "+234813", "+234706")),
    Country("EG", 0.02, 0.50, 70, 0.150, ("+2010", "+2011", "+2012")),
)
#: Where the site opens on the fourth day.
LAUNCH = Country("VN", 0.0, 0.64, 40, 0.070, ("+8490", "+8491", "+8497", "+8496"))
#: Where nobody is served, and pumping pays.
ELSEWHERE = (
    Country("AZ", 0.0, 0.0, 0, 0.220, ("+99450", "+99455", "+99470")),
    Country("TJ", 0.0, 0.0, 0, 0.180, ("+99290", "+99291", "+99292")),
    Country("UZ", 0.0, 0.0, 0, 0.160, ("+99890", "+99893", "+99897")),
)
_BY_REGION = {one.region: one for one in (*COUNTRIES, LAUNCH, *ELSEWHERE)}


class Numbers:
    """Draws valid numbers, and remembers how long those of a country are."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._lengths: dict[str, int] = {}

    def any(self, begin: str) -> str:
        """Return a valid number that begins so."""
        while True:
            digits = self.length(begin) - len(begin)
            text = begin + "".join(self._rng.choices("0123456789", k=digits))
            if is_valid(text):
                return text

    def length(self, begin: str) -> int:
        """Return the length of the numbers that begin so."""
        if begin not in self._lengths:
            self._lengths[begin] = next(
                size
                for size in (13, 12, 14, 11)
                if any(is_valid(f"{begin}{line}") for line in _tried(size - len(begin)))
            )
        return self._lengths[begin]


def _tried(digits: int) -> Iterator[str]:
    for line in range(0, 10**digits, 10**digits // 37):
        yield f"{line:0{digits}}"


def is_valid(number: str) -> bool:
    """Whether a number is one of a mobile line."""
    try:
        return phones.parse(number).type == phones.NumberType.MOBILE
    except ValueError:
        return False


class Traffic:
    """All starts of some days, from one seed."""

    def __init__(self, seed: int, *, days: float = 7, sends: int = 52_000) -> None:
        self.rng = random.Random(seed)
        self.numbers = Numbers(self.rng)
        self.days, self.sends = days, sends
        self._outage = self._an_outage()
        #: Where and when there is a spike of people; known once they are drawn.
        self.spike: tuple[Country, float] = COUNTRIES[0], 0.0

    def legitimate(self) -> list[Start]:
        """Return people's starts: the days' curve, a spike, an outage, the opening of a market."""
        starts: list[Start] = []
        people = int(self.sends / 1.2)  # others come from those who ask again
        spike, launch = int(people * 0.05), int(people * 0.05)
        for _ in range(people - spike - launch):
            country = self._country()
            starts += self._person(country, self._moment(self.days * DAY))
        country, begin = self._country(), self.rng.uniform(1.5, self.days - 1) * DAY
        self.spike = country, begin
        for _ in range(spike):
            starts += self._person(country, begin + self.rng.expovariate(1 / 600))
        begin = 3 * DAY + 9 * HOUR
        for _ in range(launch):
            starts += self._person(LAUNCH, begin + self._moment((self.days - 3.5) * DAY))
        return sorted(starts, key=lambda start: start.at)

    def attack(self, shape: str, *, starts: int = 2000) -> list[Start]:
        """Return the starts of an attack of one shape, which begins after two days."""
        begin = self.rng.uniform(2, self.days - 2.5) * DAY
        made: dict[str, Callable[[float, int], Iterable[Start]]] = {
            "one block": self._one_block,
            "many blocks": self._many_blocks,
            "rotating addresses": self._rotating,
            "adjacent runs": self._runs,
            "slow drip": self._drip,
            "faked conversions": self._faked,
            "new country": self._new_country,
        }
        return sorted(made[shape](begin, starts), key=lambda start: start.at)

    def _an_outage(self) -> tuple[str, float]:
        country = self.rng.choice(COUNTRIES[:7])
        return self.rng.choice(country.begins), self.rng.uniform(1, self.days - 1) * DAY

    def _country(self) -> Country:
        return self.rng.choices(COUNTRIES, [one.share for one in COUNTRIES])[0]

    def _moment(self, seconds: float) -> float:
        """Return a moment by the day's curve: few at night, most in the evening."""
        while True:
            moment = self.rng.uniform(0, seconds)
            if self.rng.random() < 0.55 - 0.45 * math.cos(2 * math.pi * (moment / DAY - 0.12)):
                return moment

    def _person(self, country: Country, at: float) -> Iterator[Start]:
        """Yield what one person does: a start, and others where no code came or was entered."""
        begin = self.rng.choice(country.begins)
        number, ip, device = self.numbers.any(begin), self._home(), f"d{self.rng.getrandbits(48):x}"
        face = self.rng.choice(("mobile", "mobile", "api"))
        for _ in range(4):
            is_out = begin == self._outage[0] and 0 <= at - self._outage[1] < 2 * HOUR
            converts = not is_out and self.rng.random() < country.converts
            delay = self.rng.lognormvariate(math.log(country.delay), 0.8)
            yield Start(
                at=at,
                to=number,
                ip=ip,
                device=device if face == "mobile" else "",
                face=face,
                converts_after=min(delay, 580) if converts else None,
                delivered=not is_out and self.rng.random() > (0.01 if converts else 0.1),
                price=country.price,
            )
            if converts or self.rng.random() > 0.45:
                return
            at += self.rng.uniform(60, 400)

    def _home(self) -> str:
        # Mobile networks put many people behind few addresses.
        if self.rng.random() < 0.3:
            shared = self.rng.randrange(64, 72), self.rng.randrange(40)
            return f"100.{shared[0]}.{shared[1]}.{self.rng.randrange(1, 255)}"
        return ".".join(str(self.rng.randrange(1, 255)) for _ in range(4))

    def _bot(self, at: float, to: str, price: float, **more: object) -> Start:
        given = {"ip": self._home(), "face": "mobile", "device": f"b{self.rng.getrandbits(48):x}"}
        return Start(at=at, to=to, price=price, legitimate=False, **{**given, **more})  # type: ignore[arg-type]

    def _target(self) -> Country:
        return self.rng.choice(COUNTRIES[9:])

    def _block(self, country: Country, left: int = 4) -> str:
        return self.numbers.any(self.rng.choice(country.begins))[:-left]

    def _in(self, block: str) -> str:
        return self.numbers.any(block)

    def _one_block(self, at: float, starts: int) -> Iterator[Start]:
        country = self._target()
        block = self._block(country)
        networks = [self._home() for _ in range(30)]
        for _ in range(starts):
            at += self.rng.expovariate(1.0)
            yield self._bot(at, self._in(block), country.price, ip=self.rng.choice(networks))

    def _many_blocks(self, at: float, starts: int) -> Iterator[Start]:
        country = self._target()
        begin = self.rng.choice(country.begins)
        blocks = [self.numbers.any(begin)[:-4] for _ in range(60)]
        networks = [self._home() for _ in range(10)]
        for _ in range(starts):
            at += self.rng.expovariate(0.5)
            block, ip = self.rng.choice(blocks), self.rng.choice(networks)
            yield self._bot(at, self._in(block), country.price, ip=ip)

    def _rotating(self, at: float, starts: int) -> Iterator[Start]:
        country = self._target()
        blocks = [self._block(country) for _ in range(20)]
        for _ in range(starts):
            at += self.rng.expovariate(0.4)
            yield self._bot(at, self._in(self.rng.choice(blocks)), country.price)

    def _runs(self, at: float, starts: int) -> Iterator[Start]:
        country = self.rng.choice(COUNTRIES)
        begin = self.rng.choice(country.begins)
        number = ""
        for place in range(starts):
            at += self.rng.expovariate(0.3)
            if place % 25 == 0:
                number = self.numbers.any(begin)
            number = _next(number)
            if is_valid(number):
                yield self._bot(at, number, country.price, face="api")

    def _drip(self, at: float, starts: int) -> Iterator[Start]:
        country = self._target()
        blocks = [self._block(country) for _ in range(6)]
        for _ in range(starts // 4):
            at += self.rng.expovariate(1 / 300)
            yield self._bot(at, self._in(self.rng.choice(blocks)), country.price)

    def _faked(self, at: float, starts: int) -> Iterator[Start]:
        country = self._target()
        blocks = [self._block(country) for _ in range(4)]
        for _ in range(starts):
            at += self.rng.expovariate(0.5)
            fakes = self.rng.uniform(5, 60) if self.rng.random() < 0.1 else None
            number = self._in(self.rng.choice(blocks))
            yield self._bot(at, number, country.price, converts_after=fakes)

    def _new_country(self, at: float, starts: int) -> Iterator[Start]:
        country = self.rng.choice(ELSEWHERE)
        for _ in range(starts):
            at += self.rng.expovariate(1.0)
            number = self.numbers.any(self.rng.choice(country.begins))
            yield self._bot(at, number, country.price)


def mixed(seed: int, shapes: Iterable[str] = SHAPES, **sizes: int) -> list[Start]:
    """Return people's starts with attacks of these shapes among them."""
    traffic = Traffic(seed, **sizes)
    starts = traffic.legitimate()
    for shape in shapes:
        starts += (named(start, shape) for start in traffic.attack(shape))
    return sorted(starts, key=lambda start: start.at)


class Malformed(ValueError):
    """A line of a file is no start; says which one, and why."""


def read(path: Path) -> list[Start]:
    """Return the starts of a file of JSON lines, in the order of their times.

    Fields that a start has not, and those that are null, are left out. Raises Malformed.
    """
    starts = []
    with path.open(encoding="utf-8-sig") as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                try:
                    starts.append(_start(json.loads(line)))
                except (ValueError, RecursionError) as error:
                    raise Malformed(f"{path.name}, line {number}: {error}") from error
    return sorted(starts, key=lambda start: start.at)


# What the fields of a line are; `bool` is an `int` to Python, and none here.
_NUMBERS, _TEXTS, _FLAGS = (
    ("at", "converts_after", "price"),
    ("to", "channel", "ip", "device", "face", "shape"),
    ("legitimate", "delivered"),
)


def _start(line: Any) -> Start:
    """Return one line's start. Raises Malformed."""
    if not isinstance(line, dict):
        raise Malformed("not an object")
    given = {name: value for name, value in line.items() if value is not None}
    for name in ("at", "to"):
        if name not in given:
            raise Malformed(f"it has no {name}")
    for name in _NUMBERS:
        _check_number(name, given.get(name, 0.0))
    for names, kind, wanted in ((_TEXTS, str, "no text"), (_FLAGS, bool, "neither true nor false")):
        for name in names:
            if not isinstance(given.get(name, kind()), kind):
                raise Malformed(f"{name} is {wanted}")
    return Start(**{name: given[name] for name in (*_NUMBERS, *_TEXTS, *_FLAGS) if name in given})


def _check_number(name: str, value: Any) -> None:
    # A clock cannot be moved to just any number.
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e11:
        raise Malformed(f"{name} is no number")
    if value < 0 and name != "at":
        raise Malformed(f"{name} is negative")


def write(path: Path, starts: Iterable[Start]) -> None:
    """Write starts as a file that can be replayed."""
    path.write_text("".join(json.dumps(asdict(start)) + "\n" for start in starts), "utf-8")


def named(start: Start, shape: str) -> Start:
    """Return a start as one of an attack of this shape."""
    return Start(**{**asdict(start), "shape": shape})


def _next(number: str) -> str:
    return f"+{int(number) + 1}"
