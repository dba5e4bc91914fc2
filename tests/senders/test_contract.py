"""What every sender owes its callers, proved on each file of `django_verify/senders`.

A new sender needs one entry in `CASES`: its options, and how its backend can be made to fail.
"""

import ast
import importlib
import json
import logging
import pkgutil
import smtplib
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.mail.backends import locmem as locmem_mail

from django_verify import senders
from django_verify.messages import channels
from django_verify.models import VerificationAttempt
from django_verify.net import client
from django_verify.senders import Message, Receipt, Sender, SendError, TemporarySendError
from tests.senders import fakes
from tests.senders.providers import PROVIDERS

CODE, PHONE, MAIL = "904716", "+14155552671", "jane.doe@example.com"
SECRETS = (CODE, PHONE, PHONE[4:], MAIL, "jane")


@dataclass
class Failure:
    """One way to fail: `arrange(monkeypatch, tmp_path, sender)`, and the error to expect."""

    name: str
    arrange: Callable
    error: type[SendError] = TemporarySendError
    marks: tuple = ()


@dataclass
class Case:
    """How to build a sender, and the failures of its backend, or why it has none."""

    options: Callable[[Path], dict] = field(default=lambda tmp_path: {})
    failures: tuple[Failure, ...] = ()
    never_fails: str = ""
    #: Whether its calls can wait for a key; one that cannot leaves them to another sender.
    waits: bool = True
    #: The library of its extra.
    needs: str = ""


def over_http(provider):
    """The case of a sender over a REST API: its options, and what any such API may do."""

    def outcome(answer):
        def arrange(monkeypatch, tmp_path, sender):
            def call(*args, **options):
                if isinstance(answer, Exception):
                    raise answer
                return answer

            monkeypatch.setattr(client, "call", call)

        return arrange

    def said(status, body=None, **headers):
        echo = f"{PHONE} {CODE}".encode()
        return outcome(client.Answer(status, headers, echo if body is None else body))

    status, body, error, _ = provider.refusals[0]
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Case(
        options=lambda tmp_path: provider.options,
        waits=False,
        failures=(
            Failure("unreachable", outcome(client.NotSent("ConnectionError"))),
            Failure("silent", outcome(client.NotAnswered("no answer in time"))),
            Failure("refused", said(status, body), error),
            Failure("unauthorized", said(401)),
            Failure("throttled", said(429, **{"retry-after": "7"})),
            Failure("broken", said(500)),
            Failure("unreadable", said(200)),
        ),
    )


def mail_server(answer):
    """Arrange that the mail backend raises, or answers, this."""

    def send_messages(self, messages):
        if isinstance(answer, Exception):
            raise answer
        return answer

    return lambda monkeypatch, tmp_path, sender: monkeypatch.setattr(
        locmem_mail.EmailBackend, "send_messages", send_messages
    )


def break_stdout(monkeypatch, tmp_path, sender):
    class Broken:
        def write(self, text):
            raise BrokenPipeError(32, "Broken pipe", text)

        def flush(self):
            pass

    monkeypatch.setattr(sys, "stdout", Broken())


def lose_folder(monkeypatch, tmp_path, sender):
    sender.path = tmp_path / f"{PHONE}-{CODE}" / "outbox"


CASES = {
    "console": Case(
        failures=(
            Failure(
                "broken pipe",
                break_stdout,
            ),
        )
    ),
    "locmem": Case(never_fails="a list takes everything"),
    "file": Case(
        options=lambda tmp_path: {"path": tmp_path / "outbox.jsonl"},
        failures=(Failure("folder gone", lose_folder),),
    ),
    "email": Case(
        options=lambda tmp_path: {"from_email": "verify@example.org"},
        failures=(
            Failure("connection refused", mail_server(ConnectionRefusedError(111, MAIL))),
            Failure("timeout", mail_server(TimeoutError(MAIL))),
            Failure("disconnected", mail_server(smtplib.SMTPServerDisconnected(MAIL))),
            Failure("busy", mail_server(smtplib.SMTPDataError(451, f"later {MAIL} {CODE}"))),
            Failure("spam", mail_server(smtplib.SMTPDataError(554, f"spam {CODE}"))),
            Failure(
                "no such mailbox",
                mail_server(smtplib.SMTPRecipientsRefused({MAIL: (550, b"no jane here")})),
                SendError,
            ),
            Failure("nothing sent", mail_server(0)),
            Failure("no answer", mail_server(None)),
        ),
    ),
} | {name: over_http(provider) for name, provider in PROVIDERS.items()}


def served(kind, permanent, busy, *, options=lambda url: {"base_url": url}, **more):
    """The case of a sender whose fake is a server: what the provider may say, and what breaks."""

    def fails(fault):
        def arrange(monkeypatch, tmp_path, sender):
            monkeypatch.setattr(fakes.running(kind), "fault", fault)
            quick = partial(client.call, read=0.2, total=0.4)
            monkeypatch.setattr(client, "call", quick)

        return arrange

    said = {"broken": (500, b"<h1>no"), "throttled": (429, b"{}", {"Retry-After": "7"})}
    said |= {"busy": busy} | ({} if kind is fakes.Hook else {"unreadable": (200, b'{"a')})
    # These libraries have timeouts of their own, which are too long for a test.
    faults = {"reset": fakes.reset} if kind in fakes.OWN_TIMEOUTS else fakes.FAULTS
    failures = [Failure(name, fails(fault)) for name, fault in {**said, **faults}.items()]
    if permanent:
        failures.append(Failure("refused", fails(permanent), SendError))
    known = getattr(kind, "options", {})
    return Case(lambda tmp_path: known | options(fakes.running(kind).url), tuple(failures), **more)


CASES |= {
    "twilio": served(fakes.Twilio, fakes.Twilio.error(400, 21211), fakes.Twilio.error(400, 21611)),
    "twilio_verify": served(
        fakes.TwilioVerify,
        fakes.TwilioVerify.error(400, 60200, f"Invalid parameter `To`: {PHONE}"),
        fakes.TwilioVerify.error(429, 60203),
        waits=False,
    ),
    "whatsapp": served(
        fakes.WhatsApp, fakes.WhatsApp.error(400, 131026), fakes.WhatsApp.error(400, 130429)
    ),
    "http": served(
        fakes.Gateway,
        fakes.Gateway.error(200, "BAD_NUMBER"),
        fakes.Gateway.error(400, "NO_CREDIT"),
        options=lambda url: {"url": f"{url}/send"},
    ),
    "sns": served(
        fakes.Sns,
        fakes.Sns.error(400, "InvalidParameter", "PhoneNumber"),
        fakes.Sns.error(400, "Throttling"),
        options=lambda url: {"endpoint_url": url},
        needs="boto3",
    ),
    "end_user_messaging": served(
        fakes.EndUserMessaging,
        fakes.EndUserMessaging.error(
            400, "ConflictException", Reason="DESTINATION_PHONE_NUMBER_OPTED_OUT"
        ),
        fakes.EndUserMessaging.error(400, "ThrottlingException"),
        options=lambda url: {"endpoint_url": url},
        needs="boto3",
        waits=False,
    ),
    "apprise": served(
        fakes.Hook,
        None,
        (503, b""),
        options=lambda url: {"url": url.replace("http", "json") + "/{to}"},
        needs="apprise",
    ),
}

#: Modules that senders share.
SHARED = {"aws", "base", "causes", "rest", "signatures", "templates"}


def discover():
    """Module name → the senders it defines."""
    names = [
        info.name for info in pkgutil.iter_modules(senders.__path__) if info.name not in SHARED
    ]
    modules = {name: importlib.import_module(f"{senders.__name__}.{name}") for name in names}
    return {
        name: [
            value
            for value in vars(module).values()
            if isinstance(value, type)
            and issubclass(value, Sender)
            and value.__module__ == module.__name__
        ]
        for name, module in modules.items()
    }


SENDERS = discover()
every_sender = pytest.mark.parametrize("name", SENDERS)
every_failure = pytest.mark.parametrize(
    ("name", "failure"),
    [
        pytest.param(name, failure, id=f"{name}-{failure.name}", marks=failure.marks)
        for name, case in CASES.items()
        for failure in case.failures
    ],
)


def case_of(name):
    if name not in CASES:
        pytest.fail(
            f"django_verify/senders/{name}.py has no entry in CASES of tests/senders/"
            f"test_contract.py: tell there its options and how its backend can fail."
        )
    return CASES[name]


@pytest.fixture
def build(settings, tmp_path):
    """Build a sender by the settings, as a site would."""

    def build(name, **more):
        (kind,) = SENDERS[name]
        if case_of(name).needs:
            pytest.importorskip(case_of(name).needs)
        options = case_of(name).options(tmp_path) | more
        backend = f"{kind.__module__}.{kind.__qualname__}"
        settings.DJANGO_VERIFY = {"SENDERS": {"it": {"BACKEND": backend, "OPTIONS": options}}}
        return senders.get("it")

    return build


def message(channel, *, waits=True):
    return Message(
        channel,
        MAIL if channel == "email" else PHONE,
        f"Your code is: {CODE}",
        "VL" + "0" * 32,
        "en",
        subject="Your code" if channel == "email" else "",
        prompt="Press any key" if channel == "call" and waits else "",
        code=CODE,
        callback_url="https://verify.example.org/verify/callbacks/it",
    )


def imported(name):
    """Every module that a sender's file imports."""
    tree = ast.parse(Path(sys.modules[SENDERS[name][0].__module__].__file__).read_text("utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@every_sender
def test_a_file_is_one_sender_with_a_case(name):
    assert len(SENDERS[name]) == 1, f"django_verify/senders/{name}.py must define one Sender"
    case = case_of(name)
    assert bool(case.failures) != bool(case.never_fails), f"CASES[{name!r}]: how does it fail?"


def test_the_table_has_no_stale_entry():
    assert set(CASES) == set(SENDERS)


def test_a_file_without_a_case_fails_with_a_clear_sentence(monkeypatch):
    monkeypatch.delitem(CASES, "console")
    with pytest.raises(pytest.fail.Exception, match=r"senders/console\.py has no entry in CASES"):
        test_a_file_is_one_sender_with_a_case("console")


@every_sender
def test_it_declares_the_channels_it_serves(name, build):
    sender = build(name)
    assert isinstance(sender.channels, frozenset)
    assert sender.channels
    assert sender.channels <= set(channels.CHANNELS)
    assert isinstance(sender.development, bool)
    assert sender.alias == "it"


@every_sender
def test_it_answers_a_receipt_that_fits_its_row(name, build):
    sender = build(name)
    for channel in sender.channels:
        receipt = sender.send(message(channel, waits=case_of(name).waits))
        assert isinstance(receipt, Receipt)
        for column in ("provider_sid", "price_value", "price_currency"):
            value = getattr(receipt, column)
            assert isinstance(value, str)
            assert len(value) <= VerificationAttempt._meta.get_field(column).max_length


@every_sender
def test_a_call_that_it_cannot_make_is_left_to_another(name, build):
    sender = build(name)
    if "call" in sender.channels and not case_of(name).waits:
        with pytest.raises(TemporarySendError) as caught:
            sender.send(message("call"))
        assert caught.value.uncertain is False


@every_sender
def test_it_refuses_an_unknown_option(name, build):
    with pytest.raises(ImproperlyConfigured, match=r"'it'.*'no_such_option'"):
        build(name, no_such_option=1)


@every_sender
def test_its_check_finds_nothing_wrong_with_good_options(name, build):
    assert list(build(name).check()) == []


@every_sender
def test_it_reports_nobody_else(name, build, capfd, caplog):
    sender = build(name)
    with caplog.at_level(logging.DEBUG):
        for channel in sorted(sender.channels):
            sender.send(message(channel, waits=case_of(name).waits))
    out, err = capfd.readouterr()
    assert out == "" or name == "console"
    for secret in SECRETS:
        assert secret not in err + caplog.text


@every_failure
def test_a_failure_is_an_error_that_reports_no_secret(
    name, failure, build, monkeypatch, tmp_path, caplog, capfd
):
    sender = build(name)
    failure.arrange(monkeypatch, tmp_path, sender)
    with caplog.at_level(logging.DEBUG), pytest.raises(SendError) as caught:
        sender.send(message(min(sender.channels), waits=case_of(name).waits))
    error = caught.value
    assert type(error) is failure.error
    assert str(error)
    assert len(error.code) <= VerificationAttempt._meta.get_field("error_code").max_length
    received = [str(error), repr(error), error.code, *traceback.format_exception(error)]
    received += [caplog.text, *capfd.readouterr()]
    for secret in SECRETS:
        assert not [text for text in received if secret in text]


@every_sender
def test_its_repr_and_its_options_are_apart(name, build, tmp_path):
    shown = repr(build(name))
    assert not [v for v in case_of(name).options(tmp_path).values() if str(v) in shown]


@every_sender
def test_its_file_states_what_it_is_for(name):
    (kind,) = SENDERS[name]
    assert (sys.modules[kind.__module__].__doc__ or "").strip()
    assert (kind.__doc__ or "").strip()


@every_sender
def test_it_imports_no_sibling_no_settings_and_no_models(name):
    siblings = {f"{senders.__name__}.{other}" for other in SENDERS if other != name}
    forbidden = siblings | {"django.conf", "django.db", "django_verify.conf"}
    forbidden |= {"django_verify.models", "django_verify.crypto.codes", "random"}
    assert not forbidden & set(imported(name))


def test_the_base_promises_nothing_by_itself():
    sender = Sender("it")
    assert sender.channels == frozenset()
    assert sender.development is False
    assert list(sender.check()) == []
    with pytest.raises(NotImplementedError):
        sender.send(message("sms"))


@pytest.mark.parametrize("channel", ["sms", "call", "email"])
def test_the_repr_of_a_message_shows_neither_text_nor_recipient(channel):
    shown = repr(message(channel))
    for secret in (*SECRETS, "Your code", "Press any key"):
        assert secret not in shown
