"""Verifications and VerificationCheck: parameters in, the contract's objects out."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views import View
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from django_verify import exceptions, sids, verifications
from django_verify.api import wire
from django_verify.api.lean import LeanCreate
from django_verify.api.mixins import Fetch, Update
from django_verify.db import reconnect
from django_verify.db.autocommit import outside_atomic_requests
from django_verify.exceptions import InvalidParameter
from django_verify.limits import counters
from django_verify.models import Verification
from django_verify.rest import errors
from django_verify.rest.answers import Answer, Time, computed
from django_verify.verifications import StartRequest, sna


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

    Code = wire.Text(required=False)
    To = wire.Text(required=False)
    VerificationSid = wire.Text(required=False)
    Amount = wire.Text(required=False)
    Payee = wire.Text(required=False)
    SnaClientToken = wire.Text(1024, required=False)


class Sent(Answer):
    """One message of a verification."""

    time = serializers.DateTimeField()
    channel = serializers.CharField()
    attempt_sid = wire.SidOf("VL")


class ShownVerification(Answer):
    """The members that both answers about a verification have."""

    sid = wire.SidOf("VE")
    service_sid = wire.SidOf("VA", source="service_id")
    account_sid = wire.SidOf("AC", source="account_id")
    to = serializers.CharField()
    channel = serializers.CharField()
    status = serializers.ChoiceField(Verification.Status.values)
    valid = serializers.BooleanField()
    amount = serializers.CharField(allow_null=True)
    payee = serializers.CharField(allow_null=True)
    date_created = Time()
    date_updated = Time()


class CheckAnswer(ShownVerification):
    """A verification as a check shows it."""

    sna_attempts_error_codes = computed(
        serializers.ListField(child=serializers.DictField(), allow_null=True),
        lambda row, view: _sna_errors(row),
    )


class VerificationAnswer(ShownVerification):
    """A verification."""

    lookup = serializers.DictField()
    send_code_attempts = Sent(many=True)
    sna = computed(
        serializers.DictField(allow_null=True),
        lambda row, view: {"url": view.absolute(row.sna_url)} if row.sna_url else None,
    )
    url = wire.Link()


class VerificationViewSet(Fetch, Update, LeanCreate):
    """`/Services/{ServiceSid}/Verifications`: start, fetch, approve, cancel."""

    path = "Services/<str:service_sid>/Verifications"
    model = Verification
    parameters = StartParameters
    update_parameters = StatusParameters
    answer = VerificationAnswer

    def perform_create(self, **values: Any) -> Verification:
        """Start, or send again."""
        service = self.loaded_service()
        _refuse_unavailable(values)
        request = StartRequest(asked_at=self.asked_at, known=self.known, **values)
        return verifications.start(service, request)

    def get_object(self) -> Verification:
        """Return a verification by SID or recipient; as often as the vendor lets it be read."""
        row = verifications.fetch(self.service, self.kwargs["sid"], as_written=True)
        counters.count_read(row.sid)
        return row

    def update(self, request: Request, **kwargs: str) -> Response:
        """Approve or cancel; the vendor's two values of Status."""
        status = self.read(StatusParameters)["status"]
        verbs = {"approved": verifications.approve, "canceled": verifications.cancel}
        if status not in verbs:
            raise InvalidParameter("Status", "it must be canceled or approved")
        row = verbs[status](self.service, kwargs["sid"], as_written=True)
        return Response(self.represent(row))


class SnaUrlView(View):
    """`/Sna/{AttemptSid}/{Token}`: what the device opens; without credentials, on mobile data."""

    # No HEAD: link previews would use the URL up.
    http_method_names = ["get", "post"]

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Any:
        """Return the view, outside the host's ATOMIC_REQUESTS."""
        return outside_atomic_requests(super().as_view(**initkwargs))

    def get(self, request: HttpRequest, attempt_sid: str, token: str) -> HttpResponse:
        """Answer one line of URL-encoded fields, as the carriers' gateways do."""
        try:
            text, status, headers = sna.serve(attempt_sid, token), 200, {}
        except reconnect.FAILURES as error:
            refusal = errors.database_failure(error)
            text, status, headers = refusal.message, refusal.status, refusal.headers
        headers["Cache-Control"] = "no-store"
        return HttpResponse(text, content_type="text/plain", status=status, headers=headers)

    post = get


class VerificationCheckViewSet(LeanCreate):
    """`/Services/{ServiceSid}/VerificationCheck`: compare a code; answers 200."""

    path = "Services/<str:service_sid>/VerificationCheck"
    model = Verification
    parameters = CheckParameters
    answer = CheckAnswer
    created = 200

    def perform_create(self, code: str = "", **values: str) -> Verification:
        """Check; a wrong code is an answer, not an error."""
        sid = values.get("verification_sid", "")
        if sid and not sids.is_sid("VE", sid):
            raise InvalidParameter("VerificationSid", "not the SID of a verification")
        return verifications.check(
            self.service, code.strip(" "), as_written=True, known=self.known, **values
        )


def _sna_errors(row: Verification) -> list[dict[str, Any]] | None:
    """Return the errors of silent network authentication, where that is the channel.

    The check has been committed, so a database that fails only now must not deny it.
    """
    if row.channel != "sna":
        return None
    try:
        return sna.error_codes(row.sid)
    except reconnect.FAILURES as error:
        errors.database_failure(error)
        return None


def _refuse_unavailable(values: dict[str, Any]) -> None:
    """Take out the parameters that start does not know, and refuse those that would be lost."""
    if values.pop("custom_message", ""):
        raise exceptions.CustomMessageUnsupported
    risk_check = values.pop("risk_check", "")
    if risk_check not in {"", "enable", "disable"}:
        raise InvalidParameter("risk_check", "it must be enable or disable")
    values["risk_check"] = risk_check != "disable"
