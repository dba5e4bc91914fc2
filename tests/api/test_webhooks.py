"""Webhooks on the wire: event types, URLs, defaults, updates."""

import json

import pytest

from django_verify.models import Webhook
from tests.conftest import Api, make_account

pytestmark = pytest.mark.django_db(transaction=True)

URL = "https://hooks.example.com/verify?tenant=1"
FORM = {"FriendlyName": "Hook", "EventTypes": ["factor.deleted", "*"], "WebhookUrl": URL}


@pytest.fixture
def root(service):
    return f"Services/{service.sid}/Webhooks"


def refused(answer, status, code):
    assert (answer.status, answer.data["code"]) == (status, code), answer.data
    return answer.data["message"]


def test_a_new_webhook(api, service, root, clock):
    made = api.post(root, FORM)
    assert made.status == 201
    sid = made.data["sid"]
    assert sid.startswith("YW")
    assert made.data == {
        "sid": sid,
        "service_sid": service.sid,
        "account_sid": service.account_id,
        "friendly_name": "Hook",
        "event_types": ["factor.deleted", "*"],
        "status": "enabled",
        "version": "v2",
        "webhook_url": URL,
        "webhook_method": "POST",
        "date_created": "2026-03-01T12:00:00Z",
        "date_updated": "2026-03-01T12:00:00Z",
        "url": f"http://testserver/v2/{root}/{sid}",
    }
    assert api.get(f"{root}/{sid}").data == made.data
    page = api.get(root).data
    assert (page["webhooks"], page["meta"]["key"]) == ([made.data], "webhooks")
    assert api.delete(f"{root}/{sid}").status == 204
    refused(api.get(f"{root}/{sid}"), 404, 20404)


def test_one_event_type_in_a_form_and_several_in_json(api, root):
    one = api.post(root, {**FORM, "EventTypes": "challenge.denied"})
    assert one.data["event_types"] == ["challenge.denied"]
    body = json.dumps({**FORM, "EventTypes": ["factor.created", "factor.created", "*"]})
    many = api.post(root, body=body, content_type="application/json")
    assert many.data["event_types"] == ["factor.created", "*"]


def test_what_is_not_sent_stays(api, root, clock):
    made = api.post(root, {**FORM, "Version": "v1"}).data
    clock.shift(5)
    path = f"{root}/{made['sid']}"
    changed = api.post(path, {"Status": "disabled"}).data
    assert changed == {**made, "status": "disabled", "date_updated": "2026-03-01T12:00:05Z"}
    changed = api.post(path, {"EventTypes": "factor.verified", "FriendlyName": "New"}).data
    assert (changed["event_types"], changed["friendly_name"]) == (["factor.verified"], "New")
    assert (changed["version"], changed["status"]) == ("v1", "disabled")
    assert api.post(path, {}).status == 200


@pytest.mark.parametrize(
    "types",
    ["", "factor.updated", "FACTOR.CREATED", ["*", "x"], "*,factor.created", "verification.*"],
)
def test_event_types_that_do_not_exist(api, root, types):
    assert "EventTypes" in refused(api.post(root, {**FORM, "EventTypes": types}), 400, 60306)
    sid = api.post(root, FORM).data["sid"]
    refused(api.post(f"{root}/{sid}", {"EventTypes": types}), 400, 60306)
    assert Webhook.objects.get().event_types == FORM["EventTypes"]


def test_no_event_types(api, root):
    body = json.dumps({**FORM, "EventTypes": []})
    refused(api.post(root, body=body, content_type="application/json"), 400, 60306)


@pytest.mark.parametrize(
    ("form", "name"),
    [
        ({"EventTypes": None}, "EventTypes"),
        ({"FriendlyName": None}, "FriendlyName"),
        ({"FriendlyName": ""}, "FriendlyName"),
        ({"FriendlyName": "x" * 65}, "FriendlyName"),
        ({"WebhookUrl": None}, "WebhookUrl"),
        ({"Status": "on"}, "Status"),
        ({"Status": ""}, "Status"),
        ({"Version": "v3"}, "Version"),
        ({"Version": ["v1", "v2"]}, "Version"),
    ],
)
def test_bad_parameters(api, root, form, name):
    sent = {key: value for key, value in {**FORM, **form}.items() if value is not None}
    message = refused(api.post(root, sent), 400, 60200)
    assert message.startswith(f"Invalid parameter `{name}`: ")
    assert not Webhook.objects.exists()


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com",
        "https://example.com:8443/a/b?c=d&e=f%20",
        "https://EXAMPLE.com/",
        "https://xn--bcher-kva.example/",
        "https://93.184.215.14/",
        "https://[2606:2800:21f:cb07:6820:80da:af6b:8b2c]/",
        "https://example.com/" + "x" * 2028,
    ],
)
def test_urls(api, root, url):
    assert api.post(root, {**FORM, "WebhookUrl": url}).data["webhook_url"] == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com",
        "/hook",
        "//example.com/",
        "http://example.com/",
        "ftp://example.com/",
        "javascript:alert(1)",
        "https://",
        "https:///path",
        "https://user@example.com/",
        "https://user:pass@example.com/",
        "https://@example.com/",
        "https://example.com:99999/",
        "https://example.com:x/",
        "https://example.com/ x",
        "https://example.com/\nx",
        "https://example.com\\@evil.test/",
        "https://exa mple.com/",
        "https://bücher.example/",
        "https://-example.com/",
        "https://a..b/",
        "https://localhost/",
        "https://LOCALHOST./",
        "https://api.localhost/",
        "https://hooks/",
        "https://hooks.local/",
        "https://hooks.internal/",
        "https://127.0.0.1/",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f.0.0.1/",
        "https://0x7f000001/",
        "https://0177.0.0.1/",
        "https://127.0.0.1./",
        "https://10.0.0.8/",
        "https://172.16.0.1/",
        "https://192.168.1.1/",
        "https://169.254.169.254/latest/meta-data/",
        "https://100.64.0.1/",
        "https://0.0.0.0/",
        "https://224.0.0.1/",
        "https://255.255.255.255/",
        "https://[::1]/",
        "https://[::]/",
        "https://[fe80::1]/",
        "https://[fe80::1%25eth0]/",
        "https://[fc00::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://[64:ff9b::7f00:1]/",
        "https://[2002:7f00:1::]/",
        "https://[::1/",
        "https://example.com/" + "x" * 2029,
    ],
)
def test_urls_that_are_refused(api, root, url):
    message = refused(api.post(root, {**FORM, "WebhookUrl": url}), 400, 60200)
    assert message.startswith("Invalid parameter `WebhookUrl`: ")
    sid = api.post(root, FORM).data["sid"]
    refused(api.post(f"{root}/{sid}", {"WebhookUrl": url}), 400, 60200)
    assert Webhook.objects.get().webhook_url == URL


def test_plain_http_in_development(api, root, settings):
    settings.DEBUG = True
    form = {**FORM, "WebhookUrl": "http://example.com/"}
    assert api.post(root, form).status == 201
    refused(api.post(root, {**FORM, "WebhookUrl": "http://127.0.0.1/"}), 400, 60200)


def test_a_service_that_does_not_exist(api):
    path = "Services/VA" + "0" * 32 + "/Webhooks"
    for answer in (api.post(path, FORM), api.get(path)):
        refused(answer, 404, 20404)


def test_another_service_has_webhooks_of_its_own(api, root, account):
    from tests.conftest import make_service

    sid = api.post(root, FORM).data["sid"]
    other = f"Services/{make_service(account).sid}/Webhooks"
    assert api.get(other).data["webhooks"] == []
    refused(api.get(f"{other}/{sid}"), 404, 20404)
    refused(api.delete(f"{other}/{sid}"), 404, 20404)
    stranger = make_account("Stranger")
    refused(Api(stranger.sid, stranger.token).get(f"{root}/{sid}"), 404, 20404)


def test_pages(api, root):
    made = [api.post(root, FORM).data["sid"] for _ in range(3)]
    first = api.get(root, PageSize="2").data
    second = api.get(first["meta"]["next_page_url"].removeprefix("http://testserver/v2/")).data
    rows = first["webhooks"] + second["webhooks"]
    assert [row["sid"] for row in rows] == made[::-1]
