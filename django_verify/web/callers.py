"""Who is in front of a page, as the verbs for callers without credentials want to know it."""

from __future__ import annotations

from django.http import HttpRequest

from django_verify.clients import Caller

# Where the captchas of the common providers, and a site's own, put what they prove.
_TOKENS = ("gate_token", "h-captcha-response", "cf-turnstile-response", "g-recaptcha-response")


def caller(request: HttpRequest) -> Caller:
    """Return who asks: the network of the connection, and the user who is logged in."""
    return Caller(network=request.META.get("REMOTE_ADDR", ""), user=getattr(request, "user", None))


def gate_token(request: HttpRequest) -> str:
    """Return what the page's captcha has proved; empty for nothing."""
    return next((token for name in _TOKENS if (token := request.POST.get(name))), "")
