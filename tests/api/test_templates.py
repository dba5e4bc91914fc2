"""Templates and messaging configurations through the official SDK over a live server."""

import json

import pytest
from twilio.base.exceptions import TwilioException
from twilio.rest import Client

from django_verify.models import Account, MessagingConfiguration, Template
from tests.api.test_sdk import client, credentials, refusal, service  # noqa: F401 - fixtures
from tests.conftest import PHONE, make_account, make_service
from tests.messages.test_templates import make_template

pytestmark = pytest.mark.django_db(transaction=True)

TEMPLATE_KEYS = {"sid", "account_sid", "friendly_name", "channels", "translations"}
TRANSLATION_KEYS = {
    "is_default_translation", "status", "locale", "text", "date_updated", "date_created",
}  # fmt: skip
CONFIGURATION_KEYS = {
    "account_sid", "service_sid", "country", "messaging_service_sid", "date_created",
    "date_updated", "url",
}  # fmt: skip
MG, OTHER_MG = "MG" + "a" * 32, "MG" + "b" * 32


@pytest.fixture
def ours(credentials):  # noqa: F811
    return Account.objects.get(sid=credentials[0])


def test_the_list_of_templates(client, ours):  # noqa: F811
    mine, everyones = make_template(ours), make_template()
    make_template(make_account())
    Template.objects.filter(sid=everyones.sid).update(friendly_name="Everyone's")
    listed = client.verify.v2.templates.list()
    assert {row.sid for row in listed} == {mine.sid, everyones.sid}
    (shown,) = (t for t in client.recorder.last["templates"] if t["sid"] == mine.sid)
    assert set(shown) == TEMPLATE_KEYS
    assert {row.account_sid for row in listed} == {ours.sid}
    assert shown["channels"] == ["sms", "voice"]
    assert set(shown["translations"]) == {"en", "de", "bg"}
    english = shown["translations"]["en"]
    assert set(english) == TRANSLATION_KEYS
    assert (english["is_default_translation"], english["status"]) == (True, "approved")
    assert english["date_created"].endswith("Z")
    assert "." in english["date_created"]
    (named,) = client.verify.v2.templates.list(friendly_name="Everyone's")
    assert named.sid == everyones.sid
    assert "FriendlyName=Everyone%27s" in client.recorder.last["meta"]["url"]
    assert client.recorder.last["meta"]["key"] == "templates"
    assert client.verify.v2.templates.list(friendly_name="everyone") == []
    assert len(client.verify.v2.templates.list(page_size=1)) == 2


def test_a_start_with_a_template(client, service, ours, outbox):  # noqa: F811
    template = make_template(ours)
    starts = client.verify.v2.services(service.sid).verifications
    values = json.dumps({"name": "Ann"})
    starts.create(PHONE, "sms", template_sid=template.sid, template_custom_substitutions=values)
    assert outbox[0].body.startswith("Hi Ann, ")
    for options, number in (
        ({}, 60224),
        ({"template_custom_substitutions": "no json"}, 60224),
        ({"template_custom_substitutions": "[]"}, 60224),
        ({"template_custom_substitutions": '{"x": "y"}'}, 60224),
        ({"template_custom_substitutions": '{"code": "1"}'}, 60200),
        ({"template_custom_substitutions": '{"name": "a.com"}'}, 60200),
    ):
        call = {"to": PHONE, "channel": "sms", "template_sid": template.sid, **options}
        assert refusal(starts.create, **call) == (400, number)
    other = {"to": PHONE, "template_sid": template.sid}
    assert refusal(starts.create, channel="whatsapp", **other) == (400, 60408)
    unknown = {"to": PHONE, "channel": "sms", "template_sid": "HJ" + "9" * 32}
    assert refusal(starts.create, **unknown) == (400, 60228)


def test_the_default_template_must_exist(client, service, ours):  # noqa: F811
    scope = client.verify.v2.services(service.sid)
    for sid in ("HJ" + "9" * 32, make_template(make_account()).sid):
        assert refusal(scope.update, default_template_sid=sid) == (400, 60228)
    sid = make_template().sid
    assert scope.update(default_template_sid=sid).default_template_sid == sid


@pytest.mark.parametrize("name", ["PayPal", "Pay-Pa1"])
def test_restricted_words(client, service, settings, name):  # noqa: F811
    settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "RESTRICTED_WORDS": ["PayPal"]}
    services = client.verify.v2.services
    assert refusal(services.create, friendly_name=name) == (400, 60248)
    starts = services(service.sid).verifications
    call = {"to": PHONE, "channel": "sms", "custom_friendly_name": name}
    assert refusal(starts.create, **call) == (400, 60248)


def test_a_name_is_composed_on_the_wire(client):  # noqa: F811
    assert client.verify.v2.services.create(friendly_name="Cafe\u0301").friendly_name == "Café"


def test_messaging_configurations(client, service, ours, live_server):  # noqa: F811
    scope = client.verify.v2.services(service.sid).messaging_configurations
    made = scope.create(country="ca", messaging_service_sid=MG)
    assert client.recorder.answers[-1].status_code == 201
    assert set(client.recorder.last) == CONFIGURATION_KEYS
    assert (made.country, made.messaging_service_sid) == ("CA", MG)
    assert (made.account_sid, made.service_sid) == (ours.sid, service.sid)
    root = f"{live_server.url}/v2/Services/{service.sid}/MessagingConfigurations"
    assert made.url == f"{root}/CA"
    assert made.date_created.tzinfo is not None
    assert scope("cA").fetch().messaging_service_sid == MG
    assert scope.create(country="ALL", messaging_service_sid=MG).country == "all"
    assert scope("All").update(messaging_service_sid=OTHER_MG).messaging_service_sid == OTHER_MG
    assert set(client.recorder.last) == CONFIGURATION_KEYS
    assert [row.country for row in scope.list()] == ["all", "CA"]
    assert [row.country for row in scope.list(page_size=1)] == ["all", "CA"]
    assert client.recorder.last["meta"]["key"] == "messaging_configurations"
    assert refusal(scope.create, country="CA", messaging_service_sid=MG) == (400, 60213)
    assert scope("ca").delete() is True
    assert refusal(scope("CA").fetch) == (404, 20404)
    assert refusal(scope("CA").delete) == (404, 20404)


@pytest.mark.parametrize(
    ("country", "sid"),
    [("XX", MG), ("", MG), ("CAN", MG), ("C\n", MG), ("CA", "MG1"), ("CA", "VA" + "a" * 32)],
)
def test_malformed_configurations(client, service, country, sid):  # noqa: F811
    scope = client.verify.v2.services(service.sid).messaging_configurations
    call = {"country": country, "messaging_service_sid": sid}
    assert refusal(scope.create, **call) == (400, 60200)
    name = "MessagingServiceSid" if country == "CA" else "Country"
    assert f"`{name}`" in client.recorder.last["message"]
    assert not MessagingConfiguration.objects.exists()


def test_an_update_needs_its_parameter(api, account):
    path = f"Services/{make_service(account).sid}/MessagingConfigurations"
    assert api.post(path, {"Country": "CA", "MessagingServiceSid": MG}).status == 201
    answer = api.post(f"{path}/CA", {})
    assert (answer.status, answer.data["code"]) == (400, 60200)


def test_another_accounts_configurations_are_absent(client, service, live_server):  # noqa: F811
    mine = client.verify.v2.services(service.sid).messaging_configurations
    mine.create(country="CA", messaging_service_sid=MG)
    stranger = make_account("Stranger")
    other = Client(stranger.sid, stranger.token)
    other.verify.base_url = live_server.url
    scope = other.verify.v2.services(service.sid).messaging_configurations
    for call, kwargs in (
        (scope("CA").fetch, {}),
        (scope("CA").update, {"messaging_service_sid": OTHER_MG}),
        (scope("CA").delete, {}),
        (scope.create, {"country": "US", "messaging_service_sid": MG}),
    ):
        assert refusal(call, **kwargs) == (404, 20404)
    with pytest.raises(TwilioException, match="20404"):
        scope.list()
    assert mine("CA").fetch().messaging_service_sid == MG
