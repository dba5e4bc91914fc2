"""Django's authentication by a number that was just verified; no password, and no page, is here."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.base_user import AbstractBaseUser
from django.http import HttpRequest
from django.utils import timezone

from django_verify.models import Verification
from django_verify.users import verified_phones
from django_verify.verifications.clients import State

#: How long after its approval a verification signs a user in.
FRESH = dt.timedelta(minutes=5)


class VerifiedPhoneBackend(ModelBackend):
    """Returns the user who has the verified number of an approval.

    `authenticate(request, verification=…)` takes what `verifications.check` or `clients.check` has
    returned. One that is pending, older than `FRESH` or of a test number signs nobody in, nor does
    a number that no user has verified.
    """

    def authenticate(  # type: ignore[override]
        self,
        request: HttpRequest | None,
        verification: Verification | State | None = None,
        **credentials: Any,
    ) -> AbstractBaseUser | None:
        """Return the user, if the number is one's and the user may log in."""
        if verification is None or not _is_approved(verification) or verification.is_test:
            return None
        found = verified_phones.holder(verification.to)
        if found is None or not self.user_can_authenticate(found.user):
            return None
        user: AbstractBaseUser = found.user
        return user


def _is_approved(proof: Verification | State) -> bool:
    if isinstance(proof, State):
        return proof.valid
    fresh = proof.date_updated > timezone.now() - FRESH
    return proof.status == Verification.Status.APPROVED and fresh
