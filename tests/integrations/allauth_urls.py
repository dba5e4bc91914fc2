"""A site of allauth's own pages."""

from django.http import HttpResponse
from django.urls import include, path

urlpatterns = [
    path("accounts/", include("allauth.account.urls")),
    path("home/", lambda request: HttpResponse("home")),
]
