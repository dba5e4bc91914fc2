"""The Django app that reports to the service which codes of two-factor-auth were right."""

from typing import Any

from django.apps import AppConfig, apps
from django.db.models.signals import post_save


class VerifyTwoFactorConfig(AppConfig):
    """`"django_verify.integrations.two_factor"` in INSTALLED_APPS; it has no tables."""

    name = "django_verify.integrations.two_factor"
    label = "django_verify_two_factor"

    def ready(self) -> None:
        """Listen for log-ins by a device, and for devices that were set up."""
        from two_factor.signals import user_verified  # noqa: PLC0415 - an extra

        user_verified.connect(_approve, dispatch_uid=self.label)
        if apps.is_installed("two_factor.plugins.phonenumber"):
            device = apps.get_app_config("phonenumber").get_model("PhoneDevice")
            post_save.connect(_approve_new, sender=device, dispatch_uid=self.label)


def _approve(*, device: Any, **kwargs: Any) -> None:
    from django_verify.integrations import sending  # noqa: PLC0415 - it has models

    if number := getattr(device, "number", None):
        sending.approve(number.as_e164)


def _approve_new(*, instance: Any, created: bool, raw: bool = False, **kwargs: Any) -> None:
    # two-factor-auth saves a device when its first code was right.
    if created and not raw:
        _approve(device=instance)
