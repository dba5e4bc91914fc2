"""The samples of the guide: a share of the people, and a check that finds its start."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from twilio.base.exceptions import TwilioRestException

PAGE = Path(__file__).parent.parent.parent / "docs/moving-from-twilio.md"
NUMBERS = [f"+1415555{number:04d}" for number in range(1000)]


@pytest.fixture(scope="module")
def sample():
    (text,) = re.findall(r"```python\n(import hashlib.*?)```", PAGE.read_text(), re.DOTALL)
    names = {}
    exec(compile(text, PAGE.name, "exec"), names)
    return SimpleNamespace(**names)


class Side:
    """A client of one side, and the recipients that it has verifications of."""

    def __init__(self):
        self.pending, self.status = set(), 404
        self.verify = SimpleNamespace(v2=SimpleNamespace(services=lambda sid: self))
        self.verifications = SimpleNamespace(create=lambda to, channel: self.pending.add(to))
        self.verification_checks = SimpleNamespace(create=self.check)

    def check(self, to, code):
        if to not in self.pending:
            raise TwilioRestException(self.status, "/")
        return self


@pytest.fixture
def sides():
    return Side(), Side()


@pytest.mark.parametrize("percent", [0, 10, 50, 100])
def test_so_many_of_the_people_are_ours(sample, sides, percent):
    ours, theirs = sides
    first = [sample.in_order(to, ours, theirs, percent)[0] for to in NUMBERS]
    assert first.count(ours) / len(NUMBERS) == pytest.approx(percent / 100, abs=0.04)


def test_those_who_have_moved_stay(sample, sides):
    moved = {
        percent: {to for to in NUMBERS if sample.in_order(to, *sides, percent)[0] is sides[0]}
        for percent in (1, 10, 50)
    }
    assert moved[1] <= moved[10] <= moved[50]


def test_a_check_finds_its_start_after_the_dial_was_turned(sample, sides):
    for to in NUMBERS[:50]:
        sample.start(to, "sms", "VA", sample.in_order(to, *sides, 10))
    for to in NUMBERS[:50]:
        side = sample.check(to, "123456", "VA", sample.in_order(to, *sides, 90))
        assert to in side.pending


def test_other_refusals_go_up(sample, sides):
    with pytest.raises(LookupError):
        sample.check(NUMBERS[0], "123456", "VA", sides)
    sides[0].status = 429
    with pytest.raises(TwilioRestException):
        sample.check(NUMBERS[0], "123456", "VA", sides)
