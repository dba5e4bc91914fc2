"""Services: the brands of an account and their rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from django_verify import sids
from django_verify.api import wire
from django_verify.api.mixins import AllVerbs
from django_verify.api.resource import Resource
from django_verify.api.rows import fault_of
from django_verify.exceptions import (
    InvalidParameter,
    RestrictedWord,
    TemplateNotFound,
)
from django_verify.messages import templates
from django_verify.models import Factor, VerifyService
from django_verify.models.services import RESTRICTED
from django_verify.rest.answers import Answer, TextOrNull, Time, computed


class ServiceParameters(wire.Parameters):
    """Of create and update; the model's validators hold the ranges and patterns."""

    FriendlyName = wire.Text()
    CodeLength = wire.Integer(4, 10, required=False)
    LookupEnabled = wire.Boolean(required=False)
    SkipSmsToLandlines = wire.Boolean(required=False)
    DtmfInputRequired = wire.Boolean(required=False)
    TtsName = wire.Text(required=False)
    Psd2Enabled = wire.Boolean(required=False)
    DoNotShareWarningEnabled = wire.Boolean(required=False)
    CustomCodeEnabled = wire.Boolean(required=False)
    Push_IncludeDate = wire.Boolean(required=False)
    Push_ApnCredentialSid = wire.Text(required=False)
    Push_FcmCredentialSid = wire.Text(required=False)
    Totp_Issuer = wire.Text(required=False)
    Totp_TimeStep = wire.Integer(20, 60, required=False)
    Totp_CodeLength = wire.Integer(3, 8, required=False)
    Totp_Skew = wire.Integer(0, 2, required=False)
    DefaultTemplateSid = wire.Text(required=False)
    Whatsapp_MsgServiceSid = wire.Text(required=False)
    Whatsapp_From = wire.Text(required=False)
    Passkeys_RelyingParty_Id = wire.Text(required=False)
    Passkeys_RelyingParty_Name = wire.Text(required=False)
    Passkeys_RelyingParty_Origins = wire.Text(2048, required=False)
    Passkeys_AuthenticatorAttachment = wire.Text(required=False)
    Passkeys_DiscoverableCredentials = wire.Text(required=False)
    Passkeys_UserVerification = wire.Text(required=False)
    VerifyEventSubscriptionEnabled = wire.Boolean(required=False)


class PushAnswer(Answer):
    """How push challenges are sent."""

    include_date = serializers.BooleanField(source="push_include_date")
    apn_credential_sid = TextOrNull(source="push_apn_credential_sid")
    fcm_credential_sid = TextOrNull(source="push_fcm_credential_sid")


class TotpAnswer(Answer):
    """What a new authenticator gets."""

    issuer = computed(
        serializers.CharField(), lambda row, view: row.totp_issuer or row.friendly_name
    )
    time_step = serializers.IntegerField(source="totp_time_step")
    code_length = serializers.IntegerField(source="totp_code_length")
    skew = serializers.IntegerField(source="totp_skew")


class RelyingPartyAnswer(Answer):
    """Whom passkeys are made for."""

    id = TextOrNull(source="passkeys_relying_party_id")
    name = TextOrNull(source="passkeys_relying_party_name")
    origins = computed(
        serializers.ListField(child=serializers.CharField(), allow_null=True),
        lambda row, view: _listed(row.passkeys_relying_party_origins),
    )


class PasskeysAnswer(Answer):
    """How passkeys are made."""

    relying_party = RelyingPartyAnswer(source="*")
    authenticator_attachment = TextOrNull(source="passkeys_authenticator_attachment")
    discoverable_credentials = TextOrNull(source="passkeys_discoverable_credentials")
    user_verification = TextOrNull(source="passkeys_user_verification")


class ServiceAnswer(Answer):
    """A service."""

    sid = wire.SidOf("VA")
    account_sid = wire.CallersSid()
    friendly_name = serializers.CharField()
    code_length = serializers.IntegerField()
    lookup_enabled = serializers.BooleanField()
    psd2_enabled = serializers.BooleanField()
    skip_sms_to_landlines = serializers.BooleanField()
    dtmf_input_required = serializers.BooleanField()
    tts_name = TextOrNull()
    do_not_share_warning_enabled = serializers.BooleanField()
    custom_code_enabled = serializers.BooleanField()
    push = PushAnswer(source="*")
    totp = TotpAnswer(source="*")
    whatsapp = computed(
        serializers.DictField(child=serializers.CharField(allow_null=True)),
        lambda row, view: {
            "msg_service_sid": row.whatsapp_msg_service_sid or None,
            "from": row.whatsapp_from or None,
        },
    )
    passkeys = PasskeysAnswer(source="*")
    default_template_sid = TextOrNull()
    verify_event_subscription_enabled = serializers.BooleanField()
    date_created = Time()
    date_updated = Time()
    url = wire.Link()
    links = wire.Links(
        verification_checks="VerificationCheck",
        verifications="Verifications",
        rate_limits="RateLimits",
        messaging_configurations="MessagingConfigurations",
        entities="Entities",
        webhooks="Webhooks",
        access_tokens="AccessTokens",
    )


class ServiceViewSet(AllVerbs, Resource):
    """`/Services`: all five operations."""

    path = "Services"
    prefix = "VA"
    key = "services"
    model = VerifyService
    parameters = ServiceParameters
    answer = ServiceAnswer

    def admits_device(self, device: Factor) -> bool:
        """Let a device read its own service."""
        own = sids.canonical(self.kwargs.get("sid", "")) == device.service_id
        return self.action == "retrieve" and own and device.is_verified

    def validate(self, service: VerifyService, values: Mapping[str, Any]) -> None:
        """Raise what the model's validators refuse, and TemplateNotFound."""
        if fault := fault_of(service):
            name, reason = fault
            if reason.code == RESTRICTED:
                raise RestrictedWord
            raise InvalidParameter(name, reason.messages[0])
        template = values.get("default_template_sid")
        if template and not templates.exists(template, service.account_id):
            raise TemplateNotFound


def _listed(origins: str) -> list[str] | None:
    return [origin.strip() for origin in origins.split(",")] if origins else None
