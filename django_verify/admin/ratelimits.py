"""Rate limits and their buckets as an operator sets them up; no page shows a count."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from django_verify import conf
from django_verify.admin.closed import ClosedAdmin, ColumnFormSet, TabularInline
from django_verify.models import Bucket, RateLimit


class BucketInline(TabularInline):
    """The buckets of a limit; a start needs room in all of them."""

    model = Bucket
    formset = ColumnFormSet
    fields = ("max", "interval")
    extra = 1

    def get_max_num(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> int:
        """Return the cap that the API has."""
        return conf.current().BUCKETS_PER_RATE_LIMIT


@admin.register(RateLimit)
class RateLimitAdmin(ClosedAdmin):
    """The named properties by which a service's starts are metered."""

    list_display = ("unique_name", "service", "sid", "date_created")
    list_select_related = ("service",)
    search_fields = ("^sid", "unique_name", "^service__sid", "service__friendly_name")
    inlines = (BucketInline,)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return the form's fields; a new limit has no SID to show yet."""
        fields = ("service", "unique_name", "description")
        return (*fields, "sid", "date_created", "date_updated") if obj else fields

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return what is not edited: starts use the name, and a limit stays with its service."""
        if obj is None:
            return ()
        return ("service", "unique_name", "sid", "date_created", "date_updated")
