"""URLs for apps: `path("mobile/", include("django_verify.mobile.urls"))`."""

from __future__ import annotations

from django.urls import path

from django_verify.mobile.views import VerificationViewSet

app_name = "verify_mobile"
_ONE = "verifications/<str:sid>"
urlpatterns = [
    path("verifications", VerificationViewSet.as_view({"post": "create"}), name="start"),
    path(_ONE, VerificationViewSet.as_view({"get": "retrieve"}), name="verification"),
    path(f"{_ONE}/check", VerificationViewSet.as_view({"post": "check"}), name="check"),
    path(f"{_ONE}/resend", VerificationViewSet.as_view({"post": "resend"}), name="resend"),
]
