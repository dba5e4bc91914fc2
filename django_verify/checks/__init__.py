"""Django's system checks: what is wrong with the settings, and what must not be deployed.

Each has a stable id, which `docs/checks.md` explains. Nothing is changed, and nobody called, here.
"""

from django_verify.checks.configuration import (
    check_autocommit,
    check_browsable_api,
    check_phone_library,
    check_settings,
)
from django_verify.checks.deployment import check_deployment
from django_verify.checks.stored import (
    check_aliases,
    check_countries,
    check_passkeys,
    check_phone_columns,
    check_slow_sending,
    check_test_numbers,
    check_workers,
)

__all__ = [
    "check_aliases",
    "check_autocommit",
    "check_browsable_api",
    "check_countries",
    "check_deployment",
    "check_passkeys",
    "check_phone_columns",
    "check_phone_library",
    "check_settings",
    "check_slow_sending",
    "check_test_numbers",
    "check_workers",
]
