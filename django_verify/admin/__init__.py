"""The face for operators: Django admin pages for the services, the credentials and the records."""

from django_verify.admin import accounts, messaging, services, templates, verifications

__all__ = ["accounts", "messaging", "services", "templates", "verifications"]
