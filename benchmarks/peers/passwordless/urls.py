"""The package's own URLs."""

from django.urls import include, path

urlpatterns = [path("", include("drfpasswordless.urls"))]
