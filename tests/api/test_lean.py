"""The short way of a start and a check: the same answers as the long one, by copies that are exact."""

import json
import random
import re
from io import BytesIO

import pytest
from django.core.handlers.wsgi import WSGIRequest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import resolve

from django_verify import signals, verifications
from django_verify.api import urls, wire
from django_verify.api.lean import LeanCreate
from django_verify.api.resource import Resource
from django_verify.db import config_cache
from django_verify.models import Account, ApiKey, SenderState, VerifyService
from django_verify.verifications import sna
from tests.conftest import OTHER_PHONE, PHONE, Api, code_in, make_key, make_service, wrong

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def nothing_kept():
    config_cache.forget()
    yield
    config_cache.forget()


def path(service, name="Verifications"):
    return f"Services/{service.sid}/{name}"


@pytest.fixture
def known(api, service):
    """The process has copies of the account and of the service."""
    assert api.post(path(service), {"To": OTHER_PHONE, "Channel": "sms"}).status == 201
    assert config_cache.service(service.sid, service.account_id)


# One way beside the other

FORM, JSON = "application/x-www-form-urlencoded", "application/json"
START = "To=%2B14155552671&Channel=sms"
BODIES = {
    "a start": (FORM, START),
    "as JSON": (JSON, json.dumps({"To": PHONE, "Channel": "sms"})),
    "with a charset": (f"{FORM}; charset=UTF-8", START),
    "in another charset": (f"{FORM}; charset=latin-1", START),
    "every kind of parameter": (FORM, f"{START}&Tags=%7B%22a%22%3A%22b%22%7D&Locale=de&AppHash="),
    "an unknown parameter": (FORM, f"{START}&Nonsense=1&Nonsense=2"),
    "nothing": (FORM, ""),
    "no type": ("", START),
    "another type": ("text/plain", START),
    "a file": ("multipart/form-data; boundary=x", "--x--"),
    "no JSON": (JSON, "{"),
    "a list": (JSON, "[]"),
    "too deep": (JSON, "[" * 100_000),
    "too long": (FORM, "To=" + "1" * 300_000),
    "a name twice": (FORM, f"{START}&To=%2B14155552672"),
    "a long value": (FORM, f"{START}&Locale={'x' * 300}"),
    "no number": (FORM, "To=nobody&Channel=sms"),
    "no channel": (FORM, "To=%2B14155552671"),
    "a NUL": (FORM, f"{START}&Locale=%00"),
    "no UTF-8": (FORM, f"{START}&Locale=%ff"),
    "a wrong object": (FORM, f"{START}&Tags=1"),
    "a channel that is off": (FORM, "To=%2B14155552671&Channel=rcs"),
}
HEADERS = {
    "none": None,
    "another scheme": "Bearer x",
    "no name": "Basic Og==",
    "no base64": "Basic !",
}


def shape(response):
    """What an answer says, without what is drawn or goes on."""
    text = re.sub(r"[0-9a-f]{32}", "…", response.content.decode())
    text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "…", text)
    headers = {name: value for name, value in response.headers.items() if name != "Content-Length"}
    return response.status_code, headers, text


def both(monkeypatch, ask):
    """The answers of both ways."""
    short = shape(ask())
    with monkeypatch.context() as patch:
        patch.setattr(LeanCreate, "dispatch", Resource.dispatch)
        return short, shape(ask())


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("is_known", [True, False])
def test_any_body_gets_the_same_answer(account, request, service, monkeypatch, name, is_known):
    if is_known:
        request.getfixturevalue("known")
    kind, body = BODIES[name]
    api = Api(account.sid, account.token)

    def ask():
        service.verifications.all().delete()
        return Client(raise_request_exception=False).generic(
            "POST", f"/v2/{path(service)}", body, content_type=kind, headers=api.headers
        )

    short, long_ = both(monkeypatch, ask)
    assert short == long_


@pytest.mark.parametrize("query", ["?To=%2B14155552671", "?Page=1", "?%ff=1"])
def test_so_does_any_query(api, known, service, monkeypatch, query):
    def ask():
        service.verifications.all().delete()
        return api.client.generic(
            "POST", f"/v2/{path(service)}{query}", START, content_type=FORM, headers=api.headers
        )

    short, long_ = both(monkeypatch, ask)
    assert short == long_


@pytest.mark.parametrize("name", HEADERS)
@pytest.mark.parametrize("resource", ["Verifications", "VerificationCheck"])
def test_so_does_any_caller(known, service, monkeypatch, name, resource):
    headers = {"authorization": HEADERS[name]} if HEADERS[name] else {}

    def ask():
        return Client().post(f"/v2/{path(service, resource)}", {}, headers=headers)

    short, long_ = both(monkeypatch, ask)
    assert short == long_
    assert short[0] == 401


@pytest.mark.parametrize("method", ["get", "put", "patch", "delete", "head", "options"])
def test_so_does_any_method(api, known, service, monkeypatch, method):
    def ask():
        return getattr(api.client, method)(f"/v2/{path(service)}", headers=api.headers)

    short, long_ = both(monkeypatch, ask)
    assert short == long_


def test_so_does_a_host_that_is_not_served(api, known, service, monkeypatch):
    def ask():
        headers = {**api.headers, "host": "elsewhere.example"}
        return api.client.post(f"/v2/{path(service)}", START, content_type=FORM, headers=headers)

    short, long_ = both(monkeypatch, ask)
    assert short == long_
    assert short[0] == 400


def test_what_the_host_has_read_is_read_no_second_time(api, known, service):
    """A middleware of the host's may have looked at the form."""
    view = resolve(f"/v2/{path(service)}").func
    environ = {
        "REQUEST_METHOD": "POST", "PATH_INFO": f"/v2/{path(service)}", "SERVER_NAME": "localhost",
        "SERVER_PORT": "80", "CONTENT_TYPE": FORM, "CONTENT_LENGTH": str(len(START)),
        "HTTP_AUTHORIZATION": api.headers["authorization"], "wsgi.input": BytesIO(START.encode()),
        "wsgi.url_scheme": "http",
    }  # fmt: skip
    request = WSGIRequest(environ)
    assert request.POST["Channel"] == "sms"
    response = view(request, service_sid=service.sid)
    assert response.status_code == 201


def test_a_check_answers_the_same(api, known, service, monkeypatch, outbox):
    for by_sid in (True, False):
        answers = []
        for dispatch in (LeanCreate.dispatch, Resource.dispatch):
            with monkeypatch.context() as patch:
                patch.setattr(LeanCreate, "dispatch", dispatch)
                service.verifications.all().delete()
                row = api.post(path(service), {"To": PHONE, "Channel": "sms"}).data
                target = {"VerificationSid": row["sid"]} if by_sid else {"To": PHONE}
                code = code_in(outbox[-1])
                for given in (wrong(code, 1), "12", "", code, code):
                    form = {**target, "Code": given}
                    answers.append(shape(api.post(path(service, "VerificationCheck"), form).raw))
        assert answers[:5] == answers[5:]
        assert [status for status, _, _ in answers[:5]] == [200, 400, 400, 200, 404]


# Copies are exact

CHANGES = {
    "the key is revoked": lambda s, k: ApiKey.objects.update(is_active=False),
    "the key has gone": lambda s, k: k.delete(),
    "the key has another secret": lambda s, k: (k.set_secret(), k.save()),
    "the account is off": lambda s, k: Account.objects.update(is_active=False),
    "the account has gone": lambda s, k: s.account.delete(),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("form", [{"To": PHONE, "Channel": "sms"}, {"To": "nobody"}, {}])
def test_a_caller_who_has_lost_its_leave_is_refused_at_once(service, outbox, change, form):
    key = make_key(service.account)
    api = Api(key.sid, key.secret)
    assert api.post(path(service), {"To": OTHER_PHONE, "Channel": "sms"}).status == 201
    assert api.post(path(service), {"To": OTHER_PHONE, "Channel": "sms"}).status == 201
    CHANGES[change](service, key)
    assert api.post(path(service), form).status == 401
    assert (
        api.post(path(service, "VerificationCheck"), {"To": PHONE, "Code": "123456"}).status == 401
    )
    assert len(outbox) == 2


def test_a_revoked_key_compares_nothing(service, outbox):
    key = make_key(service.account)
    api = Api(key.sid, key.secret)
    api.post(path(service), {"To": PHONE, "Channel": "sms"})
    ApiKey.objects.update(is_active=False)
    form = {"To": PHONE, "Code": code_in(outbox[0])}
    assert api.post(path(service, "VerificationCheck"), form).status == 401
    row = service.verifications.get()
    assert (row.status, row.checks) == ("pending", 0)


def test_a_guess_whose_answer_is_lost_is_charged_once(api, known, service, outbox):
    """A wrapper of the host's may fail behind the statement that has taken the guess."""
    row = verifications.start(service, PHONE)
    guess = {"To": PHONE, "Code": wrong(code_in(outbox[-1]))}

    def fail_behind(execute, sql, *rest):
        found = execute(sql, *rest)
        if sql.startswith("UPDATE"):
            raise TimeoutError
        return found

    with connection.execute_wrapper(fail_behind):
        assert api.post(path(service, "VerificationCheck"), guess).status == 500
    row.refresh_from_db()
    assert row.checks == 1


def test_a_service_that_was_changed_counts_at_once(api, known, service, outbox):
    def start(to):
        return api.post(path(service), {"To": to, "Channel": "sms"})

    VerifyService.objects.update(code_length=8)
    assert start(PHONE).status == 201
    assert len(code_in(outbox[-1])) == 8
    VerifyService.objects.update(channels=["call"])
    assert start(PHONE).status == 403
    service.refresh_from_db()
    service.channels = ["sms"]
    service.save()
    assert start(PHONE).status == 201
    service.delete()
    assert start(PHONE).status == 404


def test_a_change_while_a_start_is_on_its_way_ends_none(api, known, account, service):
    """What it went by was right when it was let in; a lost race must not ask again."""
    other = make_service(account)

    def meanwhile(**_):
        signals.verification_starting.disconnect(dispatch_uid="host")
        verifications.start(other, PHONE)
        SenderState.objects.create(alias="a", failures=1)
        VerifyService.objects.update(code_length=8)

    signals.verification_starting.connect(meanwhile, weak=False, dispatch_uid="host")
    assert api.post(path(service), {"To": PHONE, "Channel": "sms"}).status == 201
    assert service.verifications.filter(to=PHONE).count() == 1


def test_a_service_of_another_account_is_absent(api, known, account):
    other = make_service()
    foreign = Api(other.account.sid, other.account.set_auth_token())
    assert api.post(path(other), {"To": PHONE, "Channel": "sms"}).status == 404
    assert foreign.post(path(other), {"To": PHONE, "Channel": "sms"}).status == 401


def test_a_wrong_secret_costs_what_an_unknown_name_costs(account, known, service):
    """Otherwise the time would reveal which names exist."""

    def cost(name):
        with CaptureQueriesContext(connection) as captured:
            answer = Api(name, "wrong").post(path(service), {"To": PHONE, "Channel": "sms"})
        assert answer.status == 401
        return len(captured)

    assert cost(account.sid) == cost("AC" + "0" * 32) == cost("SK" + "0" * 32) == 1


def test_a_receiver_may_not_change_the_copy(api, known, service):
    """It would change the service of all later starts of the process."""
    refused = []

    def change(service, **_):
        with pytest.raises(TypeError) as caught:
            service.code_length = 4
        refused.append(caught)

    signals.verification_starting.connect(change, weak=False, dispatch_uid="host")
    try:
        assert api.post(path(service), {"To": PHONE, "Channel": "sms"}).status == 201
    finally:
        signals.verification_starting.disconnect(dispatch_uid="host")
    assert refused


# One declaration


def declared():
    """Every class of parameters of the API."""
    verbs = ("create", "update", "list")
    return {r.asked(verb) for r in urls.RESOURCES for verb in verbs if hasattr(r, verb)} - {None}


def test_texts_are_read_by_the_table_as_by_the_fields():
    chance = random.Random(1)
    classes = [c for c in declared() if not issubclass(c, wire.Nested)]
    assert len(classes) > 10
    compared = 0
    for parameters in classes:
        reader = wire.reader(parameters)
        names = [*reader.fields, "Nonsense"]
        for _ in range(60):
            values = {
                name: chance.choice(
                    [["x"], [""], ["5"], ["x" * 5000], ["a", "b"], ["true"], [" y "]]
                )
                for name in chance.sample(names, chance.randint(0, len(names)))
            }
            found = reader._plain(values)
            if found is None:
                continue
            compared += 1
            data = {n: v[0] for n, v in values.items() if n in reader.fields}
            assert found == dict(reader.run_validation(data))
    assert compared > 50


def test_a_faulty_text_is_explained_by_its_field(api, known, service):
    answer = api.post(path(service), {"To": PHONE, "Channel": "sms", "Locale": "x" * 257})
    assert (answer.status, answer.data["code"]) == (400, 60200)
    assert "Locale" in answer.data["message"]


class Asked(sna.Provider):
    """A provider of silent network authentication that asks its carrier at once."""

    numbers: list = []

    def supports(self, number, device_ip):
        self.numbers.append(number)
        return False


def test_no_carrier_is_asked_for_a_revoked_key(service, settings):
    settings.DJANGO_VERIFY = {
        **settings.DJANGO_VERIFY,
        "SNA": {"BACKEND": f"{__name__}.Asked"},
    }
    key = make_key(service.account)
    api = Api(key.sid, key.secret)
    form = {"To": PHONE, "Channel": "auto", "DeviceIp": "203.0.113.9"}
    assert api.post(path(service), form).status == 201
    assert api.post(path(service), form).status == 201
    assert Asked.numbers == [PHONE, PHONE]
    ApiKey.objects.update(is_active=False)
    assert api.post(path(service), form).status == 401
    assert Asked.numbers == [PHONE, PHONE]
