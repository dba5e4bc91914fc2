"""The emulator's URLs: the API under both prefixes, look-ups, the inbox, and what steers it."""

from __future__ import annotations

from django.urls import include, path

from django_verify.emulator import views

steering = [
    path("", views.inbox, name="inbox"),
    path("inbox.css", views.style, name="style"),
    path("messages", views.messages, name="messages"),
    path("clock", views.time, name="clock"),
    path("reports", views.report, name="reports"),
    path("failures", views.failure, name="failures"),
]
urlpatterns = [
    path("", views.home),
    path("favicon.ico", views.no_icon),
    path("", include("django_verify.lookups.urls")),
    path("v2/", include("django_verify.api.urls")),
    # As vercel-labs/emulate has it, where each product has a prefix.
    path("verify/v2/", include("django_verify.api.urls", namespace="prefixed")),
    path("emulator/", include((steering, "emulator"))),
    path("_twilio/simulate/verification-code", views.latest_code),
]
