"""Two pages that sign in the user of a verified number, made of the pages that verify one.

Whether a number is a user's is shown to those alone who have proved that it is theirs.
"""

from __future__ import annotations

from typing import Any

from django.contrib import auth
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import resolve_url
from django.utils.translation import gettext_lazy as _

from django_verify import conf
from django_verify.users import verified_phones
from django_verify.verifications.clients import State
from django_verify.web import views
from django_verify.web.sessions import UnderWay

NO_ACCOUNT = _("No account has this number.")


class SignInView(views.StartView):
    """Asks for the number, and sends the code; who is signed in already goes on."""

    template_name = "django_verify/users/sign_in.html"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Show the form."""
        if request.user.is_authenticated:
            target = self.trusted(request.GET.get("next", ""))
            return HttpResponseRedirect(target or _landing(self.success_url))
        return super().get(request, *args, **kwargs)

    def offered_channels(self) -> list[str]:
        """Return those that reach a number: an e-mail address is no user's verified number."""
        return [name for name in super().offered_channels() if name != "email"]


class SignInCheckView(views.CheckView):
    """Asks for the code, and signs in; then to `next`, `success_url` or LOGIN_REDIRECT_URL.

    Needs `django_verify.users.backends.VerifiedPhoneBackend` in AUTHENTICATION_BACKENDS.
    """

    def approve(self, mine: UnderWay, state: State) -> HttpResponseBase:
        """Sign in, and send the visitor to where it was needed."""
        self.success_url = _landing(self.success_url)
        return super().approve(mine, state)

    def verified(self, state: State) -> HttpResponseBase | None:
        """Sign in the user of the number, whose time of verification is renewed."""
        user = auth.authenticate(self.request, verification=state)
        if user is None:
            return self.go("start", "error", NO_ACCOUNT)
        auth.login(self.request, user)
        verified_phones.confirm(user, state.to, channel=state.channel)
        return None


def _landing(success_url: str) -> str:
    return resolve_url(success_url or conf.login_redirect_url())
