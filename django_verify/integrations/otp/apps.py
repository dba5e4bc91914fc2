"""The Django app of the devices."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class VerifyOtpConfig(AppConfig):
    """`"django_verify.integrations.otp"` in INSTALLED_APPS, after `"django_otp"`."""

    name = "django_verify.integrations.otp"
    label = "django_verify_otp"
    verbose_name = _("Devices that are sent a code")
    default_auto_field = "django.db.models.BigAutoField"
