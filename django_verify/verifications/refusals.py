"""What a refusal means to a program: its reason, its HTTP status; no face's answer is here."""

from __future__ import annotations

import re
from typing import TypeGuard

from django_verify import exceptions
from django_verify.exceptions import GateRefused, GateUnavailable, VerifyError
from django_verify.proofs import ProofRefused
from django_verify.signals import NotRecorded
from django_verify.verifications.clients import VerificationOver

GONE = 410
Refusal = VerifyError | ProofRefused | NotRecorded


def is_refusal(error: BaseException) -> TypeGuard[Refusal]:
    """Whether an exception is an answer to the caller, and not a mistake of the site or of ours."""
    return isinstance(error, Refusal) and type(error) is not VerifyError


def reason_of(error: Refusal) -> str:
    """Return the word by which a program knows a refusal."""
    match error:
        case ProofRefused() | NotRecorded():
            return error.reason
        case VerificationOver():
            return f"verification_{error.ending}"
        case exceptions.DestinationRefused():
            return error.reason
        case GateRefused() | GateUnavailable():
            return f"gate_{error.reason}"
        case exceptions.TooManyRequests() if error.limit:
            return f"{error.limit}_limit"
    if type(error) is VerifyError:
        return "server_error"
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", type(error).__name__).lower()


def status_of(error: Refusal) -> int:
    """Return the HTTP status of a refusal."""
    match error:
        case ProofRefused():
            return 403
        case NotRecorded():
            return 409
        case VerificationOver():
            return GONE
    return error.status


def message_of(error: Refusal) -> str:
    """Return the sentence for developers; one without is called by its reason."""
    return str(error) or reason_of(error)


def headers_of(error: Refusal) -> dict[str, str]:
    """Return the HTTP headers that every face sends with a refusal."""
    return error.headers if isinstance(error, VerifyError) else {}
