"""The face for operators: Django admin pages for the services, the credentials and the records."""

from django_verify.admin import (
    accounts,
    attempts,
    deliveries,
    devices,
    entities,
    messaging,
    push,
    ratelimits,
    safelist,
    senders,
    services,
    templates,
    testnumbers,
    verifications,
    webhooks,
)

__all__ = [
    "accounts",
    "attempts",
    "deliveries",
    "devices",
    "entities",
    "messaging",
    "push",
    "ratelimits",
    "safelist",
    "senders",
    "services",
    "templates",
    "testnumbers",
    "verifications",
    "webhooks",
]
