"""The logger under a host's configuration of logging, and what each failed try leaves in it."""

import logging
import logging.config
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from django_verify import delivery, verifications
from django_verify.crypto import codes
from django_verify.factors import access_tokens, entities
from django_verify.logs import logger, without_numbers
from django_verify.models import ApiKey, VerificationAttempt
from django_verify.senders import SendError, TemporarySendError
from tests.conftest import PATIENCE, PHONE, Api, make_account, make_key
from tests.scripted import Scripted, configured

ROOT = Path(__file__).resolve().parents[1]


class Kept(logging.Handler):
    records: list = []

    def emit(self, record):
        self.records.append(record)


def configuration(**more):
    return {
        "version": 1,
        "handlers": {"kept": {"class": f"{__name__}.Kept"}},
        "root": {"handlers": ["kept"], "level": "INFO"},
        **more,
    }


@pytest.fixture
def host():
    """`host(configuration)` configures logging as a host does; all is as before afterwards."""
    manager, root = logging.root.manager, logging.getLogger()
    before = root.handlers[:], root.level
    states = {
        name: (known.disabled, known.level, known.propagate, known.handlers[:])
        for name, known in manager.loggerDict.items()
        if isinstance(known, logging.Logger)
    }
    Kept.records = []
    yield logging.config.dictConfig
    root.handlers[:], root.level = before
    for name, (disabled, level, propagate, handlers) in states.items():
        known = logging.getLogger(name)
        known.disabled, known.propagate, known.handlers[:] = disabled, propagate, handlers
        known.setLevel(level)
    ours = logging.getLogger("django_verify")
    ours.setLevel(logging.NOTSET)
    ours.propagate = True


def heard():
    return [record.getMessage() for record in Kept.records if record.name == "django_verify"]


@pytest.mark.parametrize("disable", [True, False, None], ids=["disable", "keep", "default"])
@pytest.mark.parametrize("used_before", [True, False])
@pytest.mark.parametrize("named", [{}, {"django_verify": {"level": "INFO"}}, {"django": {}}])
def test_a_host_s_configuration_does_not_switch_it_off(host, disable, used_before, named):
    if used_before:
        logger.info("early")
    more = {} if disable is None else {"disable_existing_loggers": disable}
    host(configuration(loggers=named, **more))
    logger.warning("late %s", "word")
    assert heard() == ["late word"]
    assert Kept.records[-1].funcName == "test_a_host_s_configuration_does_not_switch_it_off"


@pytest.mark.parametrize(
    "named", [{"level": "CRITICAL"}, {"propagate": False}, {"propagate": False, "handlers": []}]
)
def test_a_host_can_silence_it(host, named):
    host(configuration(loggers={"django_verify": named}))
    logger.error("late")
    assert heard() == []
    assert logger.isEnabledFor(logging.CRITICAL)


def test_a_celery_worker_that_configures_logging_after_the_import():
    pytest.importorskip("celery")
    program = (
        "import logging.config, celery, django; django.setup();"
        "from django_verify.delivery import attempts;"
        "from celery.signals import setup_logging;"
        "from django_verify.logs import logger; logger.info('early');"
        "LOGGING = {'version': 1, 'disable_existing_loggers': True,"
        " 'handlers': {'out': {'class': 'logging.StreamHandler'}},"
        " 'root': {'handlers': ['out'], 'level': 'INFO'}};"
        "setup_logging.connect(lambda **_: logging.config.dictConfig(LOGGING), weak=False);"
        "app = celery.Celery('tests', broker='memory://'); app.log.setup('INFO');"
        "print(logging.getLogger('django_verify').disabled);"
        "attempts.logger.warning('from the worker')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.stdout == "True\n", done.stderr
    assert done.stderr == "from the worker\n"


def test_every_module_logs_by_the_one_logger():
    for path in (ROOT / "django_verify").rglob("*.py"):
        named = re.findall(r"getLogger\((.*?)\)", path.read_text(encoding="utf-8"))
        ours = [name for name in named if "django_verify" in name or name == "__name__"]
        assert not ours, path


# What is logged.


@pytest.fixture
def senders(settings, monkeypatch):
    monkeypatch.setattr(Scripted, "script", {})
    monkeypatch.setattr(Scripted, "asked", [])
    settings.DJANGO_VERIFY = configured()
    return Scripted


def warnings(caplog):
    return [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]


FAILURES = {
    "temporary": (TemporarySendError("busy", code="503"), "busy (503)"),
    "uncertain": (TemporarySendError("no answer", uncertain=True), "no answer"),
    "permanent": (SendError("no such number", code="21211"), "no such number (21211)"),
    "bug": (ZeroDivisionError(PHONE), "ZeroDivisionError in the sender"),
    "careless": (TemporarySendError(f"{PHONE} is off, code 482913"), "+… is off, code …"),
}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("error", "cause"), FAILURES.values(), ids=FAILURES)
def test_a_failed_try_is_one_warning(service, senders, caplog, error, cause):
    senders.script = {"a": error}
    verifications.start(service, PHONE)
    attempt = VerificationAttempt.objects.get()
    assert warnings(caplog) == [f"{attempt.sid}: the sender 'a' failed (sms): {cause}"]
    assert PHONE not in caplog.text
    assert PHONE[1:] not in caplog.text


@pytest.mark.django_db(transaction=True)
def test_each_of_several_failed_tries_is_one(service, senders, caplog):
    senders.script = {alias: TemporarySendError("busy") for alias in "abc"}
    verifications.start(service, PHONE)
    sid = VerificationAttempt.objects.get().sid
    assert warnings(caplog) == [f"{sid}: the sender '{a}' failed (sms): busy" for a in "abc"]


def nobody(sid):
    """A queue whose workers are slow."""


@pytest.mark.django_db(transaction=True)
def test_what_no_sender_was_asked_for_is_one_as_well(service, senders, settings, caplog):
    settings.DJANGO_VERIFY = {**configured(), "DISPATCH": f"{__name__}.nobody"}
    verifications.start(service, PHONE)
    settings.DJANGO_VERIFY = {**configured(), "ROUTES": {"sms": []}}
    sid = VerificationAttempt.objects.get().sid
    assert delivery.take(sid, woken=True)
    assert warnings(caplog) == [f"{sid} was not sent: no sender serves this channel"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("+14155552671 is off", "+… is off"),
        ("(415) 555-2671", "(…"),
        ("+1 415 555 2671", "+…"),
        ("call ann@example.com", "call …"),
        ("code 4829", "code …"),
        ("415.555.2671", "…"),
        ("at 192.0.2.1, port 5432", "at 192.0.2.1, port …"),
        ("answered 503 after 12 s", "answered 503 after 12 s"),
    ],
)
def test_numbers_are_left_out(text, shown):
    assert without_numbers(text) == shown


OLD, NEW = "the old key, of more than fifty characters " * 2, "the new key, of as many " * 3


@pytest.mark.django_db
class TestAChangedKey:
    @pytest.fixture(autouse=True)
    def _old(self, settings):
        settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = OLD, []

    def test_a_401_says_so(self, settings, caplog):
        account = make_account()
        key = make_key(account)
        settings.SECRET_KEY = NEW
        for name, secret in ((account.sid, account.token), (key.sid, key.secret)):
            caplog.clear()
            assert Api(name, secret).get("Services").status == 401
            (line,) = warnings(caplog)
            assert line.startswith(f"{name} answers 401: its secret was hashed under a key that is")
            assert "SECRET_KEY_FALLBACKS" in line
            assert secret not in caplog.text
        settings.SECRET_KEY_FALLBACKS = [OLD]
        caplog.clear()
        assert Api(account.sid, account.token).get("Services").status == 200
        assert not warnings(caplog)

    def test_a_wrong_secret_does_not(self, settings, caplog):
        account = make_account()
        for name in (account.sid, "AC" + "0" * 32, "SK" + "0" * 32, "nobody"):
            assert Api(name, "wrong").get("Services").status == 401
        assert not warnings(caplog)
        assert ApiKey.objects.count() == 0

    def test_an_access_token_s_401_says_so(self, service, settings, caplog):
        pytest.importorskip("joserfc")
        row = access_tokens.issue(service, "user-0001", "push")
        token = access_tokens.text(row)
        settings.SECRET_KEY = NEW
        assert Api("token", token).get(f"Services/{service.sid}").status == 401
        assert warnings(caplog) == ["an access token answers 401: its key is no longer configured"]
        assert token not in caplog.text

    @pytest.mark.django_db(transaction=True)
    def test_an_authenticator_app_s_says_so(self, service, settings, caplog):
        factor = entities.enrol(service, "user-0001", "totp", "Anna's phone")
        settings.SECRET_KEY = NEW
        assert not entities.verify(factor, "482913").is_verified
        assert f"{factor.sid}: its key is no longer configured" in caplog.text
        assert "482913" not in caplog.text

    def test_what_is_orphaned(self, settings):
        stored = codes.hash_secret("secret")
        assert not codes.is_orphaned(stored)
        assert not codes.is_orphaned("")
        settings.SECRET_KEY = NEW
        assert codes.is_orphaned(stored)
