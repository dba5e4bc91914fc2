"""Errors of the guard: recipients that nothing is sent to, for what it would cost."""

from __future__ import annotations

from django_verify.exceptions.base import VerifyError


class DestinationRefused(VerifyError):
    """Nothing is sent there by this channel; `reason` is `country` or `number_type`.

    A type is refused that costs its caller, such as premium rate, or reaches no one person.
    """

    code = 60605
    status = 403
    messages = {
        "country": "Verifications to this country are not permitted by this channel",
        "number_type": "Verifications to numbers of this type are not permitted",
    }

    def __init__(self, reason: str = "country") -> None:
        super().__init__(self.messages.get(reason, reason))
        self.reason = reason


class FraudBlocked(VerifyError):
    """The guard, or an operator's rule, holds the number for part of a fraud."""

    code = 60410
    status = 403
    message = "The verification is blocked, because the number may be part of a fraud"
