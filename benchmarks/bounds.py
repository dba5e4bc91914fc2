"""What a start and a check may cost at most; a run that finds more fails.

Statements are exact: one more is a decision, and is written here. Ratios are what no noise of a
busy machine reaches, about twice what is measured.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

STATEMENTS = {"start SQL": 6, "start BEGIN": 1, "check SQL": 4, "check BEGIN": 0}
# Ours by the floor's.
MOST = {"start CPU, ms": 4.5, "check CPU, ms": 3.0}
LEAST = {"cycles/s": 0.25}


def beyond(result: Mapping[str, Any]) -> Iterator[str]:
    """Report each figure of one table that is beyond its bound, with the bound."""
    place = f"{result['database']}, {result['clients']} client threads"
    for name, most in STATEMENTS.items():
        if result["ours"][name] > most:
            yield f"{place}: {name} is {result['ours'][name]}, and {most} are allowed"
    for name, most in MOST.items():
        # Where the system does not report what a process used, there is no ratio.
        if result["ratio"].get(name, 0) > most:
            yield f"{place}: {name} is {result['ratio'][name]:.2f} times the floor's, not {most}"
    for name, least in LEAST.items():
        if result["ratio"][name] < least:
            yield f"{place}: {name} is {result['ratio'][name]:.2f} times the floor's, not {least}"
