"""The API's URLs: `path("v2/", include("django_verify.api.urls"))`."""

from __future__ import annotations

from django.urls import path, re_path
from django.views.decorators.csrf import csrf_exempt

from django_verify.api.attempts import AttemptViewSet
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
from django_verify.api.resource import NoResource
from django_verify.api.safelist import SafeListViewSet
from django_verify.api.services import ServiceViewSet
from django_verify.api.summaries import AttemptsSummaryViewSet
from django_verify.api.templates import TemplateViewSet
from django_verify.api.tokens import AccessTokenViewSet, NotificationViewSet
from django_verify.api.verifications import (
    SnaUrlView,
    VerificationCheckViewSet,
    VerificationViewSet,
)
from django_verify.api.webhooks import WebhookViewSet

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


app_name = "django_verify"
urlpatterns = [
    path("Sna/<str:attempt_sid>/<str:token>", csrf_exempt(SnaUrlView.as_view())),
    *(pattern for resource in RESOURCES for pattern in resource.urls()),
    # Line breaks and the empty path included, which the path converters leave out.
    re_path(r"^(?P<rest>(?s:.*))\Z", NoResource.as_view({"get": "list"})),
]
