"""Lets one number be verified as often as a test likes: what is approved counts no more.

A start reads the recipient's verifications of a day, at most a thousand of them, and a test suite
verifies one number all day.
"""

from __future__ import annotations

from typing import Any

from django_verify.models import Verification
from django_verify.signals import verification_approved


def release() -> None:
    """Begin to take approved verifications away from their recipient's budget."""
    verification_approved.connect(_release, sender=Verification)


def _release(verification: Verification, **_: Any) -> None:
    rows = Verification.objects.filter(sid=verification.sid)
    rows.update(recipient_key=f"approved {verification.sid}")
