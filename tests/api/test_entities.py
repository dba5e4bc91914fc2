"""Entities, authenticator apps and challenges on the wire: shapes, numbers, the SDKs' habits."""

import json
import urllib.error
import urllib.request
from types import SimpleNamespace

import pyotp
import pytest
from django.test import Client

from django_verify.models import Challenge, Factor
from tests.conftest import make_account, make_service, wrong

pytestmark = pytest.mark.django_db(transaction=True)

WHO = "User-0001"
NEW = {"FriendlyName": "Phone", "FactorType": "totp"}


@pytest.fixture
def root(service):
    return f"Services/{service.sid}/Entities"


@pytest.fixture
def factors(root):
    return f"{root}/{WHO}/Factors"


@pytest.fixture
def challenges(root):
    return f"{root}/{WHO}/Challenges"


def refused(answer, status, code):
    assert (answer.status, answer.data["code"]) == (status, code), answer.data
    return answer.data["message"]


def verified(api, factors, **form):
    """The SID of a verified factor and its app; the clock fixture must hold."""
    made = api.post(factors, {**NEW, **form}).data
    Factor.objects.filter(sid=made["sid"]).update(status="verified")
    # The oracle knows no code of 3–5 digits: those are the tails of its longer ones.
    app, digits = pyotp.TOTP(made["binding"]["secret"], digits=10), made["config"]["code_length"]
    return made["sid"], SimpleNamespace(now=lambda: app.now()[-digits:])


def test_a_new_entity(api, service, root, clock):
    made = api.post(root, {"Identity": WHO})
    assert made.status == 201
    url = f"http://testserver/v2/{root}/{WHO}"
    assert made.data == {
        "sid": made.data["sid"],
        "identity": WHO,
        "account_sid": service.account_id,
        "service_sid": service.sid,
        "date_created": "2026-03-01T12:00:00Z",
        "date_updated": "2026-03-01T12:00:00Z",
        "url": url,
        "links": {
            "factors": f"{url}/Factors",
            "new_factors": f"{url}/Factors",
            "challenges": f"{url}/Challenges",
        },
    }
    assert made.data["sid"].startswith("YE")
    assert api.get(f"{root}/{WHO.lower()}").data == made.data
    refused(api.post(root, {"Identity": WHO.upper()}), 409, 60301)
    assert api.delete(f"{root}/{WHO.lower()}").status == 204
    refused(api.get(f"{root}/{WHO}"), 404, 20404)
    refused(api.delete(f"{root}/{WHO}"), 404, 20404)


def test_what_an_entity_needs(api, root):
    assert "`Identity`" in refused(api.post(root, {}), 400, 60300)
    assert "`Identity`" in refused(api.post(root, {"Identity": "a b"}), 400, 60306)
    refused(api.post(root, {"Identity": "x" * 100_000}), 400, 60306)
    refused(api.get(f"{root}/a%20b"), 404, 20404)


def test_a_new_factor_reports_its_seed_once(api, service, factors, clock):
    made = api.post(factors, {**NEW, "Metadata": '{"os": "Android"}'})
    assert made.status == 201
    sid = made.data["sid"]
    binding = made.data.pop("binding")
    assert pyotp.parse_uri(binding["uri"]).secret == binding["secret"]
    assert made.data.pop("options", "absent") is None
    assert made.data == {
        "sid": sid,
        "account_sid": service.account_id,
        "service_sid": service.sid,
        "entity_sid": made.data["entity_sid"],
        "identity": WHO,
        "friendly_name": "Phone",
        "status": "unverified",
        "factor_type": "totp",
        "config": {"alg": "sha1", "skew": 1, "code_length": 6, "time_step": 30},
        "metadata": {"os": "Android"},
        "date_created": "2026-03-01T12:00:00Z",
        "date_updated": "2026-03-01T12:00:00Z",
        "url": f"http://testserver/v2/{factors}/{sid}",
    }
    assert api.get(f"{factors}/{sid}").data == made.data
    assert api.get(factors).data["factors"] == [made.data]
    seen = json.dumps([api.get(f"{factors}/{sid}").data, api.get(factors).data])
    assert binding["secret"] not in seen


@pytest.mark.parametrize(
    ("form", "code", "name"),
    [
        ({"FriendlyName": None}, 60300, "FriendlyName"),
        ({"FactorType": None}, 60300, "FactorType"),
        ({"FriendlyName": ""}, 60306, "FriendlyName"),
        ({"FriendlyName": "x" * 65}, 60306, "FriendlyName"),
        ({"FactorType": "retina"}, 60306, "FactorType"),
        ({"Config.TimeStep": "19"}, 60306, "Config.TimeStep"),
        ({"Config.TimeStep": "٣٠"}, 60306, "Config.TimeStep"),
        ({"Config.Skew": "3"}, 60306, "Config.Skew"),
        ({"Config.CodeLength": "9"}, 60306, "Config.CodeLength"),
        ({"Config.Alg": "md5"}, 60306, "Config.Alg"),
        ({"Binding.Secret": "short"}, 60306, "Binding.Secret"),
        ({"Metadata": "[]"}, 60306, "Metadata"),
        ({"Metadata": '{"a": 1}'}, 60306, "Metadata"),
        ({"Metadata": json.dumps({"a": "x" * 1020})}, 60306, "Metadata"),
        ({"Metadata": "[" * 1000}, 60306, "Metadata"),
        ({"FriendlyName": ["a", "b"]}, 60306, "FriendlyName"),
    ],
)
def test_what_a_factor_refuses(api, factors, form, code, name):
    sent = {k: v for k, v in {**NEW, **form}.items() if v is not None}
    assert f"`{name}`" in refused(api.post(factors, sent), 400, code)
    assert not Factor.objects.exists()


def test_a_wrong_code_is_no_error(api, factors, clock):
    made = api.post(factors, NEW).data
    code, path = pyotp.parse_uri(made["binding"]["uri"]).now(), f"{factors}/{made['sid']}"
    for number in range(4):
        answer = api.post(path, {"AuthPayload": wrong(code, number + 1)})
        assert (answer.status, answer.data["status"]) == (200, "unverified")
    assert "`AuthPayload`" in refused(api.post(path, {"AuthPayload": "1" * 8000}), 400, 60306)
    assert api.post(path, {"AuthPayload": code}).data["status"] == "verified"
    refused(api.post(path, {"AuthPayload": code}), 400, 60306)


def test_the_sixth_code_is_refused(api, factors, clock):
    made = api.post(factors, NEW).data
    code, path = pyotp.parse_uri(made["binding"]["uri"]).now(), f"{factors}/{made['sid']}"
    for number in range(5):
        api.post(path, {"AuthPayload": wrong(code, number + 1)})
    refused(api.post(path, {"AuthPayload": code}), 429, 60310)


def test_a_factor_is_changed_without_a_code(api, factors, clock):
    sid, _ = verified(api, factors)
    form = {"FriendlyName": "Tablet", "Config.TimeStep": "60", "Config.AppId": "ignored"}
    answer = api.post(f"{factors}/{sid}", form)
    assert (answer.status, answer.data["friendly_name"]) == (200, "Tablet")
    assert answer.data["config"]["time_step"] == 60
    assert api.post(f"{factors}/{sid}", {}).data["config"]["time_step"] == 60


def test_a_factor_goes(api, factors):
    sid = api.post(factors, NEW).data["sid"]
    assert api.delete(f"{factors}/{sid}").status == 204
    refused(api.delete(f"{factors}/{sid}"), 404, 20404)
    refused(api.post(f"{factors}/{sid}", {"FriendlyName": "x"}), 404, 20404)


def test_a_new_challenge(api, service, factors, challenges, clock):
    sid, _ = verified(api, factors)
    made = api.post(
        challenges,
        {
            "FactorSid": sid,
            "ExpirationDate": "2026-03-01T12:10:00Z",
            "Details.Message": "Log in?",
            "Details.Fields": ['{"label": "From", "value": "Lyon", "more": 1}'],
            "HiddenDetails": '{"ip": "192.0.2.1"}',
        },
    )
    assert made.status == 201
    url = f"http://testserver/v2/{challenges}/{made.data['sid']}"
    assert made.data == {
        "sid": made.data["sid"],
        "account_sid": service.account_id,
        "service_sid": service.sid,
        "entity_sid": made.data["entity_sid"],
        "identity": WHO,
        "factor_sid": sid,
        "date_created": "2026-03-01T12:00:00Z",
        "date_updated": "2026-03-01T12:00:00Z",
        "date_responded": None,
        "expiration_date": "2026-03-01T12:10:00Z",
        "status": "pending",
        "responded_reason": "none",
        "details": {"message": "Log in?", "fields": [{"label": "From", "value": "Lyon"}]},
        "hidden_details": {"ip": "192.0.2.1"},
        "metadata": None,
        "factor_type": "totp",
        "url": url,
        "links": {"notifications": f"{url}/Notifications"},
    }
    assert api.get(f"{challenges}/{made.data['sid']}").data == made.data


@pytest.mark.parametrize(
    ("form", "status", "code"),
    [
        ({"FactorSid": None}, 400, 60300),
        ({"FactorSid": "YF1"}, 400, 60306),
        ({"FactorSid": "YF" + "0" * 32}, 404, 20404),
        ({"ExpirationDate": "tomorrow"}, 400, 60306),
        ({"ExpirationDate": "2026-03-01T13:00:01Z"}, 400, 60306),
        ({"Details.Message": "x" * 257}, 400, 60306),
        ({"Details.Fields": "not json"}, 400, 60306),
        ({"Details.Fields": '{"label": "x"}'}, 400, 60306),
        ({"Details.Fields": json.dumps({"label": "x" * 37, "value": ""})}, 400, 60306),
        ({"Details.Fields": json.dumps({"label": "", "value": "x" * 129})}, 400, 60306),
        ({"Details.Fields": ['{"label": "a", "value": "b"}'] * 21}, 400, 60306),
        ({"HiddenDetails": '{"a": ["b"]}'}, 400, 60306),
        ({"AuthPayload": "12345"}, 400, 60306),
        ({"AuthPayload": "1" * 8000}, 400, 60306),
    ],
)
def test_what_a_challenge_refuses(api, factors, challenges, clock, form, status, code):
    sid, _ = verified(api, factors)
    sent = {k: v for k, v in {"FactorSid": sid, **form}.items() if v is not None}
    refused(api.post(challenges, sent), status, code)
    assert not Challenge.objects.exists()


def test_answers_to_a_challenge(api, factors, challenges, clock):
    sid, app = verified(api, factors)
    path = f"{challenges}/{api.post(challenges, {'FactorSid': sid}).data['sid']}"
    assert "`AuthPayload`" in refused(api.post(path, {}), 400, 60306)
    assert api.post(path, {"Metadata": '{"os": "iOS"}'}).data["metadata"] == {"os": "iOS"}
    pending = api.post(path, {"AuthPayload": wrong(app.now())})
    assert (pending.status, pending.data["status"]) == (200, "pending")
    approved = api.post(path, {"AuthPayload": app.now()})
    assert (approved.status, approved.data["status"]) == (200, "approved")
    assert approved.data["date_responded"] == "2026-03-01T12:00:00Z"
    refused(api.post(path, {"AuthPayload": app.now()}), 403, 60322)
    late = f"{challenges}/{api.post(challenges, {'FactorSid': sid}).data['sid']}"
    clock.shift(300)
    assert api.get(late).data["status"] == "expired"
    refused(api.post(late, {"AuthPayload": app.now()}), 403, 60323)


def test_the_limits_have_their_numbers(api, factors, challenges, clock):
    sid, app = verified(api, factors, **{"Config.CodeLength": "4"})
    path = f"{challenges}/{api.post(challenges, {'FactorSid': sid}).data['sid']}"
    for number in range(5):
        api.post(path, {"AuthPayload": wrong(app.now(), number + 1)})
    refused(api.post(path, {"AuthPayload": app.now()}), 429, 60308)
    for _ in range(9):
        api.post(challenges, {"FactorSid": sid})
    answer = api.post(challenges, {"FactorSid": sid})
    refused(answer, 429, 60312)
    assert answer.headers["Retry-After"] == "86400"
    refused(api.post(challenges, {"FactorSid": api.post(factors, NEW).data["sid"]}), 403, 60318)


def test_lists_go_oldest_first_and_filter_by_the_status_of_now(api, factors, challenges, clock):
    sid, app = verified(api, factors)
    other, _ = verified(api, factors)
    made = []
    for number in range(5):
        form = {"FactorSid": other if number == 2 else sid}
        if number == 1:
            form["AuthPayload"] = app.now()
        made.append(api.post(challenges, form).data["sid"])
        clock.shift(60)

    def listed(**query):
        rows, answer = [], api.get(challenges, **query)
        while True:
            rows += [row["sid"] for row in answer.data["challenges"]]
            url = answer.data["meta"]["next_page_url"]
            if url is None:
                return rows
            answer = api.get(url.partition("/v2/")[2])

    assert listed() == listed(Order="asc", PageSize=2) == made
    assert listed(Order="desc", PageSize=2) == made[::-1]
    assert listed(FactorSid=other) == [made[2]]
    assert listed(Status="approved") == [made[1]]
    assert listed(Status="expired") == [made[0]]
    assert listed(Status="pending", PageSize=1) == made[2:]
    first = api.get(challenges, PageSize=2).data
    second = api.get(first["meta"]["next_page_url"].partition("/v2/")[2]).data
    back = api.get(second["meta"]["previous_page_url"].partition("/v2/")[2]).data
    assert back["challenges"] == first["challenges"]
    refused(api.get(challenges, Order="up"), 400, 60306)
    refused(api.get(challenges, Status="lost"), 400, 60306)
    refused(api.get(f"{challenges.replace(WHO, 'nobody-01')}"), 404, 20404)


def test_the_ios_spelling_of_the_page_token(api, factors, challenges, clock):
    sid, _ = verified(api, factors)
    for _ in range(3):
        api.post(challenges, {"FactorSid": sid})
        clock.shift(1)
    first = api.get(challenges, PageSize=2).data
    token = first["meta"]["next_page_url"].rpartition("PageToken=")[2]
    second = api.get(challenges, PageSize=2, pageToken=token).data
    assert len(second["challenges"]) == 1
    assert "pageToken" not in second["meta"]["previous_page_url"]
    assert (
        api.get(second["meta"]["previous_page_url"].partition("/v2/")[2]).data["challenges"]
        == first["challenges"]
    )


def test_requests_as_the_device_sdks_send_them(api, factors):
    form = "application/x-www-form-urlencoded"
    sid = api.post(factors, NEW).data["sid"]
    client = Client()
    got = client.get(f"/v2/{factors}/{sid}", headers={**api.headers, "accept": form})
    assert (got.status_code, got["Content-Type"]) == (200, "application/json; charset=utf-8")
    gone = client.delete(f"/v2/{factors}/{sid}", content_type=form, headers=api.headers)
    assert (gone.status_code, gone.content) == (204, b"")


def test_a_server_dates_its_refusals(live_server):
    """The device SDKs set their clock by it."""
    with pytest.raises(urllib.error.HTTPError) as refusal:
        urllib.request.urlopen(f"{live_server.url}/v2/Services")
    with refusal.value as answer:
        assert answer.code == 401
        assert len(answer.headers.get_all("Date")) == 1


def test_another_services_objects_are_absent(api, account, factors, challenges, clock):
    sid, _ = verified(api, factors)
    challenge = api.post(challenges, {"FactorSid": sid}).data["sid"]
    elsewhere = f"Services/{make_service(account).sid}/Entities/{WHO}"
    api.post(f"{elsewhere}/Factors", NEW)
    for path in (f"Factors/{sid}", f"Challenges/{challenge}"):
        refused(api.get(f"{elsewhere}/{path}"), 404, 20404)
    refused(api.post(f"{elsewhere}/Challenges", {"FactorSid": sid}), 404, 20404)
    theirs = make_service(make_account("Other"))
    refused(api.get(f"Services/{theirs.sid}/Entities"), 404, 20404)
