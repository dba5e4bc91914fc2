"""The caller of a page, as the verbs for callers without credentials need it."""

from __future__ import annotations

from django.http import HttpRequest

from django_verify.net import client_ip
from django_verify.verifications.clients import Caller
from django_verify.web import cookies


def caller(request: HttpRequest) -> Caller:
    """Return who asks: the client IP behind the site's proxies, the user, the known device."""
    return Caller(
        ip=client_ip.from_meta(request.META),
        user=getattr(request, "user", None),
        device_token=cookies.device_token(request),
    )
