"""Telegram: the channel alone and behind SMS, what it cannot carry, and how it asks for a report."""

import pytest

from django_verify import exceptions, verifications
from django_verify.models import VerificationAttempt
from django_verify.senders import TemporarySendError, locmem
from django_verify.senders.base import UNSUITED
from django_verify.senders.telegram import TelegramSender
from tests.conftest import PHONE, make_service
from tests.senders.apis import TELEGRAM_TOKEN
from tests.senders.test_providers import ATTEMPT, CALLBACK, CODE, message

LOCMEM = {"BACKEND": "django_verify.senders.locmem.LocmemSender"}
TELEGRAM = {
    "BACKEND": "django_verify.senders.telegram.TelegramSender",
    "OPTIONS": {"access_token": TELEGRAM_TOKEN},
}
BOTH = {"sms": {"enabled": True}, "telegram": {"enabled": True}}


@pytest.fixture
def routes(settings):
    """Telegram by its fake, SMS into memory; each channel has its own sender."""
    settings.DJANGO_VERIFY = {
        "SENDERS": {"telegram": TELEGRAM, "memory": LOCMEM},
        "ROUTES": {"telegram": ["telegram"], "sms": ["memory"]},
    }
    locmem.outbox.clear()
    yield
    locmem.outbox.clear()


def test_it_asks_for_our_code(sender_of, network):
    sender_of("telegram").send(message("telegram"))
    (asked,) = network.asked
    assert asked.json == {
        "phone_number": PHONE,
        "code": CODE,
        "payload": ATTEMPT,
        "sender_username": "acme",
        "callback_url": CALLBACK,
        "ttl": 60,
    }


@pytest.mark.parametrize("code", ["123", "123456789", "1234567890", "A1B2C3", "١٢٣٤", "", "1234\n"])
def test_a_code_that_telegram_cannot_carry_is_anothers(code, sender_of, network):
    with pytest.raises(TemporarySendError) as caught:
        sender_of("telegram").send(message("telegram", code=code))
    assert caught.value.fault == UNSUITED
    assert network.asked == []


@pytest.mark.parametrize("ttl", [29, 3601, -1])
def test_an_impossible_time(ttl):
    with pytest.raises(ValueError, match="ttl"):
        TelegramSender("it", access_token="t", ttl=ttl)


def test_a_url_that_is_too_long_is_left_out(sender_of, network):
    long = f"https://verify.example.org/{'x' * 240}"
    receipt = sender_of("telegram").send(message("telegram", callback_url=long))
    assert "callback_url" not in network.asked[0].json
    assert receipt.report_asked is False


pytestmark = pytest.mark.django_db(transaction=True)


def test_alone(routes, network, service):
    verifications.start(service, PHONE, "telegram")
    attempt = VerificationAttempt.objects.get()
    assert (attempt.channel, attempt.via_channel, attempt.sender) == ("telegram",) * 2 + (
        "telegram",
    )
    code = network.asked[0].json["code"]
    assert verifications.check(service, to=PHONE, code=code).valid


@pytest.mark.parametrize("refusal", ["PHONE_NUMBER_NOT_FOUND", "BALANCE_NOT_ENOUGH"])
def test_sms_stands_behind_it(refusal, routes, network, service):
    network.say(200, {"ok": False, "error": refusal})
    verifications.start(service, PHONE, "telegram", channel_configuration=BOTH)
    attempt = VerificationAttempt.objects.get()
    assert (attempt.channel, attempt.via_channel, attempt.sender) == ("telegram", "sms", "memory")
    assert network.asked[0].json["code"] in locmem.outbox[0].body


def test_it_stands_behind_sms(routes, network, service, settings):
    settings.DJANGO_VERIFY = settings.DJANGO_VERIFY | {
        "ROUTES": {"telegram": ["telegram"], "sms": ["gone"]},
        "SENDERS": {
            "telegram": TELEGRAM,
            "gone": {"BACKEND": "tests.senders.test_telegram.Gone"},
        },
    }
    verifications.start(service, PHONE, "sms", channel_configuration=BOTH)
    attempt = VerificationAttempt.objects.get()
    assert (attempt.channel, attempt.via_channel) == ("sms", "telegram")
    assert len(network.asked) == 1


class Gone(locmem.LocmemSender):
    """An SMS sender that is out of reach."""

    def send(self, message):
        raise TemporarySendError("out of reach")


def test_it_stands_behind_nothing_that_did_not_ask(routes, network, service):
    network.say(200, {"ok": False, "error": "PHONE_NUMBER_NOT_FOUND"})
    verifications.start(service, PHONE, "telegram")
    attempt = VerificationAttempt.objects.get()
    assert (attempt.message_status, attempt.fallback_channel) == ("failed", "")
    assert locmem.outbox == []


def test_it_names_no_payment(routes, account):
    service = make_service(account, psd2_enabled=True)
    with pytest.raises(exceptions.ChannelWithoutPsd2):
        verifications.start(service, PHONE, "telegram", amount="€10", payee="Acme")
    verifications.start(
        service, PHONE, "sms", amount="€10", payee="Acme", channel_configuration=BOTH
    )
    assert VerificationAttempt.objects.get().fallback_channel == ""


def test_a_service_without_the_channel_refuses_it(routes, account):
    service = make_service(account, channels=["sms"])
    with pytest.raises(exceptions.ChannelDisabled):
        verifications.start(service, PHONE, "telegram")


def test_the_message_for_other_senders_has_the_code(settings, service):
    settings.DJANGO_VERIFY = {"SENDERS": {"memory": LOCMEM}, "ROUTES": {"telegram": ["memory"]}}
    locmem.outbox.clear()
    verifications.start(service, PHONE, "telegram")
    (sent,) = locmem.outbox
    assert sent.channel == "telegram"
    assert sent.code in sent.body
