"""URLs of the look-ups: `path("", include("django_verify.lookups.urls"))`, before the API's."""

from __future__ import annotations

from django.urls import path

from django_verify.lookups.views import PhoneNumberV1ViewSet, PhoneNumberV2ViewSet

app_name = "verify_lookups"
_READ = {"get": "retrieve"}
urlpatterns = [
    path("v1/PhoneNumbers/<str:phone_number>", PhoneNumberV1ViewSet.as_view(_READ), name="v1"),
    path("v2/PhoneNumbers/<str:phone_number>", PhoneNumberV2ViewSet.as_view(_READ), name="v2"),
]
