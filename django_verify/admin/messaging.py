"""Messaging services: named lists of senders, and for which countries a service uses them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from django_verify import senders
from django_verify.admin.closed import ClosedAdmin, ColumnFormSet, TabularInline
from django_verify.admin.forms import SENDERS_SHOWN, listed
from django_verify.models import MessagingConfiguration, MessagingService, VerifyService
from django_verify.models.messaging import canonical_country


class SenderOrder(forms.Widget):
    """As many selects as there may be senders, in order."""

    template_name = "django_verify/admin/sender_order.html"
    use_fieldset = True

    #: What the row has now, so that an alias no longer in the settings can be shown.
    stored: list[str] = []

    def value_from_datadict(self, data: Mapping[str, Any], files: Any, name: str) -> list[str]:
        """Read as many selects as the page had."""
        return [alias for alias in listed(data, name) if alias]

    def value_omitted_from_data(self, data: Mapping[str, Any], files: Any, name: str) -> bool:
        """Whether the page had none."""
        return not listed(data, name)

    def aliases(self) -> dict[str, Any]:
        """Return the aliases that may be chosen, with their labels."""
        known = senders.configured()
        choices: dict[str, Any] = {
            alias: alias for alias in known if {"sms", "whatsapp"} & known[alias].channels
        }
        for alias in self.stored:
            choices.setdefault(alias, _("%(alias)s (not configured)") % {"alias": alias})
        return choices

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        """Render by the site's templates; a form renderer of the host's may not find ours."""
        chosen, choices = list(value or []), self.aliases()
        padded = [*chosen, *[""] * (SENDERS_SHOWN - len(chosen))]
        selects = [
            {"name": f"{name}-{place}", "choices": choices, "chosen": alias}
            for place, alias in enumerate(padded)
        ]
        return render_to_string(self.template_name, {"selects": selects})


class SenderOrderField(forms.Field):
    """The aliases of senders, in order."""

    widget = SenderOrder

    def validate(self, value: list[str]) -> None:
        """Refuse an order that is empty, names a sender twice, or names an unknown one."""
        super().validate(value)
        if len(set(value)) < len(value):
            raise ValidationError(_("The same sender is chosen twice."))
        if not set(value) <= set(cast("SenderOrder", self.widget).aliases()):
            raise ValidationError(_("An unknown sender was chosen."))

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Whether the order differs."""
        return list(initial or []) != list(data or [])


class MessagingServiceForm(forms.ModelForm):  # type: ignore[type-arg]
    """A messaging service, its senders as selects."""

    senders = SenderOrderField(
        label=_("Senders, in order"),
        help_text=_("The first is tried first; the next one only if it cannot be reached."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        widget: Any = self.fields["senders"].widget
        widget.stored = list(self.instance.senders)


@admin.register(MessagingService)
class MessagingServiceAdmin(ClosedAdmin):
    """The lists of senders that countries are assigned to."""

    form = MessagingServiceForm
    list_display = ("friendly_name", "sender_names", "account", "sid")
    list_select_related = ("account",)
    search_fields = ("^sid", "friendly_name")

    @admin.display(description=_("senders"))
    def sender_names(self, obj: MessagingService) -> str:
        """The aliases in order."""
        return ", ".join(obj.senders)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return the form's fields; the SID is chosen once."""
        names = ("friendly_name", "account", "senders", "sid")
        return (*names, "date_created", "date_updated") if obj else names

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return what is not edited: the SID is the key, and the account stays."""
        return ("account", "sid", "date_created", "date_updated") if obj else ()

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Return the form field; the SID may be one that callers use already."""
        if db_field.name == "sid":
            kwargs["help_text"] = _("Leave it, or put in the MG… that your callers use already.")
            kwargs["widget"] = forms.TextInput(attrs={"size": 40})
        return super().formfield_for_dbfield(db_field, request, **kwargs)


class MessagingConfigurationForm(forms.ModelForm):  # type: ignore[type-arg]
    """One country and its messaging service."""

    def __init__(self, *args: Any, service: VerifyService, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        rows = MessagingService.objects.filter(account_id=service.account_id)
        choices = {row.sid: row.friendly_name for row in rows}
        if stored := self.instance.messaging_service_sid:
            text = _("%(sid)s… (the service's own senders)") % {"sid": stored[:8]}
            choices.setdefault(stored, str(text))
        self.fields["messaging_service_sid"] = forms.ChoiceField(
            label=_("Messaging service"), choices=[("", "---------"), *choices.items()]
        )

    def clean_country(self) -> str:
        """Return the stored spelling."""
        return canonical_country(self.cleaned_data["country"].strip())


class Configurations(ColumnFormSet):
    """The countries of one service."""

    def get_form_kwargs(self, index: int | None) -> dict[str, Any]:
        """Pass the service to each form: the choices are its account's messaging services."""
        return super().get_form_kwargs(index) | {"service": self.instance}


class MessagingConfigurationInline(TabularInline):
    """Which messaging service carries the SMS of which country; all stands for the rest."""

    model = MessagingConfiguration
    form = MessagingConfigurationForm
    formset = Configurations
    fields = ("country", "messaging_service_sid")
    extra = 0
    verbose_name_plural = _("SMS by country")
