"""The queue as an operator sees it, and what leave each action takes."""

import pytest
from django.contrib.admin.models import LogEntry

from django_verify import delivery, verifications
from django_verify.models import VerificationAttempt
from tests.admin.conftest import received
from tests.conftest import PHONE

pytestmark = pytest.mark.django_db(transaction=True)

ATTEMPTS = "/admin/django_verify/verificationattempt/"


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


def test_the_problem_of_a_message_stands_in_plain_words(clerk, dead):
    VerificationAttempt.objects.update(error_code="401", error_message="refused", sender="telco")
    viewer = clerk("view_verificationattempt")
    assert "Wrong credentials" in viewer.get(ATTEMPTS).content.decode()
    page = viewer.get(f"{ATTEMPTS}{dead.sid}/change/").content.decode()
    assert "telco refuses our credentials. Compare the key" in page
    assert "401" in page
    VerificationAttempt.objects.update(error_code="", error_message="")
    assert "Wrong credentials" not in viewer.get(ATTEMPTS).content.decode()


def test_the_page_of_a_message_has_names_and_no_codes(boss, service):
    row = verifications.start(service, PHONE)
    url = f"/admin/django_verify/verificationattempt/{row.attempts.get().pk}/change/"
    page = boss.get(url).content.decode()
    assert ">United States<" in page
    assert page.count(">SMS<") == 2
    assert ">sms<" not in page
