"""Passkeys: four operations with JSON bodies, as browsers and device SDKs write credentials."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from django_verify import exceptions
from django_verify.api import fields, wire
from django_verify.api.challenges import ChallengeAnswer
from django_verify.api.entities import FactorAnswer, FactorSide, NewFactorAnswer
from django_verify.api.mixins import Create
from django_verify.exceptions import InvalidFactorParameter, InvalidParameter
from django_verify.factors import passkeys
from django_verify.factors.passkey_options import decoded
from django_verify.models import Challenge, Factor
from django_verify.rest import bodies
from django_verify.rest.answers import Time, computed, constant

TRANSPORTS = ("usb", "nfc", "ble", "smart-card", "internal", "hybrid")
# An attestation may carry certificates; all else is short.
MAX_BYTES = 64 * 1024

# Path of a member to its own number; what is not here has that of the object around it.
_REFUSALS: dict[str, type[InvalidParameter]] = {
    "friendly_name": exceptions.InvalidDisplayName,
    "identity": exceptions.InvalidPasskeyIdentity,
    "config": exceptions.InvalidPasskeyConfig,
    "config.relying_party": exceptions.InvalidRelyingParty,
    "config.relying_party.id": exceptions.InvalidRelyingPartyId,
    "factor_sid": exceptions.InvalidPasskeyFactorSid,
    "id": exceptions.InvalidCredentialId,
    "rawId": exceptions.InvalidRawId,
    "authenticatorAttachment": exceptions.InvalidAttachment,
    "type": exceptions.InvalidCredentialResponse,
    "response": exceptions.InvalidCredentialResponse,
    "response.attestationObject": exceptions.InvalidAttestation,
    "response.authenticatorData": exceptions.InvalidAuthenticatorData,
    "response.clientDataJSON": exceptions.InvalidClientData,
    "response.signature": exceptions.InvalidCredentialSignature,
    "response.userHandle": exceptions.InvalidPasskeyEntity,
}


class Bytes(serializers.Field[bytes, Any, str, Any]):
    """Bytes in base64url; base64 and padding are accepted as well."""

    default_error_messages = {"invalid": "base64url is required", "long": "it is too long"}

    def __init__(self, most: int = MAX_BYTES, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.most = most

    def to_internal_value(self, data: Any) -> bytes:
        """Return the bytes; none are as good as nothing, which may be required."""
        if not isinstance(data, str):
            self.fail("invalid")
        try:
            raw = decoded(data)
        except ValueError:
            self.fail("invalid")
        if len(raw) > self.most:
            self.fail("long")
        if self.required and not raw:
            self.fail("required")
        return raw

    def to_representation(self, value: bytes) -> str:
        """Never asked: nothing answers with it."""
        raise NotImplementedError


class RelyingPartyMembers(wire.Nested):
    """Whom a passkey is made for."""

    id = wire.String(253, required=False)
    name = wire.String(64, required=False)
    origins = serializers.ListField(child=wire.String(), max_length=50, required=False)


class ConfigMembers(wire.Nested):
    """How a passkey is made."""

    relying_party = RelyingPartyMembers(required=False)
    authenticator_attachment = fields.OneOf("platform", "cross-platform", "any", required=False)
    discoverable_credentials = fields.OneOf("required", "preferred", "discouraged", required=False)
    user_verification = fields.OneOf("required", "preferred", "discouraged", required=False)


class PasskeyFactorParameters(wire.Nested):
    """Of Passkeys/Factors."""

    friendly_name = wire.String(64, allow_blank=False)
    identity = wire.String(allow_blank=False)
    config = ConfigMembers(required=False)


class PasskeyChallengeParameters(wire.Nested):
    """Of Passkeys/Challenges; without any, whatever passkey the browser finds may answer."""

    identity = wire.String(allow_blank=False, required=False)
    factor_sid = fields.Sid("YF", required=False)


class AttestationMembers(wire.Nested):
    """What an authenticator answers to a registration."""

    attestationObject = Bytes()
    clientDataJSON = Bytes()
    transports = fields.Hints(*TRANSPORTS)


class AssertionMembers(wire.Nested):
    """What an authenticator answers to a challenge."""

    authenticatorData = Bytes()
    clientDataJSON = Bytes()
    signature = Bytes(1024)
    userHandle = Bytes(64, required=False)


class CredentialParameters(wire.Nested):
    """What both answers have.

    `authenticatorAttachment` is null in browsers that do not know it, and WebAuthn has a value that
    is unknown here treated as null.
    """

    id = Bytes(1023, required=False)
    rawId = wire.String(4096, required=False)
    authenticatorAttachment = fields.Hint("platform", "cross-platform")
    type = fields.OneOf("public-key", required=False)


class PasskeyVerificationParameters(CredentialParameters):
    """Of Passkeys/VerifyFactor."""

    response = AttestationMembers()


class PasskeyApprovalParameters(CredentialParameters):
    """Of Passkeys/ApproveChallenge."""

    id = Bytes(1023)
    response = AssertionMembers()


class PasskeyChallengeAnswer(ChallengeAnswer):
    """A passkey's challenge; the factor is empty until one has answered, if none was named."""

    entity_sid = wire.SidOf("YE", source="entity_id", optional=True)
    identity = computed(
        serializers.CharField(), lambda row, view: row.entity.identity if row.entity else ""
    )
    factor_sid = wire.SidOf("YF", source="factor_id", optional=True)
    expiration_date = constant(Time(allow_null=True), None)
    url = wire.RequestUrl()
    options = serializers.DictField()


class PasskeyResource(FactorSide):
    """Base of the four: their bodies are JSON and nothing else, their errors have own numbers."""

    parser_classes = (bodies.NestedParser,)

    def as_ours(self, error: exceptions.VerifyError) -> exceptions.VerifyError:
        """Return the error under the number of its member."""
        if type(error) is exceptions.UnsupportedBody:
            return exceptions.UnsupportedBody("Unsupported content type: send application/json")
        if not isinstance(error, InvalidParameter):
            return error
        if type(error) not in {InvalidParameter, InvalidFactorParameter}:
            return error
        path = error.parameter
        while path and path not in _REFUSALS:
            path = path.rpartition(".")[0]
        refusal = _REFUSALS.get(path, InvalidFactorParameter)
        return refusal(error.parameter, error.reason)


class PasskeyFactorViewSet(Create, PasskeyResource):
    """`/Services/{ServiceSid}/Passkeys/Factors`: what a browser needs to make a passkey."""

    path = "Services/<str:service_sid>/Passkeys/Factors"
    parameters = PasskeyFactorParameters
    answer = NewFactorAnswer

    def perform_create(
        self, friendly_name: str, identity: str, config: dict[str, Any] | None = None
    ) -> Factor:
        """Enrol an unverified passkey, and its entity with it."""
        return passkeys.enrol(self.loaded_service(), identity, friendly_name, config or {})


class PasskeyVerificationViewSet(Create, PasskeyResource):
    """`/Services/{ServiceSid}/Passkeys/VerifyFactor`: the passkey that the browser made."""

    path = "Services/<str:service_sid>/Passkeys/VerifyFactor"
    parameters = PasskeyVerificationParameters
    answer = FactorAnswer
    created = 200

    def perform_create(self, response: dict[str, Any], **values: Any) -> Factor:
        """Verify the passkey whose registration this is."""
        answer = passkeys.Attestation(
            client_data=response["client_data_json"],
            attestation_object=response["attestation_object"],
            credential_id=_credential_id(values) or None,
            transports=response.get("transports", ()),
        )
        return passkeys.verify(self.loaded_service(), answer)


class PasskeyChallengeViewSet(Create, PasskeyResource):
    """`/Services/{ServiceSid}/Passkeys/Challenges`: what a browser needs to use a passkey."""

    path = "Services/<str:service_sid>/Passkeys/Challenges"
    parameters = PasskeyChallengeParameters
    answer = PasskeyChallengeAnswer

    def perform_create(self, identity: str = "", factor_sid: str = "") -> Challenge:
        """Ask anybody, an entity, or one passkey."""
        service = self.loaded_service()
        return passkeys.challenge(service, identity=identity, factor_sid=factor_sid)


class PasskeyApprovalViewSet(Create, PasskeyResource):
    """`/Services/{ServiceSid}/Passkeys/ApproveChallenge`: the assertion that the browser made."""

    path = "Services/<str:service_sid>/Passkeys/ApproveChallenge"
    parameters = PasskeyApprovalParameters
    answer = PasskeyChallengeAnswer
    created = 200

    def perform_create(self, response: dict[str, Any], **values: Any) -> Challenge:
        """Approve the challenge that is answered."""
        answer = passkeys.Assertion(
            client_data=response["client_data_json"],
            authenticator_data=response["authenticator_data"],
            signature=response["signature"],
            credential_id=_credential_id(values),
            user_handle=response.get("user_handle", b""),
        )
        return passkeys.approve(self.loaded_service(), answer)


def _credential_id(values: dict[str, Any]) -> bytes:
    """Return the id; `rawId` is the same, in base64url by the SDKs and in hex by the contract."""
    given: bytes = values.get("id", b"")
    raw = values.get("raw_id", "")
    if given and raw and given not in {_unhex(raw), _unbase(raw)}:
        raise exceptions.InvalidRawId("rawId", "it is not the id")
    return given


def _unhex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b""


def _unbase(text: str) -> bytes:
    try:
        return decoded(text)
    except ValueError:
        return b""
