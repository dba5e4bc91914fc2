"""The API's addresses: `path("v2/", include("django_verify.api.urls"))`."""

from __future__ import annotations

from typing import Any

from django.urls import re_path
from rest_framework.request import Request
from rest_framework.response import Response

from django_verify.api.messaging import MessagingConfigurationViewSet
from django_verify.api.resource import Resource
from django_verify.api.services import ServiceViewSet
from django_verify.api.templates import TemplateViewSet
from django_verify.api.verifications import VerificationCheckViewSet, VerificationViewSet
from django_verify.exceptions import NotFound

RESOURCES = (
    ServiceViewSet,
    VerificationViewSet,
    VerificationCheckViewSet,
    MessagingConfigurationViewSet,
    TemplateViewSet,
)


class NoResource(Resource):
    """Any other address: 404 in the wire's shape, and never a redirect to a trailing slash."""

    path = "<str:rest>"

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Find nothing, once the caller is known."""
        super().initial(request, *args, **kwargs)
        raise NotFound

    def list(self, request: Request, **kwargs: str) -> Response:
        """Never reached."""
        raise NotFound


app_name = "django_verify"
urlpatterns = [
    *(pattern for resource in RESOURCES for pattern in resource.urls()),
    # Line breaks and the empty address included, which the path converters leave out.
    re_path(r"^(?P<rest>(?s:.*))\Z", NoResource.as_view({"get": "list"})),
]
