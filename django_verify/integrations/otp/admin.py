"""The devices in the admin; the recipient in full only for viewers who may see recipients."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from django_verify.admin.closed import ModelAdmin
from django_verify.admin.recipients import sees_recipients
from django_verify.integrations.otp.models import VerifyDevice


@admin.register(VerifyDevice)
class VerifyDeviceAdmin(ModelAdmin):
    """Who is sent codes, and where."""

    list_display = ("user", "name", "masked_recipient", "channel", "confirmed")
    list_select_related = ("user",)
    raw_id_fields = ("user",)

    @admin.display(description=_("recipient"))
    def masked_recipient(self, obj: VerifyDevice) -> str:
        """The recipient, most of it hidden."""
        return obj.masked

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return the form's fields; a device that exists is shown masked to other viewers."""
        shown = obj is None or sees_recipients(request)
        recipient = "recipient" if shown else "masked_recipient"
        return ("user", "name", recipient, "channel", "confirmed")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return the one that is only shown."""
        return ("masked_recipient",)
