"""What a start and a check may cost at most; a run that finds more fails.

Statements are exact: one more is a decision, and is written here. Ratios are what no noise of a
busy machine reaches, about twice what is measured.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks.report import statements_of

#: Statements of ours, authentication included, and the transactions around them.
STATEMENTS = {
    "start": (6, 1),
    "known start": (6, 1),
    "resend": (6, 1),
    "check": (4, 0),
    "known check": (4, 0),
    "wrong": (3, 0),
}
#: Ours by the floor's, for a cycle with a number that is new.
MOST_CPU = 6.0
LEAST_RATE = 0.15


def beyond(result: Mapping[str, Any]) -> Iterator[str]:
    """Report each figure of one result that is beyond its bound, with the bound."""
    if "statements" in result:
        yield from _statements(result["database"], result["statements"].get("ours", {}))
    elif result.get("scenario") == "new":
        yield from _ratios(result)


def _statements(database: str, ours: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
    for kind, counts in ours.items():
        allowed = dict(zip(("statements", "transactions"), STATEMENTS[kind], strict=True))
        found = {"statements": statements_of(counts), "transactions": counts.get("BEGIN", 0)}
        for name, most in allowed.items():
            if found[name] > most:
                yield f"{database}: {kind} has {found[name]} {name}, and {most} are allowed"


def _ratios(result: Mapping[str, Any]) -> Iterator[str]:
    ratio = result["ratios"].get("ours ÷ floor", {})
    place = f"{result['database']}, {result['clients']} client threads"
    # Where the system does not report what a process used, there is no ratio.
    if ratio.get("CPU, ms", 0) > MOST_CPU:
        yield f"{place}: CPU is {ratio['CPU, ms']:.2f} times the floor's, not {MOST_CPU}"
    if ratio.get("rounds/s", LEAST_RATE) < LEAST_RATE:
        yield f"{place}: cycles/s are {ratio['rounds/s']:.2f} times the floor's, not {LEAST_RATE}"
