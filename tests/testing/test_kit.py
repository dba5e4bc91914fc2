"""The fixtures, inside the transaction of a test: what was sent, when, and what became of it."""

import datetime as dt

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.db.transaction import get_connection
from django.dispatch import Signal
from django.test import override_settings
from django.utils import timezone

from django_verify import conf, senders, signals, verifications
from django_verify.exceptions import MaxChecksReached, NotFound
from django_verify.factors import entities
from django_verify.models import VerificationAttempt, VerifyService
from django_verify.testing import Kit, for_tests
from django_verify.testing.clock import Clock
from django_verify.testing.recorder import MOST, Outbox
from tests.conftest import OTHER_PHONE, PHONE, wrong

pytestmark = [pytest.mark.django_db, pytest.mark.portable]


@pytest.fixture
def heard():
    """The signals that were sent, by name."""
    found = []
    names = {value: name for name, value in vars(signals).items() if isinstance(value, Signal)}

    def receive(signal, **kwargs):
        found.append(names[signal])

    for signal in names:
        signal.connect(receive)
    yield found
    for signal in names:
        signal.disconnect(receive)


def attempt_of(verification):
    return VerificationAttempt.objects.filter(verification=verification).latest("sid")


def test_a_verification_in_the_transaction_of_a_test(verify_service, verify_code, heard):
    started = verifications.start(verify_service, PHONE)
    assert attempt_of(started).message_status == "sent"
    code = verify_code("+1 (415) 555-2671")
    assert verifications.check(verify_service, wrong(code), to=PHONE).status == "pending"
    assert verifications.check(verify_service, code, to=PHONE).valid
    assert heard == [
        "verification_starting", "verification_started", "attempt_sent", "verification_approved",
    ]  # fmt: skip


@pytest.mark.parametrize("number", [1, 2])
def test_the_outbox_is_empty_at_the_start_of_each_test(number, verify_service, verify_outbox):
    assert verify_outbox == []
    verifications.start(verify_service, PHONE)
    verifications.start(verify_service, "anna@example.com", "email")
    assert [sent.channel for sent in verify_outbox] == ["sms", "email"]
    (text,) = verify_outbox.to(PHONE)
    assert text.code in text.body
    assert (text.sender, text.message.to) == ("memory", PHONE)
    assert PHONE not in repr(verify_outbox)
    assert text.code not in repr(verify_outbox)


def test_a_block_of_the_sites_own_is_committed_when_it_ends(verify_service, verify_outbox, heard):
    with transaction.atomic():
        with transaction.atomic():
            verifications.start(verify_service, PHONE)
        assert verify_outbox == []
        assert "verification_started" not in heard
    assert len(verify_outbox) == 1
    assert heard == ["verification_starting", "verification_started", "attempt_sent"]


def test_what_waited_before_the_test_is_no_message_of_it():
    """As that of `setUpTestData`, which the first test of a class would have alone."""
    called = []

    def send():
        called.append("early")

    send.__module__ = "django_verify.delivery"
    get_connection().run_on_commit.append((set(), send, False))
    with Kit() as kit:
        verifications.start(kit.service(), PHONE)
        assert len(kit.outbox) == 1
    assert called == []


def test_a_block_that_is_rolled_back_sends_nothing(verify_service, verify_outbox, heard):
    with pytest.raises(ValueError), transaction.atomic():
        verifications.start(verify_service, PHONE)
        raise ValueError
    with transaction.atomic():
        pass
    assert verify_outbox == []
    assert heard == ["verification_starting"]


def test_the_law_of_charges_holds_in_a_block_of_the_sites_own(verify_service, verify_code):
    verifications.start(verify_service, PHONE)
    with transaction.atomic(), pytest.raises(RuntimeError, match="verifications"):
        verifications.check(verify_service, verify_code(PHONE), to=PHONE)
    assert verifications.check(verify_service, verify_code(PHONE), to=PHONE).valid


def test_callbacks_of_the_site_stay_djangos(
    verify_service, verify_outbox, django_capture_on_commit_callbacks
):
    called = []
    with django_capture_on_commit_callbacks() as waiting, transaction.atomic():
        transaction.on_commit(lambda: called.append("site"))
        verifications.start(verify_service, PHONE)
    assert called == []
    assert len(waiting) == 1
    assert len(verify_outbox) == 1


def test_a_callback_that_fails(verify_kit, caplog):
    """As on a site: a robust one is logged, another raises."""

    def fail():
        raise ValueError

    fail.__module__ = "django_verify.delivery"
    transaction.on_commit(fail, robust=True)
    assert "ValueError" in caplog.text
    with pytest.raises(ValueError):
        transaction.on_commit(fail)


def test_nothing_is_patched_once_the_test_is_over():
    from django.db.backends.base.base import BaseDatabaseWrapper

    assert BaseDatabaseWrapper.on_commit.__module__ == "django.db.backends.base.base"
    assert transaction.Atomic.__exit__.__module__ == "django.db.transaction"
    assert timezone.datetime is dt.datetime


def test_a_missing_message_is_explained(verify_service, verify_code, verify_failures):
    with pytest.raises(LookupError, match="no verification of it was started"):
        verify_code(PHONE)
    verify_failures.refuse(code="21614")
    verifications.start(verify_service, PHONE)
    with pytest.raises(LookupError, match="refused the recipient") as caught:
        verify_code(PHONE)
    assert PHONE not in str(caught.value)


def test_the_clock_moves_the_time_of_verbs(verify_service, verify_code, verify_clock):
    verifications.start(verify_service, PHONE)
    code, before = verify_code(PHONE), timezone.now()
    verify_clock.shift(minutes=9, seconds=30)
    assert timezone.now() - before >= dt.timedelta(seconds=570)
    assert verifications.fetch(verify_service, PHONE).status == "pending"
    verify_clock.shift(60)
    with pytest.raises(NotFound):
        verifications.check(verify_service, code, to=PHONE)


def test_the_clock_moves_the_defaults_of_models_too(verify_service, verify_clock):
    verify_clock.move_to(dt.datetime(2030, 5, 1, 12, tzinfo=dt.UTC))
    made = VerifyService.objects.create(account=verify_service.account, friendly_name="Later")
    made.refresh_from_db()
    assert (made.date_created.year, made.date_updated.year) == (2030, 2030)
    verify_clock.reset()
    assert timezone.now().year < 2030
    with pytest.raises(ValueError, match="time zone"):
        verify_clock.move_to(dt.datetime(2030, 5, 1))  # noqa: DTZ001 - the point of it


def test_the_clock_moves_authenticator_apps(verify_service, verify_clock):
    import pyotp

    factor = entities.enrol(verify_service, "user-0001", "totp", "Anna's phone")
    from django_verify import factors

    secret = factors.get("totp").binding(factor)["secret"]
    verify_clock.shift(days=1)
    assert entities.verify(factor, pyotp.TOTP(secret).at(verify_clock.now)).status == "verified"


def test_dates_are_dates_while_the_clock_is_moved():
    from django.utils.timezone import template_localtime

    with Clock().running():
        moment = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
        assert template_localtime(moment, use_tz=True) == moment
        assert isinstance(moment, timezone.datetime)
        assert not isinstance("2026", timezone.datetime)


def test_a_clock_beside_another_librarys_datetime(monkeypatch):
    """freezegun's has a metaclass; a moment that a site makes is no class of the kit's."""

    class Other(type):
        pass

    class Frozen(dt.datetime, metaclass=Other):
        pass

    monkeypatch.setattr("datetime.datetime", Frozen)
    with Clock().running():
        assert timezone.datetime.fromisoformat("2026-01-01") == Frozen(2026, 1, 1)
        assert type(timezone.datetime(2026, 1, 1)) is Frozen
        assert abs(timezone.now() - Frozen.now(dt.UTC)) < dt.timedelta(minutes=1)


@pytest.mark.parametrize("days", [3_000_000, -30_000, 1e9])
def test_a_clock_stays_where_it_is_when_the_moment_is_out_of_reach(days, verify_clock):
    verify_clock.shift(60)
    with pytest.raises(OverflowError):
        verify_clock.shift(days=days)
    assert verify_clock.offset == dt.timedelta(seconds=60)


def test_a_provider_that_refuses_a_recipient(verify_service, verify_outbox, verify_failures):
    verify_failures.refuse(PHONE, code="21614")
    refused = attempt_of(verifications.start(verify_service, PHONE))
    assert (refused.message_status, refused.error_code) == ("failed", "21614")
    sent = attempt_of(verifications.start(verify_service, OTHER_PHONE))
    assert sent.message_status == "sent"
    verify_failures.clear()
    verifications.start(verify_service, PHONE)
    assert [message.to for message in verify_outbox] == [OTHER_PHONE, PHONE]


def test_a_provider_out_of_reach_gets_the_message_later(
    verify_service, verify_kit, verify_failures, verify_outbox, verify_clock
):
    verify_failures.unavailable(times=1)
    waiting = verifications.start(verify_service, PHONE)
    assert attempt_of(waiting).message_status == "queued"
    assert verify_outbox == []
    assert verify_kit.deliver_due() == 0
    verify_clock.shift(30)
    assert verify_kit.deliver_due() == 1
    assert len(verify_outbox) == 1


def test_another_sender_takes_over(verify_service, verify_failures, verify_outbox, verify_settings):
    recorder = {"BACKEND": "django_verify.testing.recorder.RecordingSender"}
    verify_settings(SENDERS={"one": recorder, "two": recorder}, ROUTES={"sms": ["one", "two"]})
    verify_failures.misconfigured(sender="one")
    verifications.start(verify_service, PHONE)
    assert [sent.sender for sent in verify_outbox] == ["two"]


def test_an_answer_that_is_lost_may_have_been_a_message(
    verify_service, verify_failures, verify_outbox
):
    verify_failures.lose_answer(channel="sms")
    attempt = attempt_of(verifications.start(verify_service, PHONE))
    assert len(verify_outbox) == 1
    assert attempt.messages == 1
    assert attempt.trail[0]["status"] == "unknown"


def test_reports_on_demand(verify_service, verify_reports, heard):
    started = verifications.start(verify_service, PHONE)
    assert verify_reports.delivered(PHONE)
    assert not verify_reports.delivered(PHONE)
    assert verify_reports.read(PHONE)
    assert attempt_of(started).message_status == "read"
    other = verifications.start(verify_service, OTHER_PHONE)
    assert verify_reports.undelivered(OTHER_PHONE, code="30006")
    lost = attempt_of(other)
    assert (lost.message_status, lost.error_code) == ("undelivered", "30006")
    assert heard.count("attempt_delivered") == 1
    assert heard.count("attempt_undelivered") == 1
    with pytest.raises(LookupError):
        verify_reports.failed("+14155552672")


def test_reports_by_themselves_at_once_and_late(verify_service, verify_reports, verify_clock):
    verify_reports.always("delivered")
    assert attempt_of(verifications.start(verify_service, PHONE)).message_status == "delivered"
    verify_reports.always("failed", code="30008", after=90)
    late = verifications.start(verify_service, OTHER_PHONE)
    verify_clock.shift(80)
    assert attempt_of(late).message_status == "sent"
    verify_clock.shift(20)
    assert attempt_of(late).message_status == "failed"
    verify_reports.never()
    assert attempt_of(verifications.start(verify_service, "+14155552672")).message_status == "sent"
    with pytest.raises(ValueError, match="delivered"):
        verify_reports.always("arrived")


@pytest.mark.verify_service(friendly_name="Shop", code_length=8, client_purposes="sign-up")
def test_the_mark_names_the_fields_of_the_service(verify_service, verify_code):
    assert (verify_service.friendly_name, verify_service.purposes) == ("Shop", ["sign-up"])
    verifications.start(verify_service, PHONE)
    assert len(verify_code(PHONE)) == 8


def test_one_service_is_open_to_apps(verify_kit, verify_settings):
    first, second = verify_kit.service(), verify_kit.service(friendly_name="Two")
    assert (first.client_enabled, second.client_enabled) == (True, False)
    sid = "VA" + "0" * 31 + "1"
    verify_settings(CLIENT_SERVICE=sid)
    assert verify_kit.service().sid == sid
    assert verify_kit.service().sid != sid


def test_settings_of_a_test_end_with_it(verify_settings, settings):
    verify_settings(SHOW_FRAUD_BLOCKS=True)
    assert conf.current().SHOW_FRAUD_BLOCKS
    assert set(senders.configured()) == {"memory"}


def test_settings_end_where_another_override_began_before_them_and_ends_later():
    """As pytest-django's `settings` does in a test that names it before the kit's fixtures."""
    site = conf.written()
    with Kit() as kit:
        between = override_settings(LANGUAGE_CODE="de")
        between.enable()
        kit.settings(SHOW_FRAUD_BLOCKS=True)
        last = override_settings(TIME_ZONE="Asia/Tokyo")
        last.enable()
    assert conf.written() == site
    assert not conf.current().SHOW_FRAUD_BLOCKS
    for override in (last, between):
        override.disable()
        assert conf.written() == site
        assert not conf.current().SHOW_FRAUD_BLOCKS


def test_guesses_are_counted_as_ever(verify_service, verify_code):
    verifications.start(verify_service, PHONE)
    code = verify_code(PHONE)
    for number in range(5):
        verifications.check(verify_service, wrong(code, number + 1), to=PHONE)
    with pytest.raises(MaxChecksReached):
        verifications.check(verify_service, code, to=PHONE)


def test_an_outbox_has_an_end(verify_service, verify_outbox):
    verifications.start(verify_service, PHONE)
    (sent,) = verify_outbox
    many = Outbox([sent] * MOST)
    many.append(sent)
    assert len(many) == MOST


def test_settings_for_tests_keep_the_routes():
    site = {
        "SENDERS": {
            "texts": {"BACKEND": "django_verify.senders.twilio.TwilioSender", "OPTIONS": {"x": 1}},
            "mail": "django_verify.senders.email.EmailSender",
            "gone": {"BACKEND": "nowhere.Sender"},
        },
        "ROUTES": {"sms": ["texts"], "email": ["mail"]},
        "DISPATCH": "celery",
        "BOT_PROTECTION": {"BACKEND": "django_verify.gates.turnstile.TurnstileGate"},
        "RATE_LIMIT_STORE": "redis://127.0.0.1:6379/0",
    }
    made = for_tests(site, SHOW_FRAUD_BLOCKS=True)
    assert for_tests(made) == made | {"SHOW_FRAUD_BLOCKS": True}
    with override_settings(DJANGO_VERIFY=made):
        assert conf.current().DISPATCH == "inline"
        assert conf.current().BOT_PROTECTION is None
        assert senders.route("sms") == ["texts"]
        assert senders.route("email") == ["mail"]
        assert not senders.get("mail").reporting
        assert senders.get("texts").reporting
        assert "sms" in senders.get("gone").channels
    assert site["DISPATCH"] == "celery"
    with override_settings(DJANGO_VERIFY=for_tests()):
        assert list(senders.configured()) == ["console"]


def test_a_sender_that_is_replaced_serves_what_its_options_have_it_serve(verify_kit):
    of_calls = {"url": "https://sms.example.com/", "fields": {"to": "{to}"}, "channels": ["call"]}
    site = {
        "SENDERS": {
            "calls": {"BACKEND": "django_verify.senders.http.HttpSender", "OPTIONS": of_calls},
            "texts": "django_verify.senders.aliyun.AliyunSender",
        }
    }
    with override_settings(DJANGO_VERIFY=for_tests(site)):
        assert senders.route("call") == ["calls"]
        assert senders.route("sms") == ["texts"]


def test_a_site_that_routes_to_the_console_and_names_no_sender():
    with override_settings(DJANGO_VERIFY={"ROUTES": {"sms": ["console"]}}), Kit() as kit:
        verifications.start(kit.service(), PHONE)
        assert kit.code(PHONE)


def test_a_name_that_the_kit_does_not_have():
    from django_verify import testing

    with pytest.raises(AttributeError, match="no_such_name"):
        testing.no_such_name  # noqa: B018 - raises


@override_settings(ROOT_URLCONF="django_verify.mobile.urls")
def test_the_client_needs_the_api(verify_kit):
    pytest.importorskip("twilio")
    with pytest.raises(ImproperlyConfigured, match="Include the API"):
        verify_kit.twilio_client("http://127.0.0.1")


@pytest.fixture
def region(monkeypatch):
    """A region in the environment, which the client would put into any host."""
    monkeypatch.setenv("TWILIO_REGION", "ie1")


def test_the_vendors_client(region, verify_service, twilio_client, verify_code):
    scope = twilio_client.verify.v2.services(verify_service.sid)
    assert scope.verifications.create(to=PHONE, channel="sms").status == "pending"
    checked = scope.verification_checks.create(to=PHONE, code=verify_code(PHONE))
    assert checked.status == "approved"
