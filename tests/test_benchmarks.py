"""The bounds of the benchmark: what is within them is silent, what is beyond is received."""

import pytest

from benchmarks import bounds, imports

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


START = {"host": (140.0, 41.0), "host + app": (240.0, 45.0)}


def starts(**more):
    figures = {
        name: figure
        for host in imports.HOSTS
        for name, figure in ((host, START["host"]), (f"{host} + app", START["host + app"]))
    }
    return figures | {name.replace("_", " ").replace("plus", "+"): v for name, v in more.items()}


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({}, ""),
        ({"host_plus_app": (240.0, 60.0)}, "host: the app adds 19.0 MB, and 7.0 are allowed"),
        ({"host_plus_app": (640.0, 45.0)}, "host: the app adds 3.57 times its start, not 1.5"),
    ],
)
def test_the_start_of_a_process_has_bounds(more, text):
    figures = starts(**more)
    assert "\n".join(imports.beyond(figures)) == text
    assert len(imports.render(figures).splitlines()) == 3 + len(imports.HOSTS)


@pytest.mark.once
def test_the_start_of_a_process_is_measured():
    figures = imports.measure(1)
    for host in imports.HOSTS:
        _, megabytes = imports.added(figures, host)
        assert 0 < megabytes < imports.MOST_MB[host]
