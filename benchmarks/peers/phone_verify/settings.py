"""Its documented settings, with a backend that hands the message to nobody."""

# ruff: noqa: F403, F405 - settings on top of settings

from benchmarks.host import *

INSTALLED_APPS = [*OTHER_APPS, "rest_framework", "phone_verify"]
ROOT_URLCONF = "phone_verify.urls"
PHONE_VERIFICATION = {
    "BACKEND": "benchmarks.peers.phone_verify.backend.NowhereBackend",
    "OPTIONS": {},
    "TOKEN_LENGTH": 6,
    "MESSAGE": "Welcome to {app}! Please use security code {security_code} to proceed.",
    "APP_NAME": "Benchmark",
    "SECURITY_CODE_EXPIRATION_SECONDS": 600,
    "VERIFY_SECURITY_CODE_ONLY_ONCE": True,
}
