"""The receivers of events as an operator sets them up: webhooks and event sinks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from django_verify.admin.accounts import CredentialAdmin
from django_verify.events import outbox
from django_verify.models import EventSink, Webhook
from django_verify.models.webhooks import EVENT_TYPES, Receiver

if TYPE_CHECKING:
    WebhookModelForm = forms.ModelForm[Webhook]
else:
    WebhookModelForm = forms.ModelForm


class WebhookForm(WebhookModelForm):
    """A webhook, with its events to tick."""

    event_types = forms.MultipleChoiceField(
        label=_("Event types"),
        choices=[(name, name) for name in EVENT_TYPES],
        widget=forms.CheckboxSelectMultiple,
        help_text=_("* stands for all of them."),
    )

    class Meta:
        model = Webhook
        fields = (
            "service",
            "friendly_name",
            "webhook_url",
            "event_types",
            "status",
            "version",
        )


class ReceiverAdmin(CredentialAdmin):
    """A receiver with its signing secret, which is shown when it is made or replaced."""

    secret_name = _("signing secret")
    is_login = False
    consequence = _(
        "For 24 hours the one in use now goes on signing beside the new one, in the"
        " webhook-signature header. X-Twilio-Signature is signed with the new one at once."
    )
    list_filter = ("status",)
    list_parameters = frozenset({"status__exact"})
    form_fields: tuple[str, ...] = ()
    fixed_fields: tuple[str, ...] = ()

    def renew(self, obj: Receiver) -> str:
        """Give the receiver a new signing secret."""
        return outbox.rotate_secret(obj)

    @admin.display(description=_("health"))
    def health(self, obj: Receiver) -> str:
        """Whether deliveries fail, or why the site has disabled the receiver."""
        if obj.status == Receiver.Status.DISABLED:
            return str(obj.get_disabled_reason_display()) or "-"
        return gettext("failing") if obj.failing_since else "-"

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Save what the form holds; who enables a receiver gives it a fresh start."""
        super().save_model(request, obj, form, change)
        if change and "status" in form.changed_data:
            obj.disabled_reason, obj.failing_since = "", None
            obj.save(update_fields=["disabled_reason", "failing_since"])

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return the form's fields; a new receiver has no SID to show yet."""
        shown = ("health", "failing_since", "sid", "date_created", "date_updated")
        return self.form_fields + (shown if obj else ())

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return what is not edited: a receiver stays with its owner."""
        shown = ("health", "failing_since", "sid", "date_created", "date_updated")
        return self.fixed_fields + shown if obj else ()


@admin.register(Webhook)
class WebhookAdmin(ReceiverAdmin):
    """Where the events of factors and challenges go."""

    form = WebhookForm
    form_fields = WebhookForm.Meta.fields
    fixed_fields = ("service",)
    list_display = (
        "friendly_name",
        "status",
        "health",
        "service",
        "events",
        "date_created",
    )
    list_select_related = ("service",)
    search_fields = ("^sid", "friendly_name", "^service__sid")

    @admin.display(description=_("event types"))
    def events(self, obj: Webhook) -> str:
        """The kinds of events."""
        return ", ".join(obj.event_types)


@admin.register(EventSink)
class EventSinkAdmin(ReceiverAdmin):
    """Where the events of verifications go."""

    form_fields = ("account", "service", "friendly_name", "url", "status")
    fixed_fields = ("account", "service")
    list_display = (
        "friendly_name",
        "status",
        "health",
        "account",
        "service",
        "date_created",
    )
    list_select_related = ("account", "service")
    search_fields = ("^sid", "friendly_name", "^account__sid", "^service__sid")
