"""The face for operators: Django admin pages for the services, the credentials and the records."""

from django_verify.admin import (
    accounts,
    entities,
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
    "entities",
    "messaging",
    "ratelimits",
    "safelist",
    "services",
    "templates",
    "verifications",
    "webhooks",
]
