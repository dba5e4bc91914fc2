"""RCS: `rbm` on the wire, `rcs` in rows, and only where a sender serves it."""

import json

import pytest

from django_verify import exceptions, verifications
from django_verify.models import VerificationAttempt, VerifyService
from django_verify.senders.locmem import LocmemSender
from django_verify.verifications import offers
from tests.conftest import PHONE

pytestmark = pytest.mark.django_db(transaction=True)


class RcsSender(LocmemSender):
    """A sender of RCS in memory."""

    channels = frozenset({"rcs"})


@pytest.fixture
def rcs(settings):
    own = {"rcs": {"BACKEND": f"{__name__}.RcsSender"}}
    settings.DJANGO_VERIFY = settings.DJANGO_VERIFY | {
        "SENDERS": settings.DJANGO_VERIFY["SENDERS"] | own
    }


@pytest.mark.parametrize("name", ["rbm", "rcs"])
def test_a_start_by_rbm_is_one_by_rcs(api, service, outbox, rcs, name):
    path = f"Services/{service.sid}/Verifications"
    answer = api.post(path, {"To": PHONE, "Channel": name})
    assert (answer.status, answer.data["channel"]) == (201, "rcs"), answer.data
    (message,) = outbox
    assert (message.channel, message.to) == ("rcs", PHONE)
    attempt = VerificationAttempt.objects.get()
    assert (attempt.channel, attempt.sender, attempt.message_status) == ("rcs", "rcs", "sent")
    (listed,) = api.get("Attempts", Channel="rbm").data["attempts"]
    assert (listed["sid"], listed["channel"]) == (attempt.sid, "rbm")
    assert api.get("Attempts", Channel="sms").data["attempts"] == []
    checked = api.post(
        f"Services/{service.sid}/VerificationCheck", {"To": PHONE, "Code": message.code}
    )
    assert (checked.data["status"], checked.data["channel"]) == ("approved", "rcs")


@pytest.mark.parametrize("name", ["rbm", "rcs"])
def test_without_a_sender_there_is_no_such_channel(api, service, outbox, name):
    path = f"Services/{service.sid}/Verifications"
    answer = api.post(path, {"To": PHONE, "Channel": name})
    assert (answer.status, answer.data["code"]) == (400, 60200)
    with pytest.raises(exceptions.InvalidParameter):
        verifications.start(service, PHONE, name)
    assert not outbox
    assert "rcs" not in offers.channels_on_offer(service)


def test_clients_may_choose_it_where_a_sender_serves_it(service, rcs):
    assert "rcs" in offers.channels_on_offer(service, PHONE)
    assert "rcs" not in offers.channels_on_offer(service, "jo@example.com")


def test_a_service_may_leave_it_out(api, service, rcs):
    VerifyService.objects.update(channels=["sms"])
    answer = api.post(f"Services/{service.sid}/Verifications", {"To": PHONE, "Channel": "rbm"})
    assert (answer.status, answer.data["code"]) == (403, 60223)


@pytest.mark.parametrize("name", ["rbm", "rcs"])
def test_sms_stands_behind_it(api, service, outbox, rcs, name):
    wished = json.dumps({name: {"enabled": True}, "sms": {"enabled": True}})
    form = {"To": PHONE, "Channel": "auto", "ChannelConfiguration": wished}
    assert api.post(f"Services/{service.sid}/Verifications", form).status == 201
    attempt = VerificationAttempt.objects.get()
    assert (attempt.channel, attempt.fallback_channel) == ("rcs", "sms")
