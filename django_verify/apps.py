"""The Django app; what it does at start-up is register its system checks."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Tags, register
from django.utils.translation import gettext_lazy as _


class DjangoVerifyConfig(AppConfig):
    """`"django_verify"` in INSTALLED_APPS."""

    name = "django_verify"
    verbose_name = _("Verify")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the checks, which look at every sender, gate and factor: imported when run."""
        register(partial(_check, "check_settings"), Tags.compatibility)
        register(partial(_check, "check_passkeys"), Tags.database)
        register(partial(_check, "check_test_numbers"), Tags.database, deploy=True)
        register(partial(_check, "check_deployment"), Tags.security, deploy=True)


def _check(name: str, **kwargs: Any) -> list[CheckMessage]:
    # Three quarters of the app's modules and a second of a process's start hang on this one.
    found: list[CheckMessage] = getattr(import_module("django_verify.checks"), name)(**kwargs)
    return found
