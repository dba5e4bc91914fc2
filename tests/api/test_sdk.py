"""The official Python SDK over a live server, with only the base URL changed."""

import pytest
from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client

from tests.conftest import OTHER_PHONE, PHONE, code_in, make_account, make_key, wrong

pytestmark = pytest.mark.django_db(transaction=True)

SERVICE_KEYS = {
    "sid", "account_sid", "friendly_name", "code_length", "lookup_enabled", "psd2_enabled",
    "skip_sms_to_landlines", "dtmf_input_required", "tts_name", "do_not_share_warning_enabled",
    "custom_code_enabled", "push", "totp", "whatsapp", "passkeys", "default_template_sid",
    "verify_event_subscription_enabled", "date_created", "date_updated", "url", "links",
}  # fmt: skip
VERIFICATION_KEYS = {
    "sid", "service_sid", "account_sid", "to", "channel", "status", "valid", "date_created",
    "date_updated", "lookup", "amount", "payee", "send_code_attempts", "sna", "url",
}  # fmt: skip
CHECK_KEYS = {
    "sid", "service_sid", "account_sid", "to", "channel", "status", "valid", "amount", "payee",
    "sna_attempts_error_codes", "date_created", "date_updated",
}  # fmt: skip


class Recorder:
    """An HTTP client of the SDK's that keeps each answer's JSON."""

    def __init__(self, client):
        self.answers = []
        inner = client.http_client.request

        def request(*args, **kwargs):
            response = inner(*args, **kwargs)
            self.answers.append(response)
            return response

        client.http_client.request = request

    @property
    def last(self):
        import json

        return json.loads(self.answers[-1].text)


@pytest.fixture
def credentials():
    account = make_account()
    return account.sid, account.token


@pytest.fixture
def client(credentials, live_server):
    client = Client(*credentials)
    client.verify.base_url = live_server.url
    client.recorder = Recorder(client)
    return client


@pytest.fixture
def service(client):
    return client.verify.v2.services.create(friendly_name="Acme")


def refusal(call, *args, **kwargs):
    with pytest.raises(TwilioRestException) as caught:
        call(*args, **kwargs)
    return caught.value.status, caught.value.code


def test_services(client, live_server):
    services = client.verify.v2.services
    made = services.create(friendly_name="Acme", code_length=4, push_include_date=True)
    assert set(client.recorder.last) == SERVICE_KEYS
    assert set(client.recorder.last["links"]) == {
        "verification_checks", "verifications", "rate_limits", "messaging_configurations",
        "entities", "webhooks", "access_tokens",
    }  # fmt: skip
    assert made.url == f"{live_server.url}/v2/Services/{made.sid}"
    assert (made.code_length, made.push["include_date"]) == (4, True)
    assert made.date_created.tzinfo is not None
    assert services(made.sid).update(friendly_name="Acme Two").friendly_name == "Acme Two"
    fetched = services(made.sid).fetch()
    assert (fetched.friendly_name, fetched.code_length) == ("Acme Two", 4)
    assert services(made.sid).delete() is True
    assert refusal(services(made.sid).fetch) == (404, 20404)


def test_service_pages(client):
    services = client.verify.v2.services
    made = [services.create(friendly_name=f"Shop {n}").sid for n in range(7)]
    before = len(client.recorder.answers)
    listed = [service.sid for service in services.list(page_size=3)]
    assert listed == made[::-1]
    assert len(client.recorder.answers) - before == 3
    first = services.page(page_size=3)
    second = first.next_page()
    third = second.next_page()
    assert [s.sid for s in third] == made[:1]
    assert third.next_page() is None
    assert [s.sid for s in third.previous_page()] == made[1:4][::-1]
    back = third.previous_page().previous_page()
    assert [s.sid for s in back] == made[4:][::-1]
    assert back.previous_page() is None


def test_the_whole_workflow(client, service, outbox, live_server):
    scope = client.verify.v2.services(service.sid)
    started = scope.verifications.create(to=PHONE, channel="sms")
    assert set(client.recorder.last) == VERIFICATION_KEYS
    assert client.recorder.answers[-1].status_code == 201
    assert (started.status, started.valid, started.channel) == ("pending", False, "sms")
    assert started.url == f"{live_server.url}/v2/Services/{service.sid}/Verifications/{started.sid}"

    again = scope.verifications.create(to=PHONE, channel="sms")
    spoken = scope.verifications.create(to=PHONE, channel="call")
    assert {started.sid} == {again.sid, spoken.sid}
    assert spoken.channel == "call"
    assert [a["channel"] for a in spoken.send_code_attempts] == ["sms", "sms", "call"]
    assert len({a["attempt_sid"] for a in spoken.send_code_attempts}) == 3
    (code,) = {code_in(message) for message in outbox}

    missed = scope.verification_checks.create(to=PHONE, code=wrong(code))
    assert set(client.recorder.last) == CHECK_KEYS
    assert client.recorder.answers[-1].status_code == 200
    assert (missed.status, missed.valid) == ("pending", False)
    hit = scope.verification_checks.create(to=PHONE, code=code)
    assert (hit.status, hit.valid, hit.sid) == ("approved", True, started.sid)
    assert refusal(scope.verification_checks.create, to=PHONE, code=code) == (404, 20404)
    assert refusal(scope.verifications(started.sid).fetch) == (404, 20404)


def test_five_wrong_codes(client, service, outbox):
    scope = client.verify.v2.services(service.sid)
    scope.verifications.create(to=PHONE, channel="sms")
    code = code_in(outbox[0])
    for number in range(1, 6):
        answer = scope.verification_checks.create(to=PHONE, code=wrong(code, number))
        assert answer.status == "pending"
    assert refusal(scope.verification_checks.create, to=PHONE, code=code) == (429, 60202)
    assert scope.verifications(PHONE).fetch().status == "max_attempts_reached"
    assert refusal(scope.verifications.create, to=PHONE, channel="sms") == (429, 60203)


def test_six_starts(client, service, outbox):
    scope = client.verify.v2.services(service.sid)
    for _ in range(5):
        scope.verifications.create(to=PHONE, channel="sms")
    assert refusal(scope.verifications.create, to=PHONE, channel="sms") == (429, 60203)
    assert len(outbox) == 5


def test_fetch_cancel_approve(client, service):
    scope = client.verify.v2.services(service.sid)
    started = scope.verifications.create(to=PHONE, channel="sms")
    assert scope.verifications(started.sid).fetch().to == PHONE
    assert set(client.recorder.last) == VERIFICATION_KEYS
    assert scope.verifications(PHONE).fetch().sid == started.sid
    assert scope.verifications(started.sid).update(status="canceled").status == "canceled"
    assert set(client.recorder.last) == VERIFICATION_KEYS
    assert scope.verifications(started.sid).fetch().status == "canceled"
    other = scope.verifications.create(to=PHONE, channel="sms")
    assert other.sid != started.sid
    approved = scope.verifications(PHONE).update(status="approved")
    assert (approved.sid, approved.status, approved.valid) == (other.sid, "approved", True)
    assert refusal(scope.verifications(other.sid).update, status="canceled") == (404, 20404)


def test_email(client, service, outbox):
    scope = client.verify.v2.services(service.sid)
    started = scope.verifications.create(to="jo@example.com", channel="email", locale="de")
    assert scope.verifications("jo@example.com").fetch().sid == started.sid
    answer = scope.verification_checks.create(to="jo@example.com", code=code_in(outbox[0]))
    assert answer.status == "approved"


def test_api_key(credentials, service, live_server):
    from django_verify.models import Account

    key = make_key(Account.objects.get(sid=credentials[0]))
    client = Client(key.sid, key.secret)
    client.verify.base_url = live_server.url
    assert client.verify.v2.services(service.sid).fetch().friendly_name == "Acme"
    key.is_active = False
    key.save()
    assert refusal(client.verify.v2.services(service.sid).fetch) == (401, 20003)


def test_another_account_finds_nothing(client, service, live_server):
    stranger = make_account("Stranger")
    other = Client(stranger.sid, stranger.token)
    other.verify.base_url = live_server.url
    scope = other.verify.v2.services(service.sid)
    mine = client.verify.v2.services(service.sid).verifications.create(to=PHONE, channel="sms")
    assert other.verify.v2.services.list() == []
    for call, kwargs in (
        (scope.fetch, {}),
        (scope.update, {"friendly_name": "Mine"}),
        (scope.delete, {}),
        (scope.verifications.create, {"to": OTHER_PHONE, "channel": "sms"}),
        (scope.verifications(mine.sid).fetch, {}),
        (scope.verifications(PHONE).fetch, {}),
        (scope.verifications(mine.sid).update, {"status": "approved"}),
        (scope.verification_checks.create, {"to": PHONE, "code": "123456"}),
        (scope.verification_checks.create, {"verification_sid": mine.sid, "code": "123456"}),
    ):
        assert refusal(call, **kwargs) == (404, 20404)
    assert (
        client.verify.v2.services(service.sid).verifications(mine.sid).fetch().status == "pending"
    )
