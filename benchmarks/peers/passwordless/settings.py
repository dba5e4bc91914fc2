"""Its documented settings, with its own switch that sends nothing."""

# ruff: noqa: F403, F405 - settings on top of settings

from benchmarks.host import *

INSTALLED_APPS = [
    *OTHER_APPS,
    "rest_framework",
    "rest_framework.authtoken",
    "drfpasswordless",
    "benchmarks.peers.passwordless",
]
AUTH_USER_MODEL = "passwordless.User"
ROOT_URLCONF = "benchmarks.peers.passwordless.urls"
PASSWORDLESS_AUTH = {
    "PASSWORDLESS_AUTH_TYPES": ["MOBILE"],
    "PASSWORDLESS_MOBILE_NOREPLY_NUMBER": "+15005550006",
    "PASSWORDLESS_TEST_SUPPRESSION": True,
}
# The tables of its user are made with all others: a migration of ours would have to name theirs.
MIGRATION_MODULES = {app.rpartition(".")[2]: None for app in INSTALLED_APPS}
