"""The report of an outcome: not lost, not made twice, not of another verification, in nobody's way."""

import pytest
from django.db import OperationalError

from django_verify import delivery, verifications
from django_verify.db import queries
from django_verify.delivery import reports
from django_verify.models import VerificationAttempt
from django_verify.senders import Receipt, Report, TemporarySendError
from django_verify.verifications import sna
from tests.conftest import OTHER_PHONE, PHONE, make_service
from tests.scripted import Reporting

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.portable]

BACKEND = f"{__name__}.Curious"


class Curious(Reporting):
    """Wants to know outcomes, and says so of deliveries; `told` is what it was told."""

    takes_outcomes = True
    told: list = []
    fault = None
    __hash__ = None  # as a dataclass has it

    def report_outcome(self, provider_sid, outcome):
        self.told.append((provider_sid, outcome))
        if self.fault is not None:
            raise self.fault


@pytest.fixture
def sender(settings, monkeypatch):
    for name, value in {"script": {"a": Receipt("M1")}, "asked": [], "told": []}.items():
        monkeypatch.setattr(Curious, name, value)
    monkeypatch.setattr(Curious, "fault", None)
    settings.DJANGO_VERIFY = {
        "SENDERS": {"a": {"BACKEND": BACKEND}},
        "BASE_URL": "https://verify.example.com",
    }
    return Curious


def due():
    return VerificationAttempt.objects.filter(due_at__isnull=False).count()


@pytest.mark.parametrize("status", ["delivered", "read", "undelivered", "failed"])
def test_a_message_that_was_reported_on_has_an_outcome_too(sender, service, clock, status):
    row = verifications.start(service, PHONE)
    assert reports.record("a", [Report("M1", status)]) == 1
    sender.fault = TemporarySendError("busy")
    verifications.approve(service, row.sid)
    assert (sender.told, due()) == ([("M1", "approved")], 1)
    clock.shift(25)
    sender.fault = None
    assert delivery.deliver_due() == 1
    assert (sender.told, due()) == ([("M1", "approved")] * 2, 0)


def test_a_report_of_the_delivery_does_not_take_the_place_of_an_outcome(sender, service, clock):
    row = verifications.start(service, PHONE)
    sender.fault = TemporarySendError("busy")
    verifications.approve(service, row.sid)
    reports.record("a", [Report("M1", "delivered")])
    assert due() == 1
    clock.shift(25)
    assert delivery.deliver_due() == 1
    assert len(sender.told) == 2


@pytest.mark.parametrize("verb", [verifications.approve, verifications.cancel])
def test_what_ends_while_its_message_is_handed_over(sender, service, verb):
    """The person has the text, or goes back, before the provider has answered."""

    def end(message):
        verb(service, PHONE)
        return Receipt("M1")

    sender.script = {"a": end}
    row = verifications.start(service, PHONE)
    row.refresh_from_db()
    assert sender.told == [("M1", row.status)]
    assert due() == 0


def test_what_silent_network_authentication_approves(sender, service, monkeypatch, settings):
    settings.DJANGO_VERIFY |= {"SNA": {"BACKEND": "django_verify.verifications.sna.Simulator"}}
    row = verifications.start(service, PHONE)
    verifications.start(service, PHONE, "sna")
    monkeypatch.setattr(sna, "is_matched", lambda *args: True)
    assert verifications.check(service, verification_sid=row.sid).status == "approved"
    assert sender.told == [("M1", "approved")]


def test_a_database_that_fails_undoes_no_approval(sender, service, monkeypatch, caplog):
    row = verifications.start(service, PHONE)

    def fail():
        raise OperationalError(PHONE)

    monkeypatch.setattr(queries, "attempts", fail)
    assert verifications.approve(service, row.sid).status == "approved"
    assert f"{row.sid}: its outcome was not reported: OperationalError" in caplog.text
    assert PHONE not in caplog.text


def test_what_has_no_id_is_not_reported(sender, service, settings, clock):
    settings.DJANGO_VERIFY |= {"DELIVERY_REPORT_TIMEOUT": 30}
    sender.script = {}
    row = verifications.start(service, PHONE)
    assert due() == 1
    verifications.approve(service, row.sid)
    clock.shift(40)
    delivery.deliver_due()
    assert (sender.told, due()) == ([], 0)


def test_messages_that_share_an_id_are_reported_once(sender, service, settings, clock):
    settings.DJANGO_VERIFY |= {"DELIVERY_REPORT_TIMEOUT": 30}
    row = verifications.start(service, PHONE)
    verifications.start(service, PHONE)
    assert due() == 2
    verifications.approve(service, row.sid)
    clock.shift(40)
    delivery.deliver_due()
    assert (sender.told, due()) == ([("M1", "approved")], 0)


def test_a_late_cancellation_leaves_what_a_new_start_has_joined(
    sender, service, settings, monkeypatch
):
    """The provider has one verification of a number, which the next code joins while it is open."""
    row = verifications.start(service, PHONE)
    settings.DJANGO_VERIFY |= {"DISPATCH": f"{__name__}.ignore"}
    verifications.cancel(service, row.sid)
    settings.DJANGO_VERIFY |= {"DISPATCH": "inline"}
    again = verifications.start(service, PHONE)
    assert delivery.deliver_due() == 1
    assert (sender.told, due()) == ([], 0)
    verifications.cancel(service, again.sid)
    assert sender.told == [("M1", "canceled")]


def ignore(sid):
    """A queue engine whose jobs get lost."""


def test_a_provider_that_fails_keeps_no_further_approval_waiting(sender, service, clock):
    """Its reports are left to the worker for a while."""
    first, second = (verifications.start(service, number) for number in (PHONE, OTHER_PHONE))
    VerificationAttempt.objects.filter(verification=second.sid).update(provider_sid="M2")
    sender.fault = TemporarySendError("the provider could not be reached")
    verifications.approve(service, first.sid)
    verifications.approve(service, second.sid)
    assert (sender.told, due()) == ([("M1", "approved")], 2)
    # Nor does the worker wait for it once for each of them, while codes are to be sent.
    clock.shift(25)
    assert delivery.deliver_due() == 2
    assert (len(sender.told), due()) == (2, 2)
    sender.fault = None
    clock.shift(25)
    assert delivery.deliver_due() == 2
    assert {sid for sid, _ in sender.told[2:]} == {"M1", "M2"}
    third = verifications.start(service, "+14155552673")
    verifications.approve(service, third.sid)
    assert (len(sender.told), due()) == (5, 0)


def test_of_two_services_one_reports_its_own(sender, account):
    one, other = make_service(account), make_service(account)
    sender.script = {"a": lambda message: Receipt(message.attempt_sid)}
    row = verifications.start(one, PHONE)
    verifications.start(other, PHONE)
    verifications.approve(one, row.sid)
    attempt = VerificationAttempt.objects.get(verification=row.sid)
    assert sender.told == [(attempt.sid, "approved")]
