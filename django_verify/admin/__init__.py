"""The face for operators: Django admin pages for the services, the credentials and the records."""

from django_verify.admin import accounts, services, verifications

__all__ = ["accounts", "services", "verifications"]
