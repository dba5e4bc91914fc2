"""The Django app: it looks for the phone library, then registers its system checks."""

from __future__ import annotations

import sys
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Tags, register
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
        """Register the checks, which look at every sender, gate and factor: imported when run."""
        register(partial(_check, "check_settings"), Tags.compatibility)
        register(partial(_check, "check_phone_library"), Tags.compatibility)
        register(partial(_check, "check_autocommit"), Tags.compatibility)
        register(partial(_check, "check_browsable_api"), Tags.urls)
        register(partial(_check, "check_phone_columns"), Tags.database)
        register(partial(_check, "check_passkeys"), Tags.database)
        register(partial(_check, "check_test_numbers"), Tags.database, deploy=True)
        register(partial(_check, "check_countries"), Tags.database, deploy=True)
        register(partial(_check, "check_aliases"), Tags.database, deploy=True)
        register(partial(_check, "check_workers"), Tags.database, deploy=True)
        register(partial(_check, "check_slow_sending"), Tags.database, deploy=True)
        register(partial(_check, "check_deployment"), Tags.security, deploy=True)
        # `opentelemetry-instrument` has loaded it before Django was set up; else it costs nothing.
        instrumentor = sys.modules.get("django_verify.integrations.opentelemetry_instrumentor")
        if instrumentor is not None:
            instrumentor.begin_waiting()


def _check(name: str, **kwargs: Any) -> list[CheckMessage]:
    # Three quarters of the app's modules and a second of a process's start hang on this one.
    found: list[CheckMessage] = getattr(import_module("django_verify.checks"), name)(**kwargs)
    return found
