"""The emulator's site: its folder and its settings. What it holds is in `contents`."""

from __future__ import annotations

import os
import secrets
import tempfile
from pathlib import Path
from typing import Any

import django
from django.conf import settings as django_settings

from django_verify.emulator.options import Options

FOLDER = Path(__file__).parent
# Where files are kept in memory.
_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of its own is made there
_UNLIMITED = 10**9


def folder() -> tempfile.TemporaryDirectory[str]:
    """Return a folder that is gone at the end, in memory where this machine can."""
    in_memory = _MEMORY.is_dir() and os.access(_MEMORY, os.W_OK)
    return tempfile.TemporaryDirectory(
        prefix="django-verify-", dir=_MEMORY if in_memory else None, ignore_cleanup_errors=True
    )


def configure(options: Options, database: Path) -> None:
    """Configure Django; the database is the file of a site that stays, or of one that does not."""
    stays = bool(options.database)
    django_settings.configure(
        SECRET_KEY=_secret_key(database) if stays else secrets.token_urlsafe(48),
        DEBUG=False,
        ALLOWED_HOSTS=_hosts(options.host),
        INSTALLED_APPS=["django_verify"],
        MIDDLEWARE=["django_verify.emulator.admission.Admission"],
        ROOT_URLCONF="django_verify.emulator.urls",
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "DIRS": [FOLDER / "pages"],
            }
        ],
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": str(database),
                "CONN_MAX_AGE": None,
                "OPTIONS": {
                    "transaction_mode": "IMMEDIATE",
                    "timeout": 30,
                    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous="
                    + ("NORMAL;" if stays else "OFF;"),
                },
            }
        },
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        USE_TZ=True,
        TIME_ZONE="UTC",
        LOGGING={
            "version": 1,
            "disable_existing_loggers": False,
            "handlers": {"console": {"class": "logging.StreamHandler"}},
            "root": {"handlers": ["console"], "level": "WARNING"},
            # Answers that are meant to be errors.
            "loggers": {"django.request": {"level": "ERROR"}},
        },
        DJANGO_VERIFY=_settings(options),
    )
    django.setup()


def _hosts(host: str) -> list[str]:
    """Return the names that callers may use; on loopback none that a website can make its own.

    A browser lets a page read what answers under the page's own name, whose address may change.
    """
    if host in {"localhost", "::1"} or host.startswith("127."):
        return ["localhost", ".localhost", "127.0.0.1", "[::1]", host, ".twilio.com"]
    return ["*"]


def _settings(options: Options) -> dict[str, Any]:
    recorder = "django_verify.testing.recorder.RecordingSender"
    push = "django_verify.push_senders.memory.MemorySender"
    found: dict[str, Any] = {
        "SENDERS": {"emulator": {"BACKEND": recorder}},
        "PUSH_SENDERS": {"apn": {"BACKEND": push}, "fcm": {"BACKEND": push}},
        "SNA": {"BACKEND": "django_verify.verifications.sna.Simulator"},
        "WEBHOOK_ALLOWED_HOSTS": ["localhost", ".localhost", "127.0.0.0/8", "::1"],
    }
    if not options.limits:
        found |= {
            "GUARD_LEVEL": "off",
            "RECIPIENT_GUESSES_PER_DAY": _UNLIMITED,
            "RECIPIENT_GUESSES_PER_DAY_SHORT_CODE": _UNLIMITED,
            "RECIPIENT_GUESSES_SINCE_APPROVAL": _UNLIMITED,
            "RECIPIENT_STARTS_PER_DAY": 1000,
            "RATE_LIMITS_PER_SERVICE": _UNLIMITED,
        }
    return found


def _secret_key(database: Path) -> str:
    """Return the key that belongs to a database which stays; it lies beside it.

    Raises ValueError for a database that has none: it may be a site's, where everybody would be
    let in from now on.
    """
    path = database.with_name(database.name + ".key")
    if not path.exists():
        if database.exists() and (database.is_dir() or database.stat().st_size):
            raise ValueError(
                f"--database: {database} is no emulator's, for there is no {path.name}"
            )
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_urlsafe(48))
    return path.read_text(encoding="utf-8").strip()
