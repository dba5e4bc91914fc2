"""The order of our pages in an admin site's index and side bar: by task, and not by table.

An admin site has no hook for it, so the site's own list is wrapped, where the site has not made
one itself. Other apps' entries are passed on as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any

import django
from django.contrib.admin import AdminSite
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

#: The apps whose models are put in order.
APPS = ("django_verify", "django_verify_users")
_APP = APPS[0]


@dataclass(frozen=True, slots=True)
class Group:
    """What belongs to one task: models by their names, in order."""

    label: Any
    entries: tuple[str, ...]


GROUPS = (
    Group(
        _("Overview"),
        ("Dashboard", "Verification", "VerificationAttempt", "GuardDecision"),
    ),
    Group(
        _("Set-up"),
        (
            *("VerifyService", "SenderState", "Template", "MessagingService", "TestNumber"),
            "PushCredential",
        ),
    ),
    Group(
        _("Protection"),
        (
            *("GeoPermission", "PrefixRule", "GuardTrip", "SafeListNumber", "RateLimit"),
            *("SpendCap", "Price", "Currency"),
        ),
    ),
    Group(
        _("People"),
        ("VerifiedPhone", "Entity", "Factor", "Challenge", "DeviceKey"),
    ),
    Group(
        _("Developers"),
        ("Account", "ApiKey", "Webhook", "EventSink", "WebhookDelivery"),
    ),
)


def arrange(site: AdminSite) -> None:
    """Put our entries of a site in order, once; a site with a list of its own keeps it.

    Such a site may call `grouped` in its `get_app_list`.
    """
    own = type(site).get_app_list is not AdminSite.get_app_list
    if own or "get_app_list" in vars(site):
        return
    listed = site.get_app_list

    @wraps(listed)
    def get_app_list(request: HttpRequest, app_label: str | None = None) -> list[Any]:
        found = listed(request, app_label)
        return found if app_label == APPS[1] else grouped(request, found)

    site.get_app_list = get_app_list  # type: ignore[method-assign]


def grouped(request: HttpRequest, app_list: list[Any]) -> list[Any]:
    """Return a list of apps with ours in groups, which stand where our app stood."""
    ours = [app for app in app_list if app["app_label"] in APPS]
    place = next((app for app in ours if app["app_label"] == _APP), None)
    if place is None:
        return app_list
    known = {model["object_name"]: model for app in ours for model in app["models"]}
    groups = [_group(place, group, known) for group in GROUPS]
    # A model that no group names stands in the last one.
    rest = [model for name, model in known.items() if name not in _NAMED]
    groups[-1]["models"] += rest
    at = app_list.index(place)
    before = [app for app in app_list[:at] if app not in ours]
    after = [app for app in app_list[at:] if app not in ours]
    shown = [_marked(group, request.path) for group in groups if group["models"]]
    return [*before, *shown, *after]


_NAMED = {entry for group in GROUPS for entry in group.entries}


def _group(app: Mapping[str, Any], group: Group, known: Mapping[str, Any]) -> dict[str, Any]:
    """Return a group as the admin's templates take an app."""
    models = [known[name] for name in group.entries if name in known]
    # The index of the app has no other context of ours; see `ClosedAdmin.page`.
    is_list = django.VERSION >= (6, 1)
    name = f"{app['name']}: {group.label}"
    return {**app, "name": name, "models": models, "breadcrumb_list": is_list}


def _marked(app: Mapping[str, Any], path: str) -> Mapping[str, Any]:
    """Return a group whose heading is that of the page's own, or leads to its part of the index.

    The templates take each entry for the current one whose URL the path begins with.
    """
    urls = [model["admin_url"] for model in app["models"]]
    if any(url and path.startswith(url) for url in urls):
        return app
    first = app["models"][0]["object_name"].lower()
    return {**app, "app_url": f"{app['app_url']}#{_APP}-{first}"}
