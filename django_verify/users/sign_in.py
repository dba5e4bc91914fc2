"""Two pages that sign in the user of a verified number, made of the pages that verify one.

Whether a number is a user's is shown to those alone who have proved that it is theirs.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.contrib import auth
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import redirect, resolve_url
from django.utils.translation import gettext_lazy as _

from django_verify import conf
from django_verify.users import verified_phones
from django_verify.verifications.clients import Caller, State
from django_verify.web import sessions, views
from django_verify.web.sessions import UnderWay

NO_ACCOUNT = _("You cannot sign in by this number.")


class _SignInPage(views.Page):
    def get_caller(self) -> Caller:
        """Return who asks, as nobody's user: a number that is proved here is given to none."""
        return replace(super().get_caller(), user=None)


class SignInView(_SignInPage, views.StartView):
    """Asks for the number, and sends the code; who is signed in already goes on."""

    template_name = "django_verify/users/sign_in.html"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Show the form."""
        return self._onward(request.GET) or super().get(request, *args, **kwargs)

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Send the code."""
        return self._onward(request.POST) or super().post(request, *args, **kwargs)

    def offered_channels(self) -> list[str]:
        """Return those that reach a number: an e-mail address is no user's verified number."""
        return [name for name in super().offered_channels() if name != "email"]

    def _onward(self, given: Any) -> HttpResponseBase | None:
        if not self.request.user.is_authenticated:
            return None
        target = self.trusted(given.get("next", ""))
        return HttpResponseRedirect(target or _landing(self.success_url))


class SignInCheckView(_SignInPage, views.CheckView):
    """Asks for the code, and signs in; then to `next`, `success_url` or LOGIN_REDIRECT_URL.

    Needs `django_verify.users.backends.VerifiedPhoneBackend` in AUTHENTICATION_BACKENDS.
    """

    def approve(self, mine: UnderWay, state: State) -> HttpResponseBase:
        """Sign in, and send the visitor to where it was needed."""
        self.success_url = _landing(self.success_url)
        self.start = self.start_url(mine.next)
        return super().approve(mine, state)

    def verified(self, state: State) -> HttpResponseBase | None:
        """Sign in the user of the number, whose time of verification is renewed."""
        user = auth.authenticate(self.request, verification=state)
        if user is None or not _is_still_theirs(user, state):
            sessions.set_notice(self.request, "error", NO_ACCOUNT)
            return redirect(self.start)
        auth.login(self.request, user)
        return None


class SignInResendView(_SignInPage, views.ResendView):
    """Sends the code again."""


def _is_still_theirs(user: Any, state: State) -> bool:
    """Renew the time, unless another user has verified the number in this very moment."""
    try:
        verified_phones.confirm(user, state.to, channel=state.channel)
    except verified_phones.ClaimRefused:
        return False
    return True


def _landing(success_url: str) -> str:
    return resolve_url(success_url or conf.login_redirect_url())
