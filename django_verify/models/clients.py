"""The verifications of callers without credentials, such as apps, and their used tokens."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from django_verify import sids
from django_verify.models.fields import SidField
from django_verify.models.services import VerifyService
from django_verify.models.verifications import Verification, VerificationAttempt

PURPOSE_LENGTH = 32
NONCE_LENGTH = 128


class ClientVerification(models.Model):
    """A verification that one client started for itself, and alone may go on with.

    The client has a secret, of which a keyed digest is here. The verification belongs to it, so
    that a stranger who names the same recipient has another one, with another code.
    """

    sid = SidField("CV", primary_key=True, default=sids.client, editable=False)
    secret_hash = models.CharField(max_length=90, editable=False)
    service = models.ForeignKey(
        VerifyService, on_delete=models.CASCADE, related_name="+", verbose_name=_("service")
    )
    verification = models.OneToOneField(
        Verification, on_delete=models.CASCADE, related_name="+", verbose_name=_("verification")
    )
    purpose = models.CharField(_("purpose"), max_length=PURPOSE_LENGTH)
    # What the client asks to find in its proof again, such as the id of its sign-up form.
    nonce = models.CharField(max_length=NONCE_LENGTH, blank=True, editable=False)
    # The primary key of the user who was logged in at the start, as text: nobody else may check.
    user_key = models.CharField(max_length=64, blank=True, editable=False)
    # The SID of the approval whose token the client showed when it started, as a known device.
    recognized_by = models.CharField(max_length=34, blank=True, editable=False)
    # The token of this approval is no longer recognised.
    is_forgotten = models.BooleanField(default=False, editable=False)
    date_created = models.DateTimeField(_("created"), default=timezone.now, db_index=True)

    #: The attempt of the start or resend in hand; no column.
    latest_attempt: VerificationAttempt | None = None

    class Meta:
        verbose_name = _("client verification")
        verbose_name_plural = _("client verifications")
        default_permissions = ()

    def __str__(self) -> str:
        return self.sid


class DeviceKey(models.Model):
    """A key of an app's installation, which its maker has vouched for once.

    The public half verifies what the device signs later; `counter` is that of its last statement.
    Deleting a row revokes the key: the app then makes another.
    """

    key = models.CharField(_("key"), primary_key=True, max_length=64, editable=False)
    public_key = models.BinaryField(max_length=65, editable=False)
    counter = models.PositiveBigIntegerField(_("counter"), default=0, editable=False)
    date_created = models.DateTimeField(
        _("created"), default=timezone.now, db_index=True, editable=False
    )
    # Changes with every use, so it is in no index.
    used_at = models.DateTimeField(_("last used"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("device key")
        verbose_name_plural = _("device keys")
        default_permissions = ("view", "delete")

    def __str__(self) -> str:
        return self.key[:12]


class SpentToken(models.Model):
    """A token that was used, as a keyed digest: the insert of its row is what uses it up.

    A row is needed until the token would have run out by itself, and is deleted after that.
    """

    key = models.CharField(primary_key=True, max_length=64, editable=False)
    expires_at = models.DateTimeField(db_index=True, editable=False)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.key
