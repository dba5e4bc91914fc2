"""Senders that have failed, and whether their circuit is open; the settings name the senders."""

from __future__ import annotations

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from django_verify.admin.closed import ClosedAdmin, LookOnly
from django_verify.delivery import circuit_breakers
from django_verify.models import SenderState


@admin.register(SenderState)
class SenderStateAdmin(LookOnly, ClosedAdmin):
    """The breaker of each sender; one that never failed has no row."""

    actions = ("close_selected",)
    list_display = ("alias", "state", "failures", "open_until", "last_error", "date_updated")
    fields = readonly_fields = (
        "alias",
        "state",
        "failures",
        "failing_since",
        "open_until",
        "last_error",
        "failures_total",
        "openings",
        "date_updated",
    )

    @admin.display(description=_("state"))
    def state(self, obj: SenderState) -> str:
        """What the routes make of it."""
        known = circuit_breakers.State(obj.failures, obj.open_until)
        if known.open_until is None:
            return str(_("in use"))
        if known.is_open(timezone.now()):
            return str(_("circuit open"))
        return str(_("to be probed"))

    def has_close_permission(self, request: HttpRequest) -> bool:
        """Whether the viewer may close breakers; a permission of its own."""
        return request.user.has_perm("django_verify.close_breaker")

    @admin.action(permissions=["close"], description=_("Use the selected senders again"))
    def close_selected(self, request: HttpRequest, queryset: QuerySet[SenderState]) -> None:
        """Forget the failures in a row of each."""
        count = 0
        for row in queryset:
            if circuit_breakers.close(row.alias):
                count += 1
                self.log_change(request, row, gettext("Put back in its place."))
        text = ngettext("%(count)d sender is used again.", "%(count)d are used again.", count)
        level = messages.SUCCESS if count else messages.WARNING
        self.message_user(request, text % {"count": count}, level)
