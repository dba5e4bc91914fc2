"""Views that need a recipient proved recently in this session: a decorator and a mixin.

Nobody needs to be logged in. Views for users who keep a verified number are let in by
`django_verify.users.access`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import resolve_url
from django.utils import timezone

from django_verify.web import sessions
from django_verify.web.sessions import VerifiedRecipient

View = Callable[..., HttpResponseBase]

FRESH = dt.timedelta(minutes=15)
START = "verify_web:start"


def verified_recipient(
    request: HttpRequest,
    *,
    within: dt.timedelta = FRESH,
    purpose: str = "",
    allow_test: bool = False,
) -> VerifiedRecipient | None:
    """Return the recipient that was proved last in this session, no longer ago than `within`.

    A test number, whose code others know, is none unless `allow_test`.
    """
    found = sessions.verified(request, purpose)
    if found is None or found.verified_at <= timezone.now() - within:
        return None
    if found.is_test and not allow_test:
        return None
    return found


def verified_recipient_required(
    view: View | None = None,
    *,
    within: dt.timedelta = FRESH,
    purpose: str = "",
    allow_test: bool = False,
    verify_url: str = START,
) -> Any:
    """Let only visitors pass who have proved a recipient; others are sent to do so, and come back.

    `purpose` is that of the pages at `verify_url`; empty: any. `allow_test` takes a test number
    as well.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            found = verified_recipient(
                request, within=within, purpose=purpose, allow_test=allow_test
            )
            if found is not None:
                return view(request, *args, **kwargs)
            return _send_to(verify_url, request)

        return guarded

    return decorate if view is None else decorate(view)


class VerifiedRecipientRequiredMixin:
    """The same for class-based views; it stands before the view's own base.

    The view finds the recipient in `verified_recipient`.
    """

    verified_within: dt.timedelta = FRESH
    verified_purpose: str = ""
    allow_test: bool = False
    verify_url: str = START
    verified_recipient: VerifiedRecipient

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Send away, or go on."""
        found = verified_recipient(
            request,
            within=self.verified_within,
            purpose=self.verified_purpose,
            allow_test=self.allow_test,
        )
        if found is None:
            return _send_to(self.verify_url, request)
        self.verified_recipient = found
        answer: HttpResponseBase = super().dispatch(request, *args, **kwargs)  # type: ignore[misc]
        return answer


def _send_to(target: str, request: HttpRequest) -> HttpResponseBase:
    return redirect_to_login(request.get_full_path(), resolve_url(target))
