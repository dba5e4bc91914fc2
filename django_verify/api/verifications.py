"""Verifications and VerificationCheck: parameters in, the contract's objects out."""

from __future__ import annotations

from typing import Any

from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from django_verify import exceptions, sids, verifications
from django_verify.api import wire
from django_verify.api.resource import Create, Fetch, ServiceResource, Update
from django_verify.exceptions import InvalidParameter
from django_verify.models import Verification


class Substitutions(wire.JSONObject):
    """A JSON object whose malformation has an error number of its own."""

    def to_internal_value(self, data: str) -> dict[str, Any]:
        """Return the object. Raises InvalidSubstitutions."""
        try:
            return super().to_internal_value(data)
        except ValidationError:
            raise exceptions.InvalidSubstitutions from None


class StartParameters(wire.Parameters):
    """Of a start; the rules are those of `verifications.start`."""

    To = wire.Text()
    Channel = wire.Text()
    CustomFriendlyName = wire.Text(required=False)
    CustomMessage = wire.Text(4096, required=False)
    SendDigits = wire.Text(required=False)
    Locale = wire.Text(required=False)
    CustomCode = wire.Text(required=False)
    Amount = wire.Text(required=False)
    Payee = wire.Text(required=False)
    RateLimits = wire.JSONObject(required=False)
    ChannelConfiguration = wire.JSONObject(required=False)
    AppHash = wire.Text(required=False)
    TemplateSid = wire.Text(required=False)
    TemplateCustomSubstitutions = Substitutions(required=False)
    DeviceIp = wire.Text(required=False)
    EnableSnaClientToken = wire.Boolean(required=False)
    RiskCheck = wire.Text(required=False)
    Tags = wire.JSONObject(required=False)


class StatusParameters(wire.Parameters):
    """Of an update."""

    Status = wire.Text()


class CheckParameters(wire.Parameters):
    """Of a check; To or VerificationSid is needed."""

    Code = wire.Text()
    To = wire.Text(required=False)
    VerificationSid = wire.Text(required=False)
    Amount = wire.Text(required=False)
    Payee = wire.Text(required=False)
    SnaClientToken = wire.Text(1024, required=False)


class VerificationViewSet(Create, Fetch, Update, ServiceResource):
    """`/Services/{ServiceSid}/Verifications`: start, fetch, approve, cancel."""

    path = "Services/<str:service_sid>/Verifications"
    model = Verification
    parameters = StartParameters

    def perform_create(self, **values: Any) -> Verification:
        """Start, or send again."""
        service = self.loaded_service()
        _refuse_unavailable(values)
        return verifications.start(service, values.pop("to"), values.pop("channel"), **values)

    def retrieve(self, request: Request, **kwargs: str) -> Response:
        """Answer a verification by SID or address."""
        return Response(self.represent(verifications.fetch(self.service, kwargs["sid"])))

    def update(self, request: Request, **kwargs: str) -> Response:
        """Approve or cancel; the vendor's two values of Status."""
        status = self.read(StatusParameters)["status"]
        verbs = {"approved": verifications.approve, "canceled": verifications.cancel}
        if status not in verbs:
            raise InvalidParameter("Status", "it must be canceled or approved")
        return Response(self.represent(verbs[status](self.service, kwargs["sid"])))

    def represent(self, row: Verification) -> dict[str, Any]:
        """Return the contract's object."""
        path = f"Services/{row.service_id}/Verifications/{row.sid}"
        return {
            **_common(row),
            "lookup": row.lookup,
            "send_code_attempts": row.send_code_attempts,
            "sna": None,
            "url": self.link(path),
        }


class VerificationCheckViewSet(Create, ServiceResource):
    """`/Services/{ServiceSid}/VerificationCheck`: compare a code; answers 200."""

    path = "Services/<str:service_sid>/VerificationCheck"
    model = Verification
    parameters = CheckParameters

    def create(self, request: Request, **kwargs: str) -> Response:
        """Check; a wrong code is an answer, not an error."""
        values = self.read(self.parameters)
        sid = values.get("verification_sid", "")
        if sid and not sids.is_sid("VE", sid):
            raise InvalidParameter("VerificationSid", "not the SID of a verification")
        row = verifications.check(
            self.service,
            values["code"].strip(" "),
            to=values.get("to", ""),
            verification_sid=sid,
            amount=values.get("amount", ""),
            payee=values.get("payee", ""),
        )
        return Response({**_common(row), "sna_attempts_error_codes": None})


def _common(row: Verification) -> dict[str, Any]:
    return {
        "sid": row.sid,
        "service_sid": row.service_id,
        "account_sid": row.account_id,
        "to": row.to,
        "channel": row.channel,
        "status": row.status,
        "valid": row.valid,
        "amount": row.amount,
        "payee": row.payee,
        "date_created": wire.timestamp(row.date_created),
        "date_updated": wire.timestamp(row.date_updated),
    }


def _refuse_unavailable(values: dict[str, Any]) -> None:
    """Take out the parameters that start does not know, and refuse those that would be lost."""
    if values.pop("custom_message", ""):
        raise exceptions.CustomMessageUnsupported
    if limits := values.pop("rate_limits", None):
        raise InvalidParameter(
            "rate_limits", f"there is no rate limit named {next(iter(limits))!r}"
        )
    if values.pop("channel_configuration", None):
        raise InvalidParameter("channel_configuration", "no channel takes a configuration")
    if values.pop("risk_check", "") not in {"", "enable", "disable"}:
        raise InvalidParameter("risk_check", "it must be enable or disable")
    values.pop("enable_sna_client_token", None)
