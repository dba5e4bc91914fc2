"""What a caller asks a start for, read and found valid; nothing is written here."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ValidationError
from django.views.decorators.debug import sensitive_variables

from django_verify import channels, codes, delivery, exceptions, lettering, message_templates
from django_verify.channels import Address, Channel
from django_verify.exceptions import InvalidParameter
from django_verify.models import Verification, VerifyService
from django_verify.models.services import RESTRICTED, validate_friendly_name
from django_verify.wording import Wording

_APP_HASH = re.compile(r"[0-9A-Za-z+/]{11}\Z")
_SEND_DIGITS = re.compile(r"[0-9wW#*]{1,32}\Z")


@dataclass(frozen=True, slots=True)
class Order:
    """A start that the service and the channel offer."""

    service: VerifyService
    channel: Channel
    address: Address
    locale: str
    amount: str | None = field(repr=False)
    payee: str | None = field(repr=False)
    custom_code: str = field(repr=False)
    custom_friendly_name: str = ""
    app_hash: str = ""
    send_digits: str = ""
    tags: Mapping[str, str] = field(default_factory=dict, repr=False)
    wording: Wording | None = None

    def is_about(self, row: Verification) -> bool:
        """Whether a row is for the same service, address and, under PSD2, transaction."""
        return (
            row.service_id == self.service.sid
            and (row.amount, row.payee) == (self.amount, self.payee)
            and channels.same_address(row.to, self.address.to)
        )

    @property
    def code_length(self) -> int:
        return len(self.custom_code) or self.service.code_length

    @property
    def brand(self) -> str:
        return self.custom_friendly_name or self.service.friendly_name


@sensitive_variables()
def accept(
    service: VerifyService,
    to: str,
    channel: str,
    *,
    locale: str,
    device_ip: str,
    amount: str,
    payee: str,
    custom_friendly_name: str,
    template_sid: str,
    template_custom_substitutions: Mapping[str, str],
    **options: Any,
) -> Order:
    """Return the order, or raise what is wrong with it."""
    row = channels.get(channel)
    if row.name not in service.channels:
        raise exceptions.ChannelDisabled
    address = row.parse(to)
    if not delivery.route(service, row.name, address.country):
        raise row.unrouted
    psd2 = service.psd2_enabled
    wording = message_templates.choose(
        service, row, template_sid, template_custom_substitutions, locale=locale, to=to
    )
    if psd2:
        wording = None  # the law asks for a text that names amount and payee
    order = Order(
        service=service,
        channel=row,
        address=address,
        locale=_catalogue(row, wording, locale, to),
        amount=amount if psd2 else None,
        payee=payee if psd2 else None,
        custom_friendly_name=lettering.normalize(custom_friendly_name),
        wording=wording,
        **options,
    )
    _refuse_misuse(order)
    _refuse_malformed(order, device_ip)
    if wording:
        minutes, length = service.lifetime // 60, order.code_length
        message_templates.refuse_too_long(
            wording, row, brand=order.brand, minutes=minutes, length=length
        )
    return order


def _catalogue(channel: Channel, wording: Wording | None, locale: str, to: str) -> str:
    """Return the tag of the catalogue that speaks, beside a template's text as well."""
    if wording is None:
        return channels.choose_locale(channel, locale, to)
    return channels.match_locale(channel.locales, wording.locale) or "en"


def _refuse_misuse(order: Order) -> None:
    """Refuse what the service or the channel does not offer."""
    service, channel = order.service, order.channel.name
    if order.amount is not None:
        if not (order.amount and order.payee):
            raise exceptions.TransactionRequired
        if channel == "call":
            raise exceptions.ChannelWithoutPsd2
    if order.custom_code and not service.custom_code_enabled:
        raise exceptions.FeatureDisabled
    if order.custom_friendly_name and not service.custom_friendly_name_enabled:
        raise exceptions.FeatureDisabled
    if order.app_hash and channel != "sms":
        raise exceptions.AppHashNeedsSms


def _refuse_malformed(order: Order, device_ip: str) -> None:
    """Refuse values that could not be stored, or would change the message's shape."""
    if order.custom_code and not codes.is_custom_code(order.custom_code):
        raise InvalidParameter("custom_code", "4–10 ASCII letters and digits")
    if order.app_hash and not _APP_HASH.match(order.app_hash):
        raise InvalidParameter("app_hash", "11 characters of the base64 alphabet")
    if order.send_digits and not _SEND_DIGITS.match(order.send_digits):
        raise InvalidParameter("send_digits", "at most 32 of 0–9, w, W, # and *")
    for name in ("amount", "payee"):
        value = getattr(order, name) or ""
        if len(value) > 64 or not value.isprintable():
            raise InvalidParameter(name, "at most 64 printable characters")
    if order.custom_friendly_name:
        _refuse_brand(order.custom_friendly_name)
    if device_ip:
        try:
            ipaddress.ip_address(device_ip)
        except ValueError:
            raise InvalidParameter("device_ip", "not an IP address") from None
    _refuse_malformed_tags(order.tags)


def _refuse_brand(name: str) -> None:
    try:
        validate_friendly_name(name)
    except ValidationError as error:
        if error.code == RESTRICTED:
            raise exceptions.RestrictedWord from None
        raise InvalidParameter("custom_friendly_name", error.messages[0]) from None


def _refuse_malformed_tags(tags: Mapping[Any, Any]) -> None:
    texts = [*tags.keys(), *tags.values()]
    if len(tags) > 10 or not all(isinstance(t, str) and len(t) <= 128 for t in texts):
        raise InvalidParameter("tags", "at most 10 pairs of texts of at most 128 characters")
