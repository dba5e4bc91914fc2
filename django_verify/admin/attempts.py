"""The messages, to look at and to queue again: by which sender each went, and what became of it."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from django_verify import delivery
from django_verify.admin import figures
from django_verify.admin.filters import (
    AgeFilter,
    AttemptCountryFilter,
    AttemptServiceFilter,
    ChannelFilter,
    MessageStatusFilter,
)
from django_verify.admin.verifications import RecordAdmin, sees_recipients
from django_verify.messages import channels
from django_verify.models import VerificationAttempt


@admin.register(VerificationAttempt)
class VerificationAttemptAdmin(RecordAdmin):
    """Each message: by which sender it went, and what became of it."""

    actions = ("requeue_selected",)
    list_filter = (
        MessageStatusFilter,
        ChannelFilter,
        AttemptCountryFilter,
        AttemptServiceFilter,
        ("date_created", AgeFilter),
        *figures.FILTERS,
    )
    list_parameters = RecordAdmin.list_parameters | figures.PARAMETERS
    list_select_related = ("verification__service",)
    sid_paths = {"VL": "pk", "VE": "verification"}
    to = "verification__to"
    recipient_key = "verification__recipient_key"
    accounts = "verification__account__in"

    def get_list_display(self, request: HttpRequest) -> Any:
        """Return the columns, with the recipient in full or masked."""
        return (
            "full_recipient" if sees_recipients(request) else "masked_recipient",
            "message_status",
            "channel",
            "sender",
            "messages",
            "tries",
            "due_at",
            "service_name",
            "error_message",
            "created",
        )

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return what the page shows; the caller's tags and digits to dial may name a person."""
        full = sees_recipients(request)
        return (
            "sid",
            "full_recipient" if full else "masked_recipient",
            "verification",
            "message_status",
            "channel",
            "country",
            "locale",
            "custom_friendly_name",
            *(("send_digits", "tags") if full else ()),
            "sender",
            "provider_sid",
            "price",
            "error_code",
            "error_message",
            "via_channel",
            "messages",
            "earlier_messages",
            "tries",
            "due_at",
            "date_created",
            "date_updated",
        )

    @admin.display(description=_("recipient"))
    def full_recipient(self, obj: VerificationAttempt) -> str:
        """The recipient."""
        return obj.verification.to

    @admin.display(description=_("recipient"))
    def masked_recipient(self, obj: VerificationAttempt) -> str:
        """The recipient, most of it hidden."""
        return channels.mask(obj.verification.to)

    @admin.display(description=_("country"))
    def country(self, obj: VerificationAttempt) -> str:
        """The country of the recipient."""
        return obj.country

    @admin.display(description=_("service"), ordering="verification__service__friendly_name")
    def service_name(self, obj: VerificationAttempt) -> str:
        """The service."""
        return str(obj.verification.service or "-")

    @admin.display(description=_("price"))
    def price(self, obj: VerificationAttempt) -> str:
        """What the provider charged, where it says so."""
        return f"{obj.price_value} {obj.price_currency}".strip() or "-"

    @admin.display(description=_("earlier messages"))
    def earlier_messages(self, obj: VerificationAttempt) -> str:
        """Earlier messages of this attempt that may have been sent."""
        parts = (f"{row['channel']}, {row['sender']}: {row['status']}" for row in obj.trail)
        return "; ".join(parts) or "-"

    def has_requeue_permission(self, request: HttpRequest) -> bool:
        """Whether the viewer may send failed messages again; a permission of its own."""
        return request.user.has_perm("django_verify.requeue_attempt")

    @admin.action(permissions=["requeue"], description=_("Send the selected failed messages again"))
    def requeue_selected(
        self, request: HttpRequest, queryset: QuerySet[VerificationAttempt]
    ) -> None:
        """Make each due at once, where its code lives and it has a message left."""
        sent = left = 0
        for row in queryset:
            if delivery.requeue(row):
                sent += 1
                self.log_change(request, row, gettext("Queued again."))
            else:
                left += 1
        done = ngettext("%(count)d message was queued.", "%(count)d were queued.", sent)
        text = done % {"count": sent}
        if left:
            rest = ngettext("%(count)d cannot be.", "%(count)d cannot be.", left)
            text = f"{text} {rest % {'count': left}}"
        self.message_user(request, text, messages.SUCCESS if sent else messages.WARNING)
