"""URLs of a site that has the API under another path than one that ends in `v2/`."""

from django.urls import include, path

urlpatterns = [path("verify/", include("django_verify.api.urls"))]
