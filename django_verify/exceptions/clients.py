"""Errors of callers without credentials; the vendor has none, so the numbers are ours."""

from __future__ import annotations

from django_verify.exceptions.base import VerifyError


class GateRefused(VerifyError):
    """The gate refused the caller; `reason` is one word for machines.

    `missing`, `invalid`, `expired`, `used`, `wrong_host`, `wrong_site`, `wrong_action`,
    `wrong_subject`, `wrong_app`, `wrong_device` or `low_score`.
    """

    code = 60413
    status = 403
    message = "The request does not prove that it comes from a person or a genuine app"

    def __init__(self, reason: str = "invalid") -> None:
        super().__init__()
        self.reason = reason


class GateUnavailable(VerifyError):
    """The gate's provider gave no result, so no caller is let in.

    `reason` is `unavailable` (no answer, or the answer of a broken or busy server),
    `misconfigured` (the provider does not know us) or `unreadable`.
    """

    code = 20504
    status = 503
    message = "The check before a request is not available at the moment"

    def __init__(self, reason: str = "unavailable") -> None:
        super().__init__()
        self.reason = reason
