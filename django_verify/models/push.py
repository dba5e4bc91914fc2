"""The models of push: access tokens, notifications, the push services' credentials."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from django_verify import sids
from django_verify.crypto import codes
from django_verify.models.accounts import Account
from django_verify.models.entities import Challenge, Factor
from django_verify.models.fields import SidField
from django_verify.models.services import VerifyService


class AccessToken(models.Model):
    """Leave for a device to create one factor of one identity; the token itself is not kept."""

    sid = SidField("YK", primary_key=True, default=sids.access_token, editable=False)
    account = models.ForeignKey(
        Account, on_delete=models.CASCADE, related_name="+", verbose_name=_("account")
    )
    service = models.ForeignKey(
        VerifyService, on_delete=models.CASCADE, related_name="+", verbose_name=_("service")
    )
    identity = models.CharField(_("identity"), max_length=64)
    factor_type = models.CharField(_("type"), max_length=8, choices=Factor.Type.choices)
    factor_friendly_name = models.CharField(_("friendly name"), max_length=64, blank=True)
    ttl = models.PositiveSmallIntegerField(_("lifetime"))
    date_created = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    expires_at = models.DateTimeField(_("expires"), db_index=True)
    used_at = models.DateTimeField(_("used"), null=True, editable=False)

    class Meta:
        verbose_name = _("access token")
        verbose_name_plural = _("access tokens")
        default_permissions = ()

    def __str__(self) -> str:
        return self.sid


class Notification(models.Model):
    """One message to a device that a challenge waits for it: the outbox row, kept as a record.

    `due_at` is when a person should send it; while it is being sent, when its lease lapses and
    another process may take it over; NULL when it is settled.
    """

    class Status(models.TextChoices):
        """From the outbox to the end."""

        PENDING = "pending", _("pending")
        SENDING = "sending", _("sending")
        SENT = "sent", _("sent")
        FAILED = "failed", _("failed")
        DROPPED = "dropped", _("dropped")

    sid = SidField("NT", primary_key=True, default=sids.notification, editable=False)
    challenge = models.ForeignKey(
        Challenge,
        on_delete=models.CASCADE,
        related_name="notifications",
        verbose_name=_("challenge"),
    )
    ttl = models.PositiveSmallIntegerField(_("lifetime"))
    status = models.CharField(
        _("status"), max_length=8, choices=Status.choices, default=Status.PENDING
    )
    due_at = models.DateTimeField(_("due"), null=True, db_index=True)
    lease = models.CharField(max_length=32, blank=True, editable=False)
    tries = models.PositiveSmallIntegerField(_("tries"), default=0)
    provider_id = models.CharField(_("provider's id"), max_length=255, blank=True)
    error = models.CharField(_("error"), max_length=128, blank=True)
    date_created = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    date_updated = models.DateTimeField(_("updated"), default=timezone.now, editable=False)
    expires_at = models.DateTimeField(_("expires"))

    class Meta:
        verbose_name = _("notification")
        verbose_name_plural = _("notifications")
        default_permissions = ("view",)
        ordering = ["-date_created", "-sid"]

    def __str__(self) -> str:
        return self.sid


class PushCredential(models.Model):
    """What a push service wants to see before it takes a notification for an app.

    Services name it by its SID. The secret is an APNs signing key (`.p8`) or the JSON key of a
    Google service account; it is sealed for this row, and nothing shows it again.
    """

    class Type(models.TextChoices):
        """The vendor's values."""

        APN = "apn", _("Apple (APNs)")
        FCM = "fcm", _("Google (FCM)")

    sid = SidField("CR", primary_key=True, default=sids.push_credential, editable=False)
    account = models.ForeignKey(
        Account, on_delete=models.CASCADE, related_name="+", verbose_name=_("account")
    )
    friendly_name = models.CharField(_("friendly name"), max_length=64)
    type = models.CharField(_("type"), max_length=3, choices=Type.choices)
    team_id = models.CharField(_("team id"), max_length=32, blank=True, help_text=_("Of APNs."))
    key_id = models.CharField(_("key id"), max_length=32, blank=True, help_text=_("Of APNs."))
    topic = models.CharField(
        _("bundle id"),
        max_length=255,
        blank=True,
        help_text=_("Of APNs; empty: the app id that the device registered."),
    )
    sandbox = models.BooleanField(
        _("sandbox"), default=False, help_text=_("Of APNs: apps that Xcode installed.")
    )
    # The id of the key of the ring, "$", and the sealed secret.
    sealed_secret = models.TextField(editable=False)
    date_created = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    date_updated = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        verbose_name = _("push credential")
        verbose_name_plural = _("push credentials")
        ordering = ["-date_created", "-sid"]

    def __str__(self) -> str:
        return self.friendly_name

    def seal_secret(self, secret: str) -> None:
        """Replace the secret; the caller saves."""
        key_id = codes.current_key_id()
        box = codes.seal(secret, bound_to=self.sid, key_id=key_id)
        self.sealed_secret = f"{key_id}${box}"
