"""Verifications and the attempts to deliver them; no row holds a code in clear."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from django_verify import sids
from django_verify.crypto import codes
from django_verify.models.accounts import Account
from django_verify.models.fields import SidField, SparseJSONField
from django_verify.models.services import (
    AUTOFILL_DOMAIN_LENGTH,
    FRIENDLY_NAME_LENGTH,
    VerifyService,
)
from django_verify.net import times


class Verification(models.Model):
    """One recipient being verified for one service.

    `serial` counts the verifications of a recipient within the account. Its unique constraint is
    what serialises concurrent starts: the second one to insert fails, reads again and
    sees the first. `checks` and `sends` are changed only by conditional updates that name the
    value they were read with.
    """

    class Status(models.TextChoices):
        """The vendor's values; an expired row may still be stored as pending."""

        PENDING = "pending", _("pending")
        APPROVED = "approved", _("approved")
        CANCELED = "canceled", _("canceled")
        MAX_ATTEMPTS_REACHED = "max_attempts_reached", _("locked: too many wrong codes")
        EXPIRED = "expired", _("expired")

    sid = SidField("VE", primary_key=True, default=sids.verification, editable=False)
    account = models.ForeignKey(
        Account,
        on_delete=models.CASCADE,
        related_name="verifications",
        verbose_name=_("account"),
        db_index=False,  # the unique constraint begins with it
    )
    service = models.ForeignKey(
        VerifyService,
        null=True,
        on_delete=models.SET_NULL,  # a recipient keeps its budget when a service goes
        related_name="verifications",
        verbose_name=_("service"),
    )
    # The columns stand in the order of their widths, which on PostgreSQL saves the gaps between.
    date_created = models.DateTimeField(_("created"), default=timezone.now)
    date_updated = models.DateTimeField(_("updated"), default=timezone.now)
    sent_at = models.DateTimeField(_("last sent"), default=timezone.now)
    expires_at = models.DateTimeField(_("expires"), db_index=True)
    # The place that its latest message has among those of its number block, whose digest stands
    # here, and how full the block was with it.
    guard_block = models.BigIntegerField(null=True, editable=False)
    guard_level = models.FloatField(null=True, editable=False)
    serial = models.PositiveIntegerField(editable=False)
    guard_place = models.PositiveIntegerField(null=True, editable=False)
    code_length = models.PositiveSmallIntegerField(_("code length"))
    checks = models.PositiveSmallIntegerField(_("checks"), default=0)
    max_checks = models.PositiveSmallIntegerField(_("maximum checks"))
    sends = models.PositiveSmallIntegerField(_("sends"), default=1)
    max_sends = models.PositiveSmallIntegerField(_("maximum sends"))
    # The last check was right; an approval by the site leaves every check a wrong one.
    confirmed = models.BooleanField(_("confirmed by its code"), default=False)
    # An operator has released the recipient: the wrong guesses of this row no longer count.
    forgiven = models.BooleanField(_("released"), default=False)
    # A copy of the service's event subscription at the start: a check does not read the service.
    reports = models.BooleanField(default=False, editable=False)
    # Its code is that of a test number, which the operator knows: its approval proves nothing.
    is_test = models.BooleanField(_("test number"), default=False)
    # Started by a client that showed the token of an earlier approval, whose share strangers lack.
    recognized = models.BooleanField(_("known device"), default=False)
    to = models.CharField(_("to"), max_length=254)
    recipient_key = models.CharField(max_length=254, editable=False)
    channel = models.CharField(_("channel"), max_length=16)
    status = models.CharField(
        _("status"), max_length=24, choices=Status.choices, default=Status.PENDING
    )
    country = models.CharField(_("country"), max_length=2, blank=True)
    amount = models.CharField(_("amount"), max_length=64, null=True, blank=True)
    payee = models.CharField(_("payee"), max_length=64, null=True, blank=True)
    key_id = models.CharField(max_length=16, default=codes.current_key_id, editable=False)
    nonce = models.CharField(max_length=32, default=codes.new_nonce, editable=False)
    sealed_code = models.CharField(max_length=128, blank=True, editable=False)
    # A copy of the attempts' channels, so that an answer needs no second query: `sms VL…,call VL…`;
    # with a third word where its locale is all else that an event shows of the attempt.
    send_log = models.TextField(editable=False)
    lookup = SparseJSONField(_("lookup"), default=dict)
    sna_url = models.CharField(max_length=2048, blank=True, editable=False)
    # The SID of the caller without credentials that it belongs to: no other start joins it, and
    # no check finds it by its recipient.
    client = models.CharField(max_length=34, blank=True, editable=False)

    #: The version that its account had when this was read, by the same statement; None: not known.
    account_version: int | None = None

    class Meta:
        verbose_name = _("verification")
        verbose_name_plural = _("verifications")
        default_permissions = ("view",)
        ordering = ["-sid"]
        constraints = [
            # Over all services of an account, as the guess budget is: two services must not reserve
            # the same guesses at one moment.
            models.UniqueConstraint(
                fields=["account", "recipient_key", "serial"], name="verify_recipient_serial"
            ),
            # Of two starts in one block that have read the same, one has the next place.
            models.UniqueConstraint(
                fields=["guard_block", "guard_place"], name="verify_guard_place"
            ),
        ]
        # No index holds a column that a check or an approval changes: on PostgreSQL these are
        # heap-only updates then, which write into none.
        indexes = [
            # Few have one, and a purge wipes it after a day.
            models.Index(
                fields=["sid"],
                condition=models.Q(amount__isnull=False),
                name="verify_payment",
            ),
        ]
        permissions = [
            ("see_full_recipients", _("Can see full recipients")),
            ("cancel_verification", _("Can cancel verifications")),
            ("release_recipient", _("Can release the guess budget of a recipient")),
        ]

    def __str__(self) -> str:
        return self.sid

    def __repr__(self) -> str:
        return f"<Verification: {self.sid} {self.status}>"

    @property
    def valid(self) -> bool:
        """The vendor's legacy flag: approved."""
        return self.status == self.Status.APPROVED

    @property
    def send_code_attempts(self) -> list[dict[str, str]]:
        """Time, channel and SID of each attempt, the oldest first, as the vendor has it."""
        entries = (entry.split(" ") for entry in self.send_log.split(",") if entry)
        return [
            {
                "time": times.timestamp(sids.moment_of(sid)),
                "channel": channel,
                "attempt_sid": sid,
            }
            for channel, sid, *_ in entries
        ]

    def is_over(self, now: dt.datetime) -> bool:
        """Whether its lifetime has ended; the boundary itself is over."""
        return self.expires_at <= now

    def current_status(self, now: dt.datetime) -> str:
        """Return the status, with a pending one whose lifetime has ended as expired."""
        if self.status == self.Status.PENDING and self.is_over(now):
            return self.Status.EXPIRED
        return self.status


class VerificationAttempt(models.Model):
    """One delivery of a code: the outbox row, from queued to what the provider reported.

    `due_at` is when a worker looks at it next: to send it while it is queued, to take it over
    while it is being sent, to send it again where the provider reported no delivery. None:
    nothing is left to do. Anyone who sends it holds `lease`, and the holder alone may write the
    outcome. `messages` counts those that may have left, and is written before each of them.
    """

    class MessageStatus(models.TextChoices):
        """Those of the vendor's values that a delivery goes through."""

        QUEUED = "queued", _("queued")
        SENDING = "sending", _("sending")
        SENT = "sent", _("sent")
        DELIVERED = "delivered", _("delivered")
        READ = "read", _("read")
        UNDELIVERED = "undelivered", _("undelivered")
        FAILED = "failed", _("failed")
        CANCELED = "canceled", _("canceled")

    class Withheld(models.TextChoices):
        """Why a message was never meant to leave."""

        BLOCKED = "blocked", _("blocked")
        TEST = "test", _("test number")

    sid = SidField("VL", primary_key=True, default=sids.attempt, editable=False)
    verification = models.ForeignKey(
        Verification,
        on_delete=models.CASCADE,
        related_name="attempts",
        verbose_name=_("verification"),
    )
    # A copy of the verification's: an account's list is a range of one index, however many rows
    # the other accounts have.
    account = models.ForeignKey(
        Account,
        on_delete=models.DO_NOTHING,  # an attempt goes with its verification
        related_name="+",
        verbose_name=_("account"),
        db_index=False,  # the index below begins with it
        db_constraint=False,  # the verification's is enforced
    )
    # The columns stand in the order of their widths, which on PostgreSQL saves the gaps between.
    date_created = models.DateTimeField(_("created"), default=timezone.now)
    date_updated = models.DateTimeField(_("updated"), default=timezone.now)
    due_at = models.DateTimeField(_("due"), null=True, blank=True)
    sna_error_code = models.PositiveIntegerField(_("SNA result"), null=True, blank=True)
    tries = models.PositiveSmallIntegerField(_("tries"), default=0)
    messages = models.PositiveSmallIntegerField(_("messages"), default=0)
    # A test of one sender: no other one may have it, and no other process than that of the page.
    sender_test = models.BooleanField(default=False, editable=False)
    channel = models.CharField(_("channel"), max_length=16)
    locale = models.CharField(_("locale"), max_length=16)
    custom_friendly_name = models.CharField(
        _("custom friendly name"), max_length=FRIENDLY_NAME_LENGTH, blank=True
    )
    app_hash = models.CharField(_("app hash"), max_length=11, blank=True)
    # The host of the origin-bound last line of an SMS; empty: no such line.
    autofill_domain = models.CharField(
        _("autofill domain"), max_length=AUTOFILL_DOMAIN_LENGTH, blank=True
    )
    send_digits = models.CharField(_("send digits"), max_length=32, blank=True)
    # The template's SID, locale, text and substitutions, as `placeholders.TemplateText`; empty: the
    # default text. A copy, so that a later change of the template does not reach a message on its
    # way.
    template = SparseJSONField(_("template"), default=dict)
    tags = SparseJSONField(_("tags"), default=dict)
    # Of the email channel: from, from_name, template_id, substitutions.
    channel_configuration = SparseJSONField(default=dict, editable=False)
    fallback_channel = models.CharField(_("fallback channel"), max_length=16, blank=True)
    sna_url = models.CharField(max_length=2048, blank=True, editable=False)
    sna_client_token_hash = models.CharField(max_length=90, blank=True, editable=False)
    message_status = models.CharField(
        _("message status"),
        max_length=16,
        choices=MessageStatus.choices,
        default=MessageStatus.QUEUED,
    )
    sender = models.CharField(_("sender"), max_length=64, blank=True)
    provider_sid = models.CharField(_("provider's message id"), max_length=255, blank=True)
    price_value = models.CharField(_("price"), max_length=16, blank=True)
    price_currency = models.CharField(_("currency"), max_length=3, blank=True)
    error_code = models.CharField(_("error code"), max_length=64, blank=True)
    error_message = models.CharField(_("error"), max_length=255, blank=True)
    # The channel that the sender above was asked for; a fallback has another than the attempt.
    via_channel = models.CharField(_("sent as"), max_length=16, blank=True)
    # Messages that may have been sent before the one in the columns above: sender, channel,
    # provider_sid, status ("unknown" where there was no answer).
    trail = SparseJSONField(_("earlier messages"), default=list)
    # Written like any other, and sent by nobody: anyone who asked must not see the difference.
    withheld = models.CharField(
        _("withheld"), max_length=8, blank=True, choices=Withheld.choices, editable=False
    )
    lease = models.CharField(max_length=32, blank=True, editable=False)
    # Digests of the caller's network and device, by which the guard counts; and "recorded" where it
    # would have refused the start.
    network = models.CharField(max_length=16, blank=True, editable=False)
    device = models.CharField(max_length=16, blank=True, editable=False)
    guard = models.CharField(max_length=8, blank=True, editable=False)

    #: Channel and sender of each message that may be tried, where a start has just resolved them.
    steps: Sequence[tuple[str, str]] | None = None
    #: What the guard was asked and has answered, where a start is about to be written; and why that
    #: was turned down as it was counted.
    asked: Any = None
    decision: Any = None
    overdraft: Any = None
    #: Whether the guard has turned it down as it was written, and it is written all the same.
    turned_down: bool = False

    class Meta:
        verbose_name = _("message")
        verbose_name_plural = _("messages")
        default_permissions = ("view",)
        ordering = ["-sid"]
        # A message that is sent changes columns of both, and is in one of them at a time. MySQL
        # and MariaDB index every row.
        indexes = [
            # SNA sends nothing, and the list leaves it out.
            models.Index(
                fields=["account", "sid"],
                condition=~models.Q(channel="sna"),
                name="verify_attempt_page",
            ),
            models.Index(
                fields=["due_at"],
                condition=models.Q(due_at__isnull=False),
                name="verify_attempt_next",
            ),
            models.Index(
                fields=["sender", "provider_sid"],
                condition=models.Q(due_at__isnull=True) & ~models.Q(provider_sid=""),
                name="verify_attempt_provider",
            ),
        ]
        permissions = [("requeue_attempt", _("Can send failed messages again"))]

    def __str__(self) -> str:
        return self.sid

    @property
    def country(self) -> str:
        """The verification's."""
        return self.verification.country
