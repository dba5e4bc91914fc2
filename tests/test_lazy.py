"""What a process imports at its start, and that a lazy module is the real one when it is used."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from django_verify import lazy
from tests.conftest import PATIENCE

ROOT = Path(__file__).resolve().parents[1]
BARE = ["django.contrib.contenttypes", "django.contrib.auth", "django_verify"]
ADMIN = ["django.contrib.admin", "django.contrib.messages", *BARE]
# A start of a process imports none of these; each is imported by the first that uses it.
HEAVY = {
    "an HTTP library": "requests",
    "cryptography": "cryptography",
    "REST framework": "rest_framework",
    "WebAuthn": "webauthn",
    "tokens": "joserfc",
    "HTTP/2": "httpx",
    "Google": "google.auth",
    "Amazon": "boto3",
    "Apprise": "apprise",
    "CBOR": "cbor2",
    "QR codes": "segno",
    "schema": "drf_spectacular",
    "Celery": "celery",
    "limits": "limits",
    "Redis": "redis",
    "numbers of carriers": "phonenumbers.carrier",
    "a region's metadata": "phonenumbers.data.region_US",
    "checks": "django_verify.checks",
}
OURS = {
    "checks",
    "admin",
    "delivery",
    "senders",
    "factors",
    "gates",
    "api",
    "mobile",
    "web",
    "events",
}


def imported(*apps, then="pass"):
    """The modules of a process after `django.setup()` with these apps."""
    program = (
        "import json, sys; from django.conf import settings;"
        f"settings.configure(SECRET_KEY='x' * 60, INSTALLED_APPS={list(apps)!r},"
        " DEFAULT_AUTO_FIELD='django.db.models.BigAutoField', ROOT_URLCONF='django_verify.urls');"
        f"import django; django.setup(); {then}; print(json.dumps(sorted(sys.modules)))"
    )
    environment = {k: v for k, v in os.environ.items() if k != "DJANGO_SETTINGS_MODULE"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.fixture(scope="module")
def bare():
    return imported(*BARE)


@pytest.mark.parametrize("name", HEAVY.values(), ids=HEAVY)
def test_a_start_imports_nothing_heavy(bare, name):
    assert name not in bare


def test_a_start_imports_the_models_and_no_room_above(bare):
    rooms = {name.split(".")[1] for name in bare if name.startswith("django_verify.")}
    assert "models" in rooms
    assert not rooms & OURS


def test_the_admin_brings_no_library_along():
    found = imported(*ADMIN)
    assert "django_verify.admin.services" in found
    assert not found & {"requests", "cryptography", "rest_framework", "webauthn", "joserfc"}


def test_the_app_of_users_brings_no_library_along():
    found = imported(*BARE, "django_verify.users")
    assert not found & {"requests", "cryptography", "rest_framework"}


def test_the_api_s_urls_bring_the_framework_and_no_provider():
    found = imported(*BARE, then="import django_verify.api.urls")
    assert "rest_framework" in found  # which imports `requests` itself
    assert not found & {
        "webauthn",
        "joserfc",
        "httpx",
        "django_verify.factors.webauthn",
    }
    providers = {name for name in found if name.startswith("django_verify.senders.")}
    assert providers <= {"django_verify.senders.base", "django_verify.senders.causes"}


def test_the_checks_run_all_the_same():
    found = imported(*BARE, then="from django.core.checks import run_checks; run_checks()")
    assert "django_verify.checks" in found


def test_a_lazy_module_is_the_real_one():
    fractions = lazy.module("fractions")
    import fractions as real

    assert fractions.Fraction is real.Fraction
    with pytest.raises(AttributeError):
        _ = fractions.nothing
    with pytest.raises(AttributeError, match="set 'Fraction' on the real one"):
        fractions.Fraction = None
    with pytest.raises(ImportError):
        _ = lazy.module("no_such_module_at_all").name
