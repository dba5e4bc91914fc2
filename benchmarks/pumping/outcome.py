"""What a run gives: tallies by shape of traffic, by hour, and by what refused a start."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from benchmarks.pumping.traffic import Start

#: The cause of a start that the site has not taken, and of which the guard has said nothing.
NOT_TAKEN = "not taken"
PEOPLE = "people"


@dataclass
class Tally:
    """What became of the starts of one kind; `spend` is what all of them would have cost."""

    starts: int = 0
    sent: int = 0
    blocked: int = 0
    spend: float = 0.0
    spend_blocked: float = 0.0
    sent_before_first_block: int = 0
    spend_before_first_block: float = 0.0
    began_at: float | None = None
    first_block_at: float | None = None
    causes: Counter[str] = field(default_factory=Counter)

    def note(self, start: Start, cause: str) -> None:
        """Count one start: blocked by the guard for a cause, not taken by the site, or sent."""
        if self.began_at is None:
            self.began_at = start.at
        self.starts += 1
        self.spend += start.price
        if cause:
            self.causes[cause] += 1
        if cause == NOT_TAKEN:
            return
        if cause:
            self.blocked += 1
            self.spend_blocked += start.price
            if self.first_block_at is None:
                self.first_block_at = start.at
        else:
            self.sent += 1
            if self.first_block_at is None:
                self.sent_before_first_block += 1
                self.spend_before_first_block += start.price

    def add(self, other: Tally) -> None:
        """Add what another one has counted; each of the two has its own first block."""
        for name in ("starts", "sent", "blocked", "spend", "spend_blocked"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.sent_before_first_block += other.sent_before_first_block
        self.spend_before_first_block += other.spend_before_first_block
        self.causes += other.causes


@dataclass
class Outcome:
    """Tallies by shape, starts by hour, what the guard closed, and its decisions."""

    tallies: dict[str, Tally] = field(default_factory=dict)
    #: By hour: starts and blocked ones, of people and of attacks.
    hours: dict[int, list[int]] = field(default_factory=dict)
    #: The number and the cause of each start that the guard was against.
    decisions: list[tuple[str, str]] = field(default_factory=list)
    #: What was closed, guarded or lifted: seconds, state, key, reason.
    trips: list[tuple[float, str, str, str]] = field(default_factory=list)

    def note(self, start: Start, cause: str, at: float, *, sent: bool | None = None) -> None:
        """Count a start; one that the guard only recorded is `sent` all the same."""
        shape = PEOPLE if start.legitimate else start.shape or "attack"
        if cause and cause != NOT_TAKEN:
            self.decisions.append((start.to, cause))
        cause = "" if sent else cause
        self.tallies.setdefault(shape, Tally()).note(start, cause)
        hour = self.hours.setdefault(int(at // 3600), [0, 0, 0, 0])
        side = 0 if start.legitimate else 2
        hour[side] += 1
        hour[side + 1] += cause not in {"", NOT_TAKEN}

    def of(self, *, legitimate: bool) -> Tally:
        """Return the sum of one side."""
        names = [name for name in self.tallies if (name == PEOPLE) == legitimate]
        if len(names) == 1:
            return self.tallies[names[0]]
        total = Tally()
        for name in names:
            total.add(self.tallies[name])
        return total
