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
    "start": (4, 1),
    "known start": (4, 1),
    "resend": (4, 1),
    "check": (3, 0),
    "known check": (3, 0),
    "wrong": (2, 0),
}
#: PostgreSQL writes a start by one statement without a transaction, and finds a verification as it
#: charges the guess: one statement less each time.
POSTGRESQL = {kind: (most - 1, 0) for kind, (most, _) in STATEMENTS.items()}
#: What the guard adds: to a start the count of a country that is new, to a right check its outcome.
GUARD = {"start": 1, "known start": 1, "resend": 1, "check": 1, "known check": 1, "wrong": 0}
#: Ratios of a cycle with a number that is new: the most CPU, and the least rate.
RATIOS = {
    "ours ÷ floor": (4.5, 0.1),
    "ours ÷ lawful": (3.0, 0.15),
    "ours+buckets and events ÷ ours": (2.8, 0.2),
    "ours+guard, buckets and events ÷ ours": (3.0, 0.2),
    "ours+guard ÷ ours": (1.3, 0.4),
    "ours+queue ÷ ours": (1.15, 0.4),
}


def beyond(result: Mapping[str, Any]) -> Iterator[str]:
    """Report each figure of one result that is beyond its bound, with the bound."""
    if "statements" in result:
        yield from _statements(result["database"], result["statements"])
    elif result["scenario"] == "new":
        yield from _ratios(result)


def _statements(database: str, sides: Mapping[str, Any]) -> Iterator[str]:
    ours = sides.get("ours", {})
    bounds = POSTGRESQL if database == "PostgreSQL" else STATEMENTS
    for kind, counts in ours.items():
        most, frames = bounds[kind]
        if (found := statements_of(counts)) > most:
            yield f"{database}: {kind} has {found} statements, and {most} are allowed"
        if (found := counts.get("BEGIN", 0)) > frames:
            yield f"{database}: {kind} has {found} transactions, and {frames} are allowed"
    for kind, counts in sides.get("ours+queue", {}).items():
        if (found := statements_of(counts)) > (most := statements_of(ours[kind])):
            yield f"{database}: {kind} has {found} statements with a queue, and {most} without"
    for kind, counts in sides.get("ours+guard", {}).items():
        most = statements_of(ours[kind]) + GUARD[kind]
        if (found := statements_of(counts)) > most:
            yield f"{database}: {kind} has {found} statements with the guard, not {most}"


def _ratios(result: Mapping[str, Any]) -> Iterator[str]:
    place = f"{result['database']}, {result['clients']} client threads"
    for pair, (most, least) in RATIOS.items():
        ratio = result["ratios"].get(pair, {})
        # Where the system does not report what a process used, there is no ratio.
        if (found := ratio.get("CPU, ms", 0)) > most:
            yield f"{place}: {pair}: CPU is {found:.2f}, not {most}"
        if (found := ratio.get("rounds/s", least)) < least:
            yield f"{place}: {pair}: cycles/s are {found:.2f}, not {least}"
