"""Messaging services, and which of them a service uses for which country.

What they decide is copied onto the service's row, so that a start reads no further table.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models, router, transaction
from django.db.models import F
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from django_verify import sids
from django_verify.contact import phones
from django_verify.models.accounts import Account
from django_verify.models.fields import SidField
from django_verify.models.services import VerifyService

#: The country of a configuration that holds where no other does.
EVERYWHERE = "all"

_is_messaging_sid = RegexValidator(r"^MG[0-9a-f]{32}\Z", _("MG and 32 hexadecimal digits."))


def canonical_country(value: str) -> str:
    """Return the stored spelling: upper case, or `all`."""
    return EVERYWHERE if value.lower() == EVERYWHERE else value.upper()


def validate_country(value: str) -> None:
    """Refuse all but an ISO 3166-1 alpha-2 code in upper case and `all`."""
    if value != EVERYWHERE and value not in phones.COUNTRIES:
        raise ValidationError(_("A country's two-letter code (ISO 3166-1), or all."))


class MessagingService(models.Model):
    """A named list of senders, tried in order; a site that moves here may keep its `MG…`."""

    sid = SidField("MG", primary_key=True, default=sids.messaging_service)
    account = models.ForeignKey(
        Account,
        on_delete=models.CASCADE,
        related_name="messaging_services",
        verbose_name=_("account"),
    )
    friendly_name = models.CharField(_("friendly name"), max_length=64)
    senders = models.JSONField(_("senders"), default=list, blank=True)
    date_created = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    date_updated = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        verbose_name = _("route")
        verbose_name_plural = _("routes by country")
        ordering = ["-date_created", "-sid"]

    def __str__(self) -> str:
        return self.friendly_name


class MessagingConfiguration(models.Model):
    """The messaging service that a service's SMS to one country go through.

    Its SID may name no row: then the service's own senders are used.
    """

    key = SidField("MC", primary_key=True, default=sids.messaging_configuration, editable=False)
    service = models.ForeignKey(
        VerifyService,
        on_delete=models.CASCADE,
        related_name="messaging_configurations",
        verbose_name=_("service"),
        db_index=False,  # the unique constraint begins with it
    )
    country = models.CharField(
        _("country"),
        max_length=3,
        validators=[validate_country],
        help_text=_("Two letters such as CA, or all."),
    )
    messaging_service_sid = models.CharField(
        _("messaging service"), max_length=34, validators=[_is_messaging_sid]
    )
    date_created = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    date_updated = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        verbose_name = _("messaging configuration")
        verbose_name_plural = _("messaging configurations")
        ordering = ["-date_created", "-key"]
        constraints = [
            models.UniqueConstraint(fields=["service", "country"], name="verify_messaging_country")
        ]

    def __str__(self) -> str:
        return self.country


def refresh_routes(service_sids: Iterable[str]) -> None:
    """Copy onto services what their messaging configurations and services hold now."""
    using = router.db_for_write(VerifyService)
    for sid in sorted(set(service_sids)):
        with transaction.atomic(using=using):  # noqa: TID251 - nothing is caught inside
            rows = VerifyService.objects.using(using).filter(sid=sid)
            # A write that changes nothing locks the row on every database, SQLite included, so
            # that of two writers the later one reads what the earlier one wrote.
            if rows.update(date_updated=F("date_updated")):
                rows.update(messaging_routes=_routes(rows.get()))


def _routes(service: VerifyService) -> dict[str, Any]:
    """Return channel → country → sender aliases; no aliases where the SID names no row."""
    using = service._state.db  # noqa: SLF001 - a documented API
    rows = MessagingConfiguration.objects.using(using).filter(service_id=service.sid)
    countries = dict(rows.values_list("country", "messaging_service_sid"))
    named = {*countries.values(), sids.canonical(service.whatsapp_msg_service_sid)}
    known = dict(
        MessagingService.objects.using(using)
        .filter(account_id=service.account_id, sid__in=named)
        .values_list("sid", "senders")
    )
    routes = {}
    if countries:
        routes["sms"] = {country: known.get(sid, []) for country, sid in countries.items()}
    if whatsapp := known.get(sids.canonical(service.whatsapp_msg_service_sid)):
        routes["whatsapp"] = {EVERYWHERE: whatsapp}
    return routes


@receiver([post_save, post_delete], sender=MessagingConfiguration)
def _configuration_changed(instance: MessagingConfiguration, **kwargs: Any) -> None:
    if not kwargs.get("raw"):
        refresh_routes([instance.service_id])


@receiver([post_save, post_delete], sender=MessagingService)
def _messaging_service_changed(instance: MessagingService, **kwargs: Any) -> None:
    if kwargs.get("raw"):
        return
    services = VerifyService.objects.using(router.db_for_write(VerifyService)).filter(
        account_id=instance.account_id
    )
    users = services.filter(
        models.Q(messaging_configurations__messaging_service_sid=instance.sid)
        | models.Q(whatsapp_msg_service_sid__iexact=instance.sid)
    )
    refresh_routes(users.order_by().values_list("sid", flat=True))


@receiver(post_save, sender=VerifyService)
def _service_changed(
    instance: VerifyService, created: bool, update_fields: Any, **kwargs: Any
) -> None:
    """Follow a change of the WhatsApp service, and undo the writing of a stale copy."""
    copied = {"whatsapp_msg_service_sid", "messaging_routes"}
    written = update_fields is None or copied & set(update_fields)
    if (
        written
        and not kwargs.get("raw")
        and not (created and not instance.whatsapp_msg_service_sid)
    ):
        refresh_routes([instance.sid])
