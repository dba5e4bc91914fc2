"""The channel `auto`: the first that fits a start request and is likely to arrive."""

from __future__ import annotations

from collections.abc import Sequence

from django_verify import delivery, exceptions, fraud
from django_verify.contact import phones
from django_verify.db.config_cache import Outdated
from django_verify.messages import channels
from django_verify.messages.channels import Channel, Recipient
from django_verify.models import VerifyService
from django_verify.verifications import sna
from django_verify.verifications.request import StartRequest

# What `auto` tries where the caller names no channels, in order.
AUTO = ("sna", "sms", "whatsapp", "call")


def choose(
    service: VerifyService, request: StartRequest, recipient: Recipient, wishes: Sequence[str]
) -> Channel:
    """Return the first channel of those wished for, or of all, that fits and is likely to arrive.

    Raises NoUsableChannel, and Outdated where a provider would have to be asked for a caller known
    from memory only.
    """
    for name in wishes or AUTO:
        if name == "sna" and request.known is not None and sna.configured():
            raise Outdated  # a provider may ask the carrier, and copies are not confirmed yet
        if _fits(request, name) and _is_usable(service, name, recipient, request):
            return channels.get(name)
    raise exceptions.NoUsableChannel


def _fits(request: StartRequest, name: str) -> bool:
    """Whether a channel can carry what the request wants of the message."""
    if request.app_hash:
        return name == "sms"
    return not request.template_sid or bool(channels.CHANNELS[name].template_kind)


def _is_usable(
    service: VerifyService, name: str, recipient: Recipient, request: StartRequest
) -> bool:
    if name not in service.channels:
        return False
    if name != "sna" and not delivery.route(service, name, recipient.country):
        return False
    if not fraud.allowed(service, recipient.to, [name], risk_check=request.risk_check):
        return False
    if name == "sna":
        return not service.psd2_enabled and sna.supports(recipient.to, request.device_ip)
    if service.psd2_enabled and not channels.CHANNELS[name].names_payment:
        return False
    if name == "call":
        return True
    return phones.line_type(recipient.to) != "landline"
