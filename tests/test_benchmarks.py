"""The bounds of the benchmark: what is within them is silent, what is beyond is received."""

import pytest

from benchmarks import bounds

OURS = {"start SQL": 6, "start BEGIN": 1, "check SQL": 4, "check BEGIN": 0}
RATIO = {"start CPU, ms": 2.3, "check CPU, ms": 1.4, "cycles/s": 0.6}


def received(ours=(), ratio=()):
    result = {"database": "SQLite", "clients": 4, "ours": OURS | dict(ours)}
    return list(bounds.beyond(result | {"ratio": RATIO | dict(ratio)}))


def test_what_is_measured_today_is_within_them():
    assert received() == []
    assert received(ours={"start SQL": 3}, ratio={"cycles/s": 1.5, "check CPU, ms": 0.5}) == []


@pytest.mark.parametrize(
    ("ours", "ratio", "name"),
    [
        ({"start SQL": 7}, {}, "start SQL"),
        ({"check BEGIN": 1}, {}, "check BEGIN"),
        ({}, {"start CPU, ms": 9.0}, "start CPU, ms"),
        ({}, {"cycles/s": 0.1}, "cycles/s"),
    ],
)
def test_one_that_is_beyond_is_reported(ours, ratio, name):
    (line,) = received(ours, ratio)
    assert line.startswith(f"SQLite, 4 client threads: {name} is ")


def test_no_ratio_of_cpu_where_the_system_has_none():
    result = {"database": "SQLite", "clients": 1, "ours": OURS, "ratio": {"cycles/s": 0.6}}
    assert list(bounds.beyond(result)) == []
