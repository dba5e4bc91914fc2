"""The pages' URLs: `path("verify/", include("django_verify.web.urls"))`.

A site that subclasses a view has a module like this one, with the same `app_name` and names.
"""

from __future__ import annotations

from django.urls import path

from django_verify.web import views

app_name = "verify_web"
urlpatterns = [
    path("", views.StartView.as_view(), name="start"),
    path("code/", views.CheckView.as_view(), name="check"),
    path("resend/", views.ResendView.as_view(), name="resend"),
    path("done/", views.DoneView.as_view(), name="done"),
]
