"""Numbers that come from an app or a page: kept for the user who was logged in there."""

from __future__ import annotations

from typing import Any

from django.db import DatabaseError

from django_verify.logs import logger
from django_verify.models import Verification
from django_verify.signals import client_approved
from django_verify.users import verified_phones


class TestNumberProved(verified_phones.ClaimRefused):
    """The code of a test number proves nothing about who owns the number."""

    __test__ = False  # no case of pytest's
    reason = "test_number"


class NotKept(verified_phones.ClaimRefused):
    """The database has failed; the user may verify the number once more."""

    reason = "server_error"


def listen() -> None:
    """Have `record` called when a client has proved its recipient."""
    client_approved.connect(record, dispatch_uid="django_verify.users")


def record(*, verification: Verification, user: Any, **kwargs: Any) -> None:
    """Keep a number as the user's. Raises ClaimRefused, whose reason is returned to the client."""
    if user is None or "@" in verification.to:
        return
    if verification.is_test:
        raise TestNumberProved
    try:
        verified_phones.confirm(user, verification.to, channel=verification.channel)
    except DatabaseError as error:
        # Its text may have the number in it.
        logger.error("%s: its number was not kept: %s", verification.sid, type(error).__name__)
        raise NotKept from None
