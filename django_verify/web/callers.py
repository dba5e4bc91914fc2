"""Who is in front of a page, as the verbs for callers without credentials want to know it."""

from __future__ import annotations

from django.http import HttpRequest

from django_verify.net import client_ip
from django_verify.verifications.clients import Caller
from django_verify.web import cookies


def caller(request: HttpRequest) -> Caller:
    """Return who asks: the client IP behind the site's proxies, the user, the known device."""
    return Caller(
        ip=client_ip.address_in(request.META),
        user=getattr(request, "user", None),
        device_token=cookies.device_token(request),
    )
