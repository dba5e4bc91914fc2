"""URLs for machines without credentials: `path("verify/", include("django_verify.urls"))`."""

from __future__ import annotations

from django.urls import path

from django_verify import views
from django_verify.integrations import prometheus

app_name = "verify_site"
urlpatterns = [
    path("callbacks/<str:alias>", views.callback, name="callback"),
    path("healthz", views.healthz, name="healthz"),
    path("jwks.json", views.jwks, name="jwks"),
    path("livez", views.livez, name="livez"),
    path("metrics", prometheus.metrics, name="metrics"),
    # One letter, because some providers take no more than a hundred.
    path("r/<str:token>", views.report, name="report"),
]
