"""The caller of a page, as the verbs for callers without credentials need it."""

from __future__ import annotations

from django.http import HttpRequest

from django_verify.net import client_ip
from django_verify.verifications.clients import Caller


def caller(request: HttpRequest) -> Caller:
    """Return who asks: the IP behind the site's proxies, and the user who is logged in."""
    return Caller(ip=client_ip.from_meta(request.META), user=getattr(request, "user", None))
