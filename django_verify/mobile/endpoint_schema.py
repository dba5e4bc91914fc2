"""How one endpoint describes itself in an OpenAPI document; needs the extra `schema`."""

from __future__ import annotations

from typing import Any

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers

from django_verify.mobile.serializers import (
    CheckBody,
    OfferAnswer,
    Refusal,
    ResendBody,
    StartAnswer,
    StartBody,
    StateAnswer,
)

_BODIES = {"create": StartBody, "check": CheckBody, "resend": ResendBody}
_ANSWERS = {"create": StartAnswer, "offer": OfferAnswer}
_NAMES = {"create": "start", "retrieve": "fetch"}
_JSON = "application/json"


class EndpointSchema(AutoSchema):
    """One operation: what it reads, what it answers, and the shape of a refusal.

    Its names begin with `verify` and with `Verify`: the host's own document may be full of others.
    """

    def get_operation_id(self) -> str:
        """Return a name such as `verify_mobile_start`."""
        return f"verify_mobile_{_NAMES.get(self.view.action, self.view.action)}"

    def get_serializer_name(self, serializer: Any, direction: Any) -> str:
        """Return the name of a component, such as `VerifyStartBody`."""
        return f"Verify{type(serializer).__name__}"

    def get_auth(self) -> list[dict[str, Any]]:
        """Return the site's ways to know a user, and that nobody has to be one."""
        return [*super().get_auth(), {}]

    def get_tags(self) -> list[str]:
        """Return one tag for all of them."""
        return ["verification"]

    def get_description(self) -> str:
        """Return the action's own sentence."""
        return (getattr(self.view, self.view.action).__doc__ or "").strip()

    def get_override_parameters(self) -> list[Any]:
        """Return the header that opens a verification where there is no body."""
        if self.view.action == "offer":
            return [OpenApiParameter("language", OpenApiTypes.STR, OpenApiParameter.QUERY)]
        if self.view.action != "retrieve":
            return []
        header = OpenApiParameter(
            "Client-Secret", OpenApiTypes.STR, OpenApiParameter.HEADER, required=True
        )
        return [header]

    def get_request_serializer(self) -> Any:
        """Return the body of a POST."""
        return _BODIES.get(self.view.action)

    def get_response_serializers(self) -> Any:
        """Return the answer of a success, and the one of every refusal."""
        status = 201 if self.view.action == "create" else 200
        answer = _ANSWERS.get(self.view.action, StateAnswer)
        return {status: answer, "default": Refusal}

    def _is_list_view(self, serializer: Any = None) -> bool:
        return False

    def _map_serializer_field(
        self, field: Any, direction: Any, bypass_extensions: bool = False
    ) -> Any:
        """Return the rule of a field; a choice is a component, whose name the host cannot need."""
        if not isinstance(field, serializers.ChoiceField):
            return super()._map_serializer_field(field, direction, bypass_extensions)
        name = f"Verify{str(field.field_name).title()}"
        words = ResolvedComponent(
            name=name,
            type=ResolvedComponent.SCHEMA,
            schema={"type": "string", "enum": list(field.choices)},
            object=name,
        )
        self.registry.register_on_missing(words)
        return words.ref

    def map_parsers(self) -> list[str]:
        """Return JSON."""
        return [_JSON]

    def map_renderers(self, attribute: str) -> list[str]:
        """Return JSON."""
        return [_JSON]
