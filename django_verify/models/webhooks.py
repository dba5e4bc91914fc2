"""The receivers of events: webhooks of factor events, sinks of verification events, and the outbox.

Nothing is sent here.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from django_verify import conf, sids
from django_verify.crypto import codes
from django_verify.models.accounts import Account
from django_verify.models.fields import SidField
from django_verify.models.services import VerifyService
from django_verify.models.versions import Part
from django_verify.net import url_policy

EVENT_TYPES = (
    "*",
    "factor.created",
    "factor.verified",
    "factor.deleted",
    "challenge.approved",
    "challenge.denied",
)
URL_LENGTH = 2048

_REFUSALS = {
    "url": _("It must be an absolute URL, in ASCII."),
    "scheme": _("It must begin with https://."),
    "credentials": _("It must not hold credentials."),
    "host": _("It must name a public host, on a usual port."),
}


def validate_webhook_url(value: str) -> None:
    """Refuse what is no absolute https URL of a public host, nor of one in WEBHOOK_ALLOWED_HOSTS.

    A name may still resolve to a private IP: each call looks again.
    """
    if len(value) > URL_LENGTH:
        raise ValidationError(_("At most 2048 characters."))
    try:
        url_policy.verify(value, plain=conf.debug(), allowed=conf.current().WEBHOOK_ALLOWED_HOSTS)
    except url_policy.Refused as refused:
        raise ValidationError(_REFUSALS[refused.reason]) from None


def validate_event_types(value: Any) -> None:
    """Refuse an empty list and events that do not exist."""
    if not isinstance(value, list) or not value or any(name not in EVENT_TYPES for name in value):
        raise ValidationError(_("Choose from: %(names)s.") % {"names": ", ".join(EVENT_TYPES)})


class Receiver(models.Model):
    """A URL that events are posted to, with its signing secret and its state of health.

    Anyone who posts to it holds `lease` until `due_at`, so that one receiver has one request at a
    time; with no lease, `due_at` is how long the receiver has asked to be left alone.
    """

    class Status(models.TextChoices):
        """The vendor's values."""

        ENABLED = "enabled", _("enabled")
        DISABLED = "disabled", _("disabled")

    class DisabledReason(models.TextChoices):
        """Why the site itself has disabled a receiver."""

        GONE = "gone", _("it answered 410 Gone")
        FAILING = "failing", _("nothing was accepted for five days")

    friendly_name = models.CharField(_("friendly name"), max_length=64)
    status = models.CharField(
        _("status"), max_length=8, choices=Status.choices, default=Status.ENABLED
    )
    disabled_reason = models.CharField(
        _("disabled because"),
        max_length=8,
        choices=DisabledReason.choices,
        blank=True,
        editable=False,
    )
    # Since when every delivery has failed; NULL while they succeed.
    failing_since = models.DateTimeField(_("failing since"), null=True, blank=True, editable=False)
    # The id of the key of the ring, "$", and the sealed secret.
    sealed_secret = models.CharField(max_length=255, blank=True, editable=False)
    sealed_old_secret = models.CharField(max_length=255, blank=True, editable=False)
    old_secret_until = models.DateTimeField(null=True, blank=True, editable=False)
    lease = models.CharField(max_length=32, blank=True, editable=False)
    due_at = models.DateTimeField(default=timezone.now, editable=False)
    date_created = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    date_updated = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.friendly_name

    @property
    def url_called(self) -> str:
        """Where events go."""
        raise NotImplementedError

    def seal_secret(self, secret: str) -> str:
        """Return a signing secret as the columns hold it: sealed, for this row alone."""
        key_id = codes.current_key_id()
        return f"{key_id}${codes.seal(secret, bound_to=self.pk, key_id=key_id)}"

    def open_secrets(self, now: dt.datetime) -> list[str]:
        """Return the signing secrets in force, the newest first, in clear.

        Raises LookupError when a key is no longer configured.
        """
        sealed = [self.sealed_secret]
        if self.old_secret_until and now < self.old_secret_until:
            sealed.append(self.sealed_old_secret)
        pairs = [text.split("$", 1) for text in sealed if text]
        return [codes.unseal(box, bound_to=self.pk, key_id=key_id) for key_id, box in pairs]


class Webhook(Receiver):
    """One URL to which a service's events of some kinds are posted."""

    class Version(models.TextChoices):
        """The form of a report: v1 is the vendor's older one, with fewer fields."""

        V1 = "v1", "v1"
        V2 = "v2", "v2"

    sid = SidField("YW", primary_key=True, default=sids.webhook, editable=False)
    service = models.ForeignKey(
        VerifyService,
        on_delete=models.CASCADE,
        related_name="webhooks",
        verbose_name=_("service"),
        db_index=False,  # the index below begins with it
    )
    event_types = models.JSONField(_("event types"), validators=[validate_event_types])
    version = models.CharField(
        _("version"), max_length=2, choices=Version.choices, default=Version.V2
    )
    webhook_url = models.CharField(
        _("URL"),
        max_length=URL_LENGTH,
        validators=[validate_webhook_url],
        help_text=_("https://…, reached from this site over the Internet."),
    )
    webhook_method = models.CharField(max_length=4, default="POST", editable=False)

    class Meta:
        verbose_name = _("webhook")
        verbose_name_plural = _("webhooks")
        ordering = ["-date_created", "-sid"]
        indexes = [
            models.Index(fields=["service", "-date_created", "-sid"], name="verify_webhook_page")
        ]

    @property
    def url_called(self) -> str:
        """Where events go."""
        return self.webhook_url


class EventSink(Part, Receiver):
    """One URL to which the verification events of an account, or of one service, are posted."""

    part_of, kept = "account", frozenset({"sid", "account", "service", "status"})

    sid = SidField("DG", primary_key=True, default=sids.event_sink, editable=False)
    account = models.ForeignKey(
        Account, on_delete=models.CASCADE, related_name="event_sinks", verbose_name=_("account")
    )
    service = models.ForeignKey(
        VerifyService,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="event_sinks",
        verbose_name=_("service"),
        help_text=_("Empty: every service of the account that has its event subscription on."),
    )
    url = models.CharField(
        _("URL"),
        max_length=URL_LENGTH,
        validators=[validate_webhook_url],
        help_text=_("https://…, reached from this site over the Internet."),
    )

    class Meta:
        verbose_name = _("event sink")
        verbose_name_plural = _("event sinks")
        ordering = ["-date_created", "-sid"]

    def clean(self) -> None:
        """Refuse the service of another account."""
        service = self.service
        if service is not None and service.account_id != self.account_id:
            raise ValidationError({"service": _("It belongs to another account.")})

    @property
    def url_called(self) -> str:
        """Where events go."""
        return self.url


class WebhookDelivery(models.Model):
    """One event on its way to one receiver: the outbox row, written with the change it reports.

    `due_at` is when it is to be posted; while it is being posted, when its lease lapses and another
    process may take it over; in the end, when it ended. `event_id` is the same on every try. The
    payload is kept until it is delivered, or as long as the row where it never is.

    The database does not enforce the two references: a receiver that is deleted at this moment must
    not make the change fail that its event reports. What has lost its receiver is dropped.
    """

    class Status(models.TextChoices):
        """From the outbox to the end."""

        PENDING = "pending", _("pending")
        SENDING = "sending", _("sending")
        DELIVERED = "delivered", _("delivered")
        DEAD = "dead", _("given up")

    sid = SidField("EV", primary_key=True, default=sids.webhook_delivery, editable=False)
    webhook = models.ForeignKey(
        Webhook,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        db_constraint=False,
        related_name="deliveries",
        verbose_name=_("webhook"),
    )
    sink = models.ForeignKey(
        EventSink,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        db_constraint=False,
        related_name="deliveries",
        verbose_name=_("event sink"),
    )
    event_id = models.UUIDField(_("event id"), default=uuid.uuid4, db_index=True)
    event_type = models.CharField(_("event type"), max_length=128)
    # Of a webhook: pairs of name and value, in their order; of a sink: the CloudEvent.
    payload = models.JSONField(default=list, blank=True, editable=False)
    status = models.CharField(
        _("status"), max_length=16, choices=Status.choices, default=Status.PENDING
    )
    due_at = models.DateTimeField(_("due"), default=timezone.now)
    lease = models.CharField(max_length=32, blank=True, editable=False)
    tries = models.PositiveSmallIntegerField(_("tries"), default=0)
    response_status = models.PositiveSmallIntegerField(_("answer"), null=True, blank=True)
    error = models.CharField(_("error"), max_length=128, blank=True)
    date_created = models.DateTimeField(_("created"), default=timezone.now)
    date_updated = models.DateTimeField(_("updated"), default=timezone.now)
    delivered_at = models.DateTimeField(_("delivered"), null=True, blank=True)

    class Meta:
        verbose_name = _("event")
        verbose_name_plural = _("events")
        default_permissions = ("view",)
        ordering = ["-date_created", "-sid"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(webhook__isnull=True) ^ models.Q(sink__isnull=True),
                name="verify_delivery_one_receiver",
            )
        ]
        indexes = [models.Index(fields=["status", "due_at"], name="verify_delivery_due")]
        permissions = [("replay_webhook", _("Can replay events"))]

    def __str__(self) -> str:
        return self.sid

    def __repr__(self) -> str:
        return f"<WebhookDelivery: {self.sid} {self.event_type} {self.status}>"
