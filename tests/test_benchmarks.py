"""The benchmark: its bounds, and that its sides obey one protocol and the floor its laws."""

import subprocess
import sys
from http.client import HTTPConnection

import pytest

from benchmarks import (
    bounds,
    databases,
    imports,
    load,
    numbers,
    plan,
    report,
    scenarios,
    servers,
    sides,
)

OURS = {
    kind: {"SELECT": most, "BEGIN": frames} for kind, (most, frames) in bounds.STATEMENTS.items()
}
RATIO = {"CPU, ms": 2.8, "rounds/s": 0.5}


def counted(database="SQLite", **changes):
    result = {"database": database, "statements": {"ours": OURS | changes}, "costs": {}}
    return list(bounds.beyond(result))


def compared(pair="ours ÷ floor", **changes):
    result = {"database": "SQLite", "clients": 4, "scenario": "new", "sides": {}}
    return list(bounds.beyond(result | {"ratios": {pair: RATIO | changes}}))


def test_what_is_within_the_bounds_is_silent():
    assert counted() == []
    assert counted(start={"SELECT": 1}) == []
    assert compared() == []


def test_statements_beyond_a_bound_are_reported():
    most, _ = bounds.STATEMENTS["wrong"]
    assert counted(wrong={"SELECT": most, "UPDATE": 1}) == [
        f"SQLite: wrong has {most + 1} statements, and {most} are allowed"
    ]
    assert counted(check={"SELECT": 1, "BEGIN": 1, "SAVEPOINT": 9}) == [
        "SQLite: check has 1 transactions, and 0 are allowed"
    ]


def test_postgresql_is_sent_fewer_statements():
    fewer = {kind: {"UPDATE": most} for kind, (most, _) in bounds.POSTGRESQL.items()}
    assert counted("PostgreSQL", **fewer) == []
    fewer["wrong"] = {"SELECT": 1, "UPDATE": 1}
    assert counted("PostgreSQL", **fewer) == [
        "PostgreSQL: wrong has 2 statements, and 1 are allowed"
    ]
    fewer["wrong"], fewer["start"] = {"UPDATE": 1}, {"WITH": 3, "BEGIN": 1}
    assert counted("PostgreSQL", **fewer) == [
        "PostgreSQL: start has 1 transactions, and 0 are allowed"
    ]


def test_a_queue_may_not_send_more_statements():
    queue = OURS | {"start": {"INSERT": 9}}
    result = {"database": "SQLite", "statements": {"ours": OURS, "ours+queue": queue}}
    (line,) = bounds.beyond(result)
    assert line.startswith("SQLite: start has 9 statements with a queue")


def test_the_guard_may_send_one_more_for_a_start_and_a_right_check():
    more = {kind: {"SELECT": bounds.STATEMENTS[kind][0] + bounds.GUARD[kind]} for kind in OURS}
    result = {"database": "SQLite", "statements": {"ours": OURS, "ours+guard": more}}
    assert list(bounds.beyond(result)) == []
    more["wrong"] = {"SELECT": bounds.STATEMENTS["wrong"][0] + 1}
    (line,) = bounds.beyond(result)
    assert line == "SQLite: wrong has 3 statements with the guard, not 2"


@pytest.mark.parametrize("pair", bounds.RATIOS)
def test_ratios_beyond_a_bound_are_reported(pair):
    assert len(compared(pair, **{"CPU, ms": 9.0, "rounds/s": 0.01})) == 2


def test_no_ratio_of_cpu_where_the_system_has_none():
    result = {"database": "SQLite", "clients": 1, "scenario": "new", "sides": {}}
    assert list(bounds.beyond(result | {"ratios": {"ours ÷ floor": {"rounds/s": 0.6}}})) == []


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


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """`served(name)` is a side's server, made once."""
    with databases.sqlite() as url, databases.sqlite() as other:
        prepared = {
            name: servers.prepare(name, where, key="k" * 50, rows=20)
            for name, where in (("floor", url), ("lawful", other))
        }
        with (
            servers.serve(prepared["floor"], workers=1, threads=2) as floor,
            servers.serve(prepared["lawful"], workers=1, threads=2) as lawful,
        ):
            yield {"floor": floor, "lawful": lawful}


@pytest.fixture
def key(settings):
    settings.SECRET_KEY = "k" * 50


@pytest.mark.once
@pytest.mark.parametrize("name", ["floor", "lawful"])
def test_both_floors_obey_every_scenario(served, key, name):
    server, fresh = served[name], numbers.fresh()
    with load.connect(server, 2) as clients:
        for scenario in scenarios.SCENARIOS.values():
            rounds = [scenario(clients, fresh, 6) for _ in range(2)]
            known = scenario is scenarios.known
            figures = report.figures(rounds, server.statements, known=known)
            assert figures["rounds/s"] > 0
    rss, pss = server.memory()
    assert rss >= pss > 0


@pytest.fixture
def lawful(served, key):
    """Ask the lawful floor: the status of the answer, and the answer."""
    server = served["lawful"]

    def ask(call):
        connection = HTTPConnection("127.0.0.1", server.port, timeout=60)
        headers = {"Authorization": server.side.credentials, "Content-Type": "application/json"}
        connection.request("POST", call.path, call.body, headers)
        response = connection.getresponse()
        try:
            return response.status, response.read()
        finally:
            connection.close()

    ask.server, ask.side = server, server.side
    return ask


def started(lawful, to):
    with load.connect(lawful.server, 1) as clients:
        return clients.start([to]).answers[0]


@pytest.mark.once
def test_the_lawful_floor_charges_each_guess_and_approves_once(lawful):
    answer = started(lawful, "+12025550101")
    (right,) = lawful.side.checks(lawful.server.url, [answer])
    (wrong,) = lawful.side.checks(lawful.server.url, [answer], right=False)
    assert [lawful(wrong)[0] for _ in range(4)] == [200] * 4
    assert [lawful(right)[0] for _ in range(2)] == [200, 404]
    other = started(lawful, "+12025550102")
    (right,) = lawful.side.checks(lawful.server.url, [other])
    (wrong,) = lawful.side.checks(lawful.server.url, [other], right=False)
    assert [lawful(call)[0] for call in (*[wrong] * 5, right)] == [*[200] * 5, 404]


@pytest.mark.once
def test_the_lawful_floor_has_twenty_guesses_a_day_and_five_sends(lawful):
    to = "+12025550103"
    assert [lawful(lawful.side.start(to))[0] for _ in range(6)] == [201] * 5 + [429]
    url = lawful.server.url
    for _ in range(4):
        sql = (
            "UPDATE lawful_verification SET expires_at = created_at, checks = 5 WHERE recipient = ?"
        )
        databases.command(url, sql, to)
        status, _ = lawful(lawful.side.start(to))
    assert status == 429


@pytest.mark.once
def test_a_key_that_was_revoked_is_refused_at_the_next_request(lawful):
    start = lawful.side.start("+12025550104")
    assert lawful(start)[0] == 201
    url = lawful.server.url
    databases.command(url, "UPDATE lawful_key SET is_active = 0, version = version + 1")
    assert [lawful(start)[0], lawful(start)[0]] == [401, 401]
    databases.command(url, "UPDATE lawful_key SET is_active = 1, version = version + 1")
    assert lawful(start)[0] == 201


def test_every_side_says_what_it_is():
    names = sides.SIDES | sides.VARIANTS
    assert all(side.name == name and side.__doc__ for name, side in names.items())
    assert "ours+queue" in sides.VARIANTS


def test_the_benchmark_explains_its_options():
    command = [sys.executable, "-m", "benchmarks.run", "--help"]
    found = subprocess.run(command, capture_output=True, text=True, check=True, cwd=servers.ROOT)
    assert "--peers" in found.stdout


def test_a_plan_is_the_arithmetic_of_its_costs():
    costs = plan.Costs(
        application_ms=6, database_ms=3, wal_bytes=2000, row_bytes=1000, worker_mb=100
    )
    found = {step: needs for step, _, needs in plan.steps(100, costs)}
    assert found["cores of the application"] == "2"  # 110 × 6 ms = 0.66 cores, 60 % busy
    assert found["its memory, a worker on each core"] == "210 MB"
    assert found["cores of the database"] == "1"
    assert found["commits"] == "440 a second"
    assert found["sessions of the database at work"] == "2"
    assert found["WAL"] == "19 GB a day"
    assert found["rows"] == "259 GB in 30 days"
    assert found["deleting"] == "210 rows a second"
    assert found["sending"] == "33 messages under way"
    assert plan.table(100, costs).count("\n") == 11


def test_a_plan_grows_with_the_rate():
    costs = plan.Costs(5, 2, 2500, 850, 65)
    (few, *_), (many, *_) = plan.steps(100, costs), plan.steps(10_000, costs)
    assert (few[2], many[2]) == ("1", "92")
