"""What a caller asks a start for, read and found valid; nothing is written here."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from django.core.exceptions import ValidationError
from django.views.decorators.debug import sensitive_variables

from django_verify import delivery, exceptions, senders, sids
from django_verify.contact import emails, phones
from django_verify.crypto import codes
from django_verify.exceptions import InvalidParameter
from django_verify.messages import channels, templates
from django_verify.messages.channels import Address, Channel, Draft
from django_verify.models import (
    ClientVerification,
    Verification,
    VerificationAttempt,
    VerifyService,
)
from django_verify.models.services import (
    AUTOFILL_DOMAIN_LENGTH,
    RESTRICTED,
    validate_friendly_name,
)
from django_verify.net import url_policy
from django_verify.text import confusables
from django_verify.text.placeholders import TEXT_LENGTH, Wording
from django_verify.verifications import carrier_lookup, sna, testnumbers

# What `auto` tries where the caller does not say, in order.
AUTO = ("sna", "sms", "whatsapp", "call")

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
    autofill_domain: str = ""
    send_digits: str = ""
    tags: Mapping[str, str] = field(default_factory=dict, repr=False)
    configuration: Mapping[str, Any] = field(default_factory=dict, repr=False)
    fallback_channel: str = ""
    lookup: Mapping[str, Any] = field(default_factory=dict, repr=False)
    sna_client_token: bool = False
    client: ClientVerification | None = None
    is_test: bool = False
    withheld: str = ""
    attempt_sid: str = field(default_factory=sids.attempt)
    wording: Wording | None = None

    def is_about(self, row: Verification) -> bool:
        """Whether a row is for the same service, client, address and, under PSD2, transaction."""
        return (
            (row.service_id, row.client) == (self.service.sid, self.client_sid)
            and (row.amount, row.payee) == (self.amount, self.payee)
            and channels.same_address(row.to, self.address.to)
        )

    def is_outdated_by(self, live: Verification) -> bool:
        """Whether the client's own verification has been sent again since this order read it."""
        return self.client is not None and live.sends != self.client.verification.sends

    @property
    def client_sid(self) -> str:
        return self.client.sid if self.client else ""

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
    configuration: Mapping[str, Any],
    custom_friendly_name: str,
    template_sid: str,
    template_custom_substitutions: Mapping[str, str],
    autofill_domain: str | None,
    **options: Any,
) -> Order:
    """Return the order, or raise what is wrong with it."""
    _refuse_device_ip(device_ip)
    wishes = _wishes(channel, configuration)
    if options["app_hash"]:
        fitting = {"sms"}
    elif template_sid:
        fitting = {name for name, other in channels.CHANNELS.items() if other.template_kind}
    else:
        fitting = set(channels.CHANNELS)
    row = _chosen(service, to, channel, device_ip, wishes, fitting)
    address = row.parse(to)
    _refuse_unroutable(service, row, address.country)
    psd2 = service.psd2_enabled
    wording = templates.choose(
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
        custom_friendly_name=confusables.normalize(custom_friendly_name),
        wording=wording,
        autofill_domain=_autofill_domain(service, autofill_domain),
        configuration=_mail_options(service, configuration) if row.name == "email" else {},
        fallback_channel=_fallback(service, row.name, wishes, address.country),
        **options,
    )
    _refuse_misuse(order)
    _refuse_malformed(order)
    _refuse_long(order)
    return _as_test(order)


@sensitive_variables()
def look_up(order: Order) -> Order:
    """Return the order with the lookup object; no SMS goes to a landline if the service says so.

    A provider may charge for its answer, and the answer tells about a number: limits come before.
    """
    service, address = order.service, order.address
    if not service.lookup_enabled or "@" in address.to:
        return order
    carrier = carrier_lookup.look_up(address.to)
    order = replace(order, lookup=carrier.as_lookup())
    if not (service.skip_sms_to_landlines and carrier.type == "landline"):
        return order
    if order.channel.name == "sms":
        raise exceptions.LandlineRefused
    return replace(order, fallback_channel="")


@sensitive_variables()
def _as_test(order: Order) -> Order:
    """Return the order, for a test number with its fixed code and no message.

    The operator's pair goes before what the service offers and what the caller has chosen.
    """
    code = testnumbers.code_of(order.service, order.address.to)
    if not code:
        return order
    withheld = VerificationAttempt.Withheld.TEST
    return replace(order, is_test=True, custom_code=code, withheld=withheld)


def _refuse_long(order: Order) -> None:
    """Refuse a template whose text, with all that is added to it, is too long to be sent."""
    if order.wording is None or order.channel.compose is None:
        return
    service = order.service
    minutes, length = service.lifetime // 60, order.code_length
    templates.refuse_too_long(
        order.wording, order.channel, brand=order.brand, minutes=minutes, length=length
    )
    if order.channel.name == "sms":
        draft = Draft(
            attempt_sid=order.attempt_sid,
            to=order.address.to,
            code="0" * length,
            friendly_name=order.brand,
            locale=order.locale,
            minutes=minutes,
            wording=order.wording,
            app_hash=order.app_hash,
            autofill_domain=order.autofill_domain,
            warn=service.do_not_share_warning_enabled,
        )
        if len(order.channel.compose(draft).body) > TEXT_LENGTH:
            raise exceptions.MessageTooLong


def _refuse_unroutable(service: VerifyService, row: Channel, country: str) -> None:
    if row.name not in service.channels:
        raise exceptions.ChannelDisabled
    if row.compose is None:
        return  # its provider is no sender
    if not delivery.route(service, row.name, country):
        raise row.unrouted


def _wishes(channel: str, configuration: Mapping[str, Any]) -> list[str]:
    """Return the channels that ChannelConfiguration switches on, in its order."""
    if channel == "email":
        return []
    names = []
    for name, options in configuration.items():
        known = name in channels.CHANNELS and name not in {"auto", "email"}
        if not (known and isinstance(options, dict) and isinstance(options.get("enabled"), bool)):
            raise InvalidParameter(
                "channel_configuration", 'for each channel, such as {"sms": {"enabled": true}}'
            )
        if options["enabled"]:
            names.append(name)
    return names


def _chosen(
    service: VerifyService,
    to: str,
    channel: str,
    device_ip: str,
    wishes: list[str],
    fitting: set[str],
) -> Channel:
    """Return the channel to use; `auto` takes the first that fits and is likely to arrive."""
    if channel != "auto" or not wishes:
        row = channels.get(channel)
        if channel != "auto":
            return row
    address = channels.get("sms").parse(to)
    for name in wishes or AUTO:
        if name in fitting and _is_usable(service, name, address, device_ip):
            return channels.get(name)
    raise exceptions.NoUsableChannel


def _is_usable(service: VerifyService, name: str, address: Address, device_ip: str) -> bool:
    if name not in service.channels:
        return False
    if name == "sna":
        return not service.psd2_enabled and sna.supports(address.to, device_ip)
    if not delivery.route(service, name, address.country):
        return False
    if name == "call":
        return not service.psd2_enabled
    return phones.line_type(address.to) != "landline"


def _fallback(service: VerifyService, chosen: str, wishes: list[str], country: str) -> str:
    """Return `sms` where WhatsApp was chosen, SMS is wished for too, and the service has it."""
    wanted = chosen == "whatsapp" and "sms" in wishes and "sms" in service.channels
    return "sms" if wanted and delivery.route(service, "sms", country) else ""


def _mail_options(service: VerifyService, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the e-mail channel's configuration; its From must be one that the service allows."""
    options = {name: value for name, value in given.items() if value not in ("", {}, None)}
    substitutions = options.get("substitutions", {})
    texts = [value for name, value in options.items() if name != "substitutions"]
    known = options.keys() <= {"from", "from_name", "template_id", "substitutions"}
    if known and isinstance(substitutions, dict) and len(substitutions) <= 20:
        texts += [*substitutions, *substitutions.values()]
    else:
        raise InvalidParameter(
            "channel_configuration", "from, from_name, template_id, substitutions"
        )
    if not all(isinstance(t, str) and len(t) <= 256 and t.isprintable() for t in texts):
        raise InvalidParameter("channel_configuration", "texts of at most 256 printable characters")
    if fault := confusables.fault_of_brand(options.get("from_name", "A")):
        raise InvalidParameter("channel_configuration", f"from_name: {fault}")
    _refuse_unknown_template(service, options.get("template_id", ""))
    if sender := options.get("from"):
        allowed = service.email_from_addresses.split()
        if not any(emails.same(sender, address) for address in allowed):
            raise exceptions.EmailSenderNotAllowed
    return options


def _autofill_domain(service: VerifyService, wanted: str | None) -> str:
    """Return the host that the code is bound to: the service's or one below it, or none."""
    own = service.autofill_domain
    if wanted is None:
        return own
    if not wanted:
        return ""
    try:
        name = url_policy.host_name(wanted)
    except ValueError as error:
        raise InvalidParameter("autofill_domain", str(error)) from None
    if not own or len(name) > AUTOFILL_DOMAIN_LENGTH or not f".{name}".endswith(f".{own}"):
        raise InvalidParameter("autofill_domain", "not the service's autofill domain or below it")
    return name


def _catalogue(channel: Channel, wording: Wording | None, locale: str, to: str) -> str:
    """Return the tag of the catalogue that speaks, beside a template's text as well."""
    if wording is None:
        return channels.choose_locale(channel, locale, to)
    return channels.match_locale(channel.locales, wording.locale) or "en"


def _refuse_unknown_template(service: VerifyService, template_id: str) -> None:
    """Refuse an e-mail template that none of the senders knows, where they say what they know."""
    used = [senders.get(alias) for alias in delivery.route(service, "email", "")]
    known = [getattr(sender, "templates", None) for sender in used]
    if template_id and not any(ids is None or template_id in ids for ids in known):
        raise exceptions.EmailTemplateUnknown


def _refuse_misuse(order: Order) -> None:
    """Refuse what the service or the channel does not offer."""
    service, channel = order.service, order.channel.name
    if order.amount is not None:
        if not (order.amount and order.payee):
            raise exceptions.TransactionRequired
        if channel == "call":
            raise exceptions.ChannelWithoutPsd2
        if channel == "sna":
            raise exceptions.SnaWithoutPsd2
    if order.custom_code and not service.custom_code_enabled:
        raise exceptions.FeatureDisabled
    if order.custom_friendly_name and not service.custom_friendly_name_enabled:
        raise exceptions.FeatureDisabled
    if order.sna_client_token and channel == "sna":
        provider = sna.configured()
        if provider is None or not provider.client_tokens:
            raise exceptions.FeatureDisabled
    if order.app_hash and channel != "sms":
        raise exceptions.AppHashNeedsSms


def _refuse_malformed(order: Order) -> None:
    """Refuse values that could not be stored, or would change the message's shape."""
    if order.custom_code and not codes.is_custom_code(order.custom_code):
        raise InvalidParameter("custom_code", "4–10 ASCII letters and digits")
    if order.app_hash and not _APP_HASH.match(order.app_hash):
        raise InvalidParameter("app_hash", "11 characters of the base64 alphabet")
    if order.send_digits and not _SEND_DIGITS.match(order.send_digits):
        raise InvalidParameter("send_digits", "at most 32 of 0–9, w, W, # and *")
    for name in ("amount", "payee"):
        value = getattr(order, name) or ""
        if len(value) > 64 or not value.isprintable() or confusables.poses_as_bound(value):
            raise InvalidParameter(name, "at most 64 printable characters, and no `@host #code`")
    if order.custom_friendly_name:
        _refuse_brand(order.custom_friendly_name)
    _refuse_malformed_tags(order.tags)


def _refuse_device_ip(device_ip: str) -> None:
    if device_ip:
        try:
            ipaddress.ip_address(device_ip)
        except ValueError:
            raise InvalidParameter("device_ip", "not an IP address") from None


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
