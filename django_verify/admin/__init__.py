"""The face for operators: Django admin pages for the services, the credentials and the records."""

from django_verify.admin import (
    accounts,
    deliveries,
    messaging,
    ratelimits,
    safelist,
    services,
    templates,
    verifications,
    webhooks,
)

__all__ = [
    "accounts",
    "deliveries",
    "messaging",
    "ratelimits",
    "safelist",
    "services",
    "templates",
    "verifications",
    "webhooks",
]
