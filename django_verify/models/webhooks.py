"""Webhooks: where a service's factor events are to be reported; nothing is sent here."""

from __future__ import annotations

import ipaddress
import re
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from django_verify import conf, sids
from django_verify.models.services import VerifyService

EVENT_TYPES = (
    "*",
    "factor.created",
    "factor.verified",
    "factor.deleted",
    "challenge.approved",
    "challenge.denied",
)
URL_LENGTH = 2048

# Printable ASCII without what parsers of URLs disagree about.
_URL = re.compile(r"[!#-;=?-\[\]_a-z~]+\Z")
_HOST = re.compile(r"(?=.{1,253}\Z)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?\.)*[a-z0-9-]{1,63}\.?\Z")
# A last label that resolvers read as a number makes the whole name an IPv4 address.
_NUMERIC = re.compile(r"(0x[0-9a-f]*|[0-9]+)\Z")
# Ranges whose addresses stand for an IPv4 address within them, which may be private.
_TRANSLATED = tuple(
    map(
        ipaddress.ip_network,
        (
            *("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32"),
            *("::/96", "::ffff:0:0:0/96", "fec0::/10"),
        ),
    )
)


def validate_webhook_url(value: str) -> None:
    """Refuse what is no absolute https URL of a public host; http passes in development.

    A name may still resolve to a private address: whoever calls the URL looks again.
    """
    if len(value) > URL_LENGTH:
        raise ValidationError(_("At most 2048 characters."))
    try:
        parts = urlsplit(value)
        host, _port = parts.hostname or "", parts.port
    except ValueError:
        host = ""
    if not host or not _URL.match(value):
        raise ValidationError(_("It must be an absolute URL, in ASCII."))
    if parts.scheme != "https" and not (parts.scheme == "http" and conf.debug()):
        raise ValidationError(_("It must begin with https://."))
    if "@" in parts.netloc:
        raise ValidationError(_("It must not hold credentials."))
    if not _is_public(host):
        raise ValidationError(_("It must name a public host."))


def validate_event_types(value: Any) -> None:
    """Refuse an empty list and events that do not exist."""
    if not isinstance(value, list) or not value or any(name not in EVENT_TYPES for name in value):
        raise ValidationError(_("Choose from: %(names)s.") % {"names": ", ".join(EVENT_TYPES)})


def _is_public(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        name = host.rstrip(".")
        last = name.rpartition(".")[2]
        return bool(_HOST.match(host)) and last != "localhost" and not _NUMERIC.match(last)
    address = getattr(address, "ipv4_mapped", None) or address
    translated = any(address in network for network in _TRANSLATED)
    return address.is_global and not address.is_multicast and not translated


class Webhook(models.Model):
    """One address to which a service's events of some kinds are to be posted."""

    class Status(models.TextChoices):
        """The vendor's values."""

        ENABLED = "enabled", _("enabled")
        DISABLED = "disabled", _("disabled")

    class Version(models.TextChoices):
        """How much a report says: v1 is the vendor's older form, with fewer fields."""

        V1 = "v1", "v1"
        V2 = "v2", "v2"

    sid = models.CharField(
        _("SID"), primary_key=True, max_length=34, default=sids.webhook, editable=False
    )
    service = models.ForeignKey(
        VerifyService,
        on_delete=models.CASCADE,
        related_name="webhooks",
        verbose_name=_("service"),
        db_index=False,  # the index below begins with it
    )
    friendly_name = models.CharField(_("friendly name"), max_length=64)
    event_types = models.JSONField(_("event types"), validators=[validate_event_types])
    status = models.CharField(
        _("status"), max_length=8, choices=Status.choices, default=Status.ENABLED
    )
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
    date_created = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    date_updated = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        verbose_name = _("webhook")
        verbose_name_plural = _("webhooks")
        ordering = ["-date_created", "-sid"]
        indexes = [
            models.Index(fields=["service", "-date_created", "-sid"], name="verify_webhook_page")
        ]

    def __str__(self) -> str:
        return self.friendly_name
