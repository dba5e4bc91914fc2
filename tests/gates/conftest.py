"""What the tests of gates share: gates built by the settings, in front of providers' fakes."""

from functools import partial

import pytest

from django_verify import gates
from django_verify.gates import memory
from django_verify.net import client
from tests.gates.fakes import IP, PHONE
from tests.senders.fakes import fake  # noqa: F401 - a fixture

CLASSES = {
    "app_attest": "AppAttestGate",
    "choice": "ChoiceGate",
    "hcaptcha": "HCaptchaGate",
    "memory": "MemoryGate",
    "play_integrity": "PlayIntegrityGate",
    "recaptcha": "RecaptchaGate",
    "turnstile": "TurnstileGate",
}


def backend(name):
    return f"django_verify.gates.{name}.{CLASSES[name]}"


@pytest.fixture
def gate_of(settings):
    """Build a gate by the settings, as a site would."""

    def gate_of(name, **options):
        settings.DJANGO_VERIFY = {"BOT_PROTECTION": {"BACKEND": backend(name), "OPTIONS": options}}
        return gates.configured()

    return gate_of


@pytest.fixture
def quick(monkeypatch):
    """Calls that give up soon."""
    monkeypatch.setattr(client, "call", partial(client.call, read=0.2, total=0.4))


@pytest.fixture(autouse=True)
def forgotten():
    memory.asked.clear()
    yield
    memory.asked.clear()


def verify(gate, token, *, action="start", subject=PHONE, remote_ip=IP):
    return gate.verify(token, remote_ip=remote_ip, action=action, subject=subject)
