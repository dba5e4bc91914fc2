"""REST framework's permission for users with a verified number."""

from __future__ import annotations

import datetime as dt
from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from django_verify.users import verified_phones


class HasVerifiedPhone(BasePermission):
    """Lets only users pass who have a verified number.

    A subclass may set `within`, the longest time since it was verified.
    """

    code = "verified_phone_required"
    message = "A verified phone number is required."
    within: dt.timedelta | None = None

    def has_permission(self, request: Request, view: Any) -> bool:
        """Whether the user has one."""
        return verified_phones.has_verified(request.user, within=self.within)
