"""Numbers that come from an app or a page: kept for the user who was logged in there."""

from __future__ import annotations

from typing import Any

from django_verify.models import Verification
from django_verify.signals import client_approved
from django_verify.users import verified_phones


class TestNumberProved(verified_phones.ClaimRefused):
    """Whoever knows a test number's code proves nothing about who owns the number."""

    __test__ = False  # no case of pytest's
    reason = "test_number"


def listen() -> None:
    """Have `record` called when a client has proved its address."""
    client_approved.connect(record, dispatch_uid="django_verify.users")


def record(*, verification: Verification, user: Any, **kwargs: Any) -> None:
    """Keep a number as the user's. Raises ClaimRefused, whose reason the client is told."""
    if user is None or "@" in verification.to:
        return
    if verification.is_test:
        raise TestNumberProved
    verified_phones.confirm(user, verification.to, channel=verification.channel)
