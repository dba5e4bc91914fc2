"""The breaker of a sender: opens, is probed once, closes, and costs a healthy site nothing."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_verify import delivery, verifications
from django_verify.db import queries
from django_verify.delivery import circuit_breakers, reports
from django_verify.models import SenderState, VerificationAttempt, VerifyService
from django_verify.senders import Report, SendError, TemporarySendError
from django_verify.verifications import story
from tests.conftest import PHONE, THREADS
from tests.scripted import BUSY, Scripted, configured

pytestmark = pytest.mark.django_db(transaction=True)

NUMBERS = [f"+1415555{number}" for number in range(2600, 2699)]


@pytest.fixture(autouse=True)
def senders(settings, monkeypatch):
    monkeypatch.setattr(Scripted, "script", {})
    monkeypatch.setattr(Scripted, "asked", [])
    settings.DJANGO_VERIFY = configured(aliases="ab", BREAKER_FAILURES=3)
    return Scripted


@pytest.fixture
def asks(service, senders):
    """`asks()` starts a verification and returns the senders that were asked, in order."""
    numbers = iter(NUMBERS)

    def start():
        senders.asked.clear()
        verifications.start(VerifyService.objects.get(), next(numbers))
        return "".join(senders.asked)

    return start


def state(alias="a"):
    return SenderState.objects.get(alias=alias)


@pytest.fixture
def opened(asks, senders, clock):
    """Sender `a` has failed three times in a row, and its breaker is open."""
    senders.script = {"a": BUSY}
    assert [asks() for _ in range(4)] == ["ab", "ab", "ab", "b"]
    assert (state().failures, state().openings, state().last_error) == (3, 1, "busy")
    return clock


def test_an_open_breaker_is_probed_by_one_message_and_closed_by_its_success(opened, asks, senders):
    opened.shift(29)
    assert asks() == "b"
    opened.shift(2)
    assert asks() == "ab"  # the probe fails
    assert asks() == "b"
    senders.script = {}
    opened.shift(31)
    assert [asks(), asks()] == ["a", "a"]
    assert (state().failures, state().open_until, state().failures_total) == (0, None, 4)


def test_a_refusal_for_good_is_an_answer_too(opened, asks, senders):
    senders.script = {"a": SendError("no such number")}
    opened.shift(31)
    assert asks() == "a"
    assert state().open_until is None


@pytest.mark.parametrize(
    ("fault", "last"), [("", "b"), ("account", "b"), ("request", "ab"), ("unsuited", "ab")]
)
def test_what_is_wrong_with_one_request_opens_no_breaker(asks, senders, fault, last):
    senders.script = {"a": TemporarySendError("refused", fault=fault)}
    assert [asks() for _ in range(4)] == ["ab", "ab", "ab", last]


def test_failures_must_be_in_a_row_and_in_time(asks, senders, clock):
    for _ in range(4):
        senders.script = {"a": BUSY}
        assert [asks(), asks()] == ["ab", "ab"]
        senders.script = {}
        assert asks() == "a"
    assert (state().failures, state().openings) == (0, 0)
    senders.script = {"a": BUSY}
    for _ in range(4):
        assert [asks(), asks()] == ["ab", "ab"]
        clock.shift(61)
    assert (state().failures, state().openings) == (2, 0)


def test_when_all_are_open_the_first_is_tried_all_the_same(asks, senders, clock):
    senders.script = {"a": BUSY, "b": BUSY}
    assert {asks() for _ in range(5)} == {"ab"}
    assert (state("a").openings, state("b").openings) == (1, 1)


def test_a_clock_that_goes_back_holds_no_breaker_open(opened, asks, senders):
    senders.script = {}
    opened.shift(-7200)
    assert asks() == "a"


def test_an_operator_closes_it(opened, asks, senders):
    assert circuit_breakers.close("a")
    assert not circuit_breakers.close("a")
    assert asks() == "ab"


def test_the_bounds_of_an_error_text(senders):
    circuit_breakers.failed("a", "x\0" * 400)
    assert state().last_error == "x" * 255


def statements(call):
    with CaptureQueriesContext(connection) as captured:
        call()
    return [query["sql"] for query in captured if "senderstate" in query["sql"]]


def test_a_healthy_site_asks_with_the_service_and_writes_nothing(service, senders, clock):
    def start():
        loaded = queries.service(service.sid, service.account_id)
        verifications.start(loaded, PHONE)

    found = statements(start)
    assert [sql.split()[0] for sql in found] == ["SELECT", "SELECT"]
    assert all("verifyservice" in sql for sql in found)
    circuit_breakers.failed("a", "busy")
    clock.shift(2)
    healthier = statements(start)
    assert [sql.split()[0] for sql in healthier] == ["SELECT", "SELECT", "SELECT", "UPDATE"]
    assert state().failures == 0


def test_a_process_reads_once_a_second(service, senders, clock):
    circuit_breakers.failed("b", "busy")
    assert len(statements(lambda: [circuit_breakers.states() for _ in range(3)])) == 1
    clock.shift(2)
    assert len(statements(lambda: [circuit_breakers.states() for _ in range(3)])) == 1


def test_one_probe_of_fifty(service, senders, aligned):
    now = circuit_breakers.timezone.now()
    past = now - circuit_breakers.dt.timedelta(seconds=1)
    SenderState.objects.create(alias="a", failures=3, failing_since=past, open_until=past)
    steps = [("sms", "a"), ("sms", "b")]

    def first():
        circuit_breakers.forget()
        return circuit_breakers.in_order(steps, service, probe=True)[0][1]

    assert sorted(aligned([first] * THREADS)) == ["a"] + ["b"] * (THREADS - 1)


def test_fifty_failures_are_fifty_and_one_opening(senders, aligned):
    aligned([lambda: circuit_breakers.failed("a", "busy")] * THREADS)
    assert (state().failures, state().failures_total, state().openings) == (THREADS, THREADS, 1)


def test_an_unsure_answer_counts_against_the_sender_and_the_attempt(service, senders, clock):
    senders.script = {"a": TemporarySendError("slow", uncertain=True)}
    row = verifications.start(service, PHONE)
    attempt = row.attempts.get()
    assert (attempt.message_status, attempt.sender, attempt.messages) == ("sent", "b", 2)
    assert (attempt.trail[0]["sender"], state().failures) == ("a", 1)
    assert delivery.deliver_due() == 0


def test_a_paused_sender_gets_nothing_until_it_is_resumed(asks, senders):
    circuit_breakers.pause("a")
    assert [asks(), asks()] == ["b", "b"]
    assert (state().failures, state().last_error) == (0, "")
    assert circuit_breakers.resume("a")
    assert not circuit_breakers.resume("a")
    assert asks() == "a"


def test_a_pause_ends_by_itself(asks, senders, clock):
    circuit_breakers.pause(
        "a", circuit_breakers.timezone.now() + circuit_breakers.dt.timedelta(minutes=10)
    )
    assert asks() == "b"
    clock.shift(601)
    assert asks() == "a"


def test_a_pause_outlives_a_success_of_what_was_on_its_way(asks, senders, service):
    circuit_breakers.pause("a")
    circuit_breakers.answered("a", service)
    assert state().paused_at is not None
    assert asks() == "b"


def test_a_paused_sender_is_no_last_resort(asks, senders):
    circuit_breakers.pause("a")
    senders.script = {"b": BUSY}
    assert {asks() for _ in range(5)} == {"b"}


def test_a_message_waits_for_its_paused_senders(service, senders, clock):
    for alias in "ab":
        circuit_breakers.pause(alias)
    attempt = verifications.start(service, PHONE).attempts.get()
    waits = "every sender of this channel is paused"
    assert (attempt.message_status, attempt.error_message, attempt.messages) == ("queued", waits, 0)
    assert delivery.explain(attempt).cause == "paused"
    assert senders.asked == []
    circuit_breakers.resume("b")
    clock.shift(30)
    assert delivery.deliver_due() == 1
    attempt.refresh_from_db()
    assert (attempt.message_status, attempt.sender, attempt.error_message) == ("sent", "b", "")


def test_a_message_waits_for_its_paused_senders_as_long_as_its_code_lives(service, senders, clock):
    for alias in "ab":
        circuit_breakers.pause(alias)
    attempt = verifications.start(service, PHONE).attempts.get()
    for _ in range(service.lifetime // 5 - 6):
        clock.shift(5)
        delivery.deliver_due()
    attempt.refresh_from_db()
    assert (attempt.message_status, attempt.messages) == ("queued", 0)
    circuit_breakers.resume("b")
    clock.shift(20)
    assert delivery.deliver_due() == 1
    attempt.refresh_from_db()
    assert (attempt.message_status, attempt.sender) == ("sent", "b")


def test_a_message_that_waited_too_long_is_dropped(service, senders, clock):
    for alias in "ab":
        circuit_breakers.pause(alias)
    attempt = verifications.start(service, PHONE).attempts.get()
    clock.shift(service.lifetime + 1)
    delivery.deliver_due()
    attempt.refresh_from_db()
    assert (attempt.message_status, delivery.explain(attempt).cause) == ("failed", "late")


def test_trouble_begins_with_the_first_failure_and_ends_with_an_answer(asks, senders, clock):
    began = circuit_breakers.timezone.now()
    for text in ("a", "b", "c"):
        circuit_breakers.failed("a", text)
        clock.shift(90)
    assert (state().error_since, state().failures) == (began, 1)
    circuit_breakers.misconfigured("a", "refused")
    assert state().error_since == began
    circuit_breakers.close("a")
    assert state().error_since is None
    circuit_breakers.misconfigured("a", "refused")
    assert state().error_since == circuit_breakers.timezone.now()


def test_a_failure_keeps_its_code_and_time(senders, clock):
    circuit_breakers.failed("a", "busy", "503")
    assert (state().last_code, state().last_error_at) == ("503", state().date_updated)
    circuit_breakers.misconfigured("a", "refused", "21606")
    assert (state().last_code, state().failures) == ("21606", 1)


def test_a_lost_message_waits_for_the_paused_sender_that_may_follow(service, senders, clock):
    circuit_breakers.pause("b")
    attempt = verifications.start(service, PHONE).attempts.get()
    assert reports.record("a", [Report(attempt.provider_sid, "undelivered")], attempt.sid) == 1
    assert delivery.deliver_due() == 1
    attempt.refresh_from_db()
    assert (attempt.message_status, attempt.sender, attempt.messages) == ("undelivered", "a", 1)
    clock.shift(5)
    circuit_breakers.resume("b")
    assert delivery.deliver_due() == 0
    clock.shift(300)
    assert delivery.deliver_due() == 1
    attempt.refresh_from_db()
    assert (attempt.message_status, attempt.sender, attempt.messages) == ("sent", "b", 2)


def test_a_lost_message_is_not_put_off_beyond_its_code(service, senders, clock):
    circuit_breakers.pause("b")
    attempt = verifications.start(service, PHONE).attempts.get()
    reports.record("a", [Report(attempt.provider_sid, "undelivered")], attempt.sid)
    for _ in range(service.lifetime // 5):
        delivery.deliver_due()
        clock.shift(5)
    attempt.refresh_from_db()
    assert (attempt.message_status, attempt.due_at) == ("undelivered", None)


class Killed(BaseException):
    """The process ends while it waits for the provider."""


def test_a_test_of_one_sender_is_sent_by_no_other(service, senders, clock):
    def dies(message):
        raise Killed

    senders.script = {"b": dies}
    service.only_sender = "b"
    with pytest.raises(Killed):
        verifications.start(service, PHONE)
    clock.shift(service.lifetime // 2)
    assert delivery.deliver_due() == 1
    attempt = VerificationAttempt.objects.get()
    assert (attempt.message_status, attempt.due_at, senders.asked) == ("failed", None, ["b"])
    assert not delivery.requeue(attempt)
    assert story.why_not_again(attempt, timezone.now())
    senders.script = {}
    attempt = verifications.start(service, NUMBERS[1]).attempts.get()
    reports.record("b", [Report("", "sent")], attempt.sid)
    reports.record("b", [Report("", "undelivered")], attempt.sid)
    assert delivery.deliver_due() == 0
    assert senders.asked == ["b", "b"]
