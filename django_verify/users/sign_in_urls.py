"""The URLs of the sign-in: `path("sign-in/", include("django_verify.users.sign_in_urls"))`."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.urls import path

from django_verify.users import sign_in
from django_verify.web import views

app_name = "verify_sign_in"
urlpatterns = [
    path("", login_not_required(sign_in.SignInView.as_view()), name="start"),
    path("code/", login_not_required(sign_in.SignInCheckView.as_view()), name="check"),
    path("resend/", login_not_required(sign_in.SignInResendView.as_view()), name="resend"),
    path("done/", login_not_required(views.DoneView.as_view()), name="done"),
]
