"""The numbers of users: one table, whose constraints keep a number to one user."""

from __future__ import annotations

from django.apps import apps
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from django_verify.contact import phones
from django_verify.models.fields import PhoneField, e164

# Else the table would pass for one of `django_verify`, which stands above this package: a site's
# next `makemigrations` would write a migration for it into the installed package.
if not apps.is_installed("django_verify.users"):
    raise ImproperlyConfigured(
        "Verified numbers are an app of their own: add 'django_verify.users' to INSTALLED_APPS,"
        " after 'django_verify', and run `manage.py migrate`."
    )


class VerifiedPhone(models.Model):
    """A number that a user claims, and has verified when `claim` is set.

    `claim` is the number's one spelling while it is verified and NULL while it is pending: unique,
    so that of all users one has it, on databases without conditional constraints too. `is_primary`
    is true or NULL for the same reason.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="verified_phones",
        verbose_name=_("user"),
        db_index=False,  # the unique constraint begins with it
    )
    number = PhoneField(_("number"))
    key = models.CharField(max_length=32, editable=False)
    claim = models.CharField(max_length=32, null=True, unique=True, editable=False)
    is_primary = models.BooleanField(_("primary"), null=True, editable=False)
    # The verified number that this one takes the place of, once it is verified itself.
    replaces = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="+", editable=False
    )
    channel = models.CharField(_("channel"), max_length=16, blank=True, editable=False)
    verified_at = models.DateTimeField(_("verified"), null=True, editable=False)
    date_created = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    class Meta:
        # Else a site that imports this without the app would have the table in `django_verify`.
        app_label = "django_verify_users"
        verbose_name = _("verified number")
        verbose_name_plural = _("verified numbers")
        default_permissions = ("view",)
        ordering = ["-date_created"]
        constraints = [
            models.UniqueConstraint(fields=["user", "key"], name="verify_users_number"),
            models.UniqueConstraint(fields=["user", "is_primary"], name="verify_users_primary"),
        ]
        permissions = [("release_verifiedphone", _("Can release verified numbers"))]

    def __str__(self) -> str:
        return phones.mask(self.e164)

    @property
    def e164(self) -> str:
        """The number in E.164, however the host formats numbers."""
        return e164(self.number)

    @property
    def is_verified(self) -> bool:
        """Whether the user has proved to have it."""
        return self.claim is not None
