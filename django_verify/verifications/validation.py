"""Validates a start request by what the service and the channel offer; nothing is written here."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from django.core.exceptions import ValidationError
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from django_verify import delivery, exceptions, fraud, senders, sids
from django_verify.contact import emails
from django_verify.crypto import codes
from django_verify.db import statements
from django_verify.exceptions import InvalidParameter
from django_verify.limits.counters import Meter
from django_verify.messages import channels, compose, locales, templates
from django_verify.messages.channels import Channel, Recipient
from django_verify.models import (
    Verification,
    VerificationAttempt,
    VerifyService,
)
from django_verify.models.services import (
    AUTOFILL_DOMAIN_LENGTH,
    RESTRICTED,
    validate_friendly_name,
)
from django_verify.net import client_ip, url_policy
from django_verify.text import confusables
from django_verify.text.placeholders import TEXT_LENGTH, TemplateText
from django_verify.verifications import auto_channel, carrier_lookup, sna, testnumbers
from django_verify.verifications.guess_budget import History
from django_verify.verifications.request import StartRequest

# What may stand behind a channel, where the caller wishes for both.
_BEHIND = {"whatsapp": "sms", "telegram": "sms", "rcs": "sms", "sms": "telegram"}

_APP_HASH = re.compile(r"[0-9A-Za-z+/]{11}\Z")
_SEND_DIGITS = re.compile(r"[0-9wW#*]{1,32}\Z")


@dataclass(slots=True)
class Start:
    """A start that the service and the channel offer: the request, and what it comes to.

    `attempt` is not written yet, and has all columns that do not depend on the verification.
    """

    request: StartRequest
    service: VerifyService
    channel: Channel
    recipient: Recipient
    attempt: VerificationAttempt
    custom_code: str = field(repr=False)
    is_test: bool = False
    #: What it is still to be counted in.
    metered: Sequence[Meter] = ()
    lookup: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def is_about(self, row: Verification) -> bool:
        """Whether a row is for the same service, client, recipient and, under PSD2, transaction."""
        return (
            (row.service_id, row.client) == (self.service.sid, self.client_sid)
            and (row.amount, row.payee) == (self.amount, self.payee)
            and channels.same_recipient(row.to, self.recipient.to)
        )

    def is_outdated_by(self, live: Verification) -> bool:
        """Whether the client's own verification was sent again since this request read it."""
        client = self.request.client
        return client is not None and live.sends != client.verification.sends

    @property
    def amount(self) -> str | None:
        """The amount of a PSD2 transaction; None where the service verifies none."""
        return self.request.amount if self.service.psd2_enabled else None

    @property
    def payee(self) -> str | None:
        """The payee of a PSD2 transaction; None where the service verifies none."""
        return self.request.payee if self.service.psd2_enabled else None

    @property
    def client_sid(self) -> str:
        return self.request.client.sid if self.request.client else ""

    @property
    def code_length(self) -> int:
        return len(self.custom_code) or self.service.code_length

    @property
    def sends(self) -> bool:
        """Whether a message is sent at all; silent network authentication sends none."""
        return self.channel.compose is not None


@sensitive_variables()
def read_recipient(parse: Callable[[str], Recipient], to: str) -> Recipient:
    """Read a recipient as `parse` does. Raises InvalidParameter.

    One that is none may be of a range that a rule has opened since this process read the rules.
    """
    try:
        return parse(to)
    except InvalidParameter:
        fraud.refresh()
        return parse(to)


@sensitive_variables()
def read_typed(to: str) -> str:
    """Return a recipient that a person typed or pasted as `read_recipient` takes it."""
    found = channels.read_typed(to)
    try:
        channels.parse_recipient(found)
    except InvalidParameter:
        fraud.refresh()
        return channels.read_typed(to)
    return found


@sensitive_variables()
def accept(service: VerifyService, request: StartRequest) -> Start:
    """Return the start that was asked for, or raise what is wrong with it."""
    if request.device_ip:
        _refuse_device_ip(request.device_ip)
    wishes = _wishes(request) if request.channel_configuration else []
    channel = _chosen(service, request, wishes)
    recipient = read_recipient(channel.parse, request.to)
    start = Start(
        request=request,
        service=service,
        channel=channel,
        recipient=recipient,
        attempt=_attempt(service, request, channel, recipient, wishes),
        custom_code=request.custom_code,
    )
    _refuse_misuse(start)
    _refuse_malformed(start)
    if start.attempt.template and start.sends:
        _refuse_long(start)
    if getattr(service, "has_test_numbers", True):
        _take_test_number(start)
    return start


@sensitive_variables()
def _attempt(
    service: VerifyService,
    request: StartRequest,
    channel: Channel,
    recipient: Recipient,
    wishes: list[str],
) -> VerificationAttempt:
    """Return the attempt with what the caller and the service set for its message."""
    steps = _steps(service, channel, recipient.country)
    brand = request.custom_friendly_name
    template_text = None
    if request.template_sid or (service.default_template_sid and not service.psd2_enabled):
        template_text = templates.choose(
            service,
            channel,
            request.template_sid,
            request.template_custom_substitutions,
            locale=request.locale,
            to=request.to,
        )
    if service.psd2_enabled:
        template_text = None  # the law asks for a text that names amount and payee
    fallback = _fallback(service, channel.name, wishes, recipient.country)
    is_email = channel.name == "email"
    now = timezone.now()
    # A page of attempts goes by their keys, and the time of a key is what it shows.
    created = now.replace(microsecond=now.microsecond // 1000 * 1000)
    attempt = statements.new(
        VerificationAttempt,
        sid=sids.attempt(now),
        date_created=created,
        channel=channel.name,
        locale=_catalogue(channel, template_text, request),
        custom_friendly_name=brand and confusables.normalize(brand),
        app_hash=request.app_hash,
        autofill_domain=_autofill_domain(service, request.autofill_domain),
        send_digits=request.send_digits if channel.name == "call" else "",
        template=asdict(template_text) if template_text else {},
        tags=dict(request.tags),
        channel_configuration=_mail_options(service, request) if is_email else {},
        fallback_channel=fallback[0][0] if fallback else "",
    )
    attempt.steps = [*steps, *fallback]
    return attempt


@sensitive_variables()
def guard(start: Start, past: History) -> None:
    """Ask the guard. Raises its refusal; what must not be known of is written, and withheld.

    A fallback channel that it refuses is left out. A test number is sent nothing, and not asked
    about.
    """
    if start.is_test:
        return
    request, attempt = start.request, start.attempt
    attempt.asked = fraud.Asked(
        service=start.service,
        to=start.recipient.to,
        key=start.recipient.key,
        country=start.recipient.country,
        number_type=start.recipient.number_type,
        channel=start.channel.name,
        is_client=request.client is not None,
        by_stranger=request.client is not None and not request.client.recognized_by,
        risk_check=request.risk_check,
        network=request.network or client_ip.network_of(request.device_ip),
        device_id=request.device_id,
        fallbacks=[attempt.fallback_channel] if attempt.fallback_channel else [],
        sender=attempt.steps[0][1] if attempt.steps else "",
        attempt_sid=attempt.sid,
        block=past.block,
        latest_place=past.latest_place,
    )
    attempt.decision = decision = fraud.decide(attempt.asked)
    if decision.refused is not None:
        raise decision.refused
    for name, value in decision.marks.items():
        setattr(attempt, name, value)
    if decision.withheld:
        attempt.withheld = VerificationAttempt.Withheld.BLOCKED
    if decision.without:
        _leave_out(attempt, decision.without)


def _leave_out(attempt: VerificationAttempt, names: Collection[str]) -> None:
    """Take channels out of what is tried."""
    if attempt.fallback_channel in names:
        attempt.fallback_channel = ""
    attempt.steps = [step for step in attempt.steps or () if step[0] not in names]


def asks_a_provider(start: Start) -> bool:
    """Whether a provider, which may charge for it, is asked before the start is written."""
    return not start.sends or _is_looked_up(start)


def _is_looked_up(start: Start) -> bool:
    return start.service.lookup_enabled and "@" not in start.recipient.to


@sensitive_variables()
def look_up(start: Start) -> None:
    """Add the lookup object; no SMS goes to a landline where the service skips them.

    A provider may charge for its answer, and the answer is about a person: limits come before.
    """
    if not _is_looked_up(start):
        return
    service, to = start.service, start.recipient.to
    carrier = carrier_lookup.look_up(to)
    start.lookup = carrier.as_lookup()
    if not (service.skip_sms_to_landlines and carrier.type == "landline"):
        return
    if start.channel.name == "sms":
        raise exceptions.LandlineRefused
    _leave_out(start.attempt, {"sms"})


@sensitive_variables()
def _take_test_number(start: Start) -> None:
    """Give the start of a test number its fixed code, and no message.

    The operator's pair goes before what the service offers and what the caller has chosen.
    """
    if code := testnumbers.code_of(start.service, start.recipient.to):
        start.is_test, start.custom_code = True, code
        start.attempt.withheld = VerificationAttempt.Withheld.TEST


def _refuse_long(start: Start) -> None:
    """Refuse a template whose text, with all that is added to it, is too long to be sent."""
    code = "0" * start.code_length
    minutes = start.service.lifetime // 60
    draft = compose.draft(start.attempt, start.service, start.recipient.to, code, minutes)
    templates.refuse_too_long(draft, start.channel)
    if start.channel.name != "sms" or start.channel.compose is None:
        return
    if len(start.channel.compose(draft).body) > TEXT_LENGTH:
        raise exceptions.MessageTooLong


def _steps(service: VerifyService, channel: Channel, country: str) -> list[tuple[str, str]]:
    """Return the channel's senders in order, resolved once. Raises what none of them means."""
    if channel.name not in service.channels:
        raise exceptions.ChannelDisabled
    if channel.compose is None:
        return []  # its provider is no sender
    aliases = delivery.route(service, channel.name, country)
    if not aliases:
        raise channel.unrouted
    return [(channel.name, alias) for alias in aliases]


def _wishes(request: StartRequest) -> list[str]:
    """Return the channels that ChannelConfiguration switches on, in its order."""
    if request.channel == "email":
        return []
    names = []
    for given, options in request.channel_configuration.items():
        name = channels.ALIASES.get(given, given)
        known = name in channels.CHANNELS and name not in {"auto", "email"}
        if not (known and isinstance(options, dict) and isinstance(options.get("enabled"), bool)):
            raise InvalidParameter(
                "channel_configuration", 'for each channel, such as {"sms": {"enabled": true}}'
            )
        if options["enabled"]:
            names.append(name)
    return names


def _chosen(service: VerifyService, request: StartRequest, wishes: list[str]) -> Channel:
    """Return the channel that was named. Raises as `auto_channel.choose` does, for `auto`."""
    if request.channel != "auto" or not wishes:
        row = channels.get(request.channel)
        if request.channel != "auto":
            return row
    recipient = read_recipient(channels.get("sms").parse, request.to)
    return auto_channel.choose(service, request, recipient, wishes)


def _fallback(
    service: VerifyService, chosen: str, wishes: list[str], country: str
) -> list[tuple[str, str]]:
    """Return the senders behind the chosen channel, where theirs is wished for and offered."""
    name = _BEHIND.get(chosen, "")
    if not (name in wishes and name in service.channels):
        return []
    if service.psd2_enabled and not channels.CHANNELS[name].names_payment:
        return []
    return [(name, alias) for alias in delivery.route(service, name, country)]


def _mail_options(service: VerifyService, request: StartRequest) -> dict[str, Any]:
    """Return the e-mail channel's configuration; its From must be one that the service allows."""
    given = request.channel_configuration
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
    # A line break in a name or an address would begin another header of the mail.
    if not all(isinstance(t, str) and len(t) <= 256 and t.isprintable() for t in texts):
        raise InvalidParameter("channel_configuration", "texts of at most 256 printable characters")
    if fault := confusables.fault_of_brand(options.get("from_name", "A")):
        raise InvalidParameter("channel_configuration", f"from_name: {fault}")
    _refuse_unknown_template(service, options.get("template_id", ""))
    # The site's mail server vouches for what it sends, so an account may not name any address.
    if sender := options.get("from"):
        allowed = service.email_from_addresses.split()
        if not any(emails.same(sender, recipient) for recipient in allowed):
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
    # With a dot in front of both, evilexample.com is not below example.com.
    if not own or len(name) > AUTOFILL_DOMAIN_LENGTH or not f".{name}".endswith(f".{own}"):
        raise InvalidParameter("autofill_domain", "not the service's autofill domain or below it")
    return name


def _catalogue(channel: Channel, template_text: TemplateText | None, request: StartRequest) -> str:
    """Return the tag of the catalogue that speaks, beside a template's text as well."""
    if template_text is None:
        # What a device says of its language is a hint; an account names a locale.
        hint = request.client is not None
        return channels.choose_locale(channel, request.locale, request.to, hint=hint)
    return locales.match(channel.locales, template_text.locale) or "en"


def _refuse_unknown_template(service: VerifyService, template_id: str) -> None:
    """Refuse an e-mail template that none of the senders knows, where they list theirs."""
    used = [senders.get(alias) for alias in delivery.route(service, "email", "")]
    known = [getattr(sender, "templates", None) for sender in used]
    if template_id and not any(ids is None or template_id in ids for ids in known):
        raise exceptions.EmailTemplateUnknown


def _refuse_misuse(start: Start) -> None:
    """Refuse what the service or the channel does not offer."""
    service, request, channel = start.service, start.request, start.channel.name
    if service.psd2_enabled:
        if not (request.amount and request.payee):
            raise exceptions.TransactionRequired
        if channel == "sna":
            raise exceptions.SnaWithoutPsd2
        if not start.channel.names_payment:
            raise exceptions.ChannelWithoutPsd2
    if request.custom_code and not service.custom_code_enabled:
        raise exceptions.FeatureDisabled
    if request.custom_friendly_name and not service.custom_friendly_name_enabled:
        raise exceptions.FeatureDisabled
    if request.enable_sna_client_token and channel == "sna":
        provider = sna.configured()
        if provider is None or not provider.client_tokens:
            raise exceptions.FeatureDisabled
    if request.app_hash and channel != "sms":
        raise exceptions.AppHashNeedsSms


def _refuse_malformed(start: Start) -> None:
    """Refuse values that could not be stored, or would change the message's shape."""
    request = start.request
    if request.custom_code and not codes.is_custom_code(request.custom_code):
        raise InvalidParameter("custom_code", "4–10 ASCII letters and digits")
    if request.app_hash and not _APP_HASH.match(request.app_hash):
        raise InvalidParameter("app_hash", "11 characters of the base64 alphabet")
    if request.send_digits and not _SEND_DIGITS.match(request.send_digits):
        raise InvalidParameter("send_digits", "at most 32 of 0–9, w, W, # and *")
    for name, value in (("amount", start.amount), ("payee", start.payee)):
        if value and (
            len(value) > 64 or not value.isprintable() or confusables.imitates_bound_code(value)
        ):
            raise InvalidParameter(name, "at most 64 printable characters, and no `@host #code`")
    if request.custom_friendly_name:
        _refuse_brand(start.attempt.custom_friendly_name)
    if request.tags:
        _refuse_malformed_tags(request.tags)


def _refuse_device_ip(device_ip: str) -> None:
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
