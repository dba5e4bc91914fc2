"""The base class of factor kinds: how a factor is bound, challenged and proved."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from django_verify.models import Challenge, Entity, Factor


@dataclass(frozen=True, slots=True)
class Proof:
    """A payload that is right, and what must still hold for it to count.

    `where` has the values that the factor's row must have, `changes` those it gets: one
    conditional update, so that of several uses of one proof a single one counts. `status` is what
    the challenge becomes.
    """

    status: str = Challenge.Status.APPROVED
    where: Mapping[str, Any] = field(default_factory=dict)
    changes: Mapping[str, Any] = field(default_factory=dict)


class FactorKind:
    """One kind of factor. The verbs in `entities` and `challenges` own the order of events.

    `guessable`: a payload may be right by chance, so that each try is charged before it
    is looked at; a wrong one is then an answer, not an error.
    """

    name: ClassVar[str]
    #: Factors of this kind that one entity may have.
    limit: ClassVar[int]
    guessable: ClassVar[bool] = False
    #: Members of a challenge that its answer must repeat under the device's signature.
    signed: ClassVar[Sequence[str]] = ()

    def enrol(self, factor: Factor, entity: Entity, params: Mapping[str, Any]) -> None:
        """Fill in configuration, binding and secret of a new factor, which has its SID."""
        raise NotImplementedError

    def configure(self, factor: Factor, params: Mapping[str, Any]) -> None:
        """Change the configuration of a factor."""
        raise NotImplementedError

    def binding(self, factor: Factor) -> dict[str, Any] | None:
        """Return the answer's `binding`, with its secret; only the creation returns it."""
        return None

    def options(self, factor: Factor) -> dict[str, Any] | None:
        """Return what the device is asked when the factor is created."""
        return None

    def read(self, factor: Factor, payload: str) -> None:
        """Raise InvalidFactorParameter for a payload that cannot be one of this factor."""

    def challenge_limits(self, factor: Factor) -> Sequence[tuple[int, dt.timedelta]]:
        """Return how many challenges one factor may get in which time."""
        return ()

    def prepare(self, challenge: Challenge, factor: Factor, now: dt.datetime) -> None:
        """Complete a new challenge, or refuse it, before it is written."""

    def after_create(self, challenge: Challenge, factor: Factor) -> None:
        """Follow up a challenge that was just written, still in its transaction."""

    def prove(
        self, factor: Factor, payload: str, now: dt.datetime, challenge: Challenge | None = None
    ) -> Proof | None:
        """Return the proof in a payload; None when it is wrong and that is no error.

        Without a challenge it proves a new factor. Kinds that cannot be guessed raise
        FactorVerificationFailed or ChallengeVerificationFailed.
        """
        raise NotImplementedError
