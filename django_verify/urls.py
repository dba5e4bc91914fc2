"""URLs for machines without credentials: `path("verify/", include("django_verify.urls"))`."""

from __future__ import annotations

from django.urls import path

from django_verify import views

app_name = "verify_site"
urlpatterns = [
    path("callbacks/<str:alias>", views.callback, name="callback"),
    path("healthz", views.healthz, name="healthz"),
    path("jwks.json", views.jwks, name="jwks"),
    path("livez", views.livez, name="livez"),
]
