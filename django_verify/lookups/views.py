"""`/v1/PhoneNumbers/{PhoneNumber}` and `/v2/PhoneNumbers/{PhoneNumber}`, for accounts and API keys.

Numbers are read as people write them: with `+` or 00, or as in the country of `CountryCode`, by
default the United States. What the vendor's own data would say is null.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import quote

from rest_framework import serializers

from django_verify.api import wire
from django_verify.api.mixins import Fetch
from django_verify.api.resource import Resource
from django_verify.contact import facts, phones
from django_verify.contact.phones import NumberType, Phone
from django_verify.exceptions import InvalidParameter, NotFound
from django_verify.rest import bodies
from django_verify.rest.answers import Answer, computed, constant
from django_verify.verifications import carrier_lookup
from django_verify.verifications.carrier_lookup import Carrier

#: Where numbers without a calling code are of, as the vendor has it.
DEFAULT_REGION = "US"
#: The packages of version 2; all but the first two are of the vendor's data.
PACKAGES = frozenset(
    {
        *("validation", "line_type_intelligence", "caller_name", "sim_swap", "call_forwarding"),
        *("line_status", "identity_match", "reassigned_number", "sms_pumping_risk"),
        *("phone_number_quality_score", "pre_fill"),
    }
)

_VOIP = {"fixedVoip": "voip", "nonFixedVoip": "voip"}
# The types of version 2 that a carrier look-up has no word for.
_BY_PLAN = {
    NumberType.TOLL_FREE: "tollFree",
    NumberType.PREMIUM: "premium",
    NumberType.SHARED_COST: "sharedCost",
    NumberType.PERSONAL: "personal",
    NumberType.UAN: "uan",
    NumberType.PAGER: "pager",
    NumberType.VOICEMAIL: "voicemail",
}


@dataclass(frozen=True, slots=True)
class Found:
    """A number that was looked up, or the text that is none; and its carrier, if it was asked."""

    text: str
    region: str
    phone: Phone | None
    carrier: Carrier | None = None

    @property
    def number(self) -> str:
        """The number in E.164; the text where it is none."""
        return self.phone.number if self.phone else self.text

    @property
    def country_code(self) -> str | None:
        """The country, as two letters."""
        return (self.phone.region or None) if self.phone else None

    @property
    def national_format(self) -> str | None:
        """The number as its country writes it."""
        return facts.national_format(self.phone.number) if self.phone else None

    @property
    def calling_code(self) -> str | None:
        """The digits of the calling code."""
        return facts.calling_code(self.phone.number) if self.phone else None

    @property
    def faults(self) -> list[str]:
        """What is wrong with it."""
        return [] if self.phone else facts.faults(self.text, self.region)


def _unknown() -> Any:
    """Return a member that only the vendor's data could fill."""
    return constant(serializers.JSONField(allow_null=True), None)


def _url(found: Found, view: Resource) -> str:
    return view.link(f"{view.path}/{quote(found.number, safe='+')}")


def _carrier(found: Found, view: Resource) -> dict[str, Any] | None:
    """Return the carrier object of version 1; None where nobody has asked for it."""
    carrier = found.carrier
    if carrier is None:
        return None
    content: dict[str, Any] = carrier.as_lookup()["carrier"]
    return content | {"type": _VOIP.get(carrier.type or "", carrier.type)}


def _line_type(found: Found, view: Resource) -> dict[str, Any] | None:
    """Return the package of version 2; None where nobody has asked for it."""
    carrier = found.carrier
    if carrier is None or found.phone is None:
        return None
    kind = carrier.type or _BY_PLAN.get(found.phone.type)
    return {
        "error_code": carrier.error_code,
        "mobile_country_code": carrier.mobile_country_code,
        "mobile_network_code": carrier.mobile_network_code,
        "carrier_name": carrier.name,
        # A plan does not say whether a number of a VoIP range stands somewhere.
        "type": "nonFixedVoip" if kind == "voip" else kind or "unknown",
    }


class V1Answer(Answer):
    """A number as version 1 shows it."""

    caller_name = _unknown()
    country_code = serializers.CharField(allow_null=True)
    phone_number = serializers.CharField(source="number")
    national_format = serializers.CharField()
    carrier = computed(serializers.DictField(allow_null=True), _carrier)
    add_ons = _unknown()
    url = computed(serializers.URLField(), _url)


class V2Answer(Answer):
    """A number as version 2 shows it, or a text and why it is none."""

    calling_country_code = serializers.CharField(source="calling_code", allow_null=True)
    country_code = serializers.CharField(allow_null=True)
    phone_number = serializers.CharField(source="number")
    national_format = serializers.CharField(allow_null=True)
    valid = computed(serializers.BooleanField(), lambda found, view: found.phone is not None)
    validation_errors = serializers.ListField(source="faults")
    caller_name = _unknown()
    sim_swap = _unknown()
    call_forwarding = _unknown()
    line_type_intelligence = computed(serializers.DictField(allow_null=True), _line_type)
    line_status = _unknown()
    identity_match = _unknown()
    reassigned_number = _unknown()
    sms_pumping_risk = _unknown()
    phone_number_quality_score = _unknown()
    pre_fill = _unknown()
    url = computed(serializers.URLField(), _url)


class V1Query(wire.Parameters):
    """The query of version 1; add-ons are ignored."""

    CountryCode = wire.Text(required=False)
    Type = wire.Many(wire.Text(), required=False)


class V2Query(wire.Parameters):
    """The query of version 2; what the vendor's other packages want to know is ignored."""

    CountryCode = wire.Text(required=False)
    Fields = wire.Many(wire.Text(), required=False)


class PhoneNumberViewSet(Fetch, Resource):
    """Base of both: reads the number that the path names."""

    path = "PhoneNumbers"
    lookup = "phone_number"
    query: ClassVar[type[wire.Parameters]]

    def get_object(self) -> Found:
        """Look the number up, and its carrier where the query asks for it."""
        self._reading = reader = wire.reader(self.query)
        query = reader.read(bodies.query_values(self.http))
        code = query.get("country_code", "") or DEFAULT_REGION
        # Some letters of others have their capital among the ASCII ones.
        region = code.upper() if code.isascii() else code
        if region not in phones.SUPPORTED:
            raise InvalidParameter("country_code", "two letters of a country, such as US")
        asks = self.asks_carrier(query)
        text = self.kwargs[self.lookup]
        phone = facts.read(text, region)
        carrier = carrier_lookup.look_up(phone.number) if phone and asks else None
        return Found(text, region, phone, carrier)

    def asks_carrier(self, query: dict[str, Any]) -> bool:
        """Whether the carrier is asked for; a provider may charge for its answer."""
        raise NotImplementedError


class PhoneNumberV1ViewSet(PhoneNumberViewSet):
    """Version 1: what is no number is not found."""

    query = V1Query
    answer = V1Answer

    def get_object(self) -> Found:
        """Look the number up. Raises NotFound."""
        found = super().get_object()
        if found.phone is None:
            raise NotFound
        return found

    def asks_carrier(self, query: dict[str, Any]) -> bool:
        """Whether one of the types is the carrier; others are ignored."""
        return "carrier" in query.get("type", ())


class PhoneNumberV2ViewSet(PhoneNumberViewSet):
    """Version 2: what is no number is answered with what is wrong."""

    query = V2Query
    answer = V2Answer

    def asks_carrier(self, query: dict[str, Any]) -> bool:
        """Whether the line type is asked for. Raises InvalidParameter for no package at all."""
        names = {name.strip() for text in query.get("fields", ()) for name in text.split(",")}
        if unknown := sorted(names - PACKAGES - {""}):
            raise InvalidParameter("fields", f"there is no package {unknown[0][:64]!r}")
        return "line_type_intelligence" in names
