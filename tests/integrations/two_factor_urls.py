"""A site of two-factor-auth's own pages."""

from django.contrib import admin
from django.http import HttpResponse
from django.urls import include, path
from two_factor.urls import urlpatterns as two_factor

urlpatterns = [
    path("", include(two_factor)),
    path("home/", lambda request: HttpResponse(f"verified: {request.user.is_verified()}")),
    path("admin/", admin.site.urls),
]
