"""The floor's two URLs."""

from django.urls import path

from benchmarks.floor import views

urlpatterns = [
    path("verifications", views.StartView.as_view()),
    path("checks", views.CheckView.as_view()),
]
