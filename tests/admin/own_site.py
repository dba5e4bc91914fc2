"""The URLs of a host with an admin site of its own, which has some of our pages alone."""

from django.contrib.admin import AdminSite
from django.contrib.auth.models import User
from django.urls import path

from django_verify.admin.dashboard import DashboardAdmin
from django_verify.admin.senders import SenderStateAdmin
from django_verify.admin.services import VerifyServiceAdmin
from django_verify.models import Dashboard, SenderState, VerifyService

services, figures = AdminSite("services"), AdminSite("figures")
services.register(VerifyService, VerifyServiceAdmin)
services.register(SenderState, SenderStateAdmin)
figures.register(Dashboard, DashboardAdmin)
for site in (services, figures):
    site.register(User)

_SITES = {"services": services, "figures": figures}


class Urls:
    """The URLs of one of them."""

    def __init__(self, name):
        self.urlpatterns = [path("admin/", _SITES[name].urls)]
