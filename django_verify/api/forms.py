"""Forms: what an app must send for push factors and challenges, as JSON Schemas."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from django_verify.api import wire
from django_verify.api.mixins import Fetch
from django_verify.api.resource import Resource
from django_verify.exceptions import NotFound
from django_verify.rest.answers import Answer, constant

FORM_TYPE = "form-push"

_DRAFT = "https://json-schema.org/draft/2020-12/schema"
_NAME = {"type": "string", "minLength": 1, "maxLength": 64}
_TOKEN = {"type": "string", "minLength": 32, "maxLength": 255}
_VERSION = {"type": "string", "minLength": 1}
_PLATFORM = {"enum": ["apn", "fcm", "none"]}
# An object of texts, written as one JSON text of so many characters.
_METADATA = {"type": "string", "contentMediaType": "application/json", "maxLength": 1024}

_FIELD = {
    "type": "string",
    "contentMediaType": "application/json",
    "contentSchema": {
        "type": "object",
        "properties": {
            "label": {"type": "string", "maxLength": 36},
            "value": {"type": "string", "maxLength": 128},
        },
        "required": ["label", "value"],
    },
}


def _schema(title: str, required: tuple[str, ...], **properties: Any) -> dict[str, Any]:
    """Return an object's schema; names are spelled with `_` for a dot."""
    return {
        "$schema": _DRAFT,
        "title": title,
        "type": "object",
        "properties": {name.replace("_", "."): rule for name, rule in properties.items()},
        "required": list(required),
    }


_CREATE_FACTOR = _schema(
    "Register a push factor",
    (
        "FriendlyName",
        "FactorType",
        "Binding.Alg",
        "Binding.PublicKey",
        "Config.AppId",
        "Config.NotificationPlatform",
        "Config.SdkVersion",
    ),
    FriendlyName=_NAME,
    FactorType={"const": "push"},
    Binding_Alg={"const": "ES256"},
    Binding_PublicKey={
        "type": "string",
        "contentEncoding": "base64",
        "description": "A P-256 public key as DER SubjectPublicKeyInfo",
    },
    Config_AppId={"type": "string", "minLength": 1, "maxLength": 100},
    Config_NotificationPlatform=_PLATFORM,
    Config_NotificationToken=_TOKEN,
    Config_SdkVersion=_VERSION,
    Metadata=_METADATA,
) | {
    "if": {"properties": {"Config.NotificationPlatform": {"enum": ["apn", "fcm"]}}},
    "then": {"required": ["Config.NotificationToken"]},
}

_FORMS = {
    "create_factor": _CREATE_FACTOR,
    "verify_factor": _schema(
        "Verify a push factor",
        ("AuthPayload",),
        AuthPayload={
            "type": "string",
            "contentEncoding": "base64",
            "description": "The DER signature, ECDSA with SHA-256, of the factor's SID",
        },
        FriendlyName=_NAME,
        Config_NotificationPlatform=_PLATFORM,
        Config_NotificationToken=_TOKEN,
        Config_SdkVersion=_VERSION,
    ),
    "create_challenge": _schema(
        "Ask for an approval",
        ("FactorSid", "Details.Message"),
        FactorSid={"type": "string", "pattern": "^YF[0-9a-fA-F]{32}$"},
        ExpirationDate={"type": "string", "format": "date-time"},
        Details_Message={"type": "string", "minLength": 1, "maxLength": 256},
        Details_Fields={"type": "array", "items": _FIELD, "maxItems": 20},
        HiddenDetails=_METADATA,
    ),
}


class FormAnswer(Answer):
    """Schemas by what they are for."""

    form_type = constant(serializers.ChoiceField([FORM_TYPE]), FORM_TYPE)
    forms = constant(serializers.DictField(child=serializers.DictField()), _FORMS)
    form_meta = constant(
        serializers.DictField(child=serializers.CharField()), {"binding_separator": "."}
    )
    url = wire.Link()


class FormViewSet(Fetch, Resource):
    """`/Forms/{FormType}`: fetch the schemas, which are the same for everyone."""

    path = "Forms"
    lookup = "form_type"
    answer = FormAnswer

    def get_object(self) -> None:
        """Know the one type there is. Raises NotFound."""
        if self.kwargs["form_type"] != FORM_TYPE:
            raise NotFound
