"""No code, secret or full number anywhere but in the message: planted, then looked for."""

import io
import logging
import pickle
import time
import warnings

import pyotp
import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.core import serializers
from django.db import connection
from django.test import Client
from django.urls import resolve
from django.views.debug import ExceptionReporter

from django_verify import signals, verifications
from django_verify.crypto import codes
from django_verify.messages import channels, compose
from django_verify.models import Factor, Verification, VerificationAttempt
from django_verify.senders import Message, locmem
from django_verify.verifications import store as writes
from django_verify.verifications import verbs
from tests.conftest import (
    OTHER_PHONE,
    PHONE,
    Api,
    code_in,
    make_account,
    make_key,
    make_service,
    wrong,
)

pytestmark = pytest.mark.django_db(transaction=True)

PLANTED = "Kq7Zp3Wv"
MAIL = "someone@example.com"
SEED = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


@pytest.fixture
def everything_logged():
    """Every record of every logger, at every level, as one text."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(message)s %(args)s %(exc_text)s"))
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield stream
    root.removeHandler(handler)
    root.setLevel(level)


def database():
    """Every cell of every table, as one text."""
    cells = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            cells += [str(cell) for row in cursor.fetchall() for cell in row]
    return "\n".join(cells)


def admin_pages():
    """Every list and detail page that a superuser can open, as one text."""
    get_user_model().objects.create_superuser("root", password="x")
    client = Client()
    client.login(username="root", password="x")
    pages = []
    for model in filter(
        admin.site.is_registered, apps.get_app_config("django_verify").get_models()
    ):
        root = f"/admin/django_verify/{model._meta.model_name}/"
        for path in [root, *(f"{root}{row.pk}/change/" for row in model.objects.all())]:
            response = client.get(path)
            assert response.status_code == 200, path
            pages.append(response.content.decode())
    return "\n".join(pages)


def run(api, service, outbox):
    """Start, miss and hit through the wire, for a generated and a planted code."""
    root = f"Services/{service.sid}"
    answers = []
    for to, extra in ((PHONE, {}), (OTHER_PHONE, {"CustomCode": PLANTED})):
        answers.append(api.post(f"{root}/Verifications", {"To": to, "Channel": "sms", **extra}))
        answers.append(api.post(f"{root}/Verifications", {"To": to, "Channel": "call"}))
        answers.append(api.post(f"{root}/VerificationCheck", {"To": to, "Code": "zzzzzz"}))
        answers.append(api.get(f"{root}/Verifications/{to}"))
    return answers


def test_the_code_is_only_in_the_message(account, outbox, everything_logged, capsys):
    service = make_service(account, custom_code_enabled=True)
    key = make_key(account)
    api = Api(key.sid, key.secret)
    answers = run(api, service, outbox)
    generated = code_in(outbox[0])
    assert PLANTED in outbox[2].body
    pages = admin_pages()
    places = {
        "database": database(),
        "answers": "\n".join(answer.raw.content.decode() for answer in answers),
        "logs": everything_logged.getvalue(),
        "output": "".join(capsys.readouterr()),
        "admin": pages,
        "fixtures": serializers.serialize("json", Verification.objects.all()),
    }
    secrets = [generated, PLANTED, ", ".join(generated), account.token, key.secret]
    for place, text in places.items():
        for secret in secrets:
            assert secret not in text, f"{secret} is in the {place}"
    assert PHONE not in places["logs"] + places["output"]


def test_no_repr_shows_code_or_number(account, outbox):
    service = make_service(account, custom_code_enabled=True)
    caught = []

    def receiver(**kwargs):
        caught.append(kwargs)

    every = [value for name, value in vars(signals).items() if name.startswith(("verif", "att"))]
    for signal in every:
        signal.connect(receiver)
    try:
        row = verifications.start(service, PHONE, custom_code=PLANTED)
        verifications.check(service, PLANTED, to=PHONE)
    finally:
        for signal in every:
            signal.disconnect(receiver)
    attempt = VerificationAttempt.objects.get()
    message = outbox[0]
    shown = [
        repr(thing)
        for thing in (
            row, attempt, message, account, service, channels.parse_recipient(PHONE),
            channels.parse_recipient("someone@example.com"), locmem.outbox,
        )
    ] + [str(row), str(attempt)]  # fmt: skip
    kept = [{k: v for k, v in call.items() if k != "to"} for call in caught]
    text = "\n".join([*shown, repr(kept)])
    for secret in (PLANTED, PHONE, "someone@"):
        assert secret not in text
    assert PLANTED.encode() not in pickle.dumps([row, attempt])


@pytest.mark.parametrize("where", ["compose", "compare", "derive"])
def test_error_mail_shows_no_code(account, outbox, monkeypatch, rf, where):
    """The frames that hold a code keep their variables out of Django's error reports."""
    service = make_service(account, custom_code_enabled=True)

    def boom(*args, **kwargs):
        raise ZeroDivisionError

    try:
        if where == "compose":
            monkeypatch.setattr(writes, "write", boom)
            verifications.start(service, PHONE, custom_code=PLANTED)
        elif where == "compare":
            verifications.start(service, PHONE, custom_code=PLANTED)
            monkeypatch.setattr(codes, "matches", boom)
            verifications.check(service, PLANTED, to=PHONE)
        else:
            verifications.start(service, PHONE, custom_code=PLANTED)
            attempt = VerificationAttempt.objects.get()
            attempt.lease = ""
            monkeypatch.setattr(compose, "Draft", boom)
            compose.message(attempt, "sms")
    except ZeroDivisionError as error:
        request = rf.post("/")
        request.sensitive_post_parameters = "__ALL__"
        reporter = ExceptionReporter(request, type(error), error, error.__traceback__)
        frames = [f for f in reporter.get_traceback_frames() if "django_verify" in f["filename"]]
        assert frames
        assert PLANTED not in repr([f["vars"] for f in frames])
    else:
        pytest.fail("nothing was raised")


def test_a_senders_own_error_is_not_quoted(service, monkeypatch, everything_logged, outbox):
    said = []

    def leaky(self, message):
        said.append(message.body)
        raise ValueError(f"cannot send {message.body} to {message.to}")

    monkeypatch.setattr(locmem.LocmemSender, "send", leaky)
    verifications.start(service, PHONE)
    attempt = VerificationAttempt.objects.get()
    assert attempt.message_status == "failed"
    assert attempt.error_message == "ValueError in the sender"
    assert said[0] not in everything_logged.getvalue()
    assert PHONE not in everything_logged.getvalue()


def test_a_refusal_does_not_log_the_number_in_its_path(account, service, everything_logged):
    api = Api(account.sid, account.token)
    for to in (PHONE, "someone@example.com"):
        assert api.get(f"Services/{service.sid}/Verifications/{to}").status == 404
        assert api.post(f"Services/{service.sid}/Verifications/{to}", {"Status": "x"}).status == 400
    assert PHONE not in everything_logged.getvalue()
    assert "someone@" not in everything_logged.getvalue()


@pytest.mark.parametrize("resource", ["Verifications", "VerificationCheck", "RateLimits"])
@pytest.mark.parametrize("authorization", ["", "Basic eDp5"])
def test_error_mail_of_the_host_shows_no_parameters(service, rf, resource, authorization):
    """A middleware may fail after the answer, with a body that nobody has read yet."""
    request = rf.post(
        f"/v2/Services/{service.sid}/{resource}",
        {"To": PHONE, "Code": PLANTED},
        headers={"authorization": authorization},
    )
    view, _, kwargs = resolve(request.path)
    assert view(request, **kwargs).status_code == 401
    error = ZeroDivisionError()
    text = ExceptionReporter(request, type(error), error, None).get_traceback_text()
    assert "Code" in text
    assert PHONE not in text
    assert PLANTED not in text


@pytest.mark.parametrize("place", ["_to_check", "write"])
def test_a_failure_is_reported_without_its_variables(
    account, service, monkeypatch, mailoutbox, place
):
    from django.utils.log import AdminEmailHandler

    received = f"the row of {PHONE}, {MAIL} and {482913} is broken"

    def boom(*args):
        raise RuntimeError(received)

    handler = AdminEmailHandler(include_html=True)
    logger = logging.getLogger("django_verify")
    logger.addHandler(handler)
    monkeypatch.setattr(verbs if place == "_to_check" else writes, place, boom)
    monkeypatch.setattr("django.conf.settings.ADMINS", [("a", "root@example.com")])
    api = Api(account.sid, account.token)
    root = f"Services/{service.sid}"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            forms = {
                "_to_check": ("VerificationCheck", {"To": PHONE, "Code": PLANTED}),
                "write": ("Verifications", {"To": PHONE, "Channel": "sms", "Payee": PLANTED}),
            }
            path, form = forms[place]
            assert api.post(f"{root}/{path}", form).status == 500
    finally:
        logger.removeHandler(handler)
    (mail,) = mailoutbox
    text = mail.subject + mail.body + "".join(str(a) for a in mail.alternatives)
    assert "RuntimeError" in text
    assert place in text or "boom" in text
    for secret in (PLANTED, PHONE, "someone@", "482913", account.token):
        assert secret not in text


def test_the_seed_is_only_in_the_answer_to_the_creation(
    account, service, clock, everything_logged, capsys
):
    api = Api(account.sid, account.token)
    root = f"Services/{service.sid}/Entities/user-0001"
    form = {"FriendlyName": "Phone", "FactorType": "totp", "Binding.Secret": SEED}
    made = api.post(f"{root}/Factors", form).data
    assert made["binding"]["secret"] == SEED
    assert SEED in made["binding"]["uri"]
    app, now = pyotp.TOTP(SEED), int(time.time())
    one, wrong_one = f"{root}/Factors/{made['sid']}", wrong(app.at(now))
    answers = [
        api.post(one, {"AuthPayload": wrong_one}),
        api.post(one, {"AuthPayload": app.at(now)}),
        api.post(f"{root}/Challenges", {"FactorSid": made["sid"], "AuthPayload": app.at(now + 30)}),
        api.post(f"{root}/Challenges", {"FactorSid": made["sid"], "AuthPayload": wrong_one}),
        *(api.get(path) for path in (one, f"{root}/Factors", f"{root}/Challenges", root)),
    ]
    assert [answer.data["status"] for answer in answers[:4]] == [
        "unverified", "verified", "approved", "pending"
    ]  # fmt: skip
    factor = Factor.objects.get()
    history = Client()
    places = {"admin": admin_pages(), "database": database(), "repr": f"{factor!r} {factor}"}
    history.force_login(get_user_model().objects.get(username="root"))
    places |= {
        "history": history.get(f"/admin/django_verify/factor/{factor.sid}/history/").text,
        "answers": "\n".join(answer.raw.text for answer in answers),
        "fixtures": serializers.serialize("json", Factor.objects.all()),
        "error": repr(vars(Factor.objects.get())),
        "logs": everything_logged.getvalue(),
        "output": "".join(capsys.readouterr()),
    }
    assert api.delete(one).status == 204
    places["logs after the deletion"] = everything_logged.getvalue()
    for place, text in places.items():
        for secret in (SEED, SEED.lower(), "otpauth:"):
            assert secret not in text, f"{secret} is in the {place}"


def test_secrets_are_hashed(db):
    account = make_account()
    key = make_key(account)
    assert account.token not in account.auth_token_hash
    assert key.secret not in key.secret_hash
    assert len(account.token) == len(key.secret) == 43
    assert isinstance(Message("sms", PHONE, "b", "VL", "en"), Message)
