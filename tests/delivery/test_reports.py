"""What providers report: monotone, replayable, out of order; and messages that are sent again."""

import pytest

from django_verify import delivery, signals, verifications
from django_verify.crypto import report_tokens
from django_verify.delivery import reports as delivery_reports
from django_verify.models import Verification, VerificationAttempt
from django_verify.senders import Receipt, Report
from django_verify.verifications import endings
from tests.conftest import PHONE, THREADS, code_in
from tests.scripted import BUSY, LATE, Scripted, configured

pytestmark = pytest.mark.django_db(transaction=True)

URL = "https://verify.example.com"


@pytest.fixture(autouse=True)
def senders(settings, monkeypatch):
    monkeypatch.setattr(Scripted, "script", {"a": Receipt("SM1"), "b": Receipt("SM2")})
    monkeypatch.setattr(Scripted, "asked", [])
    settings.DJANGO_VERIFY = configured(reporting="ab", BASE_URL=URL)
    return Scripted


@pytest.fixture
def received():
    """The names of the signals that were sent about attempts."""
    names = []
    for name in ("sent", "failed", "delivered", "undelivered"):
        signal = getattr(signals, f"attempt_{name}")
        signal.connect(
            lambda name=name, **kw: names.append(name), weak=False, dispatch_uid="received"
        )
    yield names
    for name in ("sent", "failed", "delivered", "undelivered"):
        getattr(signals, f"attempt_{name}").disconnect(dispatch_uid="received")


@pytest.fixture
def sent(service, clock):
    verifications.start(service, PHONE)
    return the_attempt()


def the_attempt():
    return VerificationAttempt.objects.get()


def report(status, provider_sid="SM1", alias="a", attempt="", **values):
    return delivery_reports.record(alias, [Report(provider_sid, status, **values)], attempt)


@pytest.mark.parametrize(
    ("reports", "end"),
    [
        (["sent", "delivered", "read"], "read"),
        (["read", "delivered", "sent"], "read"),
        (["delivered", "sent"], "delivered"),
        (["delivered", "undelivered", "failed"], "delivered"),
        (["undelivered", "delivered"], "delivered"),
        (["undelivered", "failed", "sent"], "undelivered"),
        (["failed", "failed"], "failed"),
        (["queued", "sending", "nonsense", ""], "sent"),
    ],
    ids=str,
)
def test_the_state_moves_forward_only(sent, reports, end):
    for status in reports:
        report(status)
    assert the_attempt().message_status == end


def test_a_report_is_reported_once_with_its_price_and_code(sent, received):
    assert report("undelivered", code="30008", price_value="0.01", price_currency="usd") == 1
    assert report("undelivered", code="30003") == 0
    attempt = the_attempt()
    assert (attempt.error_code, attempt.error_message) == ("30008", "reported by the provider")
    assert (attempt.price_value, attempt.price_currency) == ("0.01", "usd")
    assert [report("delivered"), report("delivered"), report("read")] == [1, 0, 1]
    assert received == ["undelivered", "delivered"]
    assert (the_attempt().error_code, the_attempt().due_at) == ("", None)


@pytest.mark.parametrize(
    ("alias", "provider_sid", "named", "changed"),
    [
        ("a", "SM1", False, 1),
        ("a", "SM1", True, 1),
        ("a", "", True, 1),
        ("a", "", False, 0),
        ("a", "SM9", False, 0),
        ("a", "SM9", True, 0),
        ("b", "SM1", False, 0),
        ("b", "SM1", True, 0),
    ],
)
def test_a_report_is_about_its_senders_own_message(sent, alias, provider_sid, named, changed):
    assert report("delivered", provider_sid, alias, sent.sid if named else "") == changed


@pytest.mark.parametrize("attempt", ["VL" + "0" * 32, "x", "VL\0"], ids=ascii)
def test_an_attempt_that_is_none(sent, attempt):
    assert report("delivered", "SM9", attempt=attempt) == 0


@pytest.mark.parametrize("status", ["sent", "delivered", "undelivered"])
def test_a_report_that_overtakes_our_own_record(service, senders, received, status):
    def early(message):
        token = message.callback_url.removeprefix(f"{URL}/verify/r/")
        assert report_tokens.read(token, ["b", "a"]) == ("a", message.attempt_sid)
        assert report(status, attempt=message.attempt_sid) == 1
        return Receipt("SM1", price_value="0.01")

    senders.script = {"a": early}
    verifications.start(service, PHONE)
    attempt = the_attempt()
    assert (attempt.message_status, attempt.provider_sid, attempt.lease) == (status, "SM1", "")
    assert (attempt.price_value, attempt.messages) == ("0.01", 1)
    assert received.count("sent") == 1
    assert set(received) <= {"sent", status}


def test_a_report_proves_that_a_dead_process_has_sent(service, senders, clock, outbox):
    class Killed(BaseException):
        pass

    def die(message):
        raise Killed

    senders.script = {"a": die}
    with pytest.raises(Killed):
        verifications.start(service, PHONE)
    attempt = the_attempt()
    assert (attempt.message_status, attempt.sender, attempt.messages) == ("sending", "a", 1)
    assert report("sent", attempt=attempt.sid) == 1
    clock.shift(61)
    assert delivery.deliver_due() == 0
    assert report("delivered") == 1


def test_what_did_not_arrive_is_sent_again_by_the_next_sender(
    sent, service, senders, outbox, received
):
    report("undelivered", code="30008")
    assert delivery.deliver_due() == 1
    attempt = the_attempt()
    assert senders.asked == ["a", "b"]
    assert (attempt.message_status, attempt.sender, attempt.provider_sid) == ("sent", "b", "SM2")
    assert (attempt.messages, attempt.tries) == (2, 2)
    assert attempt.trail == [
        {"sender": "a", "channel": "sms", "provider_sid": "SM1", "status": "undelivered"}
    ]
    assert len({code_in(message) for message in outbox}) == 1
    report("undelivered", "SM2", "b")
    assert delivery.deliver_due() == 0  # two messages are enough
    assert (the_attempt().message_status, the_attempt().due_at) == ("undelivered", None)
    assert report("delivered", attempt=attempt.sid) == 1  # the first one, late
    assert received == ["undelivered", "sent", "undelivered", "delivered"]


def test_a_late_word_on_the_first_message_ends_the_search(sent, senders):
    senders.script |= {"b": BUSY, "c": BUSY}
    report("undelivered")
    assert delivery.deliver_due() == 1
    assert (the_attempt().message_status, the_attempt().messages) == ("queued", 1)
    assert report("undelivered", attempt=sent.sid) == 0
    assert report("delivered", attempt=sent.sid) == 1
    assert (the_attempt().message_status, the_attempt().due_at) == ("delivered", None)


def test_a_word_on_a_message_without_an_answer(service, senders, clock):
    senders.script = {"a": LATE, "b": BUSY, "c": BUSY}
    verifications.start(service, PHONE)
    sid = the_attempt().sid
    assert (the_attempt().message_status, the_attempt().sender) == ("queued", "c")
    assert report("delivered", "SM7", attempt=sid) == 1
    assert the_attempt().due_at is None


@pytest.mark.parametrize("end", ["expired", "canceled", "approved", "alone"])
def test_it_is_not_sent_again_where_that_is_no_use(sent, service, senders, clock, settings, end):
    if end == "alone":
        settings.DJANGO_VERIFY = configured(reporting="a", aliases="a", BASE_URL=URL)
    report("undelivered")
    if end == "expired":
        clock.shift(601)
    elif end in {"canceled", "approved"}:
        getattr(endings, {"canceled": "cancel", "approved": "approve"}[end])(service, PHONE)
    before = Verification.objects.values().get()
    assert delivery.deliver_due() == 1
    assert delivery.deliver_due() == 0
    assert senders.asked == ["a"]
    assert (the_attempt().message_status, the_attempt().due_at) == ("undelivered", None)
    assert Verification.objects.values().get() == before


def test_no_report_within_the_timeout(service, senders, settings, clock):
    settings.DJANGO_VERIFY = configured(reporting="a", BASE_URL=URL, DELIVERY_REPORT_TIMEOUT=45)
    verifications.start(service, PHONE)
    clock.shift(44)
    assert delivery.deliver_due() == 0
    clock.shift(2)
    assert delivery.deliver_due() == 1
    assert senders.asked == ["a", "b"]
    assert (the_attempt().trail[0]["status"], the_attempt().due_at) == ("sent", None)


def test_a_report_in_time(service, senders, settings, clock):
    settings.DJANGO_VERIFY = configured(reporting="ab", BASE_URL=URL, DELIVERY_REPORT_TIMEOUT=45)
    verifications.start(service, PHONE)
    report("delivered")
    clock.shift(46)
    assert delivery.deliver_due() == 0
    assert senders.asked == ["a"]


def test_nobody_waits_for_reports_that_cannot_come(service, senders, settings):
    settings.DJANGO_VERIFY = configured(reporting="a", DELIVERY_REPORT_TIMEOUT=45)
    urls = []
    senders.script = {"a": lambda message: urls.append(message.callback_url)}
    verifications.start(service, PHONE)
    assert (urls, the_attempt().due_at) == ([""], None)
    settings.DJANGO_VERIFY = configured(reporting="b", BASE_URL=URL)
    verifications.start(service, PHONE)
    settings.DJANGO_VERIFY = configured(reporting="a", BASE_URL=URL)
    settings.ROOT_URLCONF = "django_verify.api.urls"
    verifications.start(service, PHONE)
    assert urls == [""] * 3


@pytest.mark.parametrize(("asked", "due"), [(None, True), (True, True), (False, False)])
def test_an_attempt_waits_for_a_report_that_was_asked_for(service, senders, settings, asked, due):
    settings.DJANGO_VERIFY = configured(reporting="a", BASE_URL=URL, DELIVERY_REPORT_TIMEOUT=45)
    senders.script = {"a": Receipt("SM1", report_asked=asked)}
    verifications.start(service, PHONE)
    assert (the_attempt().due_at is not None) == due


@pytest.mark.parametrize(("spare", "asked"), [(0, True), (1, False)])
def test_a_url_that_is_too_long_for_the_sender_is_not_given_out(
    service, senders, settings, monkeypatch, spare, asked
):
    settings.DJANGO_VERIFY = configured(reporting="a", BASE_URL=URL, DELIVERY_REPORT_TIMEOUT=45)
    longest = len(f"{URL}/verify/r/") + report_tokens.LENGTH
    monkeypatch.setattr("tests.scripted.Reporting.callback_max_length", longest - spare)
    urls = []
    senders.script = {"a": lambda message: urls.append(message.callback_url)}
    verifications.start(service, PHONE)
    assert (len(urls[0]) == longest, the_attempt().due_at is not None) == (asked, asked)


def test_no_report_touches_the_verification(sent, service):
    verifications.cancel(service, PHONE)
    before = Verification.objects.values().get()
    for status in ("sent", "undelivered", "delivered", "read"):
        report(status)
    assert Verification.objects.values().get() == before


def test_a_worker_is_woken_for_it(sent, settings, monkeypatch):
    woken = []
    monkeypatch.setattr("tests.delivery.test_attempts.nobody", woken.append)
    settings.DJANGO_VERIFY = configured(
        reporting="ab", BASE_URL=URL, DISPATCH="tests.delivery.test_attempts.nobody"
    )
    report("undelivered")
    assert woken == [sent.sid]
    assert delivery.take(sent.sid, woken=True)
    report("undelivered", "SM2", "b")
    assert woken == [sent.sid]


def test_fifty_reports_send_one_message_again(service, senders, aligned):
    for _ in range(2):
        row = verifications.start(service, PHONE)
        sid = row.send_code_attempts[0]["attempt_sid"]
        senders.asked.clear()
        calls = [lambda sid=sid: report("undelivered", attempt=sid)] * THREADS
        assert sum(aligned(calls)) == 1
        assert sum(aligned([delivery.deliver_due] * THREADS)) == 1
        assert senders.asked == ["b"]
        verifications.cancel(service, PHONE)
