"""The example site as it is measured: its own settings, and a sender that costs nothing."""

# ruff: noqa: F403, F405 - settings on top of settings

from benchmarks.host import *

ROOT_URLCONF = "benchmarks.urls"
DJANGO_VERIFY = {
    "SENDERS": {
        "nowhere": {
            "BACKEND": "benchmarks.sender.NowhereSender",
            "OPTIONS": {"seconds": env.float("BENCH_PROVIDER_SECONDS", 0.0)},
        }
    },
    # A round is all its starts and then all their checks, which the guard would take for an attack.
    "GUARD_LEVEL": env.str("BENCH_GUARD", "off"),
    "GUARD_RECORD_ONLY": True,
    "GUARD_REFRESH": env.int("BENCH_GUARD_REFRESH", 2),
    "DISPATCH": env.str("BENCH_DISPATCH", "inline"),
}
