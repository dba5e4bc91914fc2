"""Results of the simulator: a JSON object, a Markdown table, and plots as SVG."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from benchmarks.pumping.outcome import NOT_TAKEN, PEOPLE, Outcome, Tally

_COLUMNS = (
    "level | traffic | starts | spend blocked | sent before the first block | money before it, USD"
    " | time to block | people refused"
)


def as_json(outcome: Outcome) -> dict[str, Any]:
    """Return the numbers of a run as `--json` writes them."""
    attack, people = outcome.of(legitimate=False), outcome.of(legitimate=True)
    return {
        "attack": {
            "starts": attack.starts,
            "sent": attack.sent,
            "blocked": attack.blocked,
            "spend": round(attack.spend, 6),
            "spend_blocked": round(attack.spend_blocked, 6),
            "sent_before_first_block": attack.sent_before_first_block,
            "not_taken": attack.causes[NOT_TAKEN],
        },
        "legitimate": {
            "starts": people.starts,
            "refused": people.blocked,
            "not_taken": people.causes[NOT_TAKEN],
        },
    }


def table(rows: Iterable[tuple[str, str, Outcome]]) -> str:
    """Return a Markdown table, a line for each level and traffic."""
    lines = [f"| {_COLUMNS} |", "|" + "---|" * (_COLUMNS.count("|") + 1)]
    lines += [_line(level, name, outcome) for level, name, outcome in rows]
    return "\n".join(lines)


def shapes(level: str, outcome: Outcome) -> list[str]:
    """Return a line for each attack within one run."""
    people = outcome.of(legitimate=True)
    return [
        _cells(level, name, tally, people)
        for name, tally in outcome.tallies.items()
        if name != PEOPLE
    ]


def plot(hours: Mapping[int, Sequence[int]], title: str) -> str:
    """Return an SVG: starts of people and of attacks by hour, and what of each was blocked."""
    last = max(hours, default=0) + 1
    lanes = (
        ("attacks", (("a", 2, "starts"), ("b", 3, "blocked"))),
        ("people", (("p", 0, "starts"), ("r", 1, "refused"))),
    )
    parts = []
    for place, (side, series) in enumerate(lanes):
        top = 44 + place * (_LANE + 46)
        most = max((hour[series[0][1]] for hour in hours.values()), default=0) or 1
        legend = " ".join(f'<tspan class="{name}">■</tspan> {text}' for name, _, text in series)
        parts.append(f'<text x="{_LEFT}" y="{top - 8}">{side}, starts an hour: {legend}</text>')
        for name, index, _ in series:
            path = _steps([hours.get(hour, _NONE)[index] for hour in range(last)], most, top)
            parts.append(f'<path class="{name}" d="{path}"/>')
        bottom = top + _LANE
        parts.append(
            f'<path class="axis" d="M{_LEFT} {top}V{bottom}H{_LEFT + _WIDTH}"/>'
            f'<text class="end" x="{_LEFT - 6}" y="{top + 10}">{most:,}</text>'
            f'<text class="end" x="{_LEFT - 6}" y="{bottom}">0</text>'
        )
    bottom = 44 + 2 * _LANE + 46
    for day in range(last // 24 + 1):
        x = _LEFT + _WIDTH * 24 * day / last
        parts.append(f'<text class="mid" x="{x:.0f}" y="{bottom + 18}">day {day + 1}</text>')
    return _svg(title, parts, bottom + 30)


def bars(shares: Sequence[tuple[str, float, float]], title: str) -> str:
    """Return an SVG: a bar for each name, from the least to the most percent that was blocked."""
    parts = [f'<path class="axis" d="M{_x(95):.0f} 34V{44 + 26 * len(shares)}"/>']
    parts.append(f'<text class="mid" x="{_x(95):.0f}" y="30">95 %</text>')
    for place, (name, least, most) in enumerate(shares):
        y = 44 + 26 * place
        parts.append(
            f'<text x="{_LEFT}" y="{y + 13}">{name}</text>'
            f'<rect class="b" x="{_x(_FROM):.0f}" y="{y}" height="16"'
            f' width="{_x(least) - _x(_FROM):.1f}"/>'
            f'<rect class="m" x="{_x(least):.1f}" y="{y}" height="16"'
            f' width="{_x(most) - _x(least):.1f}"/>'
            f'<text x="{_x(100) + 6:.0f}" y="{y + 13}">{least:.1f} %</text>'
        )
    return _svg(title, parts, 60 + 26 * len(shares))


# The plots' measures, and the least percent that a bar shows.
_WIDTH, _LANE, _LEFT, _FROM = 800, 120, 60, 70
_NONE = (0, 0, 0, 0)
_STYLE = """
text{fill:#222;font:13px sans-serif}.end{text-anchor:end}.mid{text-anchor:middle}
.ground{fill:#fff}.axis{fill:none;stroke:#666}
.a{fill:#c9c9c9}.b{fill:#2b6cb0}.m{fill:#90b4d8}.p{fill:#74b88f}.r{fill:#b3261e}
@media(prefers-color-scheme:dark){text{fill:#ddd}.ground{fill:#16181c}.axis{stroke:#999}
.a{fill:#5a5f66}.b{fill:#5b9be0}.m{fill:#35577c}.p{fill:#3f7f59}.r{fill:#ff6f61}}
"""


def _x(percent: float) -> float:
    return _LEFT + 230 + (_WIDTH - 300) * (percent - _FROM) / (100 - _FROM)


def _steps(values: Sequence[int], most: int, top: int) -> str:
    """Return the outline of a row of columns."""
    width, bottom = _WIDTH / len(values), top + _LANE
    columns = (
        f"V{bottom - _LANE * value / most:.0f}H{_LEFT + width * (place + 1):.0f}"
        for place, value in enumerate(values)
    )
    return f"M{_LEFT} {bottom}{''.join(columns)}V{bottom}Z"


def _svg(title: str, parts: Iterable[str], height: int) -> str:
    lines = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH + _LEFT + 40} {height}"'
        f' role="img"><title>{title}</title><style>{_STYLE}</style>\n'
        '<rect class="ground" width="100%" height="100%"/>\n'
        f'<text x="{_LEFT}" y="18">{title}</text>\n'
        f"{lines}\n</svg>\n"
    )


def _line(level: str, name: str, outcome: Outcome) -> str:
    return _cells(level, name, outcome.of(legitimate=False), outcome.of(legitimate=True))


def _cells(level: str, name: str, attack: Tally, people: Tally) -> str:
    blocked = 100 * attack.spend_blocked / attack.spend if attack.spend else 0.0
    refused = 100 * people.blocked / people.starts if people.starts else 0.0
    took = (
        "" if attack.first_block_at is None else f"{attack.first_block_at - attack.began_at:.0f} s"
    )
    cells = (
        level,
        name,
        attack.starts,
        f"{blocked:.1f} %",
        attack.sent_before_first_block,
        f"{attack.spend_before_first_block:.2f}",
        took,
        f"{people.blocked} of {people.starts} ({refused:.3f} %)",
    )
    return "| " + " | ".join(map(str, cells)) + " |"
