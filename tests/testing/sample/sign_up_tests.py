"""The sample site's own tests: what a developer writes. Run by `tests.testing.test_sample`."""

import pytest
from django.contrib.auth.models import User
from django.test import LiveServerTestCase, TestCase

from django_verify.testing import VerifyTestCase

PHONE = "+14155552671"


def test_sign_up(client, verify_service, verify_code):
    assert client.post("/sign-up/", {"phone": "+1 415-555-2671"}).content == b"sent"
    answer = client.post("/sign-up/code/", {"code": verify_code("+1 415-555-2671")})
    assert answer.content == b"welcome"
    assert User.objects.get().username == PHONE


@pytest.mark.parametrize("number", range(4))
def test_a_wrong_code(number, client, verify_service, verify_code):
    client.post("/sign-up/", {"phone": PHONE})
    wrong = f"{(int(verify_code(PHONE)) + 1 + number) % 1_000_000:06d}"
    assert client.post("/sign-up/code/", {"code": wrong}).content == b"wrong"
    assert not User.objects.exists()


def test_a_late_code(client, verify_service, verify_code, verify_clock):
    client.post("/sign-up/", {"phone": PHONE})
    verify_clock.shift(minutes=11)
    assert client.post("/sign-up/code/", {"code": verify_code(PHONE)}).status_code == 400


@pytest.mark.verify_service(client_purposes="sign-up")
def test_an_app(client, verify_service, verify_code):
    form = {"to": PHONE, "purpose": "sign-up"}
    made = client.post("/mobile/verifications", form, "application/json").json()
    check = {"code": verify_code(PHONE), "client_secret": made["client_secret"]}
    checked = client.post(
        f"/mobile/verifications/{made['id']}/check", check, "application/json"
    ).json()
    answer = client.post("/app/sign-up/", {"proof": checked["proof"]}, "application/json")
    assert answer.json() == {"phone": PHONE}


def test_the_vendors_client(verify_service, twilio_client, verify_code):
    scope = twilio_client.verify.v2.services(verify_service.sid)
    scope.verifications.create(to=PHONE, channel="sms")
    assert scope.verification_checks.create(to=PHONE, code=verify_code(PHONE)).valid


class SignUpTests(VerifyTestCase, TestCase):
    verify_service_fields = {"friendly_name": "Shop"}

    def setUp(self):
        super().setUp()
        self.service = self.verify_service

    def test_sign_up(self):
        self.client.post("/sign-up/", {"phone": PHONE})
        answer = self.client.post("/sign-up/code/", {"code": self.verify_code(PHONE)})
        assert answer.content == b"welcome"
        assert "Shop" in self.verify_outbox[0].body

    def test_a_provider_that_fails(self):
        self.verify_failures.refuse(PHONE)
        self.client.post("/sign-up/", {"phone": PHONE})
        assert self.verify_outbox == []

    def test_a_message_that_does_not_arrive(self):
        self.client.post("/sign-up/", {"phone": PHONE})
        assert self.verify_reports.undelivered(PHONE)

    def test_time(self):
        self.client.post("/sign-up/", {"phone": PHONE})
        self.verify_clock.shift(minutes=11)
        answer = self.client.post("/sign-up/code/", {"code": self.verify_code(PHONE)})
        assert answer.status_code == 400

    def test_settings(self):
        self.verify_settings(RECIPIENT_STARTS_PER_DAY=1)
        assert self.client.post("/sign-up/", {"phone": "nobody"}).status_code == 400

    def test_the_client_needs_a_server(self):
        with pytest.raises(TypeError):
            self.twilio_client  # noqa: B018 - raises


class ClientTests(VerifyTestCase, LiveServerTestCase):
    def test_the_vendors_client(self):
        scope = self.twilio_client.verify.v2.services(self.verify_service.sid)
        scope.verifications.create(to=PHONE, channel="sms")
        assert scope.verification_checks.create(to=PHONE, code=self.verify_code(PHONE)).valid
