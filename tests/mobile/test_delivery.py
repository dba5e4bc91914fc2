"""How far a message is, as an app sees it; a message that is withheld looks like any other."""

import json

import pytest
from django.core.exceptions import PermissionDenied

from django_verify import delivery
from django_verify.crypto import report_tokens
from django_verify.delivery import reports
from django_verify.models import VerificationAttempt
from django_verify.senders import Receipt, Report, SendError, TemporarySendError
from django_verify.signals import verification_starting
from django_verify.verifications import progress
from tests.conftest import OTHER_PHONE, PHONE, make_service
from tests.mobile.test_views import App
from tests.scripted import BUSY, Scripted, configured

pytestmark = pytest.mark.django_db(transaction=True)

URL = "https://verify.example.com"
GONE = SendError("no such number", code="21211")


@pytest.fixture(autouse=True)
def service(account):
    return make_service(account, client_enabled=True)


@pytest.fixture(autouse=True)
def senders(settings, monkeypatch):
    monkeypatch.setattr(Scripted, "script", {})
    monkeypatch.setattr(Scripted, "asked", [])
    settings.DJANGO_VERIFY = configured(reporting="ab", aliases="ab", BASE_URL=URL)
    return Scripted


@pytest.fixture
def forbidden():
    """Have the host forbid one number."""

    def forbid(to, **kwargs):
        if to == OTHER_PHONE:
            raise PermissionDenied

    verification_starting.connect(forbid)
    yield OTHER_PHONE
    verification_starting.disconnect(forbid)


def report(status, alias="a", sid=""):
    attempt = VerificationAttempt.objects.order_by("-sid").first()
    return reports.record(alias, [Report(sid, status)], attempt.sid)


def shown(answer):
    return answer.data["delivery"], answer.data["next_channel"]


def test_a_message_that_arrives(clock):
    app = App()
    started = app.start()
    assert shown(started) == ("sent", None)
    report("delivered")
    assert shown(app.fetch(started)) == ("delivered", None)
    assert shown(app.check(started, "000000")) == ("delivered", None)
    report("read")
    assert shown(app.fetch(started)) == ("delivered", None)


@pytest.mark.parametrize("error", [GONE, TemporarySendError("no", fault="request")])
def test_a_message_that_no_sender_takes_has_failed(senders, error):
    senders.script = dict.fromkeys("ab", error)
    app = App()
    started = app.start()
    assert shown(started) == ("failed", "call")
    assert shown(app.fetch(started)) == ("failed", "call")
    assert started.data["channels"][0] == "call"
    for word in ("21211", "no such", "refused", "request"):
        assert word not in json.dumps(started.data)


def test_a_message_that_is_tried_again_is_on_its_way(senders, clock):
    senders.script = {"a": BUSY, "b": BUSY}
    app = App()
    started = app.start()
    assert shown(started) == ("sending", None)
    assert shown(app.fetch(started)) == ("sending", None)
    senders.script = {}
    clock.shift(10)
    assert delivery.deliver_due() == 1
    assert shown(app.fetch(started)) == ("sent", None)


def test_a_message_that_is_lost_goes_to_another_sender_before_it_has_failed():
    app = App()
    started = app.start()
    report("undelivered")
    assert shown(app.fetch(started)) == ("sending", None)
    assert delivery.deliver_due() == 1
    assert shown(app.fetch(started)) == ("sent", None)
    report("failed", "b")
    assert shown(app.fetch(started)) == ("failed", "call")


def test_another_channel_begins_anew(senders, clock):
    senders.script = {"a": GONE}
    app = App()
    started = app.start()
    assert shown(started) == ("failed", "call")
    senders.script = {}
    clock.shift(31)
    assert shown(app.resend(started, channel="call")) == ("sent", None)
    assert shown(app.fetch(started)) == ("sent", None)


def test_without_a_message_left_no_channel_is_offered(account, service, senders, clock):
    service.max_sends = 1
    service.save()
    senders.script = {"a": GONE}
    assert shown(App().start()) == ("failed", None)


def test_a_worker_has_not_sent_yet(settings):
    settings.DJANGO_VERIFY = configured(aliases="a", DISPATCH="tests.delivery.test_attempts.nobody")
    app = App()
    started = app.start()
    assert shown(started) == ("sending", None)
    delivery.deliver_due()
    assert shown(app.fetch(started)) == ("sent", None)


def followed(app, to, clock, *, after=()):
    """Every word that an app sees of a message, at the start and so many seconds later."""
    started = app.start(to)
    words = [shown(started)]
    for seconds in after:
        clock.shift(seconds)
        words.append(shown(app.fetch(started)))
    return words


@pytest.mark.parametrize("reporting", ["", "ab"])
def test_a_withheld_message_goes_the_way_of_any_other(settings, forbidden, clock, reporting):
    settings.DJANGO_VERIFY = configured(reporting=reporting, aliases="ab", BASE_URL=URL)
    found = followed(App(), forbidden, clock, after=(1, 9))
    end = "delivered" if reporting else "sent"
    assert found == [("sent", None), ("sent", None), (end, None)]
    assert Scripted.asked == []


def test_a_withheld_message_waits_for_a_worker(settings, forbidden, clock):
    settings.DJANGO_VERIFY = configured(
        reporting="a", BASE_URL=URL, DISPATCH="tests.delivery.test_attempts.nobody"
    )
    app = App()
    started = app.start(forbidden)
    assert shown(started) == ("sending", None)
    delivery.deliver_due()
    assert shown(app.fetch(started)) in {("sent", None), ("delivered", None)}


@pytest.mark.parametrize("outage", [True, False])
def test_a_withheld_message_shares_an_outage(senders, forbidden, clock, outage, settings):
    values = {"reporting": "a", "aliases": "a", "BASE_URL": URL, "BREAKER_FAILURES": 2}
    settings.DJANGO_VERIFY = configured(**values)
    senders.script = {"a": BUSY} if outage else {}
    for number in (2601, 2602):
        App("192.0.2.9").start(f"+1415555{number}")
    real = followed(App(), PHONE, clock, after=(1,))
    withheld = followed(App("192.0.2.2"), forbidden, clock, after=(1,))
    assert real == withheld == [("sending" if outage else "sent", None)] * 2


def test_the_moment_of_a_withheld_delivery_is_its_own_and_stays(settings, forbidden, clock):
    moments = set()
    for number in range(6):
        app = App(f"192.0.2.{number}")
        started = app.start(forbidden)
        for seconds in range(12):
            if shown(app.fetch(started))[0] == "delivered":
                moments.add(seconds)
                assert shown(app.fetch(started))[0] == "delivered"
                break
            clock.shift(1)
        else:
            pytest.fail("never delivered")
        clock.shift(700)
    assert moments <= set(range(2, 10))
    assert len(moments) > 1


@pytest.mark.parametrize("status", VerificationAttempt.MessageStatus.values)
def test_every_status_is_one_of_four_words(status):
    app = App()
    started = app.start()
    VerificationAttempt.objects.update(message_status=status)
    assert app.fetch(started).data["delivery"] in progress.WORDS


def test_a_report_that_comes_early_is_shown_at_once(senders):
    def early(message):
        token = message.callback_url.removeprefix(f"{URL}/verify/r/")
        assert report_tokens.read(token, ["a"]) == ("a", message.attempt_sid)
        report("delivered")
        return Receipt("SM1")

    senders.script = {"a": early}
    assert shown(App().start()) == ("delivered", None)


@pytest.mark.parametrize(
    ("served", "following"), [(("sms",), None), (("sms", "whatsapp"), "whatsapp")]
)
def test_no_channel_is_offered_that_no_sender_serves(senders, monkeypatch, served, following):
    monkeypatch.setattr(senders, "channels", frozenset(served))
    senders.script = dict.fromkeys("ab", GONE)
    app = App()
    started = app.start()
    assert shown(started) == ("failed", following)
    assert started.data["channels"] == [name for name in served if name != "sms"]
    assert app.start(channel="call").status == 400
