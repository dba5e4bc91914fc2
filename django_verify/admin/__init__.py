"""The face for operators: Django admin pages for the services, the credentials and the records."""

from django_verify.admin import accounts, ratelimits, services, verifications

__all__ = ["accounts", "ratelimits", "services", "verifications"]
