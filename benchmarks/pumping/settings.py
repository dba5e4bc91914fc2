"""The simulated site: one SQLite file, a provider that costs nothing, and the guard as it is."""

# ruff: noqa: F403, F405 - settings on top of settings

from example_project.settings import *

DEBUG = False
DATABASES["default"]["OPTIONS"] = {
    **DATABASES["default"].get("OPTIONS", {}),
    "init_command": "PRAGMA journal_mode=MEMORY; PRAGMA synchronous=OFF;",
}
DJANGO_VERIFY = {
    "SENDERS": {"simulated": {"BACKEND": "benchmarks.pumping.senders.SimulatedSender"}},
    "RECIPIENT_STARTS_PER_DAY": 1000,
    "RECIPIENT_GUESSES_PER_DAY": 1000,
    "RECIPIENT_GUESSES_SINCE_APPROVAL": 1000,
    "GUARD_LEVEL": "off",
}
LOGGING = {"version": 1, "disable_existing_loggers": True}
