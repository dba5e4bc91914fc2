"""From an attempt row to a sent message: failover, honest rows, and what outlives a crash."""

import datetime as dt

import pytest
from django.db import connection, transaction

from django_verify import delivery, signals, verifications
from django_verify.models import VerificationAttempt
from django_verify.senders import Receipt, SendError, TemporarySendError, locmem
from tests.conftest import OTHER_PHONE, PHONE, code_in, make_service

pytestmark = pytest.mark.django_db(transaction=True)


class Scripted(locmem.LocmemSender):
    """Answers with what its script says, by alias; then as locmem does."""

    script: dict = {}
    asked: list = []

    def send(self, message):
        self.asked.append(self.alias)
        outcome = self.script.get(self.alias)
        if isinstance(outcome, Exception):
            raise outcome
        super().send(message)
        return outcome or Receipt()


@pytest.fixture
def senders(settings, monkeypatch):
    monkeypatch.setattr(Scripted, "script", {})
    monkeypatch.setattr(Scripted, "asked", [])
    path = f"{__name__}.Scripted"
    settings.DJANGO_VERIFY = {"SENDERS": {alias: {"BACKEND": path} for alias in ("a", "b", "c")}}
    return Scripted


def the_attempt():
    return VerificationAttempt.objects.get()


def test_the_receipt_is_kept(service, senders):
    senders.script = {"a": Receipt("SM1", "0.0075", "usd")}
    verifications.start(service, PHONE)
    attempt = the_attempt()
    assert (attempt.message_status, attempt.sender, attempt.provider_sid) == ("sent", "a", "SM1")
    assert (attempt.price_value, attempt.price_currency) == ("0.0075", "usd")


def test_a_temporary_failure_goes_to_the_next_sender(service, senders, outbox):
    senders.script = {"a": TemporarySendError("busy", code="503")}
    verifications.start(service, PHONE)
    assert senders.asked == ["a", "b"]
    assert (the_attempt().message_status, the_attempt().sender) == ("sent", "b")
    assert len(outbox) == 1


def test_a_refusal_for_good_ends_it(service, senders, caplog):
    senders.script = {"a": SendError("no such number", code="21211")}
    failed = []
    signals.attempt_failed.connect(
        lambda **kwargs: failed.append(kwargs["attempt"]), weak=False, dispatch_uid="t"
    )
    try:
        row = verifications.start(service, PHONE)
    finally:
        signals.attempt_failed.disconnect(dispatch_uid="t")
    attempt = the_attempt()
    assert senders.asked == ["a"]
    assert (attempt.message_status, attempt.error_code) == ("failed", "21211")
    assert attempt.error_message == "no such number"
    assert [a.sid for a in failed] == [attempt.sid]
    assert row.status == "pending"
    assert attempt.sid in caplog.text


def test_two_messages_at_most(service, senders):
    senders.script = {alias: TemporarySendError(f"{alias} is down") for alias in "abc"}
    verifications.start(service, PHONE)
    assert senders.asked == ["a", "b", "c"]
    assert (the_attempt().error_message, the_attempt().messages) == ("c is down", 0)
    senders.asked.clear()
    senders.script |= {alias: TemporarySendError("slow", uncertain=True) for alias in "bc"}
    verifications.start(service, OTHER_PHONE)
    attempt = VerificationAttempt.objects.order_by("date_created").last()
    assert senders.asked == ["a", "b", "c"]
    assert (attempt.message_status, attempt.messages) == ("failed", 2)
    assert [(row["sender"], row["status"]) for row in attempt.trail] == [
        ("b", "unknown"),
        ("c", "unknown"),
    ]


def test_a_services_own_order(account, senders):
    service = make_service(account, senders={"sms": ["c", "gone", "a"]})
    senders.script = {"c": TemporarySendError("busy")}
    verifications.start(service, PHONE)
    assert senders.asked == ["c", "a"]


def test_a_long_error_is_cut(service, senders):
    senders.script = {"a": SendError("x" * 1000, code="y" * 1000)}
    verifications.start(service, PHONE)
    assert (len(the_attempt().error_message), len(the_attempt().error_code)) == (255, 64)


def test_no_transaction_is_open_while_a_provider_is_called(service, senders, monkeypatch):
    open_ = []
    real = Scripted.send

    def send(self, message):
        open_.append(connection.in_atomic_block)
        attempt = VerificationAttempt.objects.get(sid=message.attempt_sid)
        assert (attempt.message_status, bool(attempt.lease)) == ("sending", True)
        return real(self, message)

    monkeypatch.setattr(Scripted, "send", send)
    verifications.start(service, PHONE)
    with transaction.atomic():
        verifications.start(service, PHONE)
    assert open_ == [False, False]


def test_an_outcome_is_accepted_from_the_holder_of_the_lease_only(
    service, senders, monkeypatch, caplog
):
    sent = []
    signals.attempt_sent.connect(lambda **kwargs: sent.append(1), weak=False, dispatch_uid="t")
    real = Scripted.send

    def slow(self, message):
        VerificationAttempt.objects.update(lease="somebody else's")
        return real(self, message)

    monkeypatch.setattr(Scripted, "send", slow)
    try:
        verifications.start(service, PHONE)
    finally:
        signals.attempt_sent.disconnect(dispatch_uid="t")
    assert (the_attempt().message_status, the_attempt().lease) == ("sending", "somebody else's")
    assert not sent
    assert "lease was lost" in caplog.text


@pytest.mark.parametrize(
    "answer", [None, "SM1", Receipt(provider_sid=12345, price_value=0.01), Receipt("a\0b")]
)
def test_whatever_a_sender_returns_the_row_is_honest(service, senders, monkeypatch, answer):
    sent = []
    monkeypatch.setattr(Scripted, "send", lambda self, message: sent.append(1) or answer)
    assert verifications.start(service, PHONE).status == "pending"
    assert the_attempt().message_status == "sent"
    assert "\0" not in the_attempt().provider_sid
    assert sent == [1]


def test_whatever_a_sender_raises_the_row_is_honest(service, senders):
    senders.script = {"a": SendError("bad\0 reply", code=400)}
    verifications.start(service, PHONE)
    attempt = the_attempt()
    assert (attempt.message_status, attempt.error_code) == ("failed", "400")
    assert attempt.error_message == "bad reply"


def test_a_slow_sweep_claims_each_attempt_when_it_gets_there(service, outbox, clock, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(delivery, "deliver", lambda attempt: None)
        for to in ("+14155552671", "+14155552672", "+14155552673"):
            verifications.start(service, to)
    clock.shift(61)
    real = delivery.deliver
    second = []

    def slow(attempt):
        clock.shift(50)
        monkeypatch.setattr(delivery, "deliver", real)
        second.append(delivery.sweep())
        monkeypatch.setattr(delivery, "deliver", slow)
        return real(attempt)

    monkeypatch.setattr(delivery, "deliver", slow)
    delivery.sweep()
    assert len(outbox) == len({message.attempt_sid for message in outbox}) == 3


def test_an_attempt_of_a_deleted_service(crashed, service, outbox, clock):
    service.delete()
    clock.shift(61)
    assert delivery.sweep() == 1
    assert "deleted" in the_attempt().error_message


def test_a_mail_tells_the_minutes_that_are_left(service, outbox, clock):
    verifications.start(service, "jo@example.com", "email")
    clock.shift(599)
    verifications.start(service, "jo@example.com", "email")
    assert "10 min" in outbox[0].body
    assert " 1 min" in outbox[1].body


@pytest.fixture
def crashed(service, outbox, monkeypatch, clock):
    """A start whose process died before it sent; returns its attempt."""
    with monkeypatch.context() as patch:
        patch.setattr(delivery, "deliver", lambda attempt: None)
        verifications.start(service, PHONE)
    assert not outbox
    return the_attempt()


def test_a_sweep_sends_what_a_crash_left(crashed, service, outbox, clock):
    assert delivery.sweep() == 0
    clock.shift(61)
    assert delivery.sweep() == 1
    assert delivery.sweep() == 0
    assert (the_attempt().message_status, the_attempt().tries) == ("sent", 2)
    assert verifications.check(service, code_in(outbox[0]), to=PHONE).valid


def test_a_sweep_drops_what_is_over(crashed, service, outbox, clock):
    clock.shift(601)
    assert delivery.sweep() == 1
    assert not outbox
    assert the_attempt().message_status == "failed"
    assert "over before" in the_attempt().error_message


def test_a_sweep_gives_up_in_the_end(crashed, outbox, clock, monkeypatch):
    monkeypatch.setattr(delivery, "deliver", lambda attempt: None)
    for _ in range(delivery.MESSAGES_PER_ATTEMPT):
        clock.shift(61)
        assert delivery.sweep() == 1
    assert the_attempt().message_status == "failed"
    assert "given up" in the_attempt().error_message
    clock.shift(61)
    assert delivery.sweep() == 0


def test_two_sweepers_take_it_once(crashed, outbox, clock, monkeypatch):
    clock.shift(61)
    real = delivery.lease

    def overtaken(now):
        monkeypatch.setattr(delivery, "lease", real)
        assert delivery.sweep() == 1
        return real(now)

    monkeypatch.setattr(delivery, "lease", overtaken)
    assert delivery.sweep() == 0
    assert len(outbox) == 1


def test_the_lease_follows_its_setting(settings, clock):
    settings.DJANGO_VERIFY = {"DELIVERY_LEASE": 7}
    now = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    assert delivery.lease(now)["due_at"] == now + dt.timedelta(seconds=7)


def test_no_sender_left_when_it_is_time_to_send(crashed, settings, clock):
    settings.DJANGO_VERIFY = {"SENDERS": {}}
    clock.shift(61)
    delivery.sweep()
    assert the_attempt().error_message == "no sender serves this channel"
