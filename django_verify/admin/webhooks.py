"""The webhooks of services as an operator sets them up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from django_verify.admin.closed import ClosedAdmin
from django_verify.models import Webhook
from django_verify.models.webhooks import EVENT_TYPES

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


@admin.register(Webhook)
class WebhookAdmin(ClosedAdmin):
    """Where events of the factor side go."""

    form = WebhookForm
    list_display = ("friendly_name", "sid", "service", "events", "status", "date_created")
    list_filter = ("status",)
    list_parameters = frozenset({"status__exact"})
    list_select_related = ("service",)
    search_fields = ("^sid", "friendly_name", "^service__sid")

    @admin.display(description=_("event types"))
    def events(self, obj: Webhook) -> str:
        """The kinds of events."""
        return ", ".join(obj.event_types)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return the form's fields; a new webhook has no SID to show yet."""
        return WebhookForm.Meta.fields + (("sid", "date_created", "date_updated") if obj else ())

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return what is not edited: a webhook stays with its service."""
        return ("service", "sid", "date_created", "date_updated") if obj else ()
