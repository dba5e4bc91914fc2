"""The wire itself: bodies, names, junk, errors, pages, methods, and a host with other ideas."""

import io
import json
import tracemalloc
from base64 import b64encode, urlsafe_b64encode
from urllib.parse import quote, urlencode

import pytest
from django.core.handlers.wsgi import WSGIRequest
from django.db import InterfaceError, OperationalError
from django.test import Client, RequestFactory
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from django_verify.api import wire
from django_verify.models import Template, VerifyService
from tests.conftest import PHONE, Api, make_account, make_service

pytestmark = [pytest.mark.django_db, pytest.mark.portable]

ERROR_KEYS = {"code", "message", "more_info", "status"}
FORM = "application/x-www-form-urlencoded"


def refused(answer, status, code):
    assert (answer.status, answer.data["code"]) == (status, code), answer.data
    assert set(answer.data) == ERROR_KEYS
    assert answer.data["status"] == status
    assert answer.data["more_info"] == f"https://www.twilio.com/docs/errors/{code}"
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    return answer.data["message"]


# Bodies.


@pytest.mark.parametrize("charset", ["", "; charset=utf-8", "; charset=UTF-8", '; charset="utf-8"'])
def test_forms(api, charset):
    answer = api.post("Services", {"FriendlyName": "Café"}, content_type=FORM + charset)
    assert (answer.status, answer.data["friendly_name"]) == (201, "Café")


def test_json(api):
    body = json.dumps(
        {"FriendlyName": "Café", "CodeLength": 4, "LookupEnabled": True, "TtsName": None}
    )
    answer = api.post("Services", body=body, content_type="application/json")
    assert answer.status == 201
    assert (answer.data["code_length"], answer.data["lookup_enabled"]) == (4, True)
    assert answer.data["tts_name"] is None


def test_booleans_that_are_not_sent_stay_as_they_are(api, account):
    service = make_service(account, lookup_enabled=True, dtmf_input_required=True)
    for send in (
        lambda: api.post(f"Services/{service.sid}", {"FriendlyName": "Other"}),
        lambda: api.post(f"Services/{service.sid}", {}),
        lambda: api.post(f"Services/{service.sid}", body="{}", content_type="application/json"),
    ):
        answer = send()
        assert answer.status == 200
        assert answer.data["lookup_enabled"] is answer.data["dtmf_input_required"] is True
    new = api.post("Services", {"FriendlyName": "New"}).data
    assert (new["dtmf_input_required"], new["lookup_enabled"]) == (True, False)


@pytest.mark.parametrize("spelling", ["true", "True", "TRUE", "1"])
def test_spellings_of_true(api, spelling):
    assert api.post("Services", {"FriendlyName": "A", "LookupEnabled": spelling}).data[
        "lookup_enabled"
    ]


@pytest.mark.parametrize(
    ("form", "name"),
    [
        ({}, "FriendlyName"),
        ({"FriendlyName": ""}, "FriendlyName"),
        ({"FriendlyName": "x" * 31}, "FriendlyName"),
        ({"FriendlyName": "12 34 5"}, "FriendlyName"),
        ({"FriendlyName": "a.com"}, "FriendlyName"),
        ({"FriendlyName": "a\nb"}, "FriendlyName"),
        ({"FriendlyName": "a\0b"}, "FriendlyName"),
        ({"FriendlyName": "a\u202eb"}, "FriendlyName"),
        ({"FriendlyName": "<b>"}, "FriendlyName"),
        ({"friendlyname": "A"}, "FriendlyName"),
        ({"FriendlyName": "A", "CodeLength": "3"}, "CodeLength"),
        ({"FriendlyName": "A", "CodeLength": "11"}, "CodeLength"),
        ({"FriendlyName": "A", "CodeLength": "６"}, "CodeLength"),
        ({"FriendlyName": "A", "CodeLength": "6.0"}, "CodeLength"),
        ({"FriendlyName": "A", "CodeLength": "1_0"}, "CodeLength"),
        ({"FriendlyName": "A", "CodeLength": " 6"}, "CodeLength"),
        ({"FriendlyName": "A", "CodeLength": "9" * 5000}, "CodeLength"),
        ({"FriendlyName": "A", "CodeLength": ""}, "CodeLength"),
        ({"FriendlyName": "A", "LookupEnabled": "yes"}, "LookupEnabled"),
        ({"FriendlyName": "A", "Push.IncludeDate": "2"}, "Push.IncludeDate"),
        ({"FriendlyName": "A", "Push.ApnCredentialSid": "CR1"}, "Push.ApnCredentialSid"),
        ({"FriendlyName": "A", "Totp.TimeStep": "61"}, "Totp.TimeStep"),
        ({"FriendlyName": "A", "Totp.Skew": "3"}, "Totp.Skew"),
        ({"FriendlyName": "A", "Whatsapp.From": "+14155552671"}, "Whatsapp.From"),
        ({"FriendlyName": "A", "DefaultTemplateSid": "VA" + "0" * 32}, "DefaultTemplateSid"),
        ({"FriendlyName": "A", "Passkeys.UserVerification": "maybe"}, "Passkeys.UserVerification"),
        ({"FriendlyName": "A", "Passkeys.RelyingParty.Id": "x" * 254}, "Passkeys.RelyingParty.Id"),
        ({"FriendlyName": ["A", "B"]}, "FriendlyName"),
        ({"FriendlyName": "A", "CodeLength": ["4", "4"]}, "CodeLength"),
    ],
)
def test_a_bad_parameter_is_named_as_it_was_spelled(api, form, name):
    message = refused(api.post("Services", form), 400, 60200)
    assert message.startswith(f"Invalid parameter `{name}`: ")
    assert not VerifyService.objects.exists()


def test_every_service_parameter_round_trips(api, account):
    Template.objects.create(sid="HJ" + "c" * 32, account=account, friendly_name="Ours")
    form = {
        "FriendlyName": "Shop & Co.", "CodeLength": "8", "LookupEnabled": "true",
        "SkipSmsToLandlines": "true", "DtmfInputRequired": "false", "TtsName": "polly",
        "Psd2Enabled": "true", "DoNotShareWarningEnabled": "true", "CustomCodeEnabled": "true",
        "Push.IncludeDate": "true", "Push.ApnCredentialSid": "CR" + "a" * 32,
        "Push.FcmCredentialSid": "CR" + "b" * 32, "Totp.Issuer": "Issuer", "Totp.TimeStep": "60",
        "Totp.CodeLength": "3", "Totp.Skew": "0", "DefaultTemplateSid": "HJ" + "c" * 32,
        "Whatsapp.MsgServiceSid": "MG" + "d" * 32, "Whatsapp.From": "whatsapp:+14155552671",
        "Passkeys.RelyingParty.Id": "example.com", "Passkeys.RelyingParty.Name": "Example",
        "Passkeys.RelyingParty.Origins": "https://a.example.com, https://b.example.com",
        "Passkeys.AuthenticatorAttachment": "platform",
        "Passkeys.DiscoverableCredentials": "preferred", "Passkeys.UserVerification": "required",
        "VerifyEventSubscriptionEnabled": "true", "Unknown": "ignored", "MailerSid": "MD",
    }  # fmt: skip
    made = api.post("Services", form).data
    for data in (made, api.get(f"Services/{made['sid']}").data):
        assert data["push"] == {
            "include_date": True,
            "apn_credential_sid": "CR" + "a" * 32,
            "fcm_credential_sid": "CR" + "b" * 32,
        }
        assert data["totp"] == {"issuer": "Issuer", "time_step": 60, "code_length": 3, "skew": 0}
        assert data["whatsapp"] == {
            "msg_service_sid": "MG" + "d" * 32,
            "from": "whatsapp:+14155552671",
        }
        assert data["passkeys"] == {
            "relying_party": {
                "id": "example.com",
                "name": "Example",
                "origins": ["https://a.example.com", "https://b.example.com"],
            },
            "authenticator_attachment": "platform",
            "discoverable_credentials": "preferred",
            "user_verification": "required",
        }
        assert (data["code_length"], data["tts_name"]) == (8, "polly")
        assert data["default_template_sid"] == "HJ" + "c" * 32
        assert data["dtmf_input_required"] is False
        for name in (
            "lookup",
            "psd2",
            "do_not_share_warning",
            "custom_code",
            "verify_event_subscription",
        ):
            assert data[f"{name}_enabled"] is True
    cleared = api.post(
        f"Services/{made['sid']}", {"Totp.Issuer": "", "DefaultTemplateSid": ""}
    ).data
    assert (cleared["totp"]["issuer"], cleared["default_template_sid"]) == ("Shop & Co.", None)


def test_unset_members_are_null(api):
    data = api.post("Services", {"FriendlyName": "A"}).data
    assert data["passkeys"] == {
        "relying_party": {"id": None, "name": None, "origins": None},
        "authenticator_attachment": None,
        "discoverable_credentials": None,
        "user_verification": None,
    }
    assert data["whatsapp"] == {"msg_service_sid": None, "from": None}
    assert data["totp"] == {"issuer": "A", "time_step": 30, "code_length": 6, "skew": 1}


# Junk.

JUNK = [
    (b"[" * 100_000, "application/json", 400),
    (b'{"a":' * 50_000, "application/json", 400),
    (b"[]", "application/json", 400),
    (b"null", "application/json", 400),
    (b"{", "application/json", 400),
    (b'{"FriendlyName": NaN}', "application/json", 400),
    (b'{"FriendlyName": "a", "FriendlyName": "b"}', "application/json", 400),
    (b'{"FriendlyName": "\\ud800"}', "application/json", 400),
    (b'{"FriendlyName": "\\u0000"}', "application/json", 400),
    (b'{"FriendlyName": {"a": 1}}', "application/json", 400),
    (b'{"FriendlyName": ["A", "B"]}', "application/json", 400),
    (b'{"CodeLength": ' + b"9" * 5000 + b"}", "application/json", 400),
    (b"\xff\xfe", "application/json", 400),
    (json.dumps({str(n): "x" for n in range(1000)}).encode(), "application/json", 400),
    (b"FriendlyName=%FF%FE", FORM, 400),
    (b"FriendlyName=\xff", FORM, 400),
    (b"FriendlyName=%00", FORM, 400),
    (b"\x00=1&FriendlyName=A", FORM, 400),
    ("&".join(f"a{n}=1" for n in range(5000)).encode(), FORM, 400),
    (b"FriendlyName=" + b"x" * 3_000_000, FORM, 413),
    (b'"' + b"x" * 3_000_000 + b'"', "application/json", 413),
    (b"FriendlyName=A", FORM + "; charset=utf-16", 415),
    (b"FriendlyName=A", "text/plain", 415),
    (b"<a/>", "application/xml", 415),
    (b"--x\r\n\r\n--x--", "multipart/form-data; boundary=x", 415),
    (b"FriendlyName=A", "", 415),
    (b"FriendlyName=A", "nonsense", 415),
]


@pytest.mark.parametrize(("body", "content_type", "status"), JUNK)
def test_junk_is_a_4xx_in_the_same_shape(api, body, content_type, status):
    answer = api.post("Services", body=body, content_type=content_type)
    assert answer.status == status
    assert set(answer.data) == ERROR_KEYS
    assert not VerifyService.objects.exists()


def test_a_huge_body_is_not_read_to_its_end(account):
    class Endless(io.RawIOBase):
        taken = 0

        def readable(self):
            return True

        def readinto(self, buffer):
            Endless.taken += len(buffer)
            buffer[:] = b"x" * len(buffer)
            return len(buffer)

    environ = RequestFactory(headers=Api(account.sid, account.token).headers)._base_environ(
        PATH_INFO="/v2/Services",
        REQUEST_METHOD="POST",
        CONTENT_TYPE=FORM,
        CONTENT_LENGTH=str(10**9),
    )
    environ["wsgi.input"] = io.BufferedReader(Endless())
    from django_verify.api.services import ServiceViewSet

    view = ServiceViewSet.as_view({"post": "create"})
    tracemalloc.start()
    response = view(WSGIRequest(environ))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert response.status_code == 413
    assert Endless.taken < 1_000_000
    assert peak < 5_000_000


@hypothesis_settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(body=st.binary(max_size=200), json_body=st.booleans(), path=st.text(max_size=40))
def test_any_bytes_get_an_answer_in_shape(api, service, body, json_body, path):
    kind = "application/json" if json_body else FORM
    paths = (
        "Services",
        f"Services/{service.sid}/Verifications",
        f"Services/{service.sid}/VerificationCheck",
        f"Services/{service.sid}/Verifications/{quote(path, safe='')}",
        quote(path),
    )
    for target in paths:
        for answer in (api.post(target, body=body, content_type=kind), api.get(target)):
            assert answer.status < 500
            if answer.status >= 400:
                assert set(answer.data) == ERROR_KEYS


def test_a_form_that_the_hosts_middleware_has_read(account):
    request = RequestFactory().post(
        "/v2/Services",
        "FriendlyName=Acme&LookupEnabled=true",
        content_type=FORM,
        headers=Api(account.sid, account.token).headers,
    )
    assert request.POST["FriendlyName"] == "Acme"
    from django_verify.api.services import ServiceViewSet

    response = ServiceViewSet.as_view({"post": "create"})(request)
    assert response.status_code == 201
    assert response.data["lookup_enabled"] is True
    assert response.data["dtmf_input_required"] is True


# Where a parameter stands.


def test_a_parameter_in_body_and_query_is_refused(api):
    answer = api.post("Services?FriendlyName=B", {"FriendlyName": "A"})
    assert "`FriendlyName`" in refused(answer, 400, 60200)
    assert api.post("Services?Other=B", {"FriendlyName": "A"}).status == 201


# Errors and headers.


@pytest.mark.parametrize(
    "path",
    ["", "Nothing", "Services/", "Services/VA1", "Services/VA" + "0" * 32, "services", "Services//",
     "Services/VA" + "0" * 32 + "/Verifications/VE" + "0" * 32, "Services/%00", "Services/VA%00" + "0" * 31,
     "Services/VA" + "0" * 32 + "/Nothing", "Services/<str:sid>"],
)  # fmt: skip
def test_not_found(api, path):
    message = refused(api.get(path), 404, 20404)
    if path.isalnum():
        assert message == f"The requested resource /{path} was not found"


def test_not_found_names_the_path_without_the_mount_point(api):
    sid = "VA" + "0" * 32
    message = refused(
        api.post(f"Services/{sid}/VerificationCheck", {"To": PHONE, "Code": "123456"}), 404, 20404
    )
    assert message == f"The requested resource /Services/{sid}/VerificationCheck was not found"


@pytest.mark.parametrize(
    ("method", "path"),
    [("PUT", "Services"), ("PATCH", "Services"), ("DELETE", "Services"), ("OPTIONS", "Services"),
     ("PUT", "Services/{sid}"), ("DELETE", "Services/{sid}/Verifications"),
     ("GET", "Services/{sid}/Verifications"), ("GET", "Services/{sid}/VerificationCheck")],
)  # fmt: skip
def test_other_methods(api, service, method, path):
    answer = api.request(method, path.format(sid=service.sid))
    refused(answer, 405, 20004)
    assert answer.headers["Allow"]


def test_head(api, service):
    answer = api.request("HEAD", f"Services/{service.sid}")
    assert (answer.status, answer.data) == (200, None)


def test_answers_are_never_stored_or_sniffed(api, service):
    for answer in (api.get("Services"), api.get("Nothing"), api.delete(f"Services/{service.sid}")):
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_delete_has_no_body(api, service):
    answer = api.delete(f"Services/{service.sid}")
    assert (answer.status, answer.data) == (204, None)


@pytest.mark.parametrize(
    "accept", ["application/x-www-form-urlencoded", "text/html", "image/png", "nonsense", ""]
)
def test_json_whatever_accept_states(api, accept):
    api.headers["accept"] = accept
    assert api.get("Services").headers["Content-Type"] == "application/json; charset=utf-8"
    refused(api.get("Services/x"), 404, 20404)


def test_retry_after(api, service, clock):
    path = f"Services/{service.sid}/Verifications"
    for _ in range(5):
        api.post(path, {"To": PHONE, "Channel": "sms"})
    clock.shift(100)
    answer = api.post(path, {"To": PHONE, "Channel": "sms"})
    refused(answer, 429, 60203)
    assert answer.headers["Retry-After"] == "500"


def test_the_unforeseen_is_logged_and_still_in_shape(api, monkeypatch, caplog):
    def boom(self):
        raise ZeroDivisionError("secret detail")

    from django_verify.api.services import ServiceViewSet

    monkeypatch.setattr(ServiceViewSet, "get_queryset", boom)
    message = refused(api.get("Services"), 500, 20500)
    assert "secret" not in message
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (OperationalError(1213, "Deadlock found"), 409, 20409),
        (OperationalError(2006, "gone away"), 503, 20503),
        (InterfaceError("connection already closed"), 503, 20503),
        (VerifyService.DoesNotExist("no such row"), 404, 20404),
    ],
    ids=str,
)
def test_what_happens_between_two_requests(api, monkeypatch, error, status, code):
    def meet(self):
        raise error

    from django_verify.api.services import ServiceViewSet

    monkeypatch.setattr(ServiceViewSet, "get_queryset", meet)
    answer = api.get("Services")
    refused(answer, status, code)
    assert answer.headers.get("Retry-After") == ("5" if status == 503 else None)


def test_a_database_that_is_away_costs_one_line_of_log_without_recipients(api, monkeypatch, caplog):
    def meet(self):
        raise OperationalError(f"connection to 192.0.2.1 failed, for {PHONE}")

    from django_verify.api.services import ServiceViewSet

    monkeypatch.setattr(ServiceViewSet, "get_queryset", meet)
    refused(api.get("Services"), 503, 20503)
    (line,) = [record.getMessage() for record in caplog.records if record.name == "django_verify"]
    assert line == "The database failed: OperationalError: connection to 192.0.2.1 failed, for +…"


# Links.


def test_links_follow_the_request(api):
    data = api.post("Services", {"FriendlyName": "A"}).data
    assert data["url"] == f"http://testserver/v2/Services/{data['sid']}"
    assert data["links"]["verification_checks"] == data["url"] + "/VerificationCheck"


def test_links_follow_the_configured_base(api, settings):
    settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "BASE_URL": "https://verify.example.com/"}
    api.headers["host"] = "evil.example"
    settings.ALLOWED_HOSTS = ["*"]
    data = api.post("Services", {"FriendlyName": "A"}).data
    assert data["url"] == f"https://verify.example.com/v2/Services/{data['sid']}"
    page = api.get("Services").data["meta"]
    assert page["url"].startswith("https://verify.example.com/v2/Services?")


def test_a_host_that_is_not_served_starts_nothing(api, service, settings, outbox):
    settings.MIDDLEWARE = []
    api.headers["host"] = "evil.example"
    form = {"To": PHONE, "Channel": "sms"}
    refused(api.post(f"Services/{service.sid}/Verifications", form), 400, 20422)
    assert not outbox


def test_a_host_that_is_not_served(api, settings):
    settings.MIDDLEWARE = []
    api.headers["host"] = "evil.example"
    refused(api.post("Services", {"FriendlyName": "A"}), 400, 20422)


def test_links_below_a_script_name(api, account):
    client = Client(SCRIPT_NAME="/app", raise_request_exception=False)
    mounted = Api(account.sid, account.token, client)
    response = client.get("/v2/Services", headers=mounted.headers, SCRIPT_NAME="/app")
    assert json.loads(response.content)["meta"]["url"].startswith(
        "http://testserver/app/v2/Services?"
    )


# Pages.

NUL_TOKEN = "PA" + b64encode(b"2026-01-01T00:00:00+00:00|\0\0" + b"0" * 32).decode().rstrip("=")


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ({"PageSize": "0"}, 400, 60200),
        ({"PageSize": "-1"}, 400, 60200),
        ({"PageSize": "x"}, 400, 60200),
        ({"PageSize": "1001"}, 400, 20007),
        ({"PageSize": "9" * 30}, 400, 20007),
        ({"PageSize": ["1", "2"]}, 400, 60200),
        ({"Page": "-1"}, 400, 60200),
        ({"PageToken": "x"}, 400, 60200),
        ({"PageToken": "PA!!!!"}, 400, 60200),
        ({"PageToken": "PAé"}, 400, 60200),
        ({"PageToken": "PA" + "A" * 40}, 400, 60200),
        ({"PageToken": "PAMDAwMS0wMS0wMVQwMDowMDowMCsxNDowMHxWQQ"}, 400, 60200),
        ({"PageSize": "\0"}, 400, 60200),
        ({"PageToken": NUL_TOKEN}, 400, 60200),
    ],
)
def test_bad_page_parameters(api, query, status, code):
    answer = api.get("Services?" + urlencode(query, doseq=True))
    refused(answer, status, code)


def test_page_meta(api, account):
    for name in "abc":
        make_service(account, friendly_name=name)
    meta = api.get("Services", PageSize=3).data["meta"]
    assert meta == {
        "page": 0,
        "page_size": 3,
        "first_page_url": "http://testserver/v2/Services?PageSize=3&Page=0",
        "previous_page_url": None,
        "url": "http://testserver/v2/Services?PageSize=3&Page=0",
        "next_page_url": None,
        "key": "services",
    }
    meta = api.get("Services", PageSize=2, Filter="kept").data["meta"]
    assert "Filter=kept" in meta["next_page_url"]
    assert "Page=1" in meta["next_page_url"]


def test_rows_that_come_and_go_neither_repeat_nor_hide_others(api, account, clock):
    for name in "abcdef":
        make_service(account, friendly_name=name)  # all within one instant: the SID decides
    names = []
    path, seen = "Services?PageSize=2", 0
    while path:
        page = api.get(path).data
        names += [service["friendly_name"] for service in page["services"]]
        seen += 1
        if seen == 1:
            make_service(account, friendly_name="late")
            VerifyService.objects.filter(sid=page["services"][0]["sid"]).delete()
        path = (page["meta"]["next_page_url"] or "").replace("http://testserver/v2/", "")
    assert sorted(set(names) - {"late"}) == list("abcdef")
    assert len(names) == len(set(names))


def test_pages_of_a_host_without_time_zones(api, account, settings):
    settings.USE_TZ = False
    for name in "abc":
        make_service(account, friendly_name=name)
    path, names = "Services?PageSize=1", []
    while path:
        page = api.get(path).data
        names += [service["friendly_name"] for service in page["services"]]
        path = (page["meta"]["next_page_url"] or "").replace("http://testserver/v2/", "")
    assert names == ["c", "b", "a"]


@pytest.mark.parametrize("moment", ["0001-01-01T12:00:00", "9999-12-31T23:59:59"])
@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Tokyo"])
def test_the_ends_of_the_calendar_on_a_host_without_time_zones(
    api, service, settings, moment, zone
):
    settings.USE_TZ, settings.TIME_ZONE = False, zone
    token = urlsafe_b64encode(f"{moment}+00:00|{service.sid}".encode()).decode().rstrip("=")
    for path in ("Attempts", "Attempts/Summary"):
        for name in ("DateCreatedAfter", "DateCreatedBefore"):
            assert api.get(path, **{name: f"{moment}Z"}).status in {200, 400}
    for direction in ("PA", "PB"):
        assert api.get("Services", PageToken=f"{direction}{token}").status in {200, 400}


def test_a_host_without_time_zones(api, service, settings):
    settings.USE_TZ = False
    root = f"Services/{service.sid}"
    limit = api.post(f"{root}/RateLimits", {"UniqueName": "ip"}).data
    assert (
        api.post(f"{root}/RateLimits/{limit['sid']}/Buckets", {"Max": 5, "Interval": 60}).status
        == 201
    )
    form = {"To": PHONE, "Channel": "sms", "RateLimits": '{"ip": "x"}'}
    assert api.post(f"{root}/Verifications", form).status == 201
    assert api.get(f"{root}/Verifications/{PHONE}").status == 200
    assert api.get("Attempts", DateCreatedAfter="2020-01-01T00:00:00Z").status == 200


def test_what_is_deleted_meanwhile_is_not_found(api, service, monkeypatch):
    from django_verify.api.messaging import MessagingConfigurationViewSet
    from django_verify.api.webhooks import WebhookViewSet

    root = f"Services/{service.sid}"
    hook = {"FriendlyName": "Hook", "EventTypes": "*", "WebhookUrl": "https://example.com/"}
    sid = api.post(f"{root}/Webhooks", hook).data["sid"]
    route = {"Country": "US", "MessagingServiceSid": "MG" + "0" * 32}
    assert api.post(f"{root}/MessagingConfigurations", route).status == 201
    for viewset, path, form in (
        (WebhookViewSet, f"Webhooks/{sid}", {"FriendlyName": "New"}),
        (MessagingConfigurationViewSet, "MessagingConfigurations/US", route),
    ):
        real = viewset.get_object

        def overtaken(self, real=real):
            found = real(self)
            type(found).objects.all().delete()
            return found

        monkeypatch.setattr(viewset, "get_object", overtaken)
        refused(api.post(f"{root}/{path}", form), 404, 20404)


def test_an_empty_page(api):
    page = api.get("Services").data
    assert page["services"] == []
    assert page["meta"]["next_page_url"] is page["meta"]["previous_page_url"] is None


def test_accounts_do_not_see_each_other(api):
    make_service(make_account())
    assert api.get("Services").data["services"] == []


# A host with other ideas.


def test_a_hostile_host_does_not_reach_the_wire(account, settings):
    settings.REST_FRAMEWORK = {
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.BrowsableAPIRenderer"],
        "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.MultiPartParser"],
        "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.SessionAuthentication"],
        "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAdminUser"],
        "DEFAULT_THROTTLE_CLASSES": ["rest_framework.throttling.AnonRateThrottle"],
        "DEFAULT_THROTTLE_RATES": {"anon": "0/day"},
        "DEFAULT_CONTENT_NEGOTIATION_CLASS": "nowhere.Negotiation",
        "DEFAULT_METADATA_CLASS": "rest_framework.metadata.SimpleMetadata",
        "DEFAULT_VERSIONING_CLASS": "rest_framework.versioning.AcceptHeaderVersioning",
        "DEFAULT_PAGINATION_CLASS": "rest_framework.pagination.PageNumberPagination",
        "PAGE_SIZE": 1,
        "EXCEPTION_HANDLER": "nowhere.handler",
        "DATETIME_FORMAT": "%d.%m.%Y",
        "NON_FIELD_ERRORS_KEY": "oops",
        "COERCE_DECIMAL_TO_STRING": False,
        "UNAUTHENTICATED_USER": None,
        "URL_FORMAT_OVERRIDE": "format",
    }
    settings.TIME_ZONE = "Asia/Kolkata"
    settings.USE_TZ = True
    settings.LANGUAGE_CODE = "de"
    settings.USE_THOUSAND_SEPARATOR = True
    settings.APPEND_SLASH = True
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1
    api = Api(account.sid, account.token)
    for name in "ab":
        made = api.post("Services", {"FriendlyName": name})
        assert made.status == 201
        assert made.data["date_created"].endswith("Z")
        assert made.data["date_created"][:10] == made.data["date_updated"][:10]
    page = api.get("Services", format="api").data
    assert len(page["services"]) == 2
    path = f"Services/{made.data['sid']}/Verifications"
    started = api.post(path, {"To": PHONE, "Channel": "sms"})
    assert (started.status, started.data["status"]) == (201, "pending")
    refused(api.post(path, {"To": "x", "Channel": "sms"}), 400, 60200)
    refused(api.get("Services/"), 404, 20404)
    refused(api.request("OPTIONS", "Services"), 405, 20004)
    refused(Api("AC1", "x").get("Services"), 401, 20003)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("custom_code", "CustomCode"), ("to", "To"), ("verification_sid", "VerificationSid")],
)
def test_spellings(name, expected):
    assert wire.wire_name(name) == expected
    assert wire.python_name(expected) == name
