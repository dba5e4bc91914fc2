"""Optional libraries that are not there: the checks say which extra to install, and never crash."""

import json
import sys

import pytest
from django.core.management import call_command
from django.core.management.base import SystemCheckError

from django_verify.conf.backends import installed
from django_verify.push_senders import Credential, PushError, apn, fcm
from tests.gates.attestations import APP
from tests.push_senders.test_contract import ACCOUNT, P8, message

SENDER = "django_verify.senders.{}"
# Extra, the library that is missing, and the settings that need it.
NEEDED = [
    (
        "fcm",
        "google",
        {
            "PUSH_SENDERS": {
                "fcm": {
                    "BACKEND": "django_verify.push_senders.fcm.FcmSender",
                    "OPTIONS": {"service_account": ACCOUNT},
                }
            }
        },
    ),
    ("fcm", "google.auth", {"PUSH_SENDERS": {"fcm": "django_verify.push_senders.fcm.FcmSender"}}),
    ("apn", "httpx", {"PUSH_SENDERS": {"apn": "django_verify.push_senders.apn.ApnSender"}}),
    ("apn", "h2", {"PUSH_SENDERS": {"apn": "django_verify.push_senders.apn.ApnSender"}}),
    ("jose", "joserfc", {"PUSH_SENDERS": {"fcm": "django_verify.push_senders.fcm.FcmSender"}}),
    (
        "playintegrity",
        "google",
        {
            "BOT_PROTECTION": {
                "BACKEND": "django_verify.gates.play_integrity.PlayIntegrityGate",
                "OPTIONS": {"package_name": "com.example.app", "service_account": ACCOUNT},
            }
        },
    ),
    (
        "attest",
        "cbor2",
        {
            "BOT_PROTECTION": {
                "BACKEND": "django_verify.gates.app_attest.AppAttestGate",
                "OPTIONS": {"app_id": APP},
            }
        },
    ),
    (
        "sns",
        "boto3",
        {
            "SENDERS": {
                "it": {
                    "BACKEND": SENDER.format("sns.SnsSender"),
                    "OPTIONS": {"region": "eu-west-1"},
                }
            }
        },
    ),
    (
        "apprise",
        "apprise",
        {
            "SENDERS": {
                "it": {
                    "BACKEND": SENDER.format("apprise.AppriseSender"),
                    "OPTIONS": {"url": "json://host/{to}"},
                }
            }
        },
    ),
    ("limits", "limits", {"RATE_LIMIT_STORE": "redis://127.0.0.1:6379/0"}),
    ("limits", "redis", {"RATE_LIMIT_STORE": "redis://127.0.0.1:6379/0"}),
    ("celery", "celery", {"DISPATCH": "celery"}),
]


class Missing:
    """A finder without one library: it finds nothing, or raises as the import of a parent does."""

    def __init__(self, library, raises, finder):
        self.library, self.raises, self.finder = library, raises, finder

    def find_spec(self, name, path=None, target=None):
        if name != self.library and not name.startswith(f"{self.library}."):
            return self.finder.find_spec(name, path, target)
        if self.raises:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return None


def take_away(monkeypatch, library, way):
    """Have the library missing, as an uninstalled one is, or as tests and sandboxes do it."""
    for name in list(sys.modules):
        if name == library or name.startswith(f"{library}."):
            monkeypatch.delitem(sys.modules, name)
    if way == "none":
        monkeypatch.setitem(sys.modules, library, None)
    else:
        finders = [Missing(library, way == "raises", finder) for finder in sys.meta_path]
        monkeypatch.setattr(sys, "meta_path", finders)


@pytest.mark.django_db
@pytest.mark.parametrize("way", ["none", "raises", "nothing"])
@pytest.mark.parametrize(
    ("extra", "library", "values"), NEEDED, ids=[f"{row[0]}-{row[1]}" for row in NEEDED]
)
def test_the_check_names_the_extra(extra, library, values, way, settings, monkeypatch):
    settings.DJANGO_VERIFY = values
    take_away(monkeypatch, library, way)
    with pytest.raises(SystemCheckError) as caught:
        call_command("check")
    received = str(caught.value)
    assert "Traceback" not in received
    assert f"[{extra}]" in received or f"extra `{extra}`" in received
    assert json.loads(ACCOUNT)["private_key"] not in received


@pytest.mark.parametrize("way", ["none", "raises", "nothing"])
@pytest.mark.parametrize("name", ["google", "google.auth", "joserfc", "no_such_module.part"])
def test_what_is_missing_is_not_installed(name, way, monkeypatch):
    take_away(monkeypatch, name, way)
    assert not installed(name)
    assert not installed("json", f"{name}.deeper")
    assert installed("json", "email.message")


def test_a_module_without_a_spec_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "google", type(sys)("google"))
    monkeypatch.setattr(sys.modules["google"], "__spec__", None)
    assert not installed("google")


@pytest.mark.parametrize(
    ("sender", "library", "secret"),
    [(fcm.FcmSender("fcm"), "google", ACCOUNT), (apn.ApnSender("apn"), "httpx", P8)],
)
def test_a_push_sender_without_its_library_fails_by_name(sender, library, secret, monkeypatch):
    take_away(monkeypatch, library, "raises")
    with pytest.raises(PushError, match="not installed"):
        sender.send(message("f" * 64), Credential(secret))
