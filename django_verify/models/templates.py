"""Templates: an operator's own message, in as many languages as it has translations."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from django_verify import sids
from django_verify.models.accounts import Account
from django_verify.models.fields import SidField
from django_verify.text import placeholders

TEMPLATE_CHANNELS = ("sms", "voice")
_LOCALE = re.compile(r"^[a-z]{2,3}(-[A-Z]{2})?\Z")


def canonical_locale(value: str) -> str:
    """Return the stored spelling of a locale: `pt_br` is pt-BR."""
    language, _dash, region = value.strip().replace("_", "-").partition("-")
    return "-".join(filter(None, (language.lower(), region.upper())))


def validate_text(value: str) -> None:
    """Refuse a text without a code, or one whose placeholders a value could break out of."""
    if faults := placeholders.faults(value):
        raise ValidationError(faults)


def validate_template_channels(value: Any) -> None:
    """Refuse anything but a choice of the channels that templates are for."""
    if not (isinstance(value, list) and value and set(value) <= set(TEMPLATE_CHANNELS)):
        raise ValidationError(_("Choose sms, voice or both."))


def default_template_channels() -> list[str]:
    """Return the channels of a new template."""
    return ["sms"]


class Template(models.Model):
    """A named message; without an account it is ready-made, and every account may use it."""

    sid = SidField("HJ", primary_key=True, default=sids.template, editable=False)
    account = models.ForeignKey(
        Account,
        on_delete=models.CASCADE,
        related_name="templates",
        verbose_name=_("account"),
        null=True,
        blank=True,
        help_text=_("Empty: every account may use it."),
    )
    friendly_name = models.CharField(
        _("friendly name"), max_length=32, help_text=_("For you and the developers; never sent.")
    )
    channels = models.JSONField(
        _("channels"), default=default_template_channels, validators=[validate_template_channels]
    )
    date_created = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    date_updated = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        verbose_name = _("template")
        verbose_name_plural = _("templates")
        ordering = ["-date_created", "-sid"]

    def __str__(self) -> str:
        return self.friendly_name

    @classmethod
    def of_account(cls, account_sid: str) -> models.QuerySet[Template]:
        """Return the templates that an account may use."""
        return cls._default_manager.filter(Q(account_id=account_sid) | Q(account=None))


class TemplateTranslation(models.Model):
    """The text of a template in one language."""

    class Status(models.TextChoices):
        """Only an approved text is sent."""

        APPROVED = "approved", _("approved")
        PENDING = "pending", _("pending")
        REJECTED = "rejected", _("rejected")

    template = models.ForeignKey(
        Template,
        on_delete=models.CASCADE,
        related_name="translations",
        verbose_name=_("template"),
        db_index=False,  # the unique constraint begins with it
    )
    locale = models.CharField(
        _("locale"),
        max_length=6,
        validators=[RegexValidator(_LOCALE, _("A language, or language and region: en, pt-BR."))],
        help_text=_("Such as en or pt-BR."),
    )
    text = models.CharField(
        _("text"), max_length=placeholders.TEXT_LENGTH, validators=[validate_text]
    )
    status = models.CharField(
        _("status"), max_length=16, choices=Status.choices, default=Status.APPROVED
    )
    is_default = models.BooleanField(
        _("default"), default=False, help_text=_("Used where no other translation fits.")
    )
    date_created = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    date_updated = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        verbose_name = _("translation")
        verbose_name_plural = _("translations")
        ordering = ["locale"]
        constraints = [
            models.UniqueConstraint(fields=["template", "locale"], name="verify_template_locale")
        ]

    def __str__(self) -> str:
        return self.locale

    def clean_fields(self, exclude: Collection[str] | None = None) -> None:
        """Bring the locale into its canonical case, then validate."""
        self.locale = canonical_locale(self.locale)
        super().clean_fields(exclude)
