"""The simulator of attacks: its traffic, its files, and one run against the real guard."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from benchmarks.pumping import bare, others, report, traffic
from benchmarks.pumping.outcome import NOT_TAKEN, PEOPLE, Outcome, Tally
from benchmarks.pumping.traffic import SHAPES, Malformed, Start, Traffic
from django_verify.contact import phones

ROOT = Path(__file__).parents[1]


def small(shapes=SHAPES, seed=1):
    return traffic.mixed(seed, shapes, sends=300, days=5)


def test_a_seed_is_a_traffic():
    assert small(["one block"]) == small(["one block"])
    assert small(["one block"]) != small(["one block"], seed=2)


@pytest.mark.parametrize("shape", SHAPES)
def test_every_attack_is_of_valid_numbers_in_the_order_of_time(shape):
    starts = Traffic(3, days=6, sends=100).attack(shape, starts=80)
    assert len(starts) >= 20
    assert [start.at for start in starts] == sorted(start.at for start in starts)
    assert all(phones.parse(start.to) for start in starts)
    assert not any(start.legitimate for start in starts)


@pytest.mark.parametrize("shape", others.SHAPES)
def test_other_attacks_are_of_valid_numbers_too(shape):
    starts = others.Others(3, days=6, sends=100).attack(shape, starts=80)
    assert len(starts) >= 20
    assert all(phones.parse(start.to) for start in starts)
    assert not any(start.legitimate for start in starts)


def test_people_may_live_in_few_blocks():
    def blocks(kind):
        people = kind(5, days=5, sends=600).legitimate()
        return len({start.to[:-4] for start in people}) / len({start.to for start in people})

    assert blocks(others.Crowded) < 0.8 * blocks(others.Others)


def test_people_convert_and_ask_again():
    people = Traffic(1, days=5, sends=600).legitimate()
    converted = sum(start.converts_after is not None for start in people)
    assert 0.4 < converted / len(people) < 0.8
    assert len({start.to for start in people}) < len(people)


def test_traffic_is_written_and_read_again(tmp_path):
    starts = small(["slow drip"])
    traffic.write(tmp_path / "traffic.jsonl", starts)
    assert traffic.read(tmp_path / "traffic.jsonl") == starts


def test_a_line_needs_no_more_than_time_and_number(tmp_path):
    path = tmp_path / "traffic.jsonl"
    path.write_text('{"at": 2, "to": "+491", "ip": null, "label": 1}\n\n{"at": 1, "to": "+492"}\n')
    assert traffic.read(path) == [Start(at=1, to="+492"), Start(at=2, to="+491")]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("{", "line 2: Expecting"),
        ("[1]", "line 2: not an object"),
        ('{"at": 1}', "it has no to"),
        ('{"at": null, "to": "+491"}', "it has no at"),
        ('{"at": "1", "to": "+491"}', "at is no number"),
        ('{"at": NaN, "to": "+491"}', "at is no number"),
        ('{"at": 1, "to": "+491", "price": -1}', "price is negative"),
        ('{"at": 1, "to": "+491", "price": true}', "price is no number"),
        ('{"at": 1, "to": 491}', "to is no text"),
        ('{"at": 1, "to": "+491", "delivered": "no"}', "delivered is neither true nor false"),
        ("[" * 100_000, "line 2"),
    ],
)
def test_a_line_that_is_none_is_named(tmp_path, line, why):
    path = tmp_path / "traffic.jsonl"
    path.write_text('{"at": 1, "to": "+491"}\n' + line + "\n")
    with pytest.raises(Malformed, match=why):
        traffic.read(path)


def decided(starts, level="standard"):
    return bare.run(starts, level).decisions


def attack(number=60, block="+491511234", **values):
    return [
        Start(at=3.0 * place, to=f"{block}{place * 37:04d}", legitimate=False, price=0.1, **values)
        for place in range(number)
    ]


def test_nothing_is_learned_of_a_label():
    starts = small(["one block", "adjacent runs"])[:900]
    flipped = [replace(start, legitimate=not start.legitimate, shape="") for start in starts]
    found = decided(starts)
    assert found
    assert decided(flipped) == found


def test_an_attack_is_stopped_and_people_are_not():
    people = [
        Start(at=7.0 * place, to=f"+3361{place * 99991:07d}", converts_after=20)
        for place in range(40)
    ]
    outcome = bare.run(sorted([*attack(), *people], key=lambda start: start.at), "standard")
    assert outcome.tallies[PEOPLE].blocked == 0
    assert outcome.of(legitimate=False).sent < 30


def test_what_is_no_number_is_neither_sent_nor_blocked():
    outcome = bare.run([Start(at=1, to="+4900"), Start(at=2, to="+4915112345678")], "standard")
    numbers = report.as_json(outcome)["legitimate"]
    assert numbers == {"starts": 2, "refused": 0, "not_taken": 1}
    assert outcome.tallies[PEOPLE].sent == 1


def test_a_tally_is_of_the_guard_alone():
    outcome, start = Outcome(), Start(at=5, to="+491", legitimate=False, price=2.0)
    for cause in ("", NOT_TAKEN, "block"):
        outcome.note(start, cause, 5.0)
    tally = outcome.of(legitimate=False)
    assert (tally.starts, tally.sent, tally.blocked) == (3, 1, 1)
    assert (tally.spend, tally.spend_blocked, tally.sent_before_first_block) == (6.0, 2.0, 1)


def test_a_table_and_a_plot_show_what_was_blocked():
    outcome = Outcome()
    outcome.tallies["people"] = Tally(starts=1000, sent=999, blocked=1)
    outcome.tallies["one block"] = Tally(starts=100, sent=4, blocked=96, spend=5, spend_blocked=4.8)
    outcome.hours[0] = [10, 0, 5, 4]
    text = report.table([("standard", "mix", outcome)])
    assert "| standard | mix | 100 | 96.0 % |" in text
    assert "1 of 1000 (0.100 %)" in text
    for drawn in (report.plot(outcome.hours, "mix"), report.bars([("runs", 90.0, 96.5)], "all")):
        assert ET.fromstring(drawn).tag.endswith("svg")
        assert "prefers-color-scheme:dark" in drawn
    assert report.as_json(outcome)["legitimate"] == {
        "starts": 1000,
        "refused": 1,
        "not_taken": 0,
    }


@pytest.mark.once
def test_a_replay_drives_the_real_guard(tmp_path):
    lines = [
        {
            "at": 10.0 * place,
            "to": f"+491511234{place * 37:04d}",
            "channel": "sms",
            "ip": "192.0.2.1",
            "device": "",
            "face": "api",
            "legitimate": False,
            "converts_after": None,
            "delivered": True,
            "price": 0.1,
        }
        for place in range(90)
    ]
    lines += [
        {
            **lines[0],
            "at": 15.0 * place,
            "to": f"+3361{place * 99991:07d}",
            "ip": "",
            "legitimate": True,
        }
        | {"converts_after": 20.0}
        for place in range(30)
    ]
    path, found = tmp_path / "traffic.jsonl", tmp_path / "found.json"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    command = [sys.executable, "-m", "benchmarks.pumping", "--replay", path, "--json", found]
    environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    levels = ["--level", "record", "--level", "standard"]
    done = subprocess.run(
        [*command, *levels], cwd=ROOT, env=environment, check=True, capture_output=True, text=True
    )
    numbers = json.loads(found.read_text())
    assert numbers["attack"]["starts"] == 90
    assert numbers["attack"]["sent"] + numbers["attack"]["blocked"] == 90
    assert numbers["attack"]["blocked"] > 60
    assert numbers["legitimate"] == {"starts": 30, "refused": 0, "not_taken": 0}
    # The evidence alone comes to what the site does, and record only refuses nothing.
    alone = bare.run(traffic.read(path), "standard")
    assert alone.of(legitimate=False).blocked == numbers["attack"]["blocked"]
    assert f"record: {numbers['attack']['blocked']} decisions" in done.stdout
    assert "| record | traffic.jsonl | 90 | 0.0 % |" in done.stdout


def test_a_file_that_cannot_be_read_is_no_traceback(tmp_path):
    path = tmp_path / "traffic.jsonl"
    path.write_text("no JSON\n")
    command = [sys.executable, "-m", "benchmarks.pumping", "--replay", path]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("Cannot replay it: traffic.jsonl, line 1: ")
