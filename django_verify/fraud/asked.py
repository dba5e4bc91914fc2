"""What is decided about, and what the guard answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from django_verify.db.queries import Place
from django_verify.exceptions import VerifyError
from django_verify.fraud.counts import Count
from django_verify.models import VerifyService


@dataclass(slots=True, kw_only=True)  # not frozen: that takes several times as long
class Asked:
    """One message that is about to be written: to whom, how, and for which caller.

    `key` is the one spelling of the recipient by which budgets are counted. `network` and
    `device_id` are those of the person, as far as the caller says.
    """

    service: VerifyService
    to: str = field(repr=False)
    key: str = field(repr=False)
    country: str
    number_type: str
    channel: str
    #: Whether a caller without credentials asks, who must not learn of a block.
    is_client: bool = False
    #: Whether such a caller asks from a device on which the number was never verified.
    by_stranger: bool = False
    #: False: the account vouches for this start (`RiskCheck=disable`).
    risk_check: bool = True
    network: str = field(default="", repr=False)
    device_id: str = field(default="", repr=False)
    #: The channels behind the first one, where its message fails.
    fallbacks: Sequence[str] = ()
    #: The sender that comes first, by which the message is priced.
    sender: str = ""
    #: The attempt that is about to be written, by which its decision is found.
    attempt_sid: str = ""
    #: What stands for the number's block, where its places are taken, and the latest one that is.
    block: int | None = field(default=None, repr=False)
    latest_place: Place | None = field(default=None, repr=False)


@dataclass(slots=True)  # not frozen, and never changed all the same: starts share `ALLOWED`
class Decision:
    """What becomes of a start: it is refused, or written with its message `withheld`, or sent.

    `cause` is what decided: `rule`, `country`, `number_type`, or the guard. `reasons` are in plain
    words, for the operator. `without` are the fallback channels that must not be used. A decision
    is `recorded` alone where it would refuse, and lets the message pass; `monitored` where the
    country is one whose decisions are recorded alone.
    """

    cause: str = ""
    refused: VerifyError | None = None
    withheld: bool = False
    reasons: Sequence[str] = ()
    without: frozenset[str] = frozenset()
    monitored: bool = False
    recorded: bool = False
    #: What the decision rests on, such as a number block.
    key: str = field(default="", repr=False)
    #: The level that decided.
    level: str = ""
    #: What the attempt's row gets, for others to go by.
    marks: Mapping[str, str] = field(default_factory=dict, repr=False)
    #: What is counted by a statement of the start.
    counts: Sequence[Count] = ()
    #: How many messages the number's block has room for; 0 where the start takes no place in it.
    room: float = 0.0


ALLOWED = Decision()
