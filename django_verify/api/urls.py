"""The API's URLs: `path("v2/", include("django_verify.api.urls"))`."""

from __future__ import annotations

from typing import Any

from django.urls import path, re_path
from django.views.decorators.csrf import csrf_exempt
from rest_framework.request import Request
from rest_framework.response import Response

from django_verify.api import wire
from django_verify.api.attempts import AttemptsSummaryViewSet, AttemptViewSet
from django_verify.api.challenges import ChallengeViewSet
from django_verify.api.entities import EntityViewSet, FactorViewSet
from django_verify.api.forms import FormViewSet
from django_verify.api.messaging import MessagingConfigurationViewSet
from django_verify.api.passkeys import (
    PasskeyApprovalViewSet,
    PasskeyChallengeViewSet,
    PasskeyFactorViewSet,
    PasskeyVerificationViewSet,
)
from django_verify.api.ratelimits import BucketViewSet, RateLimitViewSet
from django_verify.api.resource import Resource
from django_verify.api.safelist import SafeListViewSet
from django_verify.api.services import ServiceViewSet
from django_verify.api.templates import TemplateViewSet
from django_verify.api.tokens import AccessTokenViewSet, NotificationViewSet
from django_verify.api.verifications import (
    SnaUrlView,
    VerificationCheckViewSet,
    VerificationViewSet,
)
from django_verify.api.webhooks import WebhookViewSet
from django_verify.exceptions import NotFound, VerifyError

# The first are asked most, and Django looks along this list. `Attempts/Summary` stands before
# `Attempts/<sid>`, which would take it for a SID.
RESOURCES = (
    VerificationViewSet,
    VerificationCheckViewSet,
    ServiceViewSet,
    AttemptsSummaryViewSet,
    AttemptViewSet,
    SafeListViewSet,
    WebhookViewSet,
    FormViewSet,
    RateLimitViewSet,
    BucketViewSet,
    MessagingConfigurationViewSet,
    TemplateViewSet,
    EntityViewSet,
    FactorViewSet,
    ChallengeViewSet,
    NotificationViewSet,
    AccessTokenViewSet,
    PasskeyFactorViewSet,
    PasskeyVerificationViewSet,
    PasskeyChallengeViewSet,
    PasskeyApprovalViewSet,
)


class NoResource(Resource):
    """Any other path: 404 in the wire's shape, and never a redirect to a trailing slash."""

    path = "<str:rest>"

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Find nothing, once the caller is known."""
        super().initial(request, *args, **kwargs)
        raise NotFound

    def refuse(self, error: VerifyError, cause: Exception) -> Response:
        """Say where a `v2` is too many, which is how a client or a site was set up."""
        if isinstance(error, NotFound) and (hint := _hint(self.request.path, self.kwargs["rest"])):
            text = f"The requested resource /{self.own_path()} was not found: {hint}"
            return wire.error_response(NotFound(text), self._reading)
        return super().refuse(error, cause)

    def list(self, request: Request, **kwargs: str) -> Response:
        """Never reached."""
        raise NotFound


def _hint(path: str, rest: str) -> str:
    """Return what a path says about how a client was set up, where a `v2` is too many."""
    if not rest.startswith("v2/"):
        return ""
    root = path.removesuffix(rest)
    if root.endswith("/v2/"):
        return "an SDK adds /v2 by itself, so its base URL must not end in /v2"
    return "include django_verify.api.urls under a path that ends in v2/"


app_name = "django_verify"
urlpatterns = [
    path("Sna/<str:attempt_sid>/<str:token>", csrf_exempt(SnaUrlView.as_view())),
    *(pattern for resource in RESOURCES for pattern in resource.urls()),
    # Line breaks and the empty path included, which the path converters leave out.
    re_path(r"^(?P<rest>(?s:.*))\Z", NoResource.as_view({"get": "list"})),
]
