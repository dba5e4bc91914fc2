"""The URLs of a site that has django-unfold as its admin, with all of our pages."""

from django.contrib import admin
from django.urls import path
from unfold.sites import UnfoldAdminSite

site = UnfoldAdminSite()
for model, page in admin.site._registry.items():
    site.register(model, type(page))

urlpatterns = [path("admin/", site.urls)]
