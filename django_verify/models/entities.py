"""Entities, the factors that prove them, and the challenges put to a factor; rows, no verbs."""

from __future__ import annotations

import datetime as dt

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from django_verify import sids
from django_verify.crypto import codes
from django_verify.models.accounts import Account
from django_verify.models.fields import SidField
from django_verify.models.services import VerifyService


class Entity(models.Model):
    """A person who has factors, under the identity by which the site knows them.

    `identity_key` is the identity in lower case: look-ups do not mind the case, answers keep it.
    `enrolments` counts the factors ever created and moves by conditional updates only, so that
    creations are serialised and the limits hold; the other two count those of the running day.
    """

    sid = SidField("YE", primary_key=True, default=sids.entity, editable=False)
    account = models.ForeignKey(
        Account, on_delete=models.CASCADE, related_name="+", verbose_name=_("account")
    )
    service = models.ForeignKey(
        VerifyService,
        on_delete=models.CASCADE,
        related_name="entities",
        verbose_name=_("service"),
        db_index=False,  # the unique constraint begins with it
    )
    identity = models.CharField(_("identity"), max_length=64)
    identity_key = models.CharField(max_length=64, editable=False)
    enrolments = models.PositiveIntegerField(default=0, editable=False)
    day_began = models.DateTimeField(null=True, editable=False)
    enrolments_in_day = models.PositiveSmallIntegerField(default=0, editable=False)
    date_created = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    date_updated = models.DateTimeField(_("updated"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("entity")
        verbose_name_plural = _("entities")
        default_permissions = ("view", "delete")
        ordering = ["-date_created", "-sid"]
        constraints = [
            models.UniqueConstraint(fields=["service", "identity_key"], name="verify_identity")
        ]
        indexes = [
            models.Index(fields=["service", "-date_created", "-sid"], name="verify_entity_page"),
            models.Index(fields=["date_created"], name="verify_entity_date"),
        ]

    def __str__(self) -> str:
        return self.identity


class Factor(models.Model):
    """One thing that proves an entity: an authenticator app, a device's key, a passkey.

    What is secret about it is sealed; `binding` holds the public half. `last_step`, `sign_count`,
    `failures` and the two `guesses` change by conditional updates only.
    """

    class Status(models.TextChoices):
        """The vendor's values; there is no way back from verified."""

        UNVERIFIED = "unverified", _("unverified")
        VERIFIED = "verified", _("verified")

    class Type(models.TextChoices):
        """The vendor's values."""

        PUSH = "push", _("push")
        TOTP = "totp", _("authenticator app")
        PASSKEYS = "passkeys", _("passkey")

    sid = SidField("YF", primary_key=True, default=sids.factor, editable=False)
    account = models.ForeignKey(
        Account, on_delete=models.CASCADE, related_name="+", verbose_name=_("account")
    )
    service = models.ForeignKey(
        VerifyService,
        on_delete=models.CASCADE,
        related_name="+",
        verbose_name=_("service"),
        db_index=False,  # the unique constraint begins with it
    )
    entity = models.ForeignKey(
        Entity,
        on_delete=models.CASCADE,
        related_name="factors",
        verbose_name=_("entity"),
        db_index=False,  # the index below begins with it
    )
    friendly_name = models.CharField(_("friendly name"), max_length=64)
    factor_type = models.CharField(_("type"), max_length=8, choices=Type.choices)
    status = models.CharField(
        _("status"), max_length=10, choices=Status.choices, default=Status.UNVERIFIED
    )
    config = models.JSONField(_("configuration"), default=dict)
    metadata = models.JSONField(_("metadata"), null=True, blank=True)
    # What the kind of factor knows of its public half; nothing here is a secret.
    binding = models.JSONField(default=dict, editable=False)
    # Stands for the key or the seed, so that a service binds none twice; NULL: nothing is bound.
    binding_digest = models.CharField(max_length=64, null=True, editable=False)
    key_id = models.CharField(max_length=16, default=codes.current_key_id, editable=False)
    sealed_secret = models.CharField(max_length=512, blank=True, editable=False)
    # Second at which the step of the last accepted code began, not its number: a change of the
    # step's length must not open old steps again.
    last_step = models.BigIntegerField(default=-1, editable=False)
    sign_count = models.BigIntegerField(default=0, editable=False)
    failures = models.PositiveSmallIntegerField(_("failed verifications"), default=0)
    guesses = models.PositiveSmallIntegerField(_("guesses of the day"), default=0)
    guesses_since = models.DateTimeField(null=True, editable=False)
    date_created = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    date_updated = models.DateTimeField(_("updated"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("factor")
        verbose_name_plural = _("factors")
        default_permissions = ("view", "delete")
        ordering = ["-date_created", "-sid"]
        constraints = [
            models.UniqueConstraint(fields=["service", "binding_digest"], name="verify_binding")
        ]
        indexes = [
            models.Index(fields=["entity", "-date_created", "-sid"], name="verify_factor_page"),
            models.Index(fields=["date_created"], name="verify_factor_date"),
        ]
        permissions = [("release_factor", _("Can release the guesses of a factor"))]

    def __str__(self) -> str:
        return self.sid

    @property
    def is_verified(self) -> bool:
        """Whether challenges may be put to it."""
        return self.status == self.Status.VERIFIED


class Challenge(models.Model):
    """A question put to a factor: is it you, and do you approve?

    `serial` counts the challenges of a factor; its unique constraint makes concurrent creations
    are serialised, so that the limit of an hour and a day holds. A passkey's challenge that names
    nobody gets its entity and factor with the answer.
    """

    class Status(models.TextChoices):
        """The vendor's values; one that has run out is still stored as pending."""

        PENDING = "pending", _("pending")
        APPROVED = "approved", _("approved")
        DENIED = "denied", _("denied")
        EXPIRED = "expired", _("expired")

    sid = SidField("YC", primary_key=True, default=sids.challenge, editable=False)
    account = models.ForeignKey(
        Account, on_delete=models.CASCADE, related_name="+", verbose_name=_("account")
    )
    service = models.ForeignKey(
        VerifyService, on_delete=models.CASCADE, related_name="+", verbose_name=_("service")
    )
    entity = models.ForeignKey(
        Entity,
        null=True,
        on_delete=models.CASCADE,
        related_name="challenges",
        verbose_name=_("entity"),
        db_index=False,  # the index below begins with it
    )
    factor = models.ForeignKey(
        Factor,
        null=True,
        on_delete=models.CASCADE,
        related_name="challenges",
        verbose_name=_("factor"),
        db_index=False,  # the unique constraint begins with it
    )
    factor_type = models.CharField(_("type"), max_length=8, choices=Factor.Type.choices)
    serial = models.PositiveIntegerField(null=True, editable=False)
    status = models.CharField(
        _("status"), max_length=10, choices=Status.choices, default=Status.PENDING
    )
    details = models.JSONField(_("details"), null=True, blank=True)
    hidden_details = models.JSONField(_("hidden details"), null=True, blank=True)
    metadata = models.JSONField(_("metadata"), null=True, blank=True)
    # Of a passkey: what the browser was asked, by which the answer is verified.
    options = models.JSONField(null=True, editable=False)
    checks = models.PositiveSmallIntegerField(_("checks"), default=0)
    # Notifications asked for; the first one, sent with the challenge, does not count.
    notifications_asked = models.PositiveSmallIntegerField(_("notifications"), default=0)
    date_created = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    date_updated = models.DateTimeField(_("updated"), default=timezone.now, editable=False)
    date_responded = models.DateTimeField(_("answered"), null=True, editable=False)
    expiration_date = models.DateTimeField(_("expires"))

    class Meta:
        verbose_name = _("challenge")
        verbose_name_plural = _("challenges")
        default_permissions = ("view",)
        ordering = ["-date_created", "-sid"]
        constraints = [
            models.UniqueConstraint(fields=["factor", "serial"], name="verify_challenge_serial")
        ]
        indexes = [
            models.Index(fields=["entity", "-date_created", "-sid"], name="verify_challenge_page"),
            models.Index(fields=["expiration_date"], name="verify_challenge_expiry"),
        ]

    def __str__(self) -> str:
        return self.sid

    def current_status(self, now: dt.datetime) -> str:
        """Return the status, with a pending one whose time has run out as expired."""
        if self.status == self.Status.PENDING and self.expiration_date <= now:
            return self.Status.EXPIRED
        return self.status
