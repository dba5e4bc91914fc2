"""URLs of the look-ups: `path("", include("django_verify.lookups.urls"))`, before the API's."""

from __future__ import annotations

from django.urls import path, re_path

from django_verify.api.resource import NoResource
from django_verify.lookups.views import PhoneNumberV1ViewSet, PhoneNumberV2ViewSet

app_name = "verify_lookups"
_READ = {"get": "retrieve"}
urlpatterns = [
    path("v1/PhoneNumbers/<str:phone_number>", PhoneNumberV1ViewSet.as_view(_READ), name="v1"),
    path("v2/PhoneNumbers/<str:phone_number>", PhoneNumberV2ViewSet.as_view(_READ), name="v2"),
    # Whatever else stands below, or Django would log the path of a number with a slash behind it.
    re_path(r"^v[12]/(?P<rest>PhoneNumbers(?:/(?s:.*))?)\Z", NoResource.as_view({"get": "list"})),
]
