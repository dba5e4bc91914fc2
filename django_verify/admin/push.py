"""Credentials of the push services, whose secrets are typed in and never shown again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.decorators import method_decorator
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables

from django_verify.admin.closed import ClosedAdmin
from django_verify.models import PushCredential
from django_verify.push_senders import apn, fcm

if TYPE_CHECKING:
    CredentialModelForm = forms.ModelForm[PushCredential]
else:
    CredentialModelForm = forms.ModelForm


class WriteOnlyTextarea(forms.Textarea):
    """Takes a text of several lines, and comes back empty even when the form is refused."""

    def format_value(self, value: Any) -> str:
        """Return nothing."""
        return ""


class PushCredentialForm(CredentialModelForm):
    """A credential; its secret is asked for once, and afterwards only to replace it."""

    secret = forms.CharField(
        label=_("Secret"),
        widget=WriteOnlyTextarea(attrs={"rows": 6, "autocomplete": "off", "spellcheck": "false"}),
        max_length=8192,
        required=False,
        help_text=_(
            "The text of Apple's .p8 file, or of the JSON key of a Google service account."
            " It is not shown again; leave it empty to keep the one there is."
        ),
    )

    class Meta:
        model = PushCredential
        fields = ("friendly_name", "account", "type", "team_id", "key_id", "topic", "sandbox")

    @sensitive_variables()
    def clean(self) -> dict[str, Any]:
        """Refuse a secret that the push service could not read; the error does not quote it."""
        data = super().clean() or self.cleaned_data
        secret = data.get("secret", "")
        kind = data.get("type") or self.instance.type
        new = self.instance._state.adding  # noqa: SLF001 - a documented API
        if new and not secret and "secret" not in self.errors:
            self.add_error("secret", ValidationError(_("This field is required.")))
        module = apn if kind == PushCredential.Type.APN else fcm
        if secret and kind and (fault := module.fault_of_secret(secret)):
            self.add_error("secret", fault)
        if kind == PushCredential.Type.APN:
            for name in ("team_id", "key_id"):
                if not data.get(name) and name not in self.errors:
                    self.add_error(name, ValidationError(_("APNs needs it.")))
        return data

    @sensitive_variables()
    def save(self, commit: bool = True) -> PushCredential:
        """Seal the secret, if there is a new one."""
        if secret := self.cleaned_data.get("secret"):
            self.instance.seal_secret(secret)
        saved: PushCredential = super().save(commit)
        return saved


@admin.register(PushCredential)
@method_decorator(sensitive_post_parameters("secret"), name="changeform_view")
class PushCredentialAdmin(ClosedAdmin):
    """What services name as their APN or FCM credential."""

    form = PushCredentialForm
    list_display = ("friendly_name", "type", "account", "sandbox", "date_created")
    list_filter = ("type",)
    list_parameters = frozenset({"type__exact"})
    list_select_related = ("account",)
    search_fields = ("^sid", "friendly_name", "^account__sid")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return the form's fields; who may only look has no secret to type."""
        shown = list(PushCredentialForm.Meta.fields)
        if obj is None:
            return [*shown, "secret"]
        secret = ["secret"] if self.has_change_permission(request, obj) else []
        return [*shown, *secret, "sid", "date_created", "date_updated"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return what is not edited: a credential stays with its account and push service."""
        return ("account", "type", "sid", "date_created", "date_updated") if obj else ()
