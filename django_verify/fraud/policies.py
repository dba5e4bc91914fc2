"""The site's own word about each start: one class, named by GUARD_POLICY, behind lists and guard.

For what the app cannot know, such as whether a SIM was swapped, or an IP's reputation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django_verify.conf.backends import Backends
from django_verify.exceptions import ChannelDisabled, FraudBlocked, InvalidParameter
from django_verify.fraud.asked import Asked, Decision
from django_verify.logs import logger

#: The cause of a decision that the policy has made.
CAUSE = "policy"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a policy says; made by `follow`, `allow`, `veto` and `demand`."""

    action: str
    reason: str = ""
    channels: Sequence[str] = ()


def follow() -> Verdict:
    """Let the guard's decision stand."""
    return Verdict("follow")


def allow() -> Verdict:
    """Let a start pass the guard and its rules; countries, types and caps stand.

    It is then no evidence about others.
    """
    return Verdict("allow")


def veto(reason: str) -> Verdict:
    """Refuse a start; the reason is for the operator alone."""
    return Verdict("veto", reason)


def demand(*channels: str, reason: str = "") -> Verdict:
    """Refuse a start by any channel but these; its caller learns which."""
    if not channels:
        raise InvalidParameter("channels", "name one at least")
    return Verdict("demand", reason, channels)


class Policy:
    """The base of a policy; options are keyword arguments of its `__init__`."""

    def review(self, asked: Asked, found: Decision) -> Verdict:
        """Return a verdict about a start, whose lists and guard have `found` something.

        Called once for each start to a phone number, before anything is written. It should answer
        within a second; where it raises, the guard's decision stands.
        """
        raise NotImplementedError


BACKENDS: Backends[Policy] = Backends("GUARD_POLICY", Policy)


def review(asked: Asked, found: Decision, passing: Callable[[], Decision]) -> Decision:
    """Return what the site's policy makes of a decision; without one it stands.

    `passing` returns that of a start which the guard does not judge, for one that is allowed.
    """
    policy = BACKENDS.single
    if policy is None:
        return found
    try:
        # Copies: what there is of a decision may be every start's.
        copy = replace(found, marks=dict(found.marks), counts=list(found.counts))
        verdict = _checked(policy.review(replace(asked), copy))
    except Exception as error:  # noqa: BLE001 - a look-up that fails must not stop all starts
        logger.error("the guard's policy failed: %s", type(error).__name__)
        return replace(found, reasons=(*found.reasons, "the policy failed"))
    if verdict.action == "allow" and (
        found.refused is None or isinstance(found.refused, FraudBlocked)
    ):
        return replace(passing(), without=found.without)
    if verdict.action == "veto":
        return _refused(found, verdict.reason or "vetoed", FraudBlocked())
    if verdict.action != "demand":
        return found
    names = ", ".join(verdict.channels)
    if asked.channel not in verdict.channels:
        refused = ChannelDisabled(f"The channel is not permitted for this recipient: use {names}")
        return _refused(found, verdict.reason or f"only by {names}", refused)
    # What stands behind the channel is another one, too.
    return replace(found, without=found.without | set(asked.fallbacks).difference(verdict.channels))


def _checked(verdict: Any) -> Verdict:
    """Return what a policy has said, if it is a verdict. Raises TypeError."""
    if not isinstance(verdict, Verdict):
        raise TypeError
    texts: list[Any] = [verdict.reason, *verdict.channels]
    if not all(isinstance(text, str) for text in texts):
        raise TypeError
    # A database refuses a NUL.
    return replace(verdict, reason=verdict.reason.replace("\0", ""))


def _refused(found: Decision, reason: str, error: FraudBlocked | ChannelDisabled) -> Decision:
    return replace(found, refused=error, cause=CAUSE, key="", reasons=(*found.reasons, reason))
