"""URLs for apps: `path("mobile/", include("django_verify.mobile.urls"))`."""

from __future__ import annotations

from django.urls import path, re_path

from django_verify.mobile.views import NoEndpoint, VerificationViewSet

app_name = "verify_mobile"
_ONE = "verifications/<str:sid>"
_NOTHING = dict.fromkeys(("get", "post", "put", "patch", "delete"), "nothing")
urlpatterns = [
    path(
        "verifications",
        VerificationViewSet.as_view({"get": "offer", "post": "create"}),
        name="start",
    ),
    path(_ONE, VerificationViewSet.as_view({"get": "retrieve"}), name="verification"),
    path(f"{_ONE}/check", VerificationViewSet.as_view({"post": "check"}), name="check"),
    path(f"{_ONE}/resend", VerificationViewSet.as_view({"post": "resend"}), name="resend"),
    # A slash too many, and every other path below: an app reads JSON, not the site's 404 page.
    re_path(r"^(?P<path>(?s:.*))\Z", NoEndpoint.as_view(_NOTHING)),
]
