"""`python -m benchmarks.pumping`: the guard against seeded attacks, or a file of traffic."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, Namespace
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from benchmarks.pumping import bare, others, report, site, traffic
from benchmarks.pumping.outcome import NOT_TAKEN, PEOPLE, Outcome

#: The levels of the simulator; `record` decides as `standard`, and refuses nothing.
LEVELS = ("off", "basic", "standard", "max", "record")


def main() -> None:
    """Run what the options ask for, and print a table."""
    options = _options()
    if options.replay:
        _replay(options)
    else:
        _simulate(options)


def _options() -> Namespace:
    parser = ArgumentParser(prog="python -m benchmarks.pumping", description=__doc__)
    parser.add_argument("--level", choices=LEVELS, action="append", help="default: standard")
    parser.add_argument("--seed", type=int, action="append", help="default: 1; may be repeated")
    parser.add_argument("--shape", choices=[*traffic.SHAPES, *others.SHAPES], action="append")
    parser.add_argument("--others", action="store_true", help="the other shapes instead")
    parser.add_argument("--crowded", action="store_true", help="people in few number blocks")
    parser.add_argument("--evidence", action="store_true", help="the evidence without the site")
    parser.add_argument("--alone", action="store_true", help="each shape in a run of its own")
    parser.add_argument("--days", type=float, default=7)
    parser.add_argument("--sends", type=int, default=52_000, help="of people, about")
    parser.add_argument("--jobs", type=int, default=1, help="processes at a time")
    parser.add_argument("--replay", type=Path, help="a file of JSON lines instead of the seeds")
    parser.add_argument("--save", type=Path, help="write the traffic as a file for --replay")
    parser.add_argument("--json", type=Path, help="write the numbers of the last run")
    parser.add_argument("--svg", type=Path, help="write plots into this folder")
    options = parser.parse_args()
    options.level = options.level or ["standard"]
    options.seed = options.seed or [1]
    options.shape = options.shape or list(others.SHAPES if options.others else traffic.SHAPES)
    if options.evidence and {"off", "record"} & set(options.level):
        parser.error("--evidence has no level off and no record")
    return options


def _replay(options: Namespace) -> None:
    try:
        starts = traffic.read(options.replay)
    except (traffic.Malformed, OSError, UnicodeDecodeError) as error:
        sys.exit(f"Cannot replay it: {error}")
    outcomes = _in_a_process(options, [(starts, level) for level in options.level])
    name = options.replay.name
    _write(
        options, [(level, name, one) for level, one in zip(options.level, outcomes, strict=True)]
    )


def _simulate(options: Namespace) -> None:
    wanted = [[one] for one in options.shape] if options.alone else [options.shape]
    jobs, names = [], []
    for seed in options.seed:
        for shapes in wanted:
            starts = others.mixed(
                seed, shapes, crowded=options.crowded, days=options.days, sends=options.sends
            )
            if options.save:
                traffic.write(options.save, starts)
            for level in options.level:
                jobs.append((starts, level))
                names.append((level, f"seed {seed}, {shapes[0] if len(shapes) == 1 else 'mix'}"))
    outcomes = _in_a_process(options, jobs)
    _write(options, [(*name, outcome) for name, outcome in zip(names, outcomes, strict=True)])


def _in_a_process(options: Namespace, jobs: list[tuple[list[traffic.Start], str]]) -> list[Outcome]:
    """Run each job in a process of its own, since settings and clock are the process's."""
    run = bare.run if options.evidence else site.run
    context = get_context("spawn")
    with ProcessPoolExecutor(options.jobs, mp_context=context, max_tasks_per_child=1) as pool:
        return [future.result() for future in [pool.submit(run, *job) for job in jobs]]


def _write(options: Namespace, rows: list[tuple[str, str, Outcome]]) -> None:
    print(report.table(rows))
    for level, _, outcome in rows:
        missed = [outcome.of(legitimate=side).causes[NOT_TAKEN] for side in (True, False)]
        if any(missed):
            print(
                f"{level}: not taken, as no valid number or for another reason than the guard's:"
                f" {missed[0]} of people, {missed[1]} of attacks"
            )
        if level == "record":
            print(f"record: {len(outcome.decisions)} decisions were written, nothing was refused")
        if len(outcome.tallies) > 2:
            print("\n".join(report.shapes(level, outcome)))
    if options.json:
        options.json.write_text(json.dumps(report.as_json(rows[-1][2]), indent=2) + "\n", "utf-8")
    if options.svg:
        _draw(options.svg, rows)


def _draw(folder: Path, rows: list[tuple[str, str, Outcome]]) -> None:
    """Draw each run's hours, and what was blocked of each shape: the least and the most of it."""
    folder.mkdir(parents=True, exist_ok=True)
    shares: dict[str, list[float]] = {}
    for level, name, outcome in rows:
        path = folder / f"{level}-{name.replace(' ', '-').replace(',', '')}.svg"
        path.write_text(report.plot(outcome.hours, f"{level}: {name}"), "utf-8")
        for shape, tally in outcome.tallies.items():
            if tally.spend and shape != PEOPLE:
                share = 100 * tally.spend_blocked / tally.spend
                shares.setdefault(f"{level}: {shape}", []).append(share)
    ranges = [(name, min(found), max(found)) for name, found in shares.items()]
    title = "Spend of attacks that was blocked; the lighter part is by the seed"
    (folder / "shapes.svg").write_text(report.bars(ranges, title), "utf-8")


if __name__ == "__main__":
    main()
