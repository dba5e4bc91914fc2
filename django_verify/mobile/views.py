"""The endpoints that an app calls: start, fetch, check, resend, without an account's credentials.

The policies are those of `rest.views` and MOBILE_AUTHENTICATION; the verbs are in `clients`.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from django.utils.decorators import method_decorator
from django.utils.module_loading import import_string
from django.utils.translation import get_language_from_request
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_variables
from rest_framework import exceptions as drf
from rest_framework.request import Request
from rest_framework.response import Response

from django_verify import conf, exceptions
from django_verify.conf.backends import installed
from django_verify.exceptions import VerifyError
from django_verify.mobile import wire
from django_verify.mobile.serializers import (
    Body,
    CheckBody,
    OfferAnswer,
    ResendBody,
    StartAnswer,
    StartBody,
    StateAnswer,
)
from django_verify.net import client_ip
from django_verify.rest import bodies
from django_verify.rest.views import Endpoint
from django_verify.verifications import clients, offers
from django_verify.verifications.clients import Caller

#: The header that opens a verification where there is no body.
SECRET_HEADER = "Client-Secret"  # noqa: S105 - its name


@cache
def _reader(body: type[Body]) -> Body:
    """Return the one instance of a class: building the fields costs ten times their use."""
    return body()


def _schema() -> Any:
    """Return what describes the endpoints in the host's OpenAPI document, where that is made."""
    if not installed("drf_spectacular"):
        return None
    from django_verify.mobile.endpoint_schema import EndpointSchema  # noqa: PLC0415 - of the extra `schema`

    return EndpointSchema()


@method_decorator(never_cache, name="dispatch")
class VerificationViewSet(Endpoint):
    """A client's own verification: its secret opens it, and nothing else does."""

    schema = _schema()
    parser_classes = (bodies.MembersParser,)

    def get_authenticators(self) -> list[Any]:
        """Return the site's own ways to know a user, of MOBILE_AUTHENTICATION."""
        return [import_string(path)() for path in conf.current().MOBILE_AUTHENTICATION]

    def refuse(self, error: VerifyError, cause: Exception) -> Response:
        """Return a refusal that a program can act on."""
        if isinstance(cause, drf.UnsupportedMediaType):
            error = exceptions.UnsupportedBody("Send application/json")
        response = wire.refusal(error)
        if isinstance(cause, drf.AuthenticationFailed | drf.NotAuthenticated):
            # The caller's own credentials, by MOBILE_AUTHENTICATION, are wrong.
            challenge = getattr(cause, "auth_header", "") or 'Bearer realm="app"'
            response["WWW-Authenticate"] = challenge
        return response

    def offer(self, request: Request) -> Response:
        """Return the channels and countries on offer, the names in the caller's language."""
        language = request.query_params.get("language", "")[:35]
        language = language or get_language_from_request(request)
        return Response(OfferAnswer.represent(offers.offer(offers.offered(), language)))

    @sensitive_variables()
    def create(self, request: Request) -> Response:
        """Send a code to a phone number or an e-mail address."""
        asked = self._read(StartBody)
        caller = self._caller(asked.pop("device_id", ""), asked.pop("device_token", ""))
        found = clients.start(offers.offered(), asked.pop("to"), caller=caller, **asked)
        return Response(StartAnswer.represent(found), status=201)

    @sensitive_variables()
    def retrieve(self, request: Request, sid: str) -> Response:
        """Return the state of a verification."""
        secret = request.headers.get(SECRET_HEADER, "")
        found = clients.fetch(sid, secret, caller=self._caller())
        return Response(StateAnswer.represent(found))

    @sensitive_variables()
    def check(self, request: Request, sid: str) -> Response:
        """Compare a code; a wrong one answers 200 with `valid` false."""
        asked = self._read(CheckBody)
        found = clients.check(sid, asked["client_secret"], asked["code"], caller=self._caller())
        return Response(StateAnswer.represent(found))

    @sensitive_variables()
    def resend(self, request: Request, sid: str) -> Response:
        """Send the code once more, by the same or another channel."""
        asked = self._read(ResendBody)
        caller = self._caller(asked.pop("device_id", ""))
        found = clients.resend(sid, asked.pop("client_secret"), caller=caller, **asked)
        return Response(StateAnswer.represent(found))

    def _read(self, body: type[Body]) -> dict[str, Any]:
        return _reader(body).read(self.request.data)

    def _caller(self, device_id: str = "", device_token: str = "") -> Caller:
        request = self.request
        ip = client_ip.from_meta(request.META)
        return Caller(ip=ip, device_id=device_id, user=request.user, device_token=device_token)


class NoEndpoint(VerificationViewSet):
    """Any other path: 404 in the shape of this wire, never the site's own page."""

    schema = None

    def nothing(self, request: Request, path: str) -> Response:
        """Refuse the request, whatever its method. Raises NotFound."""
        raise exceptions.NotFound("There is no such endpoint; no path ends in a slash")
