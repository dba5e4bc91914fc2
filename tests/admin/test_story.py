"""A verification's page: its story for the viewer, and the fields folded below it."""

import pytest
from django.contrib.admin.models import LogEntry
from django.utils import timezone

from django_verify import verifications
from django_verify.models import GuardDecision, VerificationAttempt
from tests.conftest import PHONE, code_in

pytestmark = [pytest.mark.django_db, pytest.mark.portable]

ROWS = "/admin/django_verify/verification/"


def page_of(client, row):
    response = client.get(f"{ROWS}{row.sid}/change/")
    assert response.status_code == 200
    return response.content.decode()


@pytest.fixture
def row(outbox, clock, service):
    return verifications.start(service, PHONE)


@pytest.mark.django_db(transaction=True)
def test_the_page_tells_the_story(boss, service, row, outbox):
    other = verifications.start(service, PHONE, "call")
    assert other.pk == row.pk
    VerificationAttempt.objects.update(error_code="<b>", message_status="failed")
    page = page_of(boss, row)
    assert "django-verify-outcome django-verify-failed" in page
    assert "Handed to memory, as Phone call." in page
    assert "&lt;b&gt;" in page
    assert "What to do:" in page
    assert "Technical fields" in page
    assert "just now" in page
    assert code_in(outbox[0]) not in page


def test_the_story_is_masked_like_the_fields(clerk, row):
    page = page_of(clerk("view_verification"), row)
    assert PHONE[1:] not in page
    assert '<h2 id="story-heading">+141******71</h2>' in page
    page = page_of(clerk("view_verification", "see_full_recipients"), row)
    assert f'<h2 id="story-heading">{PHONE}</h2>' in page


def test_what_operators_did_is_part_of_the_story(boss, row):
    boss.post(
        ROWS, {"action": "cancel_selected", "_selected_action": [row.sid], "confirmed": "yes"}
    )
    assert LogEntry.objects.count() == 1
    page = page_of(boss, row)
    assert "boss: Canceled." in page
    assert "Canceled after " in page


def test_the_persons_other_verifications_and_decisions_are_linked(boss, service, row, clock):
    verifications.cancel(service, row.sid)
    second = verifications.start(service, PHONE)
    GuardDecision.objects.create(
        account_id=row.account_id, attempt_sid="VL" + "0" * 32, recipient_key=PHONE, channel="sms",
        cause="block", outcome="refused", reason="14 of 14 <b>", date_created=timezone.now(),
    )  # fmt: skip
    clock.shift(600)
    page = page_of(boss, second)
    assert f'href="{ROWS}{row.sid}/change/"' in page
    assert "refused: 14 of 14 &lt;b&gt;" in page
    assert "10\xa0minutes ago" in page


def test_the_page_costs_few_statements(boss, service, row, django_assert_max_num_queries):
    for channel in ("call", "sms"):
        verifications.start(service, PHONE, channel)
    with django_assert_max_num_queries(14):
        page_of(boss, row)


def test_a_time_of_another_day_has_its_date(boss, row, clock):
    clock.shift(86_400)
    assert ">03/01/2026 12:00:00</time>" in page_of(boss, row)


def test_a_site_without_time_zones(boss, row, settings):
    settings.USE_TZ = False
    settings.TIME_ZONE = "Europe/Vienna"
    assert "Handed to memory" in page_of(boss, row)
    assert boss.get(ROWS).status_code == 200
