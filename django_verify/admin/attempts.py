"""The messages, to look at and to queue again: by which sender each went, and what became of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from operator import attrgetter
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from django_verify import delivery
from django_verify.admin import figures, labels, lists
from django_verify.admin.filters import (
    AgeFilter,
    AttemptCountryFilter,
    AttemptServiceFilter,
    ChannelFilter,
    MessageStatusFilter,
)
from django_verify.admin.recipients import in_full_and_masked, sees_recipients
from django_verify.admin.records import PersonAdmin, ToldColumns, told_fields
from django_verify.models import VerificationAttempt
from django_verify.verifications import story

#: The confirmation page names each message, and a form has at most 1000 fields.
REQUEUE_AT_ONCE = 500


@admin.register(VerificationAttempt)
class VerificationAttemptAdmin(ToldColumns, PersonAdmin):
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
    list_parameters = PersonAdmin.list_parameters | figures.PARAMETERS
    list_select_related = ("verification__service",)
    found = "messages"
    full_recipient, masked_recipient = in_full_and_masked(
        attrgetter("verification.to"), _("recipient")
    )

    def get_list_display(self, request: HttpRequest) -> Any:
        """Return the columns, with the recipient in full or masked."""
        return (
            self.shown(request),
            "status",
            "problem",
            "created",
            "channel",
            "sender",
            "service_name",
        )

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return what the page shows; the caller's tags and digits to dial may name a person."""
        full = sees_recipients(request)
        provider_sid, *errors = told_fields(request)
        return (
            "sid",
            self.shown(request),
            "verification",
            "message_status",
            "channel_named",
            "country",
            "locale",
            "custom_friendly_name",
            *(("send_digits", "tags") if full else ()),
            "sender",
            provider_sid,
            "price",
            "explanation_of_error",
            *errors,
            "via_channel_named",
            "messages",
            "earlier_messages",
            "tries",
            "due_at",
            "date_created",
            "date_updated",
        )

    @admin.display(description=_("status"), ordering="message_status")
    def status(self, obj: VerificationAttempt) -> str:
        """What became of it."""
        return str(obj.get_message_status_display())

    @admin.display(description=_("what went wrong"))
    def problem(self, obj: VerificationAttempt) -> str:
        """The cause of a failure in a few words; all of them when one points at it."""
        label, whole = story.cause(obj)
        if not label:
            return "-"
        return lists.clip(label, whole)

    @admin.display(description=_("country"))
    def country(self, obj: VerificationAttempt) -> str:
        """The country of the recipient."""
        return labels.country(obj.country)

    @admin.display(description=_("channel"))
    def channel_named(self, obj: VerificationAttempt) -> Any:
        """What people call the channel."""
        return labels.channel(obj.channel)

    @admin.display(description=_("sent as"))
    def via_channel_named(self, obj: VerificationAttempt) -> Any:
        """The same of the channel by which it went, where that was another."""
        return labels.channel(obj.via_channel)

    @admin.display(description=_("service"), ordering="verification__service__friendly_name")
    def service_name(self, obj: VerificationAttempt) -> str:
        """The service."""
        return lists.clip(str(obj.verification.service or "-"))

    @admin.display(description=_("problem"))
    def explanation_of_error(self, obj: VerificationAttempt) -> str:
        """The same in a sentence, with what is to be done."""
        found = delivery.explain(obj)
        return f"{found.sentence} {found.deed}" if found else "-"

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

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """Show the list; refuse the action outright where Django would only overlook it."""
        asked = request.POST.getlist("action")
        if "requeue_selected" in asked and not self.has_requeue_permission(request):
            raise PermissionDenied
        return super().changelist_view(request, extra_context)

    @admin.action(permissions=["requeue"], description=_("Send the selected failed messages again"))
    def requeue_selected(
        self, request: HttpRequest, queryset: QuerySet[VerificationAttempt]
    ) -> HttpResponse | None:
        """Ask, saying which cannot be sent and why; then make the others due at once."""
        if "confirmed" in request.POST:
            ticked = request.POST.getlist(ACTION_CHECKBOX_NAME)
            chosen = self.get_queryset(request).filter(pk__in=ticked)
            self._requeue(request, chosen.select_related("verification__service"))
            return None
        rows = list(queryset.select_related("verification__service")[: REQUEUE_AT_ONCE + 1])
        if len(rows) > REQUEUE_AT_ONCE:
            text = _("At most %(limit)d messages can be chosen at once.")
            self.message_user(request, text % {"limit": REQUEUE_AT_ONCE}, messages.ERROR)
            return None
        recipient = getattr(self, self.shown(request))
        now, may = timezone.now(), _("will be sent again")
        context = {
            "title": _("Send these messages again?"),
            "explanation": _(
                "Those that have failed are sent at once, by the senders of today's settings, with"
                " the same code. Each costs what a message costs. The others stay as they are."
            ),
            "yes": _("Yes, send them"),
            "action": "requeue_selected",
            "rows": [
                (row.sid, recipient(row), story.why_not_again(row, now) or may) for row in rows
            ],
            "checkbox_name": ACTION_CHECKBOX_NAME,
        }
        return self.page(request, "confirm.html", None, context)

    def _requeue(self, request: HttpRequest, rows: Iterable[VerificationAttempt]) -> None:
        sent, left = 0, Counter[str]()
        for row in rows:
            reason = story.why_not_again(row, timezone.now())
            if delivery.requeue(row):
                sent += 1
                self.log_change(request, row, gettext("Queued again."))
            else:
                left[reason or gettext("It has changed in this moment.")] += 1
        done = ngettext("%(count)d message was queued.", "%(count)d were queued.", sent)
        parts = [done % {"count": sent}]
        for reason, count in left.items():
            rest = ngettext(
                "%(count)d cannot be sent again. %(reason)s",
                "%(count)d cannot be sent again. %(reason)s",
                count,
            )
            parts.append(rest % {"count": count, "reason": reason})
        self.message_user(request, " ".join(parts), messages.SUCCESS if sent else messages.WARNING)
