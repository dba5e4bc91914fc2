"""The guard's lists as an operator keeps them: countries, and rules for ranges of numbers."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import get_language, gettext
from django.utils.translation import gettext_lazy as _

from django_verify.contact import countries, phones
from django_verify.models.accounts import Account
from django_verify.models.services import VerifyService

#: What a rule or a permission holds for where it names no channel.
EVERY_CHANNEL = ""
#: The country of a permission or a price that holds where no other row names the country.
ELSEWHERE = "*"
#: The channels that reach a phone number.
CHANNELS = ("sms", "call", "whatsapp", "telegram", "rcs", "sna")

_PREFIX = re.compile(r"\+[1-9][0-9]{0,14}\Z")
# A day on either side of what a date can be, which converts to every time zone.
_FIRST, _LAST = dt.datetime(1, 1, 3), dt.datetime(9999, 12, 29)  # noqa: DTZ001 - compared as naive


def country_name(region: str) -> str:
    """Return a country's name in the language in force; that of the others for ELSEWHERE."""
    if region == ELSEWHERE:
        return gettext("All other countries")
    return countries.name(region, get_language() or "en")


def validate_country(value: str) -> None:
    """Refuse what is neither an ISO 3166 code nor ELSEWHERE. Raises ValidationError."""
    if value != ELSEWHERE and value not in phones.COUNTRIES:
        raise ValidationError(_("Two letters of a country, such as DE, or * for all others."))


def validate_channels(value: str) -> None:
    """Refuse a name that is none of CHANNELS. Raises ValidationError."""
    unknown = set(value.split()) - set(CHANNELS)
    if unknown:
        raise ValidationError(
            _("%(name)s is no channel that reaches a phone number."),
            params={"name": sorted(unknown)[0]},
        )


def validate_channel(value: str) -> None:
    """Refuse what is not one name of CHANNELS. Raises ValidationError."""
    if value not in CHANNELS:
        raise ValidationError(
            _("%(name)s is no channel that reaches a phone number."), params={"name": value}
        )


class Scoped(models.Model):
    """A row that holds for an account, or for one of its services."""

    account = models.ForeignKey(
        Account, on_delete=models.CASCADE, related_name="+", verbose_name=_("account")
    )
    # A NULL equals no other, so a unique constraint needs a column that always has a value.
    scope = models.CharField(max_length=34, editable=False)

    #: Empty for all services of the account.
    service_id: str | None
    service: VerifyService | None

    class Meta:
        abstract = True

    def clean(self) -> None:
        """Refuse another account's service. Raises ValidationError."""
        rows = VerifyService.objects.filter(pk=self.service_id)
        if self.service_id and rows.exclude(account_id=self.account_id).exists():
            raise ValidationError({"service": _("This service belongs to another account.")})

    def save(self, **kwargs: Any) -> None:
        """Write the row under what it holds for."""
        self.scope = self.scope_of(self.account_id, self.service_id)
        super().save(**kwargs)

    @staticmethod
    def scope_of(account_sid: str, service_sid: str | None) -> str:
        """Return the SID of what a row holds for."""
        return service_sid or account_sid


def of_service(help_text: Any) -> models.ForeignKey[Any, Any]:
    """Return the field `service` of a row that holds for an account where it is empty."""
    return models.ForeignKey(
        VerifyService,
        on_delete=models.CASCADE,
        related_name="+",
        verbose_name=_("service"),
        null=True,
        blank=True,
        help_text=help_text,
    )


def of_channel() -> models.CharField[Any, Any]:
    """Return the field `channel` of a row that holds for every channel where it is empty."""
    return models.CharField(
        _("channel"),
        max_length=16,
        blank=True,
        default=EVERY_CHANNEL,
        validators=[validate_channel],
        help_text=_("Empty: every channel that has no row of its own."),
    )


class PrefixRule(models.Model):
    """What is done with numbers that begin in one way; comes before their country and type."""

    class Action(models.TextChoices):
        ALLOW = "allow", _("Allow")
        BLOCK = "block", _("Block")

    account = models.ForeignKey(
        Account,
        on_delete=models.CASCADE,
        related_name="prefix_rules",
        verbose_name=_("account"),
        null=True,
        blank=True,
        help_text=_("Empty: the rule holds for every account."),
    )
    prefix = models.CharField(
        _("numbers that begin with"),
        max_length=16,
        validators=[
            RegexValidator(_PREFIX, _("+ and the first digits of the numbers, such as +4490987."))
        ],
        help_text=_("+, the country code and as many digits as the range has in common."),
    )
    action = models.CharField(_("action"), max_length=8, choices=Action.choices)
    channels = models.CharField(
        _("channels"),
        max_length=64,
        blank=True,
        default=EVERY_CHANNEL,
        validators=[validate_channels],
        help_text=_("None: every channel."),
    )
    note = models.CharField(
        _("note"), max_length=200, blank=True, help_text=_("Why, and who asked for it.")
    )
    ends_at = models.DateTimeField(
        _("ends"), null=True, blank=True, help_text=_("Empty: it holds until it is deleted.")
    )
    date_created = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    date_updated = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        verbose_name = _("prefix rule")
        verbose_name_plural = _("prefix rules")
        ordering = ["prefix", "id"]

    def __str__(self) -> str:
        return f"{self.get_action_display()} {self.prefix}"

    def clean(self) -> None:
        """Refuse an end that has no moment in some time zone. Raises ValidationError."""
        if self.ends_at and not _FIRST < self.ends_at.replace(tzinfo=None) < _LAST:
            text = _("A rule without an end needs no date: leave it empty.")
            raise ValidationError({"ends_at": text})

    def is_over(self, now: dt.datetime) -> bool:
        """Whether the rule has ended."""
        return self.ends_at is not None and self.ends_at <= now


class GeoPermission(Scoped):
    """What is done with the numbers of one country by one channel."""

    class Action(models.TextChoices):
        ALLOW = "allow", _("Allow")
        MONITOR = "monitor", _("Monitor")
        BLOCK = "block", _("Block")

    service = of_service(
        _("Empty: every service of the account that has no row of its own for it.")
    )
    country = models.CharField(_("country"), max_length=2, validators=[validate_country])
    channel = of_channel()
    action = models.CharField(_("action"), max_length=8, choices=Action.choices)
    date_created = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    date_updated = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        verbose_name = _("country")
        verbose_name_plural = _("countries")
        ordering = ["account", "service", "country", "channel"]
        constraints = [
            models.UniqueConstraint(
                fields=["scope", "country", "channel"], name="verify_geo_permission"
            )
        ]

    def __str__(self) -> str:
        where = " ".join(filter(None, (country_name(self.country), self.channel)))
        return f"{where}: {self.get_action_display()}"
