"""The URLs of the example site as it is measured: a host that has the API, and the admin."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("v2/", include("django_verify.api.urls")),
    path("admin/", admin.site.urls),
]
