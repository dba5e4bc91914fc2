"""The pages of one admin site by what they are about, such as the page of any SID."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import AdminSite
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse

from django_verify import sids
from django_verify.contact import typed
from django_verify.models import Verification, VerificationAttempt
from django_verify.models.fields import SidField

# Their own lists find these.
_LISTED = (Verification, VerificationAttempt)


def of_sid(site: AdminSite, request: HttpRequest, term: str) -> str:
    """Return the URL of what a SID names, where this viewer may see it; else nothing.

    Verifications and messages have none here.
    """
    term = typed.plain(term)
    sid = term[:2].upper() + term[2:]
    if not sids.is_sid(sid[:2], sid):
        return ""
    sid = sids.canonical(sid)
    for model, page in site._registry.items():  # noqa: SLF001 - the only list of them
        key = model._meta.pk  # noqa: SLF001 - a documented API
        if model in _LISTED or not isinstance(key, SidField) or key.prefix != sid[:2]:
            continue
        obj = page.get_queryset(request).filter(pk=sid).first()
        if obj is not None and page.has_view_permission(request, obj):
            return of_object(site, obj)
    return ""


def of_object(site: AdminSite, obj: Any) -> str:
    """Return the URL of an object's page; nothing where the site has none."""
    opts = obj._meta  # noqa: SLF001 - a documented API
    return url(site, f"{opts.app_label}_{opts.model_name}_change", obj.pk)


def url(site: AdminSite, name: str, *args: Any) -> str:
    """Return the URL of a page of the site by its name; nothing where the site has none."""
    try:
        return reverse(f"admin:{name}", args=args, current_app=site.name)
    except NoReverseMatch:
        return ""
