"""Services: the brands of an account and their rules."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from rest_framework import serializers

from django_verify import sids
from django_verify.api import wire
from django_verify.api.resource import (
    Create,
    Delete,
    Fetch,
    List,
    Resource,
    Update,
    save_changes,
)
from django_verify.exceptions import (
    InvalidParameter,
    RestrictedWord,
    TemplateNotFound,
)
from django_verify.messages import templates
from django_verify.models import Factor, VerifyService
from django_verify.models.services import RESTRICTED

_LINKS = {
    "verification_checks": "VerificationCheck",
    "verifications": "Verifications",
    "rate_limits": "RateLimits",
    "messaging_configurations": "MessagingConfigurations",
    "entities": "Entities",
    "webhooks": "Webhooks",
    "access_tokens": "AccessTokens",
}


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


class PushAnswer(wire.Answer):
    """How push challenges are sent."""

    include_date = serializers.BooleanField()
    apn_credential_sid = serializers.CharField(allow_null=True)
    fcm_credential_sid = serializers.CharField(allow_null=True)


class TotpAnswer(wire.Answer):
    """What a new authenticator gets."""

    issuer = serializers.CharField()
    time_step = serializers.IntegerField()
    code_length = serializers.IntegerField()
    skew = serializers.IntegerField()


class RelyingPartyAnswer(wire.Answer):
    """Whom passkeys are made for."""

    id = serializers.CharField(allow_null=True)
    name = serializers.CharField(allow_null=True)
    origins = serializers.ListField(child=serializers.CharField(), allow_null=True)


class PasskeysAnswer(wire.Answer):
    """How passkeys are made."""

    relying_party = RelyingPartyAnswer()
    authenticator_attachment = serializers.CharField(allow_null=True)
    discoverable_credentials = serializers.CharField(allow_null=True)
    user_verification = serializers.CharField(allow_null=True)


class ServiceAnswer(wire.Answer):
    """A service."""

    sid = wire.SidOf("VA")
    account_sid = wire.SidOf("AC")
    friendly_name = serializers.CharField()
    code_length = serializers.IntegerField()
    lookup_enabled = serializers.BooleanField()
    psd2_enabled = serializers.BooleanField()
    skip_sms_to_landlines = serializers.BooleanField()
    dtmf_input_required = serializers.BooleanField()
    tts_name = serializers.CharField(allow_null=True)
    do_not_share_warning_enabled = serializers.BooleanField()
    custom_code_enabled = serializers.BooleanField()
    push = PushAnswer()
    totp = TotpAnswer()
    whatsapp = serializers.DictField(child=serializers.CharField(allow_null=True))
    passkeys = PasskeysAnswer()
    default_template_sid = serializers.CharField(allow_null=True)
    verify_event_subscription_enabled = serializers.BooleanField()
    date_created = serializers.DateTimeField()
    date_updated = serializers.DateTimeField()
    url = serializers.URLField()
    links = serializers.DictField(child=serializers.URLField())


class ServiceViewSet(Create, Fetch, List, Update, Delete, Resource):
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

    def perform_create(self, **values: Any) -> VerifyService:
        """Write a new service of the caller's account."""
        return _save(VerifyService(account=self.account, **values))

    def perform_update(self, service: VerifyService, **values: Any) -> VerifyService:
        """Change what was sent."""
        for name, value in values.items():
            setattr(service, name, value)
        return _save(service, [*values, "date_updated"])

    def represent(self, service: VerifyService) -> dict[str, Any]:
        """Return the contract's object; what is not set is null."""
        path = f"Services/{service.sid}"
        origins = service.passkeys_relying_party_origins
        return {
            "sid": service.sid,
            "account_sid": service.account_id,
            "friendly_name": service.friendly_name,
            "code_length": service.code_length,
            "lookup_enabled": service.lookup_enabled,
            "psd2_enabled": service.psd2_enabled,
            "skip_sms_to_landlines": service.skip_sms_to_landlines,
            "dtmf_input_required": service.dtmf_input_required,
            "tts_name": service.tts_name or None,
            "do_not_share_warning_enabled": service.do_not_share_warning_enabled,
            "custom_code_enabled": service.custom_code_enabled,
            "push": {
                "include_date": service.push_include_date,
                "apn_credential_sid": service.push_apn_credential_sid or None,
                "fcm_credential_sid": service.push_fcm_credential_sid or None,
            },
            "totp": {
                "issuer": service.totp_issuer or service.friendly_name,
                "time_step": service.totp_time_step,
                "code_length": service.totp_code_length,
                "skew": service.totp_skew,
            },
            "whatsapp": {
                "msg_service_sid": service.whatsapp_msg_service_sid or None,
                "from": service.whatsapp_from or None,
            },
            "passkeys": {
                "relying_party": {
                    "id": service.passkeys_relying_party_id or None,
                    "name": service.passkeys_relying_party_name or None,
                    "origins": [o.strip() for o in origins.split(",")] if origins else None,
                },
                "authenticator_attachment": service.passkeys_authenticator_attachment or None,
                "discoverable_credentials": service.passkeys_discoverable_credentials or None,
                "user_verification": service.passkeys_user_verification or None,
            },
            "default_template_sid": service.default_template_sid or None,
            "verify_event_subscription_enabled": service.verify_event_subscription_enabled,
            "date_created": wire.timestamp(service.date_created),
            "date_updated": wire.timestamp(service.date_updated),
            "url": self.link(path),
            "links": {name: self.link(f"{path}/{tail}") for name, tail in _LINKS.items()},
        }


def _save(service: VerifyService, fields: list[str] | None = None) -> VerifyService:
    try:
        service.clean_fields(exclude=["account"])
    except ValidationError as error:
        name, reasons = next(iter(error.error_dict.items()))
        if reasons[0].code == RESTRICTED:
            raise RestrictedWord from None
        raise InvalidParameter(name, reasons[0].messages[0]) from None
    template = service.default_template_sid
    written = fields is None or "default_template_sid" in fields
    if template and written and not templates.exists(template, service.account_id):
        raise TemplateNotFound
    if fields is None:
        service.save(force_insert=True)
    else:
        save_changes(service, fields)
    return service
