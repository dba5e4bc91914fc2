"""The Django app of verified numbers; the service itself does not need it."""

from typing import Any

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class VerifyUsersConfig(AppConfig):
    """`"django_verify.users"` in INSTALLED_APPS, after `"django_verify"`."""

    name = "django_verify.users"
    label = "django_verify_users"
    verbose_name = _("Verified numbers")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Keep the numbers that users prove by way of a client."""
        from django_verify.users import recording  # noqa: PLC0415 - it has models

        recording.listen()

    def rekey_recipients(self, batch: int) -> tuple[int, list[Any]]:
        """Key the numbers anew for `manage.py rekeyrecipients`; return the rows that conflict."""
        from django_verify.users import rekeying  # noqa: PLC0415 - it has models

        return rekeying.numbers(batch)

    def export_person(self, person: Any) -> list[dict[str, Any]]:
        """Return the numbers of a person for `manage.py verifyexport`, with whose user each is."""
        from django_verify.users import subjects  # noqa: PLC0415 - it has models

        return subjects.export(person)

    def erase_person(self, person: Any, *, dry_run: bool) -> int:
        """Release the numbers of a person for `manage.py verifyerase`; return how many."""
        from django_verify.users import subjects  # noqa: PLC0415 - it has models

        return subjects.erase(person, dry_run=dry_run)
