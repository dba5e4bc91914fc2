"""The vendor's API on loopback, and the command that reads it."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import call_command

from django_verify.moving import source
from tests.moving.vendor import ACCOUNT, TOKEN, Vendor


@pytest.fixture
def vendor():
    vendor = Vendor()
    yield vendor
    vendor.close()


@pytest.fixture
def waits(monkeypatch):
    """The seconds that a reader would have waited before another try."""
    waited = []
    monkeypatch.setattr(source, "pause", waited.append)
    return waited


@pytest.fixture
def environment(monkeypatch):
    for name in ("API_KEY", "API_KEY_SECRET", "API_SECRET", "ACCOUNT_SID", "AUTH_TOKEN"):
        monkeypatch.delenv(f"TWILIO_{name}", raising=False)
    monkeypatch.setenv("TWILIO_ACCOUNT_SID", ACCOUNT)
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", TOKEN)
    return monkeypatch


@pytest.fixture
def run(vendor, environment):
    """Run the command against the vendor and return what it printed."""

    def run(*arguments, base_url=None):
        out = StringIO()
        call_command("importtwilio", "--base-url", base_url or vendor.url, *arguments, stdout=out)
        return out.getvalue()

    return run
