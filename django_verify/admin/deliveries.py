"""The outbox of events, to look at and to replay: event, receiver and outcome.

The data of an event is not shown: it holds recipients, and what was asked of a person.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from django_verify.admin import lists
from django_verify.admin.closed import ClosedAdmin, LookOnly
from django_verify.admin.filters import AgeFilter, ValueFilter
from django_verify.events import outbox
from django_verify.models import WebhookDelivery

#: The confirmation page names each delivery, and a form has at most 1000 fields.
REPLAY_AT_ONCE = 500

_Status = WebhookDelivery.Status
# What the names of all events of verifications begin with.
_PREFIX = "com.twilio.accountsecurity.verify."
_SID_PATHS = {"EV": "pk", "YW": "webhook__sid", "DG": "sink__sid"}


class DeliveryStatusFilter(ValueFilter):
    """By how far a delivery is."""

    title = _("status")
    parameter_name = column = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        """Return every status."""
        return _Status.choices


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(LookOnly, ClosedAdmin):
    """Each event on its way to each receiver."""

    actions = ("replay_selected",)
    walk = "pk"
    ordering = ("-pk",)
    list_display = (
        "event",
        "status",
        "date_created",
        "receiver_name",
        "tries",
        "problem",
        "due_at",
    )
    list_filter = (DeliveryStatusFilter, ("date_created", AgeFilter))
    list_parameters = frozenset({"status", "date_created__gte", "date_created__lt"})
    list_select_related = ("webhook", "sink")
    search_fields = ("sid",)
    search_help_text = _("The SID of a delivery, a webhook or an event sink.")
    fields = readonly_fields = (
        "sid",
        "event_id",
        "event_type",
        "webhook",
        "sink",
        "status",
        "tries",
        "due_at",
        "response_status",
        "error",
        "date_created",
        "date_updated",
        "delivered_at",
    )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Find by a SID, or by how one begins."""
        term = search_term.strip()
        if not term:
            return queryset, False
        path = _SID_PATHS.get(term[:2].upper())
        found = queryset.filter(**{f"{path}__startswith": term}) if path else queryset.none()
        return found, False

    @admin.display(description=_("event"), ordering="event_type")
    def event(self, obj: WebhookDelivery) -> str:
        """The kind of event; of a long name the end, which tells it from the others."""
        return lists.clip(obj.event_type.removeprefix(_PREFIX), obj.event_type)

    @admin.display(description=_("what went wrong"))
    def problem(self, obj: WebhookDelivery) -> str:
        """The last answer that was no success, and the last error."""
        said = " ".join(str(part) for part in (obj.response_status, obj.error) if part)
        failed = obj.status != _Status.DELIVERED
        return lists.clip(said) if said and failed else "-"

    @admin.display(description=_("receiver"))
    def receiver_name(self, obj: WebhookDelivery) -> str:
        """The webhook or event sink."""
        return str(obj.webhook or obj.sink or "-")

    def has_replay_permission(self, request: HttpRequest) -> bool:
        """Whether the viewer may replay; a permission of its own."""
        return request.user.has_perm("django_verify.replay_webhook")

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """Show the list; refuse an action outright where Django would only overlook it."""
        asked = request.POST.getlist("action")
        if "replay_selected" in asked and not self.has_replay_permission(request):
            raise PermissionDenied
        return super().changelist_view(request, extra_context)

    @admin.action(permissions=["replay"], description=_("Replay the selected deliveries"))
    def replay_selected(
        self, request: HttpRequest, queryset: QuerySet[WebhookDelivery]
    ) -> HttpResponse | None:
        """Ask, and then make what was given up due again."""
        if "confirmed" in request.POST:
            self._replay(request, request.POST.getlist(ACTION_CHECKBOX_NAME))
            return None
        rows = list(queryset.select_related("webhook", "sink")[: REPLAY_AT_ONCE + 1])
        if len(rows) > REPLAY_AT_ONCE:
            text = _("At most %(limit)d deliveries can be chosen at once.")
            self.message_user(request, text % {"limit": REPLAY_AT_ONCE}, messages.ERROR)
            return None
        context = {
            "title": _("Replay these deliveries?"),
            "explanation": _(
                "Those that were given up are tried again, with the same event id, from the first"
                " try on. The others stay as they are."
            ),
            "yes": _("Yes, replay them"),
            "action": "replay_selected",
            "heading": _("Event"),
            "rows": [(row.sid, row.event_type, row.get_status_display()) for row in rows],
            "checkbox_name": ACTION_CHECKBOX_NAME,
        }
        return self.page(request, "confirm.html", None, context)

    def _replay(self, request: HttpRequest, ticked: list[str]) -> None:
        count = left = 0
        for row in self.get_queryset(request).filter(pk__in=ticked):
            if outbox.replay(WebhookDelivery.objects.filter(pk=row.pk)):
                self.log_change(request, row, gettext("Made due again."))
                count += 1
            else:
                left += 1
        text = ngettext(
            "%(count)d delivery is due again.", "%(count)d deliveries are due again.", count
        ) % {"count": count}
        if left:
            rest = ngettext(
                "%(count)d stays as it is: it was not given up.",
                "%(count)d stay as they are: they were not given up.",
                left,
            )
            text = f"{text} {rest % {'count': left}}"
        self.message_user(request, text, messages.SUCCESS if count else messages.WARNING)
