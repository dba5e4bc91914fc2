"""Verifications and VerificationCheck on the wire: parameters, errors, lookups by recipient."""

import pytest
from django.db import IntegrityError

from django_verify.models import Verification, VerificationAttempt, VerifyService
from tests.conftest import PHONE, code_in, make_service, wrong

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def root(service):
    return f"Services/{service.sid}"


@pytest.fixture
def start(api, root):
    return lambda **form: api.post(f"{root}/Verifications", {"To": PHONE, "Channel": "sms", **form})


@pytest.mark.parametrize(
    ("form", "status", "code", "names"),
    [
        ({"To": ""}, 400, 60200, "`To`"),
        ({"To": "4155552671"}, 400, 60200, "`To`"),
        ({"To": "+1 415 555 2671"}, 400, 60200, "`To`"),
        ({"To": " +14155552671"}, 400, 60200, "`To`"),
        ({"To": "+14155552671;ext=7"}, 400, 60200, "`To`"),
        ({"To": "+1415555267١"}, 400, 60200, "`To`"),
        ({"To": "jo@example.com"}, 400, 60200, "`To`"),
        ({"To": PHONE, "Channel": "email"}, 400, 60200, "`To`"),
        ({"Channel": ""}, 400, 60200, "`Channel`"),
        ({"Channel": "SMS"}, 400, 60200, "`Channel`"),
        ({"Channel": "sna"}, 400, 60200, "`Channel`"),
        ({"Channel": "auto"}, 400, 60200, "`Channel`"),
        ({"Channel": "rcs"}, 400, 60200, "`Channel`"),
        ({"Locale": "xx"}, 400, 60200, "`Locale`"),
        ({"Channel": "call", "Locale": "ar"}, 400, 60331, "locale"),
        ({"CustomFriendlyName": "a/b"}, 400, 60200, "`CustomFriendlyName`"),
        ({"CustomMessage": "hello"}, 400, 60243, "CustomMessage"),
        ({"CustomCode": "123456"}, 403, 60204, "feature"),
        ({"AppHash": "x"}, 400, 60200, "`AppHash`"),
        ({"AppHash": "FA+9qCX9VSu", "Channel": "call"}, 400, 60602, "AppHash"),
        ({"SendDigits": "x"}, 400, 60200, "`SendDigits`"),
        ({"DeviceIp": "1.2.3.4.5"}, 400, 60200, "`DeviceIp`"),
        ({"RateLimits": '{"ip": "1.2.3.4"}'}, 400, 60200, "`RateLimits`"),
        ({"RateLimits": "nonsense"}, 400, 60200, "`RateLimits`"),
        ({"ChannelConfiguration": '{"from": "a@b.c"}'}, 400, 60200, "`ChannelConfiguration`"),
        ({"TemplateSid": "HJ" + "0" * 32}, 400, 60228, "Template"),
        ({"RiskCheck": "maybe"}, 400, 60200, "`RiskCheck`"),
        ({"EnableSnaClientToken": "maybe"}, 400, 60200, "`EnableSnaClientToken`"),
        ({"Tags": "[]"}, 400, 60200, "`Tags`"),
        ({"Tags": "[" * 50_000}, 400, 60200, "`Tags`"),
        ({"Tags": '{"a": "\\u0000"}'}, 400, 60200, "`Tags`"),
        ({"Tags": '{"a": "\\ud800"}'}, 400, 60200, "`Tags`"),
        ({"Tags": '{"a": 1}'}, 400, 60200, "`Tags`"),
    ],
)
def test_refusals(start, outbox, form, status, code, names):
    answer = start(**form)
    assert (answer.status, answer.data["code"]) == (status, code), answer.data
    assert names in answer.data["message"]
    assert not outbox
    assert not Verification.objects.exists()


def test_what_a_start_accepts(api, root, start, outbox):
    answer = start(
        Tags='{"tenant_id": "no. 12345"}', RiskCheck="disable", DeviceIp="2001:db8::1", Locale="pt_br",
        CustomFriendlyName="Shop", AppHash="FA+9qCX9VSu", EnableSnaClientToken="false",
        RateLimits="{}", TemplateCustomSubstitutions='{"a": "b"}', Unknown="x", Amount="1", Payee="x",
    )  # fmt: skip
    assert answer.status == 201
    assert (answer.data["amount"], answer.data["payee"], answer.data["sna"]) == (None, None, None)
    assert answer.data["lookup"] == {}
    attempt = VerificationAttempt.objects.get()
    assert (attempt.locale, attempt.tags) == ("pt-BR", {"tenant_id": "no. 12345"})
    assert "no. 12345" not in str(answer.data)
    assert "Shop" in outbox[0].body


def test_json_objects_in_a_json_body(api, root):
    body = '{"To": "+14155552671", "Channel": "sms", "Tags": {"tenant_id": "1"}}'
    assert (
        api.post(f"{root}/Verifications", body=body, content_type="application/json").status == 201
    )
    assert VerificationAttempt.objects.get().tags == {"tenant_id": "1"}


@pytest.mark.parametrize("key", ["+14155552671", "%2B14155552671"])
def test_by_number(api, root, start, key):
    sid = start().data["sid"]
    assert api.get(f"{root}/Verifications/{key}").data["sid"] == sid
    assert api.post(f"{root}/Verifications/{key}", {"Status": "canceled"}).data["sid"] == sid


@pytest.mark.parametrize("key", ["Jo@Example.com", "Jo%40example.COM"])
def test_by_email(api, root, start, outbox, key):
    made = start(To="Jo@EXAMPLE.com", Channel="email").data
    assert made["to"] == "Jo@EXAMPLE.com"
    assert api.get(f"{root}/Verifications/{key}").data["sid"] == made["sid"]
    assert api.get(f"{root}/Verifications/jo@example.com").status == 404
    form = {"To": "Jo@example.com", "Code": code_in(outbox[0])}
    assert api.post(f"{root}/VerificationCheck", form).data["status"] == "approved"


def test_sids_in_upper_case(api, root, start):
    sid = start().data["sid"]
    assert api.get(f"{root}/Verifications/VE{sid[2:].upper()}").data["sid"] == sid


@pytest.mark.parametrize("status", ["", "pending", "APPROVED", "expired"])
def test_other_values_of_status(api, root, start, status):
    sid = start().data["sid"]
    answer = api.post(f"{root}/Verifications/{sid}", {"Status": status})
    assert (answer.status, answer.data["code"]) == (400, 60200)
    assert "`Status`" in answer.data["message"]


@pytest.mark.parametrize(
    ("form", "code", "name"),
    [
        ({}, 60221, "To or VerificationSid"),
        ({"To": PHONE}, 60200, "`Code`"),
        ({"Code": "123456"}, 60221, "To or VerificationSid"),
        ({"Code": "123", "To": PHONE}, 60200, "`Code`"),
        ({"Code": "12345678901", "To": PHONE}, 60200, "`Code`"),
        ({"Code": "123456", "To": "x"}, 60200, "`To`"),
        ({"Code": "123456", "VerificationSid": "VE1"}, 60200, "`VerificationSid`"),
        ({"Code": ["123456", "654321"], "To": PHONE}, 60200, "`Code`"),
    ],
)
def test_malformed_checks_are_not_charged(api, root, start, form, code, name):
    start()
    answer = api.post(f"{root}/VerificationCheck", form)
    assert (answer.status, answer.data["code"]) == (400, code)
    assert name in answer.data["message"]
    assert Verification.objects.get().checks == 0


def test_spaces_around_a_pasted_code(api, root, start, outbox):
    start()
    form = {"To": PHONE, "Code": f" {code_in(outbox[0])} "}
    assert api.post(f"{root}/VerificationCheck", form).data["status"] == "approved"


def test_psd2(api, account, outbox):
    service = make_service(account, psd2_enabled=True)
    root = f"Services/{service.sid}"
    base = {"To": PHONE, "Channel": "sms"}
    assert api.post(f"{root}/Verifications", base).data["code"] == 60206
    assert (
        api.post(
            f"{root}/Verifications", {**base, "Channel": "call", "Amount": "1", "Payee": "x"}
        ).data["code"]
        == 60214
    )
    money = {"Amount": "€39.99", "Payee": "Acme Inc."}
    made = api.post(f"{root}/Verifications", {**base, **money}).data
    assert (made["amount"], made["payee"]) == ("€39.99", "Acme Inc.")
    code = code_in(outbox[0])
    check = f"{root}/VerificationCheck"
    assert api.post(check, {"To": PHONE, "Code": code}).data["code"] == 60206
    assert api.post(check, {"To": PHONE, "Code": code, **money, "Amount": "€3"}).status == 404
    by_sid = {"VerificationSid": made["sid"], "Code": code}
    assert api.post(check, {**by_sid, **money, "Payee": "Evil"}).data["status"] == "pending"
    answer = api.post(check, {**by_sid, **money}).data
    assert (answer["status"], answer["amount"], answer["payee"]) == (
        "approved",
        "€39.99",
        "Acme Inc.",
    )


def test_the_answer_of_the_last_check_is_pending(api, root, start, outbox):
    start()
    code = code_in(outbox[0])
    statuses = [
        api.post(f"{root}/VerificationCheck", {"To": PHONE, "Code": wrong(code, n)}).data["status"]
        for n in range(1, 6)
    ]
    assert statuses == ["pending"] * 5
    answer = api.post(f"{root}/VerificationCheck", {"To": PHONE, "Code": code})
    assert (answer.status, answer.data["code"], answer.data["message"]) == (
        429,
        60202,
        "Max check attempts reached",
    )
    assert api.get(f"{root}/Verifications/{PHONE}").data["status"] == "max_attempts_reached"


def test_what_belongs_to_a_deleted_service_is_gone(api, root, start, outbox):
    sid = start().data["sid"]
    assert api.delete(root).status == 204
    check = {"VerificationSid": sid, "Code": code_in(outbox[0])}
    for answer in (
        api.get(f"{root}/Verifications/{sid}"),
        api.get(f"{root}/Verifications/{PHONE}"),
        api.post(f"{root}/Verifications/{sid}", {"Status": "approved"}),
        api.post(f"{root}/VerificationCheck", check),
        start(),
    ):
        assert (answer.status, answer.data["code"]) == (404, 20404)


def test_a_deleted_service_does_not_take_the_guesses_along(api, account, outbox):
    compared = 0
    for turn in range(6):
        root = f"Services/{make_service(account).sid}"
        started = api.post(f"{root}/Verifications", {"To": PHONE, "Channel": "sms"})
        for number in range(5):
            form = {"To": PHONE, "Code": f"zzzzz{number}"}
            compared += api.post(f"{root}/VerificationCheck", form).status == 200
        assert started.status == (201 if turn < 4 else 429)
        api.delete(root)
    assert compared == 20


def test_an_update_of_a_service_deleted_meanwhile(api, root, service, monkeypatch):
    from django_verify.api.services import ServiceViewSet

    real = ServiceViewSet.get_object

    def overtaken(self):
        found = real(self)
        VerifyService.objects.filter(sid=service.sid).delete()
        return found

    monkeypatch.setattr(ServiceViewSet, "get_object", overtaken)
    assert api.post(root, {"FriendlyName": "New"}).status == 404


def test_a_service_in_use_is_deleted_at_a_later_turn(api, root, monkeypatch):
    turns = []
    real = VerifyService.delete

    def busy(self):
        turns.append(1)
        if len(turns) < 3:
            raise IntegrityError
        return real(self)

    monkeypatch.setattr(VerifyService, "delete", busy)
    assert api.delete(root).status == 204


def test_a_service_that_is_always_in_use(api, root, monkeypatch):
    def busy(self):
        raise IntegrityError

    monkeypatch.setattr(VerifyService, "delete", busy)
    answer = api.delete(root)
    assert (answer.status, answer.data["code"]) == (409, 20409)


def test_whole_seconds_in_utc(start, clock):
    data = start().data
    assert data["date_created"] == "2026-03-01T12:00:00Z"
    assert data["send_code_attempts"][0]["time"] == "2026-03-01T12:00:00Z"


@pytest.mark.parametrize(
    ("one", "other", "today"),
    [
        ("+5215512340001", "+525512340001", "+525512340001"),
        ("+541123450001", "+5491123450001", "+541123450001"),
        ("+390549886377", "+3780549886377", "+390549886377"),
        ("+22997123456", "+2290197123456", "+2290197123456"),
    ],
)
def test_a_check_and_a_fetch_take_either_spelling(api, root, start, outbox, one, other, today):
    VerifyService.objects.update(allowed_number_types=["landline"])  # San Marino's are fixed lines
    started = start(To=one)
    assert started.data["to"] == today
    assert api.get(f"{root}/Verifications/{other}").data["sid"] == started.data["sid"]
    form = {"To": other, "Code": code_in(outbox[0])}
    assert api.post(f"{root}/VerificationCheck", form).data["status"] == "approved"


@pytest.mark.parametrize("form", ["{} {}", "{}-{}", "{}\u200b{}"])
def test_a_code_is_accepted_as_it_is_written(api, root, start, outbox, form):
    start()
    code = code_in(outbox[0])
    for spelled in (form.format(code[:3], code[3:]), code[:5] + "٣"):
        answer = api.post(f"{root}/VerificationCheck", {"To": PHONE, "Code": spelled})
        assert (answer.status, answer.data["status"]) == (200, "pending")
    assert Verification.objects.get().checks == 2


@pytest.mark.parametrize(
    ("locale", "tag"),
    [("iw-IL", "he"), ("in_ID", "id"), ("fil-PH", "tl"), ("no", "nb"), ("zh-Hant", "zh-HK")],
)
def test_aliases_of_locales_are_read(start, locale, tag):
    assert start(Locale=locale).status == 201
    assert VerificationAttempt.objects.get().locale == tag
