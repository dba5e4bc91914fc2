"""The addresses of the example site."""

from django.contrib import admin
from django.urls import include, path

from example_project import views

urlpatterns = [
    path("", views.home, name="home"),
    path("v2/", include("django_verify.api.urls")),
    path("verify/", include("django_verify.urls")),
    path("admin/", admin.site.urls),
]
