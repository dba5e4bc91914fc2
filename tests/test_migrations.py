"""No host finds a change that our migrations lack, whatever its keys, language and users are."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
# A process of its own: models are made once, by the settings that are there then.
HOST = """
import json, sys
import django
from django.conf import settings
from django.core.management import call_command
settings.configure(
    SECRET_KEY="a key for a host that only looks for changes",
    INSTALLED_APPS=[
        "django.contrib.contenttypes", "django.contrib.auth",
        "tests.own_user", "django_verify", "django_verify.users",
    ],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    **json.loads(sys.argv[1]),
)
django.setup()
call_command(
    "makemigrations", "django_verify", "django_verify_users",
    check_changes=True, dry_run=True, verbosity=3,
)
"""
KEYS = {"DEFAULT_AUTO_FIELD": "django.db.models.SmallAutoField"}
LANGUAGE = {"LANGUAGE_CODE": "ar", "TIME_ZONE": "Asia/Tokyo"}
USERS = {"AUTH_USER_MODEL": "own_user.User"}


@pytest.mark.parametrize(
    "values",
    [KEYS | LANGUAGE | USERS, {}, KEYS, LANGUAGE, USERS],
    ids=["all", "none", "keys", "language", "users"],
)
def test_no_host_finds_a_change(values):
    found = subprocess.run(
        [sys.executable, "-W", "error", "-c", HOST, json.dumps(values)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert (found.returncode, found.stderr) == (0, ""), found.stdout
    assert "No changes detected" in found.stdout
