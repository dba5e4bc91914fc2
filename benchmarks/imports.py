"""What the app adds to the start of a process: time and memory of `django.setup()`, beside a host.

Each figure is of a process of its own; time is the processor's, the least of several runs, since a
busy machine only ever adds to it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping

HOST = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
]
HOSTS = {
    "host": HOST,
    "host with the admin": ["django.contrib.admin", *HOST],
    "host with REST framework": [*HOST, "rest_framework"],
}
OURS = ["phonenumber_field", "django_verify", "django_verify.users"]
# More than the same host without us: MB of memory, and the share of its own time. About twice what
# is measured.
MOST_MB = {"host": 7.0, "host with the admin": 13.0, "host with REST framework": 7.0}
MOST_TIME = {"host": 1.5, "host with the admin": 2.5, "host with REST framework": 1.5}

_PROGRAM = """
import json, sys, time
from django.conf import settings
settings.configure(
    SECRET_KEY="x" * 60,
    INSTALLED_APPS=json.loads(sys.argv[1]),
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    ROOT_URLCONF="django_verify.urls",
)
import django
started = time.process_time()
django.setup()
seconds = time.process_time() - started
with open("/proc/self/statm") as file:
    pages = int(file.read().split()[1])
import resource
megabytes = pages * resource.getpagesize() / 2**20
print(json.dumps([seconds * 1000, megabytes]))
"""

# Milliseconds and megabytes.
Figures = Mapping[str, tuple[float, float]]


def measure(rounds: int) -> dict[str, tuple[float, float]]:
    """Return the least of `rounds` starts of each host, and of each with the app."""
    asked = {**HOSTS, **{f"{name} + app": apps + OURS for name, apps in HOSTS.items()}}
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in asked}
    for _ in range(rounds):
        for name, apps in asked.items():
            found[name].append(_start(apps))
    return {
        name: (min(r[0] for r in rows), min(r[1] for r in rows)) for name, rows in found.items()
    }


def _start(apps: list[str]) -> tuple[float, float]:
    command = [sys.executable, "-c", _PROGRAM, json.dumps(apps)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    milliseconds, megabytes = json.loads(done.stdout)
    return milliseconds, megabytes


def added(figures: Figures, host: str) -> tuple[float, float]:
    """Return milliseconds and megabytes that the app adds to a host."""
    (ms, mb), (own_ms, own_mb) = figures[f"{host} + app"], figures[host]
    return ms - own_ms, mb - own_mb


def render(figures: Figures) -> str:
    """Return the table."""
    lines = ["", "Start of a process", f"{'':28}{'ms':>8}{'MB':>8}{'+ ms':>8}{'+ MB':>8}"]
    for host in HOSTS:
        ms, mb = figures[host]
        more_ms, more_mb = added(figures, host)
        lines.append(f"{host:28}{ms:8.0f}{mb:8.1f}{more_ms:8.0f}{more_mb:8.1f}")
    return "\n".join(lines)


def beyond(figures: Figures) -> Iterator[str]:
    """Report each figure that is beyond its bound, with the bound."""
    for host in HOSTS:
        more_ms, more_mb = added(figures, host)
        share = more_ms / figures[host][0]
        if more_mb > MOST_MB[host]:
            yield f"{host}: the app adds {more_mb:.1f} MB, and {MOST_MB[host]} are allowed"
        if share > MOST_TIME[host]:
            yield f"{host}: the app adds {share:.2f} times its start, not {MOST_TIME[host]}"


if __name__ == "__main__":
    measured = measure(5)
    print(render(measured))
    if lines := list(beyond(measured)):
        raise SystemExit("\n".join(["", "Beyond the bounds:", *lines]))
