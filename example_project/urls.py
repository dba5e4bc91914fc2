"""The URLs of the example site."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import TemplateView
from django.views.i18n import set_language

from example_project import authenticator, mobile_app, passkey

urlpatterns = [
    path("", include("django_verify.web.urls")),
    path("language/", TemplateView.as_view(template_name="language.html"), name="language"),
    path("language/set/", set_language, name="set_language"),
    path("authenticator/", authenticator.enrol, name="authenticator"),
    path("passkey/", passkey.page, name="passkey"),
    path("passkey/register/", passkey.register, name="passkey-register"),
    path("passkey/verify/", passkey.verify, name="passkey-verify"),
    path("app/", mobile_app.page, name="app"),
    path("sign-up/", mobile_app.SignUp.as_view(), name="sign-up"),
    path("sign-in/", authenticator.sign_in, name="sign-in"),
    path("sign-in/phone/", include("django_verify.users.sign_in_urls")),
    path("sign-in/passkey/", passkey.challenge, name="passkey-challenge"),
    path("sign-in/passkey/approve/", passkey.approve, name="passkey-approve"),
    path("", include("django_verify.lookups.urls")),
    path("v2/", include("django_verify.api.urls")),
    path("mobile/", include("django_verify.mobile.urls")),
    path("verify/", include("django_verify.urls")),
    path("admin/", admin.site.urls),
]
