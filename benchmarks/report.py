"""From rounds to numbers, and from numbers to a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median, quantiles
from typing import Any

from benchmarks.load import Phase, Round

_WORK = ("SELECT", "INSERT", "UPDATE", "DELETE")
_EDGES = ("BEGIN", "COMMIT")

Figures = dict[str, float]


def figures(rounds: Sequence[Round], statements: Mapping[str, Mapping[str, int]]) -> Figures:
    """Return the figures of one side, by the name of their row."""
    found = {"cycles/s": median(r.cycles_per_second for r in rounds)}
    for kind in ("start", "check"):
        phases: list[Phase] = [getattr(r, kind) for r in rounds]
        latencies = [1000 * seconds for phase in phases for seconds in phase.latencies]
        hundredths = quantiles(latencies, n=100, method="inclusive")
        found |= {f"{kind} p{p}, ms": hundredths[p - 1] for p in (50, 95, 99)}
        found[f"{kind} CPU, ms"] = 1000 * sum(p.cpu for p in phases) / len(latencies)
        counts = statements[kind]
        found[f"{kind} SQL"] = sum(n for name, n in counts.items() if name not in _EDGES)
        found |= {f"{kind} {name}": counts.get(name, 0) for name in (*_WORK, "BEGIN")}
    return found


def compare(floor: Sequence[Round], ours: Sequence[Round], table: Mapping[str, Figures]) -> Figures:
    """Return ours ÷ floor; that of cycles/s is the median over pairs of neighbouring rounds."""
    ratios = {name: table["ours"][name] / value for name, value in table["floor"].items() if value}
    pairs = [o.cycles_per_second / f.cycles_per_second for f, o in zip(floor, ours, strict=True)]
    return ratios | {
        "cycles/s": median(pairs),
        "cycles/s, least": min(pairs),
        "cycles/s, most": max(pairs),
    }


def render(title: str, result: Mapping[str, Any]) -> str:
    """Return one table; rows that are zero on both sides are left out."""
    floor, ours, ratios = result["floor"], result["ours"], result["ratio"]
    lines = [title, _line("", "floor", "ours", "ours÷floor")]
    for name in floor:
        if floor[name] or ours[name]:
            ratio = f"{ratios[name]:.2f}" if name in ratios else "–"
            label = name.replace("BEGIN", "BEGIN…COMMIT")
            lines.append(_line(label, _number(floor[name]), _number(ours[name]), ratio))
    lines.append(
        "cycles/s, ours÷floor, by pair of rounds:"
        f" {ratios['cycles/s, least']:.2f}–{ratios['cycles/s, most']:.2f}"
    )
    return "\n".join(lines)


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.2f}"


def _line(*cells: str) -> str:
    return f"{cells[0]:<24}" + "".join(f"{cell:>12}" for cell in cells[1:])
