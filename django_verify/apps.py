"""The Django app: it looks for the phone library, then registers its system checks."""

from importlib.util import find_spec

from django.apps import AppConfig
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

from django_verify.contact import MISSING


class DjangoVerifyConfig(AppConfig):
    """`"django_verify"` in INSTALLED_APPS."""

    name = "django_verify"
    verbose_name = _("Verify")
    default_auto_field = "django.db.models.BigAutoField"

    def import_models(self) -> None:
        """Load the models. Raises ImproperlyConfigured, in one sentence, without phonenumbers."""
        if find_spec("phonenumbers") is None:
            raise ImproperlyConfigured(MISSING)
        super().import_models()

    def ready(self) -> None:
        """Register the checks, which need the app registry."""
        from django_verify import checks  # noqa: F401, PLC0415 - models are loaded only now
