"""The face for operators: Django admin pages for the services, the credentials and the records."""

from django_verify.admin import (
    accounts,
    ratelimits,
    safelist,
    services,
    verifications,
    webhooks,
)

__all__ = ["accounts", "ratelimits", "safelist", "services", "verifications", "webhooks"]
