"""The page that verifies a number, without a browser."""

import re

import pytest
from django.db import connections

from django_verify import phones, verifications
from django_verify.models import Verification, VerifyService
from tests.conftest import OTHER_PHONE, PHONE, code_in, wrong

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def callbacks(django_capture_on_commit_callbacks, service):
    """A service, and messages that leave although the test's transaction never commits."""
    with django_capture_on_commit_callbacks(execute=True):
        yield


@pytest.fixture
def page(client, django_capture_on_commit_callbacks):
    """Do a step and return the page it leads to, as text."""

    def step(name, **values):
        with django_capture_on_commit_callbacks(execute=True):
            response = client.post("/", {"step": name, **values})
        return (client.get("/") if response.status_code == 302 else response).text

    return step


def alerts(html):
    """The texts that a screen reader announces at once."""
    found = re.findall(r'<(\w+)[^>]*role="alert"[^>]*>(.*?)</\1>', html, re.DOTALL)
    return [" ".join(re.sub(r"<[^>]+>", " ", text).split()) for _, text in found]


def test_asks_for_the_number(client):
    response = client.get("/")
    assert response.status_code == 200
    assert 'type="tel"' in response.text
    assert 'aria-describedby="id_phone_helptext"' in response.text
    assert 'id="id_phone_helptext"' in response.text
    assert re.findall(r'type="radio" name="channel" value="(\w+)"', response.text) == [
        "sms",
        "call",
        "whatsapp",
    ]
    assert "no-cache" in response.headers["Cache-Control"]
    assert "<script" not in response.text
    assert not re.search(r'(src|href)="(https?:)?//', response.text)


def test_from_number_to_approval(page, client, outbox):
    html = page("start", phone="+1 415 555 2671", channel="sms")
    assert 'autocomplete="one-time-code"' in html
    assert phones.mask(PHONE).replace("*", "•") in html
    assert PHONE not in html
    code = code_in(outbox[0])

    html = page("check", code=wrong(code))
    assert alerts(html) == ["That is not the code we sent. You have 4 more tries."]
    assert "<title>Error:" in html
    assert 'aria-invalid="true"' in html

    html = page("check", code=f" {code[:3]}-{code[3:]} ")
    assert "Your number is verified" in html
    assert PHONE not in html
    assert Verification.objects.get().status == "approved"
    assert "Your number is verified" in client.get("/").text
    assert 'type="tel"' in page("restart")


@pytest.mark.parametrize("phone", ["", "4155552671", "+1415", "+1415555267a", "<script>"])
def test_refuses_what_is_no_number(page, outbox, phone):
    html = page("start", phone=phone, channel="sms")
    (alert,) = alerts(html)
    assert alert.startswith("Enter ")
    assert "<script" not in html
    assert not outbox


def test_offers_the_channels_of_the_service(page, client, service, outbox):
    service.channels = ["call", "email"]
    service.save()
    assert re.findall(r'value="(\w+)" [^>]*checked', client.get("/").text) == ["call"]
    assert alerts(page("start", phone=PHONE, channel="sms")) == ["Choose one of these."]
    assert "We are calling" in page("start", phone=PHONE, channel="call")
    assert outbox[0].channel == "call"


def test_no_channel_at_all(page, client, service):
    service.channels = ["email"]
    service.save()
    assert client.get("/").status_code == 200
    assert alerts(page("start", phone=PHONE, channel="sms")) == ["Choose one of these."]


def test_channel_without_sender(page, settings):
    settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "ROUTES": {}}
    assert "not available" in alerts(page("start", phone=PHONE, channel="whatsapp"))[0]


def test_sends_again(page, outbox):
    page("start", phone=PHONE, channel="sms")
    html = page("resend")
    assert 'role="status">We sent the code again.' in html
    assert {code_in(message) for message in outbox} == {code_in(outbox[0])}
    for _ in range(3):
        page("resend")
    assert len(outbox) == 5
    html = page("resend")
    assert "No more codes can be sent" in alerts(html)[0]
    assert len(outbox) == 5
    assert "Your number is verified" in page("check", code=code_in(outbox[0]))


def test_another_number(page, outbox):
    page("start", phone=PHONE, channel="sms")
    assert 'type="tel"' in page("restart")
    page("start", phone=OTHER_PHONE, channel="sms")
    assert "Your number is verified" in page("check", code=code_in(outbox[1]))


def test_what_cannot_be_a_code_costs_no_guess(page):
    page("start", phone=PHONE, channel="sms")
    for code in ("", "12", "12345678901", "１２３４５６", "12 34é"):
        assert alerts(page("check", code=code))[0].startswith("Enter the code")
    assert Verification.objects.get().checks == 0


def test_five_wrong_codes(page, outbox):
    page("start", phone=PHONE, channel="sms")
    code = code_in(outbox[0])
    for number, left in enumerate(("4 more tries", "3 more tries", "2 more tries", "1 more try")):
        assert left in alerts(page("check", code=wrong(code, number + 1)))[0]
    html = page("check", code=wrong(code, 5))
    assert "Too many wrong codes" in alerts(html)[0]
    assert 'type="tel"' in html
    assert "No more codes" in alerts(page("start", phone=PHONE, channel="sms"))[0]


def test_expired(page, client, clock, outbox):
    page("start", phone=PHONE, channel="sms")
    clock.shift(601)
    html = client.get("/").text
    assert "no longer valid" in alerts(html)[0]
    assert 'type="tel"' in html
    assert not alerts(client.get("/").text)


@pytest.mark.parametrize("step", ["check", "resend"])
def test_canceled_meanwhile(page, service, outbox, step):
    page("start", phone=PHONE, channel="sms")
    verifications.cancel(service, PHONE)
    assert "no longer valid" in alerts(page(step, code=code_in(outbox[0])))[0]
    assert len(outbox) == 1


def test_used_up_between_the_look_and_the_check(page, monkeypatch, outbox):
    page("start", phone=PHONE, channel="sms")

    def refuse(*args, **kwargs):
        from django_verify.exceptions import MaxChecksReached

        raise MaxChecksReached

    monkeypatch.setattr(verifications, "check", refuse)
    assert "Too many wrong codes" in alerts(page("check", code=code_in(outbox[0])))[0]


@pytest.mark.parametrize("step", ["check", "resend", "restart", "", "dance"])
def test_steps_out_of_turn(page, outbox, step):
    html = page(step, code="123456")
    assert 'type="tel"' in html
    assert not alerts(html)
    assert not outbox


def test_before_there_is_a_service(client, service):
    account = service.account
    service.delete()
    assert client.get("/").status_code == 200
    made = VerifyService.objects.get()
    assert (made.account, made.friendly_name) == (account, "Example")
    account.delete()
    response = client.get("/")
    assert response.status_code == 503
    assert "createverifyaccount" in response.text


def test_other_methods_and_forgeries(client):
    from django.test import Client

    assert client.put("/").status_code == 405
    assert client.head("/").status_code == 200
    strict = Client(enforce_csrf_checks=True)
    assert strict.post("/", {"step": "start"}).status_code == 403


@pytest.mark.django_db(transaction=True)
def test_a_guess_stays_charged_under_atomic_requests(page, outbox, monkeypatch):
    monkeypatch.setitem(connections["default"].settings_dict, "ATOMIC_REQUESTS", True)
    page("start", phone=PHONE, channel="sms")
    page("check", code=wrong(code_in(outbox[0])))
    assert Verification.objects.get().checks == 1
