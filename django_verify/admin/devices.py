"""Keys of apps' installations as an operator sees them: listed, and revoked by deletion."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from django_verify.admin.closed import ClosedAdmin
from django_verify.admin.filters import MomentFilter
from django_verify.models import DeviceKey


@admin.register(DeviceKey)
class DeviceKeyAdmin(ClosedAdmin):
    """What was attested and when it was last used; whose device it is nobody knows."""

    list_display = ("__str__", "counter", "date_created", "used_at")
    fields = readonly_fields = ("key", "counter", "date_created", "used_at")
    list_filter = (("date_created", MomentFilter),)
    list_parameters = frozenset({"date_created__gte", "date_created__lt"})
    walk = "date_created"
    ordering = ("-date_created", "-pk")
    search_fields = ("key",)
    search_help_text = _("A key, or its beginning as the list shows it.")

    def get_search_results(
        self, request: HttpRequest, queryset: Any, search_term: str
    ) -> tuple[Any, bool]:
        """Find by the beginning, which the primary key's index answers."""
        term = search_term.strip().lower()
        return (queryset.filter(key__startswith=term) if term else queryset), False

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody adds: a device brings its key."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody changes."""
        return False
