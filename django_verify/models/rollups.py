"""What each hour came to: the counts of its attempts and of the guard's decisions.

Hours are those of UTC, as whole hours since 1970: no clock change of any zone makes one of them
longer, and the keys of attempts sort by them.
"""

from __future__ import annotations

import datetime as dt

from django.db import models
from django.utils.translation import gettext_lazy as _

from django_verify.models.accounts import Account
from django_verify.models.services import VerifyService

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def hour_at(moment: dt.datetime) -> int:
    """Return the hour of a moment, in whole hours since 1970."""
    return int((moment.astimezone(dt.UTC) - _EPOCH) // dt.timedelta(hours=1))


def begin_of(hour: int) -> dt.datetime:
    """Return when an hour begins, in UTC."""
    return _EPOCH + dt.timedelta(hours=hour)


def _count() -> models.PositiveIntegerField[int, int]:
    return models.PositiveIntegerField(default=0, editable=False)


class Hourly(models.Model):
    """A line of an hour; the account and the service are those of the rows that it counts."""

    hour = models.PositiveIntegerField(editable=False)
    account = models.ForeignKey(
        Account,
        on_delete=models.CASCADE,
        related_name="+",
        db_index=False,  # the index below begins with it
    )
    service = models.ForeignKey(
        VerifyService,
        null=True,
        on_delete=models.SET_NULL,  # as the rows have it
        related_name="+",
        db_index=False,
    )
    country = models.CharField(max_length=2, blank=True, editable=False)
    channel = models.CharField(max_length=16, editable=False)

    class Meta:
        abstract = True


class AttemptRollup(Hourly):
    """The attempts of one hour that share what is in these columns, without those of test numbers.

    An attempt belongs to the hour in which it was asked for, and is counted there by what it is
    now. `converted` are attempts whose verification was approved. `verifications`, `approved` and
    the times until the approval count each verification once, with its first attempt. `spend` is
    in millionths of the site's currency.
    """

    sender = models.CharField(max_length=64, blank=True, editable=False)
    locale = models.CharField(max_length=16, blank=True, editable=False)
    template = models.CharField(max_length=34, blank=True, editable=False)
    starts = _count()
    verifications = _count()
    sent = _count()
    delivered = _count()
    failed = _count()
    converted = _count()
    approved = _count()
    spend = models.BigIntegerField(default=0, editable=False)
    # How many were approved within so many seconds, and not within the number before.
    within_5 = _count()
    within_10 = _count()
    within_15 = _count()
    within_20 = _count()
    within_30 = _count()
    within_45 = _count()
    within_60 = _count()
    within_90 = _count()
    within_120 = _count()
    within_180 = _count()
    within_300 = _count()
    within_600 = _count()
    within_1800 = _count()
    within_3600 = _count()
    within_86400 = _count()

    class Meta:
        default_permissions = ()
        indexes = [
            models.Index(fields=["hour"], name="verify_rollup_hour"),
            models.Index(fields=["account", "hour"], name="verify_rollup_account"),
        ]

    def __str__(self) -> str:
        return f"{self.hour} {self.account_id}"


class BlockRollup(Hourly):
    """The starts of one hour that the guard decided against, by cause and outcome.

    `saved` is what their messages would have cost, in millionths of the site's currency.
    """

    cause = models.CharField(max_length=16, editable=False)
    outcome = models.CharField(max_length=8, editable=False)
    starts = _count()
    saved = models.BigIntegerField(default=0, editable=False)

    class Meta:
        default_permissions = ()
        indexes = [models.Index(fields=["hour"], name="verify_block_rollup")]

    def __str__(self) -> str:
        return f"{self.hour} {self.cause}"


class RollupHour(models.Model):
    """An hour that has been counted, or is to be; `due_at` is when it is to be counted again.

    None: nothing in it can change any more but by a report, which makes it due. `rows` is how many
    attempts it had.
    """

    hour = models.PositiveIntegerField(primary_key=True, editable=False)
    rows = models.PositiveIntegerField(default=0, editable=False)
    counted_at = models.DateTimeField(null=True, editable=False)
    due_at = models.DateTimeField(null=True, editable=False, db_index=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.hour)


class RollupState(models.Model):
    """How far the hours are counted: one row, which every count locks and a purge moves on.

    All hours from `counted_from` up to `counted_to` are counted. Of the hours before
    `attempts_from` and `decisions_from` a purge may have taken rows: they are counted no more.
    """

    counted_from = models.PositiveIntegerField(null=True, editable=False)
    counted_to = models.PositiveIntegerField(null=True, editable=False)
    attempts_from = models.PositiveIntegerField(default=0, editable=False)
    decisions_from = models.PositiveIntegerField(default=0, editable=False)
    lease_until = models.DateTimeField(null=True, editable=False)
    audited_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.counted_from}–{self.counted_to}"


class Dashboard(AttemptRollup):
    """The page of figures: a name, a permission and a place in the admin's index for it."""

    class Meta:
        proxy = True
        verbose_name = _("dashboard")
        verbose_name_plural = _("dashboard")
        default_permissions = ("view",)

    def __str__(self) -> str:
        return str(self.hour)
