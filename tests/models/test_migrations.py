"""One migration for each app, which a host's own settings do not change."""

import os
import subprocess
import sys

import pytest

from tests.test_package import MIGRATIONS, PACKAGE

SETTINGS = """
SECRET_KEY = "a key for a site that is only imported, of more than fifty characters"
INSTALLED_APPS = [
    "django.contrib.contenttypes", "django.contrib.auth", "people", "django_verify",
    "django_verify.users",
]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
"""
PEOPLE = """
import uuid
from django.contrib.auth.models import AbstractUser
from django.db import models
class Person(AbstractUser):
    key = models.UUIDField(primary_key=True, default=uuid.uuid4)
"""


def test_there_is_one_for_each_app():
    names = [str(path.relative_to(PACKAGE)) for path in MIGRATIONS]
    assert names == [
        "integrations/otp/migrations/0001_initial.py",
        "migrations/0001_initial.py",
        "users/migrations/0001_initial.py",
    ]


@pytest.mark.parametrize(
    "host",
    [
        "",
        "DEFAULT_AUTO_FIELD = 'django.db.models.AutoField'",
        "DEFAULT_AUTO_FIELD = 'django.db.models.SmallAutoField'",
        "LANGUAGE_CODE = 'de'",
        "LANGUAGE_CODE = 'ar'\nUSE_TZ = False",
        "AUTH_USER_MODEL = 'people.Person'",
    ],
)
def test_a_host_has_nothing_to_migrate(tmp_path, host):
    (tmp_path / "people").mkdir()
    (tmp_path / "people" / "__init__.py").touch()
    (tmp_path / "people" / "models.py").write_text(PEOPLE if "AUTH_USER" in host else "")
    (tmp_path / "host.py").write_text(SETTINGS + host)
    command = [sys.executable, "-m", "django", "makemigrations", "--check", "--dry-run"]
    path = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
    ran = subprocess.run(
        [*command, "django_verify", "django_verify_users"],
        env={"DJANGO_SETTINGS_MODULE": "host", "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, ""), ran.stdout
