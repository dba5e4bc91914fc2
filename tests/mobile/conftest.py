"""Whatever these tests provoke is in the docs."""

import pytest

from django_verify.mobile import wire
from tests.mobile.pages import refusals


@pytest.fixture(autouse=True)
def documented(monkeypatch):
    """Every refusal of a test stands in the table of `docs/mobile.md`, with its status."""
    received = []
    real = wire.refusal

    def refusal(error):
        response = real(error)
        received.append((response.data["reason"], response.status_code))
        return response

    monkeypatch.setattr(wire, "refusal", refusal)
    yield
    assert set(received) <= refusals()
