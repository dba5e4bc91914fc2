"""The endpoints in OpenAPI: in the host's own document, or in one by themselves.

Needs the extra `schema`. A host that makes a document with drf-spectacular finds them in it.
"""

from __future__ import annotations

from typing import Any

from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.settings import patched_settings
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter

import django_verify
from django_verify.mobile.serializers import (
    CheckBody,
    Refusal,
    ResendBody,
    StartAnswer,
    StartBody,
    StateAnswer,
)

_SETTINGS = {
    "TITLE": "django-verify, for apps",
    "DESCRIPTION": "Verification without an account's credentials.",
    "VERSION": django_verify.__version__,
    "OAS_VERSION": "3.1.0",
    "POSTPROCESSING_HOOKS": [],
    "PREPROCESSING_HOOKS": [],
}
_BODIES = {"create": StartBody, "check": CheckBody, "resend": ResendBody}
_JSON = "application/json"


class EndpointSchema(AutoSchema):
    """One operation: what it reads, what it answers, and the shape of a refusal."""

    def get_operation_id(self) -> str:
        """Return a name such as `verification_check`."""
        return f"verification_{self.view.action}"

    def get_tags(self) -> list[str]:
        """Return one tag for all of them."""
        return ["verification"]

    def get_description(self) -> str:
        """Return the action's own sentence."""
        return (getattr(self.view, self.view.action).__doc__ or "").strip()

    def get_override_parameters(self) -> list[Any]:
        """Return the header that opens a verification where there is no body."""
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
        success = {201: StartAnswer} if self.view.action == "create" else {200: StateAnswer}
        return {**success, "default": Refusal}

    def _is_list_view(self, serializer: Any = None) -> bool:
        return False

    def map_parsers(self) -> list[str]:
        """Return JSON."""
        return [_JSON]

    def map_renderers(self, attribute: str) -> list[str]:
        """Return JSON."""
        return [_JSON]


def document(root: str = "/mobile/") -> dict[str, Any]:
    """Return an OpenAPI 3.1 document of these endpoints alone, with their paths below `root`."""
    from django_verify.mobile import urls  # noqa: PLC0415 - its views describe themselves by us

    with patched_settings(_SETTINGS):
        schema: dict[str, Any] = SchemaGenerator(patterns=urls.urlpatterns).get_schema(public=True)
    schema["servers"] = [{"url": root.rstrip("/") or "/"}]
    return schema
