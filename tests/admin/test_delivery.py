"""The queue and the breakers as an operator sees them, and what leave each action takes."""

import datetime as dt

import pytest
from django.contrib.admin.models import LogEntry
from django.utils import timezone

from django_verify import delivery, verifications
from django_verify.models import SenderState, VerificationAttempt
from tests.admin.conftest import received
from tests.conftest import PHONE

pytestmark = pytest.mark.django_db(transaction=True)

ATTEMPTS = "/admin/django_verify/verificationattempt/"
STATES = "/admin/django_verify/senderstate/"


@pytest.fixture
def dead(service):
    verifications.start(service, PHONE)
    earlier = {"sender": "old", "channel": "sms", "provider_sid": "", "status": "unknown"}
    VerificationAttempt.objects.update(
        message_status="failed", error_message="gone", messages=1, trail=[earlier]
    )
    return VerificationAttempt.objects.get()


def test_a_dead_letter_is_seen_and_queued_again_with_leave(clerk, dead, outbox):
    outbox.clear()
    data = {"action": "requeue_selected", "_selected_action": [dead.sid]}
    viewer = clerk("view_verificationattempt")
    text = viewer.get(ATTEMPTS, {"message_status": "failed"}).content.decode()
    assert dead.sid in text
    assert "sms, old: unknown" in viewer.get(f"{ATTEMPTS}{dead.sid}/change/").content.decode()
    assert "requeue_selected" not in text
    for confirmed in ({}, {"confirmed": "yes"}):
        assert viewer.post(ATTEMPTS, data | confirmed).status_code == 403
    assert VerificationAttempt.objects.get().message_status == "failed"
    client = clerk("view_verificationattempt", "requeue_attempt")
    question = client.post(ATTEMPTS, data).content.decode()
    assert "Send these messages again?" in question
    assert "will be sent again" in question
    assert PHONE[1:] not in question
    assert VerificationAttempt.objects.get().message_status == "failed"
    data["confirmed"] = "yes"
    assert received(client.post(ATTEMPTS, data, follow=True)) == ["1 message was queued."]
    assert "Queued again" in LogEntry.objects.get().change_message
    said = "0 were queued. 1 cannot be sent again. It is on its way already."
    assert received(client.post(ATTEMPTS, data, follow=True)) == [said]
    del data["confirmed"]
    assert "It is on its way already." in client.post(ATTEMPTS, data).content.decode()
    assert delivery.deliver_due() == 1
    assert len(outbox) == 1


@pytest.mark.parametrize(
    ("until", "word"), [(None, "in use"), (-5, "to be probed"), (20, "circuit open")]
)
def test_the_state_of_a_breaker(clerk, until, word):
    moment = None if until is None else timezone.now() + dt.timedelta(seconds=until)
    SenderState.objects.create(alias="telco", failures=1, open_until=moment)
    viewer = clerk("view_senderstate")
    assert word in viewer.get(STATES).content.decode()
    page = viewer.get(f"{STATES}telco/change/")
    assert word in page.content.decode()
    assert "_save" not in page.content.decode()
    assert clerk("view_senderstate").post(f"{STATES}telco/change/", {}).status_code == 403


def test_a_breaker_is_closed_with_leave(clerk):
    SenderState.objects.create(alias="telco", failures=9, open_until=timezone.now())
    data = {"action": "close_selected", "_selected_action": ["telco"]}
    clerk("view_senderstate").post(STATES, data)
    assert SenderState.objects.get().failures == 9
    client = clerk("view_senderstate", "close_breaker")
    assert received(client.post(STATES, data, follow=True)) == ["1 sender is used again."]
    assert (SenderState.objects.get().failures, SenderState.objects.get().open_until) == (0, None)
