"""What an operator does from a verification's page: unlock, cancel, send again, block or allow."""

import datetime as dt

import pytest
from django.contrib.admin.models import LogEntry
from django.utils import timezone

from django_verify import exceptions, sids, verifications
from django_verify.admin import attempts as attempts_admin
from django_verify.fraud import trips
from django_verify.models import (
    GeoPermission,
    GuardDecision,
    PrefixRule,
    Verification,
    VerificationAttempt,
)
from tests.admin.conftest import received
from tests.conftest import PHONE, code_in, wrong

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.portable]

ROWS = "/admin/django_verify/verification/"
ATTEMPTS = "/admin/django_verify/verificationattempt/"
LABELS = ("Unlock the recipient…", "Cancel…", "Send the message again…")
RANGE_LABEL = "Block or allow numbers like this"
RULES = ("add_prefixrule", "change_prefixrule")
COUNTRIES = ("add_geopermission", "change_geopermission")


def page_of(client, row):
    return client.get(f"{ROWS}{row.sid}/change/").content.decode()


@pytest.fixture
def row(service):
    return verifications.start(service, PHONE)


@pytest.fixture
def locked(row, outbox):
    for number in range(5):
        verifications.check(
            row.service, wrong(code_in(outbox[0]), number + 1), verification_sid=row.sid
        )
    row.refresh_from_db()
    assert row.status == "max_attempts_reached"
    return row


@pytest.mark.parametrize(
    ("permission", "label"),
    [*zip(("release_recipient", "cancel_verification", "requeue_attempt"), LABELS, strict=True)],
)
def test_each_deed_is_offered_to_those_who_may_do_it(clerk, row, permission, label):
    VerificationAttempt.objects.update(message_status="failed", messages=1)
    page = page_of(clerk("view_verification", "view_verificationattempt", permission), row)
    assert [each for each in LABELS if each in page] == [label]


def test_no_deed_is_offered_that_does_nothing(boss, service, row):
    assert LABELS[2] not in page_of(boss, row)
    verifications.approve(service, row.sid)
    page = page_of(boss, row)
    assert LABELS[1] not in page
    assert LABELS[0] in page


def test_a_customer_is_unlocked_and_has_a_code_at_once(clerk, service, locked):
    with pytest.raises(exceptions.MaxSendsReached):
        verifications.start(service, PHONE)
    client = clerk("view_verification", "release_recipient")
    assert f'action="{ROWS}?q={locked.pk}"' in page_of(client, locked)
    data = {"action": "release_selected", "_selected_action": [locked.pk]}
    question = client.post(f"{ROWS}?q={locked.pk}", data).content.decode()
    assert "what is locked is canceled" in question
    answer = client.post(f"{ROWS}?q={locked.pk}", {**data, "confirmed": "yes"}, follow=True)
    assert received(answer) == ["1 recipient was unlocked."]
    assert LogEntry.objects.get().object_id == locked.pk
    assert verifications.start(service, PHONE).pk != locked.pk
    locked.refresh_from_db()
    assert (locked.status, locked.forgiven) == ("canceled", True)


def test_unlocking_reaches_every_verification_of_the_recipient_and_no_other(service, locked):
    other = verifications.start(service, "+15017122661")
    Verification.objects.filter(pk=other.pk).update(status="max_attempts_reached")
    approved = Verification.objects.create(
        account=service.account, service=service, to=PHONE, recipient_key=PHONE, serial=9,
        channel="sms", code_length=6, max_checks=5, max_sends=5, send_log="",
        expires_at=timezone.now() + dt.timedelta(minutes=9), status="approved", checks=3,
    )  # fmt: skip
    assert verifications.unlock(approved) == 1
    found = dict(Verification.objects.values_list("pk", "status"))
    assert found[locked.pk] == "canceled"
    assert found[other.pk] == "max_attempts_reached"
    assert found[approved.pk] == "approved"
    assert verifications.unlock(approved) == 0


def test_a_verification_older_than_a_stretch_is_found(boss, service, row, monkeypatch):
    monkeypatch.setattr("django_verify.admin.stretches.REACH", 1)
    verifications.start(service, "+15017122661")
    data = {"action": "cancel_selected", "_selected_action": [row.pk]}
    assert row.pk in boss.post(f"{ROWS}?q={row.pk}", data).content.decode()


def test_too_many_messages_at_once_are_refused(boss, service, row, monkeypatch):
    monkeypatch.setattr(attempts_admin, "REQUEUE_AT_ONCE", 0)
    data = {"action": "requeue_selected", "_selected_action": [row.attempts.get().pk]}
    answer = boss.post(ATTEMPTS, data, follow=True)
    assert received(answer) == ["At most 0 messages can be chosen at once."]


# Ranges and countries


def decide(client, row, **data):
    form = {"what": "range", "action": "block", "begin": "+1 415 555", "days": "7", "note": "Ann"}
    return client.post(f"{ROWS}{row.pk}/range/", {**form, **data}, follow=True)


def test_a_range_is_blocked_from_a_verification(clerk, service, row):
    client = clerk("view_verification", "see_full_recipients", *RULES)
    assert RANGE_LABEL in page_of(client, row)
    page = client.get(f"{ROWS}{row.pk}/range/").content.decode()
    assert 'value="+1415555"' in page
    assert "within 5 seconds" in page
    assert "all numbers of" not in page
    answer = decide(client, row)
    assert received(answer) == ["Blocked its range. (Block +1415555)"]
    rule = PrefixRule.objects.get()
    assert (rule.prefix, rule.action, rule.note) == ("+1415555", "block", "Ann")
    assert rule.account_id == service.account_id
    assert dt.timedelta(days=6) < rule.ends_at - timezone.now() < dt.timedelta(days=8)
    entries = {entry.object_id: entry.change_message for entry in LogEntry.objects.all()}
    assert set(entries) == {str(rule.pk), row.pk}
    assert "415" not in entries[row.pk]
    with pytest.raises(exceptions.FraudBlocked):
        verifications.start(service, "+14155552699")
    decide(client, row, action="allow", days="")
    rule.refresh_from_db()
    assert (rule.action, rule.ends_at) == ("allow", None)
    assert PrefixRule.objects.count() == 1


def test_what_is_allowed_is_still_judged_by_the_guard_as_the_page_says(boss, service, row):
    service.guard_level = "standard"
    service.save()
    now = timezone.now()
    trips.close(service.account_id, "standard", trips.CLOSED, "block", "US +1415555", "why", now)
    page = boss.get(f"{ROWS}{row.pk}/range/").content.decode()
    assert "What the guard has closed on its evidence stays closed" in page
    assert "unless the guard is against it" in page
    for what in ("range", "country"):
        decide(boss, row, what=what, action="allow")
    with pytest.raises(exceptions.FraudBlocked):
        verifications.start(service, "+14155552699")
    assert GuardDecision.objects.get().cause == "block"


def test_a_country_is_blocked_from_a_verification(clerk, service, row):
    client = clerk("view_verification", *COUNTRIES)
    page = client.get(f"{ROWS}{row.pk}/range/").content.decode()
    assert "all numbers of United States" in page
    assert "+1415555" not in page
    assert PHONE[1:] not in page
    answer = decide(client, row, what="country")
    assert received(answer) == ["Blocked its country. (United States: Block)"]
    with pytest.raises(exceptions.DestinationRefused):
        verifications.start(service, "+14155552699")
    decide(client, row, what="country", action="allow")
    permission = GeoPermission.objects.get()
    assert (permission.action, permission.scope) == ("allow", service.account_id)


@pytest.mark.parametrize(
    "permissions",
    [
        (),
        ("see_full_recipients",),
        RULES,  # without the number, whose beginning the page shows
        ("see_full_recipients", "add_prefixrule"),
        ("add_geopermission",),
    ],
)
def test_who_may_not_decide(clerk, row, permissions):
    client = clerk("view_verification", *permissions)
    assert RANGE_LABEL not in page_of(client, row)
    for what in ("range", "country"):
        assert decide(client, row, what=what).status_code == 403
    assert not PrefixRule.objects.exists()
    assert not GeoPermission.objects.exists()


def test_each_part_needs_its_own_permission(clerk, row):
    decide(clerk("view_verification", *COUNTRIES), row)
    decide(clerk("view_verification", "see_full_recipients", *RULES), row, what="country")
    assert not PrefixRule.objects.exists()
    assert not GeoPermission.objects.exists()


@pytest.mark.parametrize("begin", ["", "x", "415"])
def test_what_begins_no_number_is_refused(boss, row, begin):
    assert "Nothing was saved." in decide(boss, row, begin=begin).content.decode()
    assert not PrefixRule.objects.exists() or begin == "415"


def test_an_address_has_no_range(boss, service):
    row = verifications.start(service, "ann@example.com", "email")
    assert RANGE_LABEL not in page_of(boss, row)
    assert decide(boss, row).status_code == 403
    assert boss.get(f"{ROWS}VE{'0' * 32}/range/").status_code == 404


def test_a_blocked_start_leads_to_the_same(boss, account):
    decision = GuardDecision.objects.create(
        account=account, attempt_sid=sids.attempt(), recipient_key=PHONE, country="US",
        channel="sms", cause="block", outcome="refused", reason="none confirmed",
    )  # fmt: skip
    page = f"/admin/django_verify/guarddecision/{decision.pk}/"
    assert RANGE_LABEL in boss.get(f"{page}change/").content.decode()
    boss.post(
        f"{page}range/", {"what": "range", "action": "allow", "begin": "+1415555", "days": ""}
    )
    assert PrefixRule.objects.get().action == "allow"
