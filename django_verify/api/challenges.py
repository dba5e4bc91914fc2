"""Challenges of an entity's factors: create, fetch, list, answer."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from django_verify import factors
from django_verify.api import fields, wire
from django_verify.api.entities import EntityResource
from django_verify.api.mixins import Create, Fetch, List, Update
from django_verify.api.resource import PageParameters
from django_verify.factors import challenges, entities
from django_verify.models import Challenge, Factor
from django_verify.rest.answers import Answer, Time, computed, constant

MESSAGE_LENGTH, LABEL_LENGTH, VALUE_LENGTH = 256, 36, 128
MAX_FIELDS = 20


class DetailField(wire.JSONObject):
    """One line of a challenge's details: `label` and `value`, as a JSON object."""

    default_error_messages = {
        "members": "label and value are required, of at most 36 and 128 characters"
    }

    def to_internal_value(self, data: str) -> dict[str, Any]:
        """Return label and value, without whatever else there was."""
        value = super().to_internal_value(data)
        line = {}
        for name, longest in (("label", LABEL_LENGTH), ("value", VALUE_LENGTH)):
            text = value.get(name)
            if not (isinstance(text, str) and len(text) <= longest):
                self.fail("members")
            line[name] = text
        return line


class DetailFields(wire.Many):
    """Up to twenty lines."""

    default_error_messages = {"many": "at most 20 fields are possible"}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(DetailField(), **kwargs)

    def to_internal_value(self, data: Any) -> list[Any]:
        """Return the lines."""
        if len(data) > MAX_FIELDS:
            self.fail("many")
        return super().to_internal_value(data)


class ChallengeParameters(wire.Parameters):
    """Of create."""

    FactorSid = fields.Sid("YF")
    ExpirationDate = fields.Moment(required=False)
    Details_Message = wire.Text(MESSAGE_LENGTH, required=False)
    Details_Fields = DetailFields(required=False)
    HiddenDetails = fields.TextMap(required=False)
    AuthPayload = wire.Text(5456, required=False)


class AnswerParameters(wire.Parameters):
    """Of update, which answers."""

    AuthPayload = wire.Text(5456, required=False)
    Metadata = fields.TextMap(required=False)


class ChallengeFilters(PageParameters):
    """Of list."""

    FactorSid = fields.Sid("YF", required=False)
    Status = fields.OneOf("pending", "expired", "approved", "denied", required=False)
    Order = fields.OneOf("asc", "desc", required=False)


class ChallengeAnswer(Answer):
    """A challenge."""

    sid = wire.SidOf("YC")
    account_sid = wire.CallersSid()
    service_sid = wire.SidOf("VA", source="service_id")
    entity_sid = wire.SidOf("YE", source="entity_id")
    identity = serializers.CharField(source="entity.identity")
    factor_sid = wire.SidOf("YF", source="factor_id")
    date_created = Time()
    date_updated = Time()
    date_responded = Time(allow_null=True)
    status = computed(
        serializers.ChoiceField(["pending", "expired", "approved", "denied"]),
        lambda row, view: row.current_status(timezone.now()),
    )
    responded_reason = constant(
        serializers.ChoiceField(["none", "not_needed", "not_requested"]), "none"
    )
    details = serializers.DictField(allow_null=True)
    hidden_details = serializers.DictField(child=serializers.CharField(), allow_null=True)
    metadata = serializers.DictField(child=serializers.CharField(), allow_null=True)
    factor_type = serializers.ChoiceField(["push", "totp", "passkeys"])
    expiration_date = Time()
    url = wire.Link()
    links = wire.Links(
        when=lambda answer: answer["factor_type"] != Factor.Type.PASSKEYS,
        notifications="Notifications",
    )


class ChallengeViewSet(Create, Fetch, List, Update, EntityResource):
    """`/Services/{ServiceSid}/Entities/{Identity}/Challenges`; a wrong code leaves it pending."""

    path = "Services/<str:service_sid>/Entities/<str:identity>/Challenges"
    prefix = "YC"
    key = "challenges"
    model = Challenge
    parameters = ChallengeParameters
    update_parameters = AnswerParameters
    filters = ChallengeFilters
    answer = ChallengeAnswer

    def admits_device(self, device: Factor) -> bool:
        """Let a device read and answer its own challenges, once it is verified."""
        reads = self.action in {"retrieve", "list", "update"}
        return reads and device.is_verified and self.is_of(device)

    def get_queryset(self) -> QuerySet[Challenge]:
        """Return the entity's challenges with their factors; for a device, its own alone."""
        found = super().get_queryset().select_related("factor__entity")
        return found if self.device is None else found.filter(factor_id=self.device.sid)

    def retrieve(self, request: Request, **kwargs: str) -> Response:
        """Answer the challenge; while it waits, with the names of what the device is to sign."""
        response = super().retrieve(request, **kwargs)
        signed = factors.get(response.data["factor_type"]).signed
        if signed and response.data["status"] == Challenge.Status.PENDING:
            # The device SDKs look this header up letter by letter, and split it at bare commas.
            response["Twilio-Verify-Signature-Fields"] = ",".join(signed)
        return response

    def oldest_first(self, query: dict[str, Any]) -> bool:
        """Return whether the list begins with the oldest, as is the default."""
        return bool(query.pop("order", "asc") == "asc")

    def narrow(self, rows: QuerySet[Challenge], **filters: Any) -> QuerySet[Challenge]:
        """Filter by factor, and by the status of this moment."""
        if "factor_sid" in filters:
            rows = rows.filter(factor_id=filters["factor_sid"])
        if "status" in filters:
            rows = challenges.narrowed(rows, filters["status"], timezone.now())
        return rows

    def perform_create(self, factor_sid: str, **values: Any) -> Challenge:
        """Ask a factor of the entity. Raises NotFound for another's."""
        factor = entities.fetch_factor(self.entity, factor_sid)
        return challenges.create(
            factor,
            expiration_date=values.get("expiration_date"),
            details=_details(values),
            hidden_details=values.get("hidden_details"),
            auth_payload=values.get("auth_payload", ""),
            as_written=True,
        )

    def perform_update(self, challenge: Challenge, /, **values: Any) -> Challenge:
        """Take the answer of the factor's owner."""
        return challenges.answer(
            challenge,
            values.get("auth_payload", ""),
            metadata=values.get("metadata"),
            as_written=True,
        )


def _details(values: dict[str, Any]) -> dict[str, Any] | None:
    """Return what is shown to the owner of the factor; None where nothing was sent."""
    if not {"details_message", "details_fields"} & set(values):
        return None
    return {
        "message": values.get("details_message", ""),
        "fields": values.get("details_fields", []),
    }
