"""From an attempt row to a sent message: failover, honest rows, and what outlives a crash."""

import datetime as dt

import pytest
from django.db import OperationalError, connection, transaction
from django.utils import timezone

from django_verify import delivery, signals, verifications
from django_verify.crypto import codes
from django_verify.db.leases import Leases
from django_verify.delivery import attempts
from django_verify.delivery import due as due_attempts
from django_verify.models import SenderState, Verification, VerificationAttempt
from django_verify.senders import Receipt, SendError, TemporarySendError
from tests.conftest import OTHER_PHONE, PHONE, THREADS, code_in, make_service
from tests.scripted import BUSY, LATE, Scripted, configured

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def senders(settings, monkeypatch):
    monkeypatch.setattr(Scripted, "script", {})
    monkeypatch.setattr(Scripted, "asked", [])
    settings.DJANGO_VERIFY = configured()
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


@pytest.mark.parametrize("fault", ["account", "request"])
def test_our_own_mistake_goes_to_the_next_sender_and_raises_an_alarm(
    service, senders, caplog, fault
):
    senders.script = {"a": TemporarySendError("refused", code="21606", fault=fault)}
    verifications.start(service, PHONE)
    assert senders.asked == ["a", "b"]
    assert (the_attempt().message_status, the_attempt().sender) == ("sent", "b")
    (alarm,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert alarm.getMessage().startswith(f"{the_attempt().sid}: the sender 'a' is set up wrongly")
    assert "21606" in alarm.getMessage()
    assert PHONE not in caplog.text
    assert SenderState.objects.get(alias="a").last_error == "refused"


@pytest.mark.parametrize(
    ("fault", "status"),
    [("", "queued"), ("account", "queued"), ("request", "failed"), ("unsuited", "failed")],
)
def test_a_request_that_all_refuse_is_not_repeated(service, senders, fault, status):
    senders.script = dict.fromkeys("abc", TemporarySendError("refused", fault=fault))
    verifications.start(service, PHONE)
    assert senders.asked == ["a", "b", "c"]
    assert the_attempt().message_status == status


def test_a_message_that_a_sender_cannot_carry_is_no_alarm(service, senders, caplog):
    senders.script = {"a": TemporarySendError("no such voice", fault="unsuited")}
    verifications.start(service, PHONE)
    assert senders.asked == ["a", "b"]
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
    assert not SenderState.objects.exists()


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
        VerificationAttempt.objects.update(lease="another user's")
        return real(self, message)

    monkeypatch.setattr(Scripted, "send", slow)
    try:
        verifications.start(service, PHONE)
    finally:
        signals.attempt_sent.disconnect(dispatch_uid="t")
    assert (the_attempt().message_status, the_attempt().lease) == ("sending", "another user's")
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


def test_a_slow_pass_claims_each_attempt_when_it_gets_there(service, outbox, clock, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(attempts, "deliver", lambda attempt, **options: None)
        for to in ("+14155552671", "+14155552672", "+14155552673"):
            verifications.start(service, to)
    clock.shift(61)
    real = delivery.deliver
    second = []

    def slow(attempt, **options):
        clock.shift(50)
        monkeypatch.setattr(attempts, "deliver", real)
        second.append(delivery.deliver_due())
        monkeypatch.setattr(attempts, "deliver", slow)
        return real(attempt)

    monkeypatch.setattr(attempts, "deliver", slow)
    delivery.deliver_due()
    assert len(outbox) == len({message.attempt_sid for message in outbox}) == 3


def test_an_attempt_of_a_deleted_service(crashed, service, outbox, clock):
    service.delete()
    clock.shift(61)
    assert delivery.deliver_due() == 1
    assert "deleted" in the_attempt().error_message


def test_a_mail_reports_the_minutes_that_are_left(service, outbox, clock):
    verifications.start(service, "jo@example.com", "email")
    clock.shift(599)
    verifications.start(service, "jo@example.com", "email")
    assert "10 min" in outbox[0].body
    assert " 1 min" in outbox[1].body


@pytest.fixture
def crashed(service, outbox, monkeypatch, clock):
    """A start whose process died before it sent; returns its attempt."""
    with monkeypatch.context() as patch:
        patch.setattr(attempts, "deliver", lambda attempt, **options: None)
        verifications.start(service, PHONE)
    assert not outbox
    return the_attempt()


def test_a_pass_sends_what_a_crash_left(crashed, service, outbox, clock):
    assert delivery.deliver_due() == 0
    clock.shift(61)
    assert delivery.deliver_due() == 1
    assert delivery.deliver_due() == 0
    assert (the_attempt().message_status, the_attempt().tries) == ("sent", 2)
    assert verifications.check(service, code_in(outbox[0]), to=PHONE).valid


def test_a_pass_drops_what_is_over(crashed, service, outbox, clock):
    clock.shift(601)
    assert delivery.deliver_due() == 1
    assert not outbox
    assert the_attempt().message_status == "failed"
    assert "over before" in the_attempt().error_message


def test_a_pass_gives_up_in_the_end(crashed, outbox, clock, monkeypatch):
    monkeypatch.setattr(attempts, "deliver", lambda attempt, **options: None)
    for _ in range(attempts.MESSAGES_PER_ATTEMPT):
        clock.shift(61)
        assert delivery.deliver_due() == 1
    assert the_attempt().message_status == "failed"
    assert "given up" in the_attempt().error_message
    clock.shift(61)
    assert delivery.deliver_due() == 0


def test_two_passers_take_it_once(crashed, outbox, clock, monkeypatch):
    clock.shift(61)
    real = Leases.claim

    def overtaken(*args, **changes):
        monkeypatch.setattr(Leases, "claim", real)
        assert delivery.deliver_due() == 1
        return real(*args, **changes)

    monkeypatch.setattr(Leases, "claim", overtaken)
    assert delivery.deliver_due() == 0
    assert len(outbox) == 1


def test_the_lease_follows_its_setting(settings, clock):
    settings.DJANGO_VERIFY = {"DELIVERY_LEASE": 7}
    now = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    assert attempts.LEASES.leased(now)["due_at"] == now + dt.timedelta(seconds=7)


def test_no_sender_left_when_it_is_time_to_send(crashed, settings, clock):
    settings.DJANGO_VERIFY = {"SENDERS": {}}
    clock.shift(61)
    delivery.deliver_due()
    assert the_attempt().error_message == "no sender serves this channel"


@pytest.fixture
def due(service, senders, clock, settings):
    """A start that only queued its row; returns the attempt."""
    settings.DJANGO_VERIFY = configured(DISPATCH="tests.delivery.test_attempts.nobody")
    verifications.start(service, PHONE)
    assert not senders.asked
    return the_attempt()


def nobody(sid):
    """A queue engine that loses every job."""


def test_a_queued_start_waits_for_a_pass(due, service, senders, outbox):
    assert (due.message_status, due.messages, due.tries, due.lease) == ("queued", 0, 0, "")
    assert delivery.deliver_due() == 1
    assert delivery.deliver_due() == 0
    attempt = the_attempt()
    assert (attempt.message_status, attempt.messages, attempt.tries) == ("sent", 1, 1)
    assert (attempt.sender, attempt.via_channel, attempt.due_at) == ("a", "sms", None)
    assert verifications.check(service, code_in(outbox[0]), to=PHONE).valid


def test_it_is_tried_again_and_again_with_growing_waits(due, service, senders, outbox, clock):
    senders.script = dict.fromkeys("abc", BUSY)
    waits = []
    while the_attempt().message_status == "queued":
        now = timezone.now()
        assert delivery.deliver_due() == 1
        assert delivery.deliver_due() == 0
        if (attempt := the_attempt()).due_at:
            waits.append((attempt.due_at - now).total_seconds())
            clock.shift(waits[-1])
    assert [
        int(wait // base) for wait, base in zip(waits, (5, 10, 20, 40, 80, 160), strict=False)
    ] == [1] * len(waits)
    assert 5 <= len(waits) <= 7
    assert (attempt.message_status, attempt.messages, attempt.due_at) == ("failed", 0, None)
    assert (attempt.error_code, attempt.error_message) == ("503", "busy")
    assert not outbox


@pytest.mark.parametrize(
    ("asked", "least", "most"), [(1, 5, 8), (60, 60, 90), (9999, 300, 450), (-5, 5, 8), ("x", 5, 8)]
)
def test_a_provider_may_ask_for_patience(due, senders, asked, least, most):
    busy = TemporarySendError("busy", retry_after=asked)
    senders.script = {"a": busy, "b": BUSY, "c": BUSY}
    now = timezone.now()
    delivery.deliver_due()
    assert least <= (the_attempt().due_at - now).total_seconds() <= most


def test_an_answer_that_never_came_counts_as_a_message(due, senders, outbox, clock):
    senders.script = {"a": LATE, "b": BUSY, "c": BUSY}
    delivery.deliver_due()
    attempt = the_attempt()
    assert (attempt.message_status, attempt.messages) == ("queued", 1)
    senders.script = {"a": LATE}
    clock.shift(10)
    senders.asked.clear()
    assert delivery.deliver_due() == 1
    attempt = the_attempt()
    assert senders.asked == ["a"]
    assert (attempt.message_status, attempt.messages) == ("failed", 2)
    assert [row["sender"] for row in attempt.trail] == ["a", "a"]


@pytest.mark.parametrize("phase", ["before", "after"])
def test_any_caller_dies_in_the_middle_costs_two_messages_at_most(due, senders, clock, phase):
    """The process ends while the provider is asked, or right after it, again and again."""

    class Killed(BaseException):
        pass

    left = []

    def die(message):
        if phase == "after":
            left.append(message)
        assert the_attempt().messages == len(senders.asked)
        raise Killed

    senders.script = {"a": die}
    for _ in range(2):
        with pytest.raises(Killed):
            delivery.deliver_due()
        assert delivery.deliver_due() == 0
        clock.shift(61)
    assert delivery.deliver_due() == 1
    attempt = the_attempt()
    assert senders.asked == ["a", "a"]
    assert (attempt.message_status, attempt.messages) == ("failed", 2)
    assert "two messages may have left" in attempt.error_message


def test_a_holder_that_lost_its_lease_asks_no_further_sender(due, senders, caplog):
    def overtaken(message):
        VerificationAttempt.objects.update(lease="another user's")
        return BUSY

    senders.script = {"a": overtaken}
    delivery.deliver_due()
    assert senders.asked == ["a"]
    assert "lease was lost" in caplog.text


ENDS = {
    "approved by its code": lambda service: verifications.check(
        service, codes.reveal(Verification.objects.get()), to=PHONE
    ),
    "approved by the site": lambda service: verifications.approve(service, PHONE),
    "canceled": lambda service: verifications.cancel(service, PHONE),
    "used up": lambda service: Verification.objects.update(status="max_attempts_reached"),
    "expired": lambda service: Verification.objects.update(expires_at=timezone.now()),
    "deleted": lambda service: service.delete(),
}


@pytest.mark.parametrize("queued", [True, False])
@pytest.mark.parametrize("fault", [BUSY, LATE])
@pytest.mark.parametrize("end", ENDS)
def test_no_message_leaves_after_the_end(end, fault, queued, service, senders, outbox, settings):
    """While the first sender stalls, its message may have arrived."""
    if queued:
        settings.DJANGO_VERIFY = configured(DISPATCH="tests.delivery.test_attempts.nobody")

    def stall(message):
        ENDS[end](service)
        return fault

    senders.script = {"a": stall}
    verifications.start(service, PHONE)
    if queued:
        assert delivery.deliver_due() == 1
    assert senders.asked == ["a"]
    assert outbox == []
    attempt = the_attempt()
    assert (attempt.message_status, attempt.lease, attempt.due_at) == ("failed", "", None)
    assert attempt.error_message == "the verification was over before another sender was tried"
    assert attempt.messages == (fault is LATE)


def test_a_start_that_its_own_transaction_cancels_sends_nothing(service, senders, outbox):
    with transaction.atomic():
        row = verifications.start(service, PHONE)
        verifications.cancel(service, row.sid)
    assert (senders.asked, outbox) == ([], [])
    assert (the_attempt().message_status, the_attempt().messages) == ("failed", 0)


def test_a_start_that_a_receiver_cancels_sends_nothing(service, senders, outbox):
    def cancel(verification, **kwargs):
        verifications.cancel(service, verification.sid)

    signals.verification_started.connect(cancel)
    try:
        verifications.start(service, PHONE)
    finally:
        signals.verification_started.disconnect(cancel)
    assert (senders.asked, outbox) == ([], [])


def test_of_two_starts_in_a_transaction_the_later_is_looked_at_again(service, senders, outbox):
    def stall(message):
        if message.to == PHONE:
            verifications.cancel(service, OTHER_PHONE)
        return Receipt("SM1")

    senders.script = {"a": stall}
    with transaction.atomic():
        verifications.start(service, PHONE)
        verifications.start(service, OTHER_PHONE)
    assert [message.to for message in outbox] == [PHONE]


def test_a_late_send_takes_its_lease_anew_and_no_other_ones(service, senders, outbox, clock):
    with transaction.atomic():
        verifications.start(service, PHONE)
        clock.shift(50)
    assert (len(outbox), the_attempt().message_status) == (1, "sent")

    def overtaken(message):
        """While the first of two is sent, another process takes the second one over."""
        waiting = VerificationAttempt.objects.exclude(verification__to=message.to)
        waiting.filter(message_status="sending").update(lease="another user's")
        return Receipt("SM1")

    senders.script = {"a": overtaken}
    with transaction.atomic():
        verifications.start(service, OTHER_PHONE)
        verifications.start(service, "+12024561111")
    assert [message.to for message in outbox[1:]] == [OTHER_PHONE]


def test_a_sender_whose_own_database_fails_is_followed_by_the_next(service, senders, outbox):
    senders.script = {"a": OperationalError("gone")}
    verifications.start(service, PHONE)
    attempt = the_attempt()
    assert (senders.asked, attempt.message_status, attempt.messages) == (["a", "b"], "sent", 2)


def test_a_report_that_comes_while_a_sender_stalls_stands(service, senders, outbox, caplog):
    def stall(message):
        VerificationAttempt.objects.update(message_status="delivered", due_at=None)
        return LATE

    senders.script = {"a": stall}
    verifications.start(service, PHONE)
    assert senders.asked == ["a"]
    attempt = the_attempt()
    assert (attempt.message_status, attempt.error_message, attempt.lease) == ("delivered", "", "")


def test_a_verification_that_ends_between_look_and_claim_is_not_sent(
    due, senders, outbox, service, monkeypatch
):
    real = attempts.plan

    def plan(attempt, **options):
        verifications.cancel(service, PHONE)
        return real(attempt, **options)

    monkeypatch.setattr(attempts, "plan", plan)
    assert delivery.deliver_due() == 0
    monkeypatch.setattr(attempts, "plan", real)
    assert delivery.deliver_due() == 1
    assert (senders.asked, outbox) == ([], [])
    assert the_attempt().error_message == "the verification was over before the message was sent"


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (lambda service, clock: clock.shift(601), "dropped: the code was over"),
        (lambda service, clock: verifications.cancel(service, PHONE), "verification was over"),
        (lambda service, clock: verifications.approve(service, PHONE), "verification was over"),
    ],
    ids=["expired", "canceled", "approved"],
)
def test_what_is_over_is_dropped_with_its_reason(due, service, senders, clock, end, reason):
    failed = []
    signals.attempt_failed.connect(lambda **kw: failed.append(kw), weak=False, dispatch_uid="t")
    end(service, clock)
    assert delivery.take(due.sid, woken=True)
    signals.attempt_failed.disconnect(dispatch_uid="t")
    assert (the_attempt().message_status, the_attempt().messages) == ("failed", 0)
    assert reason in the_attempt().error_message
    assert (senders.asked, len(failed)) == ([], 1)


def test_a_job_that_comes_twice_or_early(due, senders, outbox, clock):
    clock.shift(-2)  # the worker's clock is behind
    assert not delivery.take(due.sid)
    assert delivery.take(due.sid, woken=True)
    assert not delivery.take(due.sid, woken=True)
    assert not delivery.take("VL" + "0" * 32, woken=True)
    assert len(outbox) == 1


def test_a_job_does_not_cut_a_wait_short(due, senders, clock):
    senders.script = dict.fromkeys("abc", BUSY)
    assert delivery.take(due.sid, woken=True)
    assert not delivery.take(due.sid, woken=True)
    assert senders.asked == ["a", "b", "c"]


def test_a_clock_that_goes_back_holds_nothing_up(due, senders, outbox, clock):
    clock.shift(-7200)
    assert delivery.deliver_due() == 1
    assert len(outbox) == 1


def test_a_claim_from_before_the_clock_went_back_holds_nothing_up(crashed, outbox, clock):
    clock.shift(-1000)
    assert delivery.deliver_due() == 0
    clock.shift(-1000)
    assert delivery.deliver_due() == 1
    assert (the_attempt().message_status, the_attempt().messages) == ("sent", 2)


def test_a_row_that_raises_stops_nobody(
    service, senders, outbox, clock, settings, monkeypatch, caplog
):
    settings.DJANGO_VERIFY = configured(DISPATCH="tests.delivery.test_attempts.nobody")
    verifications.start(service, PHONE)
    poison = the_attempt().sid
    clock.shift(1)
    verifications.start(service, OTHER_PHONE)
    real = due_attempts._obsolete
    monkeypatch.setattr(
        due_attempts, "_obsolete", lambda row, now: 1 / 0 if row.sid == poison else real(row, now)
    )
    assert [delivery.deliver_due(1), delivery.deliver_due(1), delivery.deliver_due(1)] == [0, 1, 0]
    assert [message.to for message in outbox] == [OTHER_PHONE]
    assert "ZeroDivisionError" in caplog.text


def test_a_key_that_left_the_ring_ends_the_attempt(due, senders, settings):
    settings.DJANGO_VERIFY = configured(KEYS={"other": "x" * 40})
    assert delivery.deliver_due() == 1
    assert delivery.deliver_due() == 0
    assert (the_attempt().message_status, the_attempt().messages) == ("failed", 0)
    assert "no longer configured" in the_attempt().error_message


def test_a_failed_attempt_is_queued_again_while_its_code_lives(
    due, service, senders, outbox, clock
):
    senders.script = {"a": SendError("refused")}
    delivery.deliver_due()
    senders.script = {}
    assert delivery.requeue(the_attempt())
    assert not delivery.requeue(the_attempt())
    assert delivery.deliver_due() == 1
    assert len(outbox) == 1
    VerificationAttempt.objects.update(message_status="failed", messages=2)
    assert not delivery.requeue(the_attempt())
    VerificationAttempt.objects.update(messages=1)
    clock.shift(601)
    assert not delivery.requeue(the_attempt())


def test_fifty_passers_send_one_message(service, senders, outbox, settings, aligned):
    settings.DJANGO_VERIFY = configured(DISPATCH="tests.delivery.test_attempts.nobody")
    for _ in range(2):
        row = verifications.start(service, PHONE)
        sid = row.send_code_attempts[-1]["attempt_sid"]
        calls = [delivery.deliver_due, lambda sid=sid: delivery.take(sid, woken=True)] * (
            THREADS // 2
        )
        assert sum(aligned(calls)) == 1
        assert len(outbox) == 1
        outbox.clear()
        verifications.cancel(service, PHONE)


def test_weights_send_a_verification_the_same_way_each_time(service, senders, settings):
    """Of either sender some, whatever process sends, and a resend as the first message."""
    settings.DJANGO_VERIFY = configured(aliases=("a", "b"), ROUTES={"sms": {"a": 1, "b": 1}})
    numbers = [f"+1415555{number}" for number in range(2600, 2612)]
    rows = [verifications.start(service, number) for number in numbers]
    first = list(senders.asked)
    assert set(first) == {"a", "b"}
    senders.asked.clear()
    # A worker reads the row anew, and has no route from the start.
    settings.DJANGO_VERIFY |= {"DISPATCH": "tests.delivery.test_attempts.ignore"}
    for row in rows:
        verifications.start(service, row.to)
    assert delivery.deliver_due() == len(rows)
    assert sorted(senders.asked) == sorted(first)
    for row in rows:
        assert len(set(row.attempts.values_list("sender", flat=True))) == 1


def ignore(sid):
    """A queue engine whose jobs get lost."""


def test_the_other_sender_of_weights_takes_over(service, senders, settings):
    settings.DJANGO_VERIFY = configured(aliases=("a", "b"), ROUTES={"sms": {"a": 1, "b": 10**9}})
    senders.script = {"b": BUSY}
    verifications.start(service, PHONE)
    assert senders.asked == ["b", "a"]
    assert the_attempt().sender == "a"
