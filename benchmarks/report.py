"""From rounds to numbers, and from numbers to tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median, quantiles
from typing import Any

from benchmarks.load import Phase, Round

_WORK = ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")
_POSTGRES = ("WAL, bytes", "with page images", "heap-only", "database CPU, ms")

Figures = dict[str, float]
Statements = Mapping[str, Mapping[str, int]]


def statements_of(counts: Mapping[str, int]) -> int:
    """Return how many statements do work: BEGIN, COMMIT and savepoints come on top."""
    return sum(counts.get(name, 0) for name in _WORK)


def figures(rounds: Sequence[Round], statements: Statements, *, known: bool) -> Figures:
    """Return the figures of one side, by the name of their row."""
    found = {"rounds/s": median(map(rate, rounds)), "CPU, ms": 0.0}
    for kind in rounds[0]:
        phases: list[Phase] = [each[kind] for each in rounds]
        latencies = [1000 * seconds for phase in phases for seconds in phase.latencies]
        hundredths = quantiles(latencies, n=100, method="inclusive")
        cpu = 1000 * sum(phase.cpu for phase in phases) / len(latencies)
        counts = statements[f"known {kind}" if known else kind]
        found["CPU, ms"] += cpu
        found |= {f"{kind} p{p}, ms": hundredths[p - 1] for p in (50, 95, 99)}
        found[f"{kind} CPU, ms"] = cpu
        found[f"{kind} SQL"] = statements_of(counts)
        found[f"{kind} BEGIN…COMMIT"] = counts.get("BEGIN", 0)
    return found


def rate(each: Round) -> float:
    """Return cycles by the time of their phases; what is done in between is not counted."""
    count = max(len(phase.latencies) for phase in each.values())
    return count / sum(phase.seconds for phase in each.values())


def compare(subject: Sequence[Round], other: Sequence[Round], of: Figures, by: Figures) -> Figures:
    """Return the ratios of one side by another; a rate's is the median of neighbouring rounds."""
    ratios = {name: of[name] / value for name, value in by.items() if value}
    pairs = [rate(s) / rate(o) for s, o in zip(subject, other, strict=True)]
    return ratios | {
        "rounds/s": median(pairs),
        "rounds/s, least": min(pairs),
        "rounds/s, most": max(pairs),
    }


def render(result: Mapping[str, Any], labels: Mapping[str, str]) -> str:
    """Return one table: a column for each side, then the ratios."""
    sides, ratios = result["sides"], result["ratios"]
    lines = [_line("", *sides)]
    for row in next(iter(sides.values())):
        values = [each[row] for each in sides.values()]
        if any(values):
            lines.append(_line(row, *map(_number, values)))
    for pair, ratio in ratios.items():
        subject, other = pair.split(" ÷ ")
        spread = f"{ratio['rounds/s, least']:.2f}–{ratio['rounds/s, most']:.2f}"
        cpu = f"CPU {ratio['CPU, ms']:.2f}, " if "CPU, ms" in ratio else ""
        lines.append(
            f"{labels[subject]} ÷ {labels[other]}: {cpu}"
            f"rounds/s {ratio['rounds/s']:.2f} ({spread} by pair of rounds)"
        )
    return "\n".join(lines)


def ratios(results: Sequence[Mapping[str, Any]], labels: Mapping[str, str]) -> str:
    """Return what the runs come to, as a table to be pasted."""
    head = ("database", "scenario", "clients", "", "CPU", "rounds/s", "by pair")
    lines = [_cells(*head), "|---" * len(head) + "|"]
    for result in results:
        place = (result["database"], result["scenario"], str(result["clients"]))
        for pair, ratio in result["ratios"].items():
            subject, other = pair.split(" ÷ ")
            found = f"{ratio.get('CPU, ms', 0):.2f}", f"{ratio['rounds/s']:.2f}"
            spread = f"{ratio['rounds/s, least']:.2f}–{ratio['rounds/s, most']:.2f}"
            lines.append(_cells(*place, f"{labels[subject]} ÷ {labels[other]}", *found, spread))
    return "\n".join(lines)


def costs(results: Sequence[Mapping[str, Any]], labels: Mapping[str, str]) -> str:
    """Return statements, memory and, on PostgreSQL, what a cycle writes, as a table to be pasted.

    Statements are those of a start, a right check and a wrong one.
    """
    head = ("database", "", "SQL", "RSS, MB", "PSS, MB", *_POSTGRES)
    lines = [_cells(*head), "|---" * len(head) + "|"]
    for result in results:
        for name, cost in result["costs"].items():
            counts = result["statements"][name]
            sql = " + ".join(str(statements_of(counts[k])) for k in ("start", "check", "wrong"))
            memory = (f"{cost['RSS, MB']:.0f}", f"{cost['PSS, MB']:.0f}")
            lines.append(
                _cells(result["database"], labels[name], sql, *memory, *_of_postgres(cost))
            )
    return "\n".join(lines)


def _of_postgres(cost: Mapping[str, float]) -> Sequence[str]:
    if "WAL bytes" not in cost:
        return ("–",) * len(_POSTGRES)
    return (
        f"{cost['WAL bytes']:.0f}",
        f"{cost['WAL bytes with page images']:.0f}",
        f"{cost['heap-only updates']:.1f} of {cost['updates']:.1f}",
        f"{cost['database CPU, ms']:.2f}",
    )


def _cells(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.2f}"


def _line(*cells: str) -> str:
    return f"{cells[0]:<22}" + "".join(f"{cell:>21}" for cell in cells[1:])
