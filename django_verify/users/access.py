"""Views that only users with a verified number may open: a decorator and a mixin."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.mixins import AccessMixin
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import resolve_url

from django_verify import conf
from django_verify.users import verified_phones

View = Callable[..., HttpResponseBase]


def verified_phone_required(view: View | None = None, *, within: dt.timedelta | None = None) -> Any:
    """Let only users pass who have a verified number, verified no longer ago than `within`.

    Others are sent to USERS_VERIFY_URL with `?next=`, or get 403 where the setting is empty;
    visitors who are not logged in are sent to the login page.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            return refusal(request, within) or view(request, *args, **kwargs)

        return guarded

    return decorate if view is None else decorate(view)


class VerifiedPhoneRequiredMixin(AccessMixin):
    """The same for class-based views; it stands before the view's own base.

    Visitors who are not logged in are treated as Django's own mixins do: `login_url`,
    `redirect_field_name`, `raise_exception`.
    """

    verified_within: dt.timedelta | None = None

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Refuse, or go on."""
        if not request.user.is_authenticated:
            return self.handle_no_permission()
        refused = refusal(request, self.verified_within)
        if refused is not None:
            return refused
        answer: HttpResponseBase = super().dispatch(request, *args, **kwargs)  # type: ignore[misc]
        return answer


def refusal(request: HttpRequest, within: dt.timedelta | None = None) -> HttpResponseBase | None:
    """Return where a user without a verified number is sent; None for a user with one."""
    if verified_phones.has_verified(request.user, within=within):
        return None
    here = request.get_full_path()
    if not request.user.is_authenticated:
        return redirect_to_login(here)
    target = conf.current().USERS_VERIFY_URL
    if not target:
        raise PermissionDenied
    return redirect_to_login(here, resolve_url(target))
