"""Django's authentication by a number that was just verified; no password, and no page, is here."""

from __future__ import annotations

import datetime as dt
from typing import Any

from asgiref.sync import sync_to_async
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
    a number that no user has verified. Staff and superusers, whose accounts are worth a stolen
    number, are signed in where a subclass sets `signs_in_staff`.
    """

    #: Whether a number alone signs in who may use the admin site.
    signs_in_staff = False

    def authenticate(  # type: ignore[override]
        self,
        request: HttpRequest | None,
        verification: Verification | State | None = None,
        **credentials: Any,
    ) -> AbstractBaseUser | None:
        """Return the user, if the number is one's and the user may log in."""
        # A site's own log-in may hand over whatever was posted.
        if not isinstance(verification, Verification | State):
            return None
        if not _is_fresh(verification) or verification.is_test:
            return None
        found = verified_phones.holder(verification.to)
        if found is None or not self.user_can_authenticate(found.user):
            return None
        user: AbstractBaseUser = found.user
        return user

    async def aauthenticate(  # type: ignore[override]
        self,
        request: HttpRequest | None,
        verification: Verification | State | None = None,
        **credentials: Any,
    ) -> AbstractBaseUser | None:
        """Return the same; the one of Django's that this replaces would compare a password."""
        return await sync_to_async(self.authenticate)(request, verification)

    def user_can_authenticate(self, user: Any) -> bool:
        """Whether the user may be signed in, and stay so: one who becomes staff is signed out."""
        staff = getattr(user, "is_staff", False) or getattr(user, "is_superuser", False)
        return super().user_can_authenticate(user) and (self.signs_in_staff or not staff)


def _is_fresh(proof: Verification | State) -> bool:
    if isinstance(proof, State):
        approved_at = proof.approved_at
    else:
        approved = proof.status == Verification.Status.APPROVED
        approved_at = proof.date_updated if approved else None
    return approved_at is not None and approved_at > timezone.now() - FRESH
