"""The device: where a user is sent codes, and the verification under way."""

from __future__ import annotations

import datetime as dt
from types import ModuleType
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables
from django_otp.models import Device

from django_verify.contact import emails, phones

_CHANNELS = [
    ("sms", _("Text message")),
    ("call", _("Phone call")),
    ("whatsapp", _("WhatsApp")),
    ("telegram", _("Telegram")),
    ("rcs", _("RCS message")),
    ("email", _("E-mail")),
]


class VerifyDevice(Device):
    """A number or an e-mail address of a user, to which `generate_challenge` sends a code.

    The code is a verification's: `verify_token` compares it at most five times, and the guesses
    belong to the recipient, whatever else sends to it. A test number never verifies.
    """

    recipient = models.CharField(_("recipient"), max_length=254)
    channel = models.CharField(_("channel"), max_length=16, choices=_CHANNELS, default="sms")
    verification_sid = models.CharField(max_length=34, blank=True, default="", editable=False)
    challenged_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        # Else a site that imports this without the app would have the table in `django_verify`.
        app_label = "django_verify_otp"
        verbose_name = _("device that is sent a code")
        verbose_name_plural = _("devices that are sent a code")

    def clean(self) -> None:
        """Read the recipient as people type it. Raises ValidationError for what is none."""
        super().clean()
        try:
            self.recipient = _challenges().read_recipient(self.recipient)
        except ValueError:
            text = _("Enter a complete number or address.")
            raise ValidationError({"recipient": text}) from None
        if ("@" in self.recipient) != (self.channel == "email"):
            raise ValidationError({"channel": _("This channel does not reach the recipient.")})

    @property
    def masked(self) -> str:
        """The recipient, most of it hidden."""
        mask = emails.mask if "@" in self.recipient else phones.mask
        return mask(self.recipient)

    def generate_is_allowed(self) -> Any:
        """Return whether the next code may be asked for, and from when on."""
        return _challenges().may_start(self)

    @sensitive_variables()
    def generate_challenge(self) -> str:
        """Send a code, and return what the user reads. Raises `challenges.ChallengeRefused`."""
        sentence: str = _challenges().start(self)
        return sentence

    def verify_is_allowed(self) -> Any:
        """Return whether a token may be tried: not when the guesses of the code are used up."""
        return _challenges().may_check(self)

    @sensitive_variables()
    def verify_token(self, token: Any) -> bool:
        """Compare the code once; the guess counts even if the caller's transaction is undone."""
        right: bool = _challenges().check(self, token)
        return right

    def remember(self, sid: str, moment: dt.datetime | None) -> None:
        """Write down which verification is under way; nothing of a device that is not saved."""
        self.verification_sid, self.challenged_at = sid, moment
        if self.pk is not None:
            changes = {"verification_sid": sid, "challenged_at": moment}
            type(self).objects.filter(pk=self.pk).update(**changes)


def _challenges() -> ModuleType:
    from django_verify.integrations.otp import challenges  # noqa: PLC0415 - it needs every model

    return challenges
