"""Which types of numbers nothing is sent to, unless the service allows them."""

from __future__ import annotations

from django_verify.contact.phones import NumberType
from django_verify.exceptions import (
    DestinationRefused,
    InvalidParameter,
    LandlineRefused,
    VerifyError,
)
from django_verify.models import VerifyService

#: Calls and messages to these cost their sender, or reach no one person.
EVERYWHERE = frozenset(
    {
        NumberType.PREMIUM,
        NumberType.SHARED_COST,
        NumberType.PERSONAL,
        NumberType.UAN,
        NumberType.PAGER,
        NumberType.VOICEMAIL,
        NumberType.SATELLITE,
        NumberType.INTERNATIONAL,
    }
)
#: These take calls, and no message of the operator's network.
WITHOUT_TEXTS = frozenset({NumberType.LANDLINE, NumberType.TOLL_FREE})
#: What people have.
ORDINARY = frozenset({NumberType.MOBILE, NumberType.VOIP})
_TEXTS = frozenset({"sms", "rcs", "sna"})


def refusal(service: VerifyService, number_type: str, channel: str) -> VerifyError | None:
    """Return why nothing is sent to a type of number by a channel; None where it may be."""
    if number_type in service.allowed_number_types:
        return None
    if number_type in EVERYWHERE:
        return DestinationRefused("number_type")
    if number_type in WITHOUT_TEXTS and channel in _TEXTS:
        return LandlineRefused()
    if number_type == NumberType.UNLISTED:
        return InvalidParameter("to", "not a valid phone number")
    return None
