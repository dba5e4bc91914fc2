"""The lawful floor's two URLs."""

from django.urls import path

from benchmarks.lawful import views

urlpatterns = [
    path("verifications", views.StartView.as_view()),
    path("checks", views.CheckView.as_view()),
]
