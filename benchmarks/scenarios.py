"""What a round of each scenario asks, and which of its requests are measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice

from benchmarks.load import Clients, Round

Scenario = Callable[[Clients, Iterator[str], int], Round]


def new(clients: Clients, fresh: Iterator[str], cycles: int) -> Round:
    """Start numbers that were never verified, and check each with its code."""
    started = clients.start(list(islice(fresh, cycles)))
    return {"start": started, "check": clients.check(started)}


def known(clients: Clients, fresh: Iterator[str], cycles: int) -> Round:
    """Do the same with numbers that have been approved before, each as rarely as there are many."""
    if len(clients.known) < cycles:
        clients.check(clients.start(list(islice(fresh, cycles))))
    started = clients.start([clients.known.popleft() for _ in range(cycles)])
    return {"start": started, "check": clients.check(started)}


def wrong(clients: Clients, fresh: Iterator[str], cycles: int) -> Round:
    """Check numbers that were just started with a wrong code."""
    started = clients.start(list(islice(fresh, cycles)))
    return {"wrong": clients.check(started, right=False)}


def resend(clients: Clients, fresh: Iterator[str], cycles: int) -> Round:
    """Start numbers that were just started once more."""
    to = list(islice(fresh, cycles))
    clients.start(to)
    return {"resend": clients.start(to)}


SCENARIOS: dict[str, Scenario] = {
    scenario.__name__: scenario for scenario in (new, known, wrong, resend)
}
