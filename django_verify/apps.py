"""The Django app; what it does at start-up is register its system checks."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class DjangoVerifyConfig(AppConfig):
    """`"django_verify"` in INSTALLED_APPS."""

    name = "django_verify"
    verbose_name = _("Verify")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the checks, which need the app registry."""
        from django_verify import checks  # noqa: F401, PLC0415 - models are loaded only now
