"""Entities and their factors."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from rest_framework import serializers

from django_verify import exceptions, factors, sids
from django_verify.api import fields, wire
from django_verify.api.mixins import Create, Delete, Fetch, List, Update
from django_verify.api.resource import ServiceResource
from django_verify.exceptions import InvalidFactorParameter, InvalidParameter
from django_verify.factors import access_tokens, entities
from django_verify.models import Entity, Factor
from django_verify.rest.answers import Answer, Time, computed


class FactorSide(ServiceResource):
    """Base of what has to do with factors, where a bad parameter has numbers of its own."""

    refusal = InvalidFactorParameter

    def as_ours(self, error: exceptions.VerifyError) -> exceptions.VerifyError:
        """Return the error under this side's number."""
        if type(error) is not InvalidParameter:
            return error
        missing = error.reason == wire.REQUIRED
        kind = exceptions.MissingFactorParameter if missing else self.refusal
        return kind(error.parameter, error.reason)


class EntityResource(FactorSide):
    """Base of what belongs to an entity, which the path names by its identity."""

    @property
    def entity(self) -> Entity:
        """Return the entity of the path. Raises NotFound."""
        return entities.fetch(self.service, self.kwargs["identity"])

    def get_queryset(self) -> QuerySet[Any]:
        """Return the entity's objects. Raises NotFound when there is no such entity."""
        entity = self.entity
        rows: QuerySet[Any] = self.model._default_manager.filter(entity_id=entity.sid)  # noqa: SLF001
        return rows.select_related("entity")

    def is_of(self, device: Factor) -> bool:
        """Whether the path names the service and the entity of a device."""
        named = (sids.canonical(self.kwargs["service_sid"]), self.kwargs["identity"].lower())
        return named == (device.service_id, device.entity.identity_key)


class EntityParameters(wire.Parameters):
    """Of create."""

    Identity = wire.Text()


class EntityAnswer(Answer):
    """An entity."""

    sid = wire.SidOf("YE")
    identity = serializers.CharField()
    account_sid = wire.CallersSid()
    service_sid = wire.SidOf("VA", source="service_id")
    date_created = Time()
    date_updated = Time()
    url = wire.Link()
    links = wire.Links(factors="Factors", new_factors="Factors", challenges="Challenges")


class EntityViewSet(Create, Fetch, List, Delete, FactorSide):
    """`/Services/{ServiceSid}/Entities`: named by their identity, not by their SID."""

    path = "Services/<str:service_sid>/Entities"
    lookup = "identity"
    key = "entities"
    model = Entity
    parameters = EntityParameters
    answer = EntityAnswer

    def get_object(self) -> Entity:
        """Return the entity of the path. Raises NotFound."""
        return entities.fetch(self.service, self.kwargs["identity"])

    def perform_create(self, identity: str) -> Entity:
        """Write a new entity."""
        return entities.create(self.loaded_service(), identity)

    def perform_destroy(self, entity: Entity) -> None:
        """Delete it with its factors and challenges."""
        entities.delete(entity)


class FactorChanges(wire.Parameters):
    """Of update; the payload is what verifies a new factor."""

    AuthPayload = wire.Text(5456, required=False)
    FriendlyName = wire.Text(64, required=False)
    Config_NotificationToken = wire.Text(255, required=False)
    Config_SdkVersion = wire.Text(required=False)
    Config_TimeStep = wire.Integer(20, 60, required=False)
    Config_Skew = wire.Integer(0, 2, required=False)
    Config_CodeLength = wire.Integer(3, 8, required=False)
    Config_Alg = fields.OneOf("sha1", "sha256", "sha512", required=False)
    Config_NotificationPlatform = fields.OneOf("apn", "fcm", "none", required=False)


class FactorParameters(wire.Parameters):
    """Of create; the kind decides which of them are needed."""

    FriendlyName = wire.Text(64, allow_blank=False)
    FactorType = wire.Text(allow_blank=False)
    Binding_Alg = wire.Text(required=False)
    Binding_PublicKey = wire.Text(8192, required=False)
    Config_AppId = wire.Text(100, required=False)
    Config_NotificationPlatform = fields.OneOf("apn", "fcm", "none", required=False)
    Config_NotificationToken = wire.Text(255, required=False)
    Config_SdkVersion = wire.Text(required=False)
    Binding_Secret = wire.Text(required=False)
    Config_TimeStep = wire.Integer(20, 60, required=False)
    Config_Skew = wire.Integer(0, 2, required=False)
    Config_CodeLength = wire.Integer(3, 8, required=False)
    Config_Alg = fields.OneOf("sha1", "sha256", "sha512", required=False)
    Metadata = fields.TextMap(required=False)


class FactorAnswer(Answer):
    """A factor; its binding and options are returned when it is created, and never again."""

    sid = wire.SidOf("YF")
    account_sid = wire.CallersSid()
    service_sid = wire.SidOf("VA", source="service_id")
    entity_sid = wire.SidOf("YE", source="entity_id")
    identity = serializers.CharField(source="entity.identity")
    friendly_name = serializers.CharField()
    status = serializers.ChoiceField(["unverified", "verified"])
    factor_type = serializers.ChoiceField(["push", "totp", "passkeys"])
    config = serializers.DictField()
    metadata = serializers.DictField(child=serializers.CharField(), allow_null=True)
    date_created = Time()
    date_updated = Time()
    url = wire.Link("Services/%(service_sid)s/Entities/%(identity)s/Factors/%(sid)s")


class NewFactorAnswer(FactorAnswer):
    """A factor that was just created: with its seed, or what the browser is to be asked."""

    binding = computed(
        serializers.DictField(allow_null=True),
        lambda row, view: factors.get(row.factor_type).binding(row),
    )
    options = computed(
        serializers.DictField(allow_null=True),
        lambda row, view: factors.get(row.factor_type).options(row),
    )


class FactorViewSet(Create, Fetch, List, Update, Delete, EntityResource):
    """`/Services/{ServiceSid}/Entities/{Identity}/Factors`; an update with a payload verifies."""

    path = "Services/<str:service_sid>/Entities/<str:identity>/Factors"
    prefix = "YF"
    key = "factors"
    model = Factor
    parameters = FactorParameters
    update_parameters = FactorChanges
    answer = FactorAnswer
    created_answer = NewFactorAnswer

    def admits_device(self, device: Factor) -> bool:
        """Let a device verify, change and delete itself."""
        itself = self.is_of(device) and sids.canonical(self.kwargs.get("sid", "")) == device.sid
        return itself and self.action in {"update", "destroy"}

    def admits_access_token(self) -> bool:
        """Let its holder create a factor."""
        return self.action == "create"

    def read(self, parameters: type[wire.Parameters], *, partial: bool = False) -> dict[str, Any]:
        """Return the body's parameters; an access token stands for what is not sent."""
        token = self.access_token
        if token is None:
            return super().read(parameters, partial=partial)
        service_sid = sids.canonical(self.kwargs["service_sid"])
        access_tokens.refuse_other(token, service_sid, self.kwargs["identity"])
        values = {"factor_type": token.factor_type, **super().read(parameters, partial=True)}
        if values["factor_type"] != token.factor_type:
            raise exceptions.FactorNotAllowed
        values.setdefault("friendly_name", token.factor_friendly_name)
        if not values["friendly_name"]:
            raise exceptions.MissingFactorParameter("friendly_name", wire.REQUIRED)
        return values

    def perform_create(self, friendly_name: str, factor_type: str, **values: Any) -> Factor:
        """Enrol a factor, and its entity with it."""
        if factor_type == Factor.Type.PASSKEYS:
            raise exceptions.PasskeysElsewhere
        metadata = values.pop("metadata", None)
        return entities.enrol(
            self.loaded_service(),
            self.kwargs["identity"],
            factor_type,
            friendly_name,
            params=values,
            metadata=metadata,
            access_token=self.access_token,
        )

    def perform_update(self, factor: Factor, /, **values: Any) -> Factor:
        """Change what was sent, then let it prove itself."""
        payload = values.pop("auth_payload", "")
        if values:
            factor = entities.update(factor, **values)
        return entities.verify(factor, payload, as_written=True) if payload else factor

    def perform_destroy(self, factor: Factor) -> None:
        """Delete it with its challenges."""
        entities.delete_factor(factor)
