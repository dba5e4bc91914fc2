"""Charts as the numbers of an inline SVG: no script, no style, every coordinate a text.

A template draws them, and the table beneath has every number.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django_verify.admin.labels import number

#: Of a chart that is as wide as the page, and of one that is half as wide.
WIDE, NARROW, HEIGHT = 960, 480, 260
_EDGE, _TOP, _BOTTOM = 12, 16, 32
_TICKS = 4
# Units of a letter, and between two labels below a chart at the least. A phone shows a wide chart
# as small as a narrow one, with larger letters.
_LETTER, _APART = {WIDE: 16, NARROW: 9}, {WIDE: 170, NARROW: 120}


@dataclass(frozen=True, slots=True)
class Tick:
    """A line of the grid, or a label below: where, and its text."""

    place: str
    text: str
    anchor: str = "middle"


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar, or one point, with the text that says it."""

    x: str
    y: str
    width: str
    height: str
    text: str


@dataclass(frozen=True, slots=True)
class Series:
    """A line: its class in the style sheet, name and points; `area` closes it to the ground."""

    kind: str
    name: Any
    points: str
    area: str
    dots: Sequence[Bar]


@dataclass(frozen=True, slots=True)
class Chart:
    """What a template draws; `name` is unique in a page."""

    name: str
    title: Any
    description: Any
    rows: Sequence[Tick]
    columns: Sequence[Tick]
    series: Sequence[Series] = ()
    bars: Sequence[Bar] = ()
    width: int = WIDE

    label_x, label_y = str(_EDGE), str(HEIGHT - 8)

    @property
    def left(self) -> str:
        """Where the lines of the grid begin, behind their labels."""
        return str(_left(self.rows, self.width))

    @property
    def view_box(self) -> str:
        """The part of the plane that is shown."""
        return f"0 0 {self.width} {HEIGHT}"

    @property
    def right(self) -> str:
        """Where the lines of the grid end."""
        return str(self.width - _EDGE)


def lines(
    name: str,
    title: Any,
    description: Any,
    labels: Sequence[str],
    series: Sequence[tuple[str, Any, Sequence[int | None]]],
) -> Chart:
    """Return lines over the labels; a value that is None ends its line."""
    top = _ceiling(max((v or 0 for _, _, values in series for v in values), default=0))
    rows = _rows(top)
    left = _left(rows, WIDE)
    step = (WIDE - left - _EDGE) / max(len(labels) - 1, 1)
    drawn = []
    for kind, title_, values in series:
        places = [
            (left + step * i, _y(value, top), value)
            for i, value in enumerate(values)
            if value is not None
        ]
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in places)
        ends = [(places[0][0], _y(0, top)), (places[-1][0], _y(0, top))] if places else []
        corners = [f"{x:.1f},{y:.1f}" for x, y in ends]
        area = f"{corners[0]} {points} {corners[1]}" if corners else ""
        dots = [
            Bar(f"{x:.1f}", f"{y:.1f}", "", "", f"{labels[i]}: {number(value)}")
            for i, (x, y, value) in enumerate(places)
        ]
        drawn.append(Series(kind, title_, points, area, dots))
    columns = _columns(labels, [left + step * i for i in range(len(labels))], step, WIDE)
    return Chart(name, title, description, rows, columns, drawn)


def bars(
    name: str,
    title: Any,
    description: Any,
    labels: Sequence[str],
    values: Sequence[float],
    texts: Sequence[str],
) -> Chart:
    """Return a bar for each label, with the text that says its value."""
    top = _ceiling(max(values, default=0))
    rows = _rows(top)
    left = _left(rows, NARROW)
    step = (NARROW - left - _EDGE) / max(len(labels), 1)
    drawn = []
    for i, (value, text) in enumerate(zip(values, texts, strict=True)):
        y = _y(value, top)
        place, height = f"{left + step * (i + 0.1):.1f}", f"{_y(0, top) - y:.1f}"
        drawn.append(Bar(place, f"{y:.1f}", f"{step * 0.8:.1f}", height, f"{labels[i]}: {text}"))
    columns = _columns(labels, [left + step * (i + 0.5) for i in range(len(labels))], step, NARROW)
    return Chart(name, title, description, rows, columns, bars=drawn, width=NARROW)


def _y(value: float, top: float) -> float:
    return _TOP + (HEIGHT - _TOP - _BOTTOM) * (1 - value / top)


def _ceiling(most: float) -> float:
    """Return the end of a scale: 1, 2, 4, 6, 8 or 10 of a power of ten, so that ticks are round."""
    if most <= 0:
        return float(_TICKS)
    power = 10.0 ** math.floor(math.log10(most))
    return next(step * power for step in (1, 2, 4, 6, 8, 10, 20) if step * power >= most)


def _rows(top: float) -> list[Tick]:
    ticks = [top * i / _TICKS for i in range(_TICKS + 1)]
    return [Tick(f"{_y(value, top):.1f}", number(value, _digits(value))) for value in ticks]


def _digits(value: float) -> int:
    """Return how many decimal places a tick has."""
    exponent = Decimal(f"{value:.6g}").normalize().as_tuple().exponent
    return max(0, -int(exponent))


def _left(rows: Sequence[Tick], width: int) -> int:
    return 2 * _EDGE + _LETTER[width] * max(2, *(len(row.text) for row in rows))


def _columns(labels: Sequence[str], places: Sequence[float], step: float, width: int) -> list[Tick]:
    """Return the labels that are shown: the last, and as many before it as there is room for."""
    every, last = math.ceil(_APART[width] / step), len(labels) - 1
    return [
        # What stands at the right edge ends there.
        Tick(f"{places[i]:.1f}", labels[i], "end" if 0 < i == last else "middle")
        for i in range(last % every, last + 1, every)
    ]
