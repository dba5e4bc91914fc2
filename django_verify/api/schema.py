"""Our own OpenAPI 3.1 document, of this API and nothing else; needs the extra `schema`.

Host and settings do not reach it: `manage.py spectacular --generator-class` with `Generator`, or
`document()`. Nothing else of the package imports this module.
"""

from __future__ import annotations

from typing import Any

from drf_spectacular.generators import EndpointEnumerator, SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import (
    append_meta,
    build_array_type,
    build_basic_type,
    build_object_type,
)
from drf_spectacular.settings import patched_settings
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers

import django_verify
from django_verify.api import fields, urls, wire
from django_verify.api.passkeys import Bytes
from django_verify.api.summaries import Prefix
from django_verify.rest.answers import Answer

_SETTINGS = {
    "TITLE": "django-verify",
    "DESCRIPTION": "The Verify v2 API on one's own site.",
    "VERSION": django_verify.__version__,
    "OAS_VERSION": "3.1.0",
    "POSTPROCESSING_HOOKS": [],
    "PREPROCESSING_HOOKS": [],
    "COMPONENT_SPLIT_REQUEST": False,
    "AUTHENTICATION_WHITELIST": [],
    "CAMELIZE_NAMES": False,
    "APPEND_COMPONENTS": {
        "securitySchemes": {
            "basic": {
                "type": "http",
                "scheme": "basic",
                "description": "Account SID and auth token, or API key SID and secret.",
            }
        }
    },
}
_FORM = "application/x-www-form-urlencoded"
_JSON = "application/json"


class ErrorAnswer(Answer):
    """What every refusal answers."""

    code = serializers.IntegerField()
    message = serializers.CharField()
    more_info = serializers.URLField()
    status = serializers.IntegerField()


class MetaAnswer(Answer):
    """A page's place in its list."""

    page = serializers.IntegerField()
    page_size = serializers.IntegerField()
    first_page_url = serializers.URLField()
    previous_page_url = serializers.URLField(allow_null=True)
    url = serializers.URLField()
    next_page_url = serializers.URLField(allow_null=True)
    key = serializers.CharField()


class VerifySchema(AutoSchema):
    """One operation of a `Resource`, from what it declares."""

    def get_operation_id(self) -> str:
        """Return a name such as `RateLimits_update`, made of viewset and action."""
        return f"{type(self.view).__name__.removesuffix('ViewSet')}_{self.view.action}"

    def get_tags(self) -> list[str]:
        """Return the first part of the path that is no SID."""
        parts = [part for part in self.view.path.split("/") if not part.startswith("<")]
        return [parts[1] if parts[0] == "Services" and len(parts) > 1 else parts[0]]

    def get_description(self) -> str:
        """Return the resource's own sentence."""
        return (type(self.view).__doc__ or "").strip()

    def get_auth(self) -> list[dict[str, Any]]:
        """Return HTTP Basic, for every operation."""
        return [{"basic": []}]

    def get_override_parameters(self) -> list[Any]:
        """Return the query of a list."""
        asked = self.view.asked(self.view.action)
        if self.method != "GET" or asked is None:
            return []
        return [
            OpenApiParameter(name, self._rule(field))
            for name, field in wire.reader(asked).fields.items()
        ]

    def get_request_serializer(self) -> Any:
        """Return the body of a POST; an update asks for nothing that it does not declare itself."""
        asked = self.view.asked(self.view.action)
        if self.method != "POST" or asked is None:
            return None
        asked_for = wire.reader(asked).fields
        partial = self.view.action == "update" and self.view.update_parameters is None
        body = build_object_type(
            properties={name: self._rule(field) for name, field in asked_for.items()},
            required=[name for name, field in asked_for.items() if field.required and not partial],
        )
        return {_JSON if issubclass(asked, wire.Nested) else _FORM: body}

    def get_response_serializers(self) -> Any:
        """Return the answer of a success, and the one of every refusal."""
        status = self.view.status(self.view.action)
        return {status: self._success(status), "default": ErrorAnswer}

    def _success(self, status: int) -> Any:
        answer = self.view.answered(self.view.action)
        if status == 204:
            return None
        if not self.view.key or self.method != "GET" or self.view.action != "list":
            return answer
        row = self.resolve_serializer(answer, "response").ref
        meta = self.resolve_serializer(MetaAnswer, "response").ref
        return build_object_type(
            properties={"meta": meta, self.view.key: build_array_type(row)},
            required=["meta", self.view.key],
        )

    def _is_list_view(self, serializer: Any = None) -> bool:
        return False  # `_success` builds pages by itself

    def map_parsers(self) -> list[str]:
        """Return the form alone; JSON is read too, and is not of the contract."""
        return [_FORM]

    def map_renderers(self, attribute: str) -> list[str]:
        """Return JSON."""
        return [_JSON]

    def _rule(self, field: Any) -> dict[str, Any]:
        """Return the schema of one parameter."""
        rule: dict[str, Any] = self._map_serializer_field(field, "request")
        self._insert_field_validators(field, rule)
        return rule

    def _map_serializer_field(  # noqa: C901 - a table of our fields
        self, field: Any, direction: Any, bypass_extensions: bool = False
    ) -> Any:
        """Return the rule of one of our own fields, or what a stock field's is."""
        match field:
            case wire.Links():
                url = build_basic_type(OpenApiTypes.URI)
                links = build_object_type(
                    properties=dict.fromkeys(field.tails, url), required=[*field.tails]
                )
                return append_meta(links, self._get_serializer_field_meta(field, direction))
            case wire.Integer():
                return {"type": "integer", "minimum": field.low, "maximum": field.high}
            case fields.Moment():
                return build_basic_type(OpenApiTypes.DATETIME)
            case Bytes():
                return {"type": "string", "contentEncoding": "base64url"}
            case wire.JSONObject():
                return {"type": "string", "contentMediaType": "application/json"}
            case fields.OneOf():
                return {"type": "string", "enum": list(field.words)}
            case fields.Hints():
                return {"type": "array", "items": {"type": "string", "examples": [*field.words]}}
            case fields.Hint():
                return {"type": "string", "examples": [*field.words]}
            case fields.Sid():
                return {"type": "string", "pattern": f"^{field.prefix}[0-9a-fA-F]{{32}}$"}
            case fields.Region():
                return {"type": "string", "pattern": "^[A-Za-z]{2}$"}
            case Prefix():
                return {"type": "string", "pattern": r"^\+[0-9]{1,15}$"}
        return super()._map_serializer_field(field, direction, bypass_extensions)


class _Endpoints(EndpointEnumerator):
    def should_include_endpoint(self, path: str, callback: Any) -> bool:
        """Whether it is one of ours; all are closed to other generators."""
        return getattr(callback, "cls", None) in urls.RESOURCES


class Generator(SchemaGenerator):
    """Makes the document; use it as `--generator-class`."""

    endpoint_inspector_cls = _Endpoints

    def create_view(self, callback: Any, method: str, request: Any = None) -> Any:
        """Return the view with our reader of declarations."""
        view = super().create_view(callback, method, request)
        view.schema = VerifySchema()
        view.schema.view = view
        return view

    def get_schema(self, request: Any = None, public: bool = False) -> Any:
        """Return the document; the host's settings of its own documents do not reach it."""
        with patched_settings(_SETTINGS):
            return super().get_schema(request, public=True)


def document(root: str = "/v2/") -> dict[str, Any]:
    """Return the document, with the API's paths below `root`."""
    generator = Generator(patterns=urls.urlpatterns)
    schema: dict[str, Any] = generator.get_schema(public=True)
    schema["servers"] = [{"url": root.rstrip("/") or "/"}]
    return schema
