"""The Django app of the devices."""

from typing import Any

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class VerifyOtpConfig(AppConfig):
    """`"django_verify.integrations.otp"` in INSTALLED_APPS, after `"django_otp"`."""

    name = "django_verify.integrations.otp"
    label = "django_verify_otp"
    verbose_name = _("Devices that are sent a code")
    default_auto_field = "django.db.models.BigAutoField"

    def export_person(self, person: Any) -> list[dict[str, Any]]:
        """Return the devices of a person for `manage.py verifyexport`, with whose user each is."""
        from django_verify.integrations.otp import subjects  # noqa: PLC0415 - it has models

        return subjects.export(person)

    def erase_person(self, person: Any, *, dry_run: bool) -> int:
        """Delete the devices of a person for `manage.py verifyerase`; return how many."""
        from django_verify.integrations.otp import subjects  # noqa: PLC0415 - it has models

        return subjects.erase(person, dry_run=dry_run)
