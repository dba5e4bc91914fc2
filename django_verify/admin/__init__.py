"""The face for operators: Django admin pages for the services, the credentials and the records."""

from django_verify.admin import accounts, safelist, services, verifications, webhooks

__all__ = ["accounts", "safelist", "services", "verifications", "webhooks"]
