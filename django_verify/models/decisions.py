"""What the guard has decided and closed, what it goes by, and what messages cost."""

from __future__ import annotations

import datetime as dt

from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator, RegexValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from django_verify.models.accounts import Account
from django_verify.models.fields import SidField
from django_verify.models.fraud import (
    ELSEWHERE,
    Scoped,
    country_name,
    of_channel,
    of_service,
    validate_country,
)
from django_verify.models.services import VerifyService

_CURRENCY = RegexValidator(r"^[A-Z]{3}\Z", _("Three letters, such as USD."))


class GuardDecision(models.Model):
    """One start that the guard refused or withheld, or would have where it only records."""

    class Outcome(models.TextChoices):
        REFUSED = "refused", _("refused")
        WITHHELD = "withheld", _("not sent")
        RECORDED = "recorded", _("recorded only")

    account = models.ForeignKey(
        Account,
        on_delete=models.CASCADE,
        related_name="+",
        verbose_name=_("account"),
        db_index=False,  # the index below begins with it
    )
    service = models.ForeignKey(
        VerifyService,
        null=True,
        on_delete=models.SET_NULL,
        related_name="+",
        verbose_name=_("service"),
    )
    date_created = models.DateTimeField(_("decided"), default=timezone.now, db_index=True)
    attempt_sid = SidField("VL", verbose_name=_("attempt"), db_index=True)
    recipient_key = models.CharField(max_length=254, editable=False)
    country = models.CharField(_("country"), max_length=2, blank=True)
    channel = models.CharField(_("channel"), max_length=16)
    level = models.CharField(_("level"), max_length=8, blank=True)
    cause = models.CharField(_("cause"), max_length=16)
    key = models.CharField(max_length=96, blank=True, editable=False)
    outcome = models.CharField(_("outcome"), max_length=8, choices=Outcome.choices)
    reason = models.TextField(_("reason"))
    price = models.DecimalField(_("price"), max_digits=12, decimal_places=6, default=0)

    class Meta:
        verbose_name = _("blocked start")
        verbose_name_plural = _("blocked starts")
        default_permissions = ("view",)
        ordering = ["-date_created", "-id"]
        indexes = [models.Index(fields=["account", "recipient_key"], name="verify_decision_of")]

    def __str__(self) -> str:
        return self.attempt_sid


class GuardTrip(models.Model):
    """A block, range, country, network or device that the guard has closed, or guards.

    A row is closed again and again: `times` counts how often within a week of its last end.
    """

    class State(models.TextChoices):
        CLOSED = "closed", _("closed")
        GUARDED = "guarded", _("guarded")

    account = models.ForeignKey(
        Account,
        on_delete=models.CASCADE,
        related_name="+",
        verbose_name=_("account"),
        db_index=False,  # the unique constraint begins with it
    )
    level = models.CharField(_("level"), max_length=8)
    state = models.CharField(_("state"), max_length=8, choices=State.choices)
    # Both of them in one column, as the risk table reads it.
    slot = models.CharField(max_length=17, editable=False)
    kind = models.CharField(_("kind"), max_length=8)
    key = models.CharField(max_length=64, editable=False)
    reason = models.TextField(_("reason"))
    started_at = models.DateTimeField(_("since"))
    ends_at = models.DateTimeField(_("until"), null=True, blank=True, db_index=True)
    times = models.PositiveSmallIntegerField(_("times"), default=1)

    class Meta:
        verbose_name = _("closed range")
        verbose_name_plural = _("closed ranges")
        default_permissions = ("view",)
        ordering = ["-started_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["account", "slot", "key"], name="verify_guard_trip")
        ]
        permissions = [("lift_guardtrip", _("Can open what the guard has closed, and keep it so"))]

    def __str__(self) -> str:
        first, _sep, rest = self.key.partition(" ")
        if self.kind in {"block", "range"}:
            return f"{rest} ({country_name(first)})"
        return country_name(rest) if self.kind == "country" else rest

    def save(self, **kwargs: object) -> None:
        """Write the row under what it is unique by."""
        self.slot = f"{self.level} {self.state}"
        super().save(**kwargs)  # type: ignore[arg-type]

    def is_over(self, now: dt.datetime) -> bool:
        """Whether it has ended; one without an end is kept until it is opened."""
        return self.ends_at is not None and self.ends_at <= now


class GuardCount(models.Model):
    """What a start counts by a statement: messages of a new country, and money of a cap.

    `level` drains by `drain` a second since `counted_at`, and `passed` is whether the latest start
    found room. `ends_at` is written once, so that counting changes no index.
    """

    key = models.CharField(primary_key=True, max_length=96, editable=False)
    level = models.FloatField(editable=False)
    room = models.FloatField(editable=False)
    drain = models.FloatField(editable=False)
    counted_at = models.FloatField(editable=False)
    passed = models.BooleanField(editable=False)
    ends_at = models.DateTimeField(db_index=True, editable=False)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.key


class SendOutcome(models.Model):
    """A code that was entered, or a message that did not leave or arrive, for the guard to read.

    In seconds of the epoch, which every database compares alike.
    """

    class Kind(models.TextChoices):
        CONVERTED = "c", _("converted")
        UNDELIVERED = "u", _("undelivered")
        NOT_SENT = "n", _("not sent")

    account_sid = SidField("AC", editable=False)
    verification_sid = SidField("VE", editable=False)
    kind = models.CharField(max_length=1, choices=Kind.choices, editable=False)
    happened_at = models.FloatField(db_index=True, editable=False)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.kind} {self.verification_sid}"


class Price(models.Model):
    """What one message costs; the row that names most of country, channel and sender holds."""

    country = models.CharField(
        _("country"),
        max_length=2,
        default=ELSEWHERE,
        validators=[validate_country],
        help_text=_("Two letters, such as DE, or * for all others."),
    )
    channel = of_channel()
    sender = models.CharField(
        _("sender"),
        max_length=64,
        blank=True,
        help_text=_("An alias of the site's senders. Empty: every sender without its own row."),
    )
    amount = models.DecimalField(
        _("price"), max_digits=12, decimal_places=6, validators=[MinValueValidator(0)]
    )
    currency = models.CharField(_("currency"), max_length=3, validators=[_CURRENCY])

    class Meta:
        verbose_name = _("price")
        verbose_name_plural = _("prices")
        ordering = ["country", "channel", "sender"]
        constraints = [
            models.UniqueConstraint(fields=["country", "channel", "sender"], name="verify_price")
        ]

    def __str__(self) -> str:
        parts = (country_name(self.country), self.channel, self.sender)
        return " ".join(filter(None, parts))


class Currency(models.Model):
    """What one unit of another currency is worth in the site's own."""

    code = models.CharField(_("currency"), primary_key=True, max_length=3, validators=[_CURRENCY])
    rate = models.DecimalField(
        _("rate"),
        max_digits=16,
        decimal_places=8,
        validators=[MinValueValidator(0)],
        help_text=_("What one unit is worth in the site's currency."),
    )
    date_updated = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        verbose_name = _("currency")
        verbose_name_plural = _("currencies")
        ordering = ["code"]

    def __str__(self) -> str:
        return self.code


class SpendCap(Scoped):
    """What an account, or one of its services, may spend in a day or a month (UTC)."""

    class Period(models.TextChoices):
        DAY = "day", _("day")
        MONTH = "month", _("month")

    service = of_service(_("Empty: all services of the account together."))
    period = models.CharField(_("period"), max_length=8, choices=Period.choices)
    amount = models.DecimalField(
        _("at most"),
        max_digits=14,
        decimal_places=6,
        validators=[MinValueValidator(0)],
        help_text=_("In the site's currency. Starts that would cost more are refused."),
    )

    class Meta:
        verbose_name = _("spend cap")
        verbose_name_plural = _("spend caps")
        ordering = ["account", "service", "period"]
        constraints = [models.UniqueConstraint(fields=["scope", "period"], name="verify_spend_cap")]

    def __str__(self) -> str:
        return f"{self.amount} / {self.get_period_display()}"

    def clean(self) -> None:
        """Refuse a second cap of a period, which has no field of its own to complain.

        Raises ValidationError.
        """
        super().clean()
        if self.account_id is not None:
            scope = self.scope_of(self.account_id, self.service_id)
            same = SpendCap.objects.filter(scope=scope, period=self.period)
            if same.exclude(pk=self.pk).exists():
                text = _("There is a cap for this day or month already: change that one.")
                raise ValidationError(text)


class SpendWarning(models.Model):
    """That a cap's period has reached a share of it, once."""

    cap = models.ForeignKey(SpendCap, on_delete=models.CASCADE, related_name="warnings")
    period = models.CharField(max_length=16, editable=False)
    percent = models.PositiveSmallIntegerField(editable=False)
    date_created = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["cap", "period", "percent"], name="verify_spend_warning"
            )
        ]

    def __str__(self) -> str:
        return f"{self.percent} %"
