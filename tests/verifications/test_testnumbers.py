"""Test numbers: nothing is sent, the fixed code is right, and all else is as ever."""

import datetime as dt
import json

import pytest
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.db import IntegrityError
from django.utils import timezone

from django_verify import conf, delivery, exceptions, signals, verifications
from django_verify.limits import counters
from django_verify.models import (
    ClientVerification,
    EventSink,
    TestNumber,
    Verification,
    VerificationAttempt,
    WebhookDelivery,
)
from django_verify.senders import Sender
from django_verify.verifications import testnumbers
from tests.conftest import OTHER_PHONE, PHONE, code_in, make_account, make_pair, make_service, wrong

pytestmark = pytest.mark.django_db(transaction=True)

CODE = "482913"
MAIL = "reviewer@example.com"
MEXICO, MEXICO_OLD = "+525512345678", "+5215512345678"


class LoudSender(Sender):
    """No test number reaches it."""

    channels = frozenset({"sms", "call", "whatsapp", "email"})

    def send(self, message):
        raise AssertionError("a sender was called")


@pytest.fixture(autouse=True)
def switched_on(settings):
    settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "TEST_NUMBERS": True}


@pytest.fixture
def loud(settings):
    senders = {"loud": {"BACKEND": "tests.verifications.test_testnumbers.LoudSender"}}
    settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "SENDERS": senders}


def end_pairs():
    TestNumber.objects.update(expires_at=timezone.now() - dt.timedelta(seconds=1))


@pytest.mark.parametrize("channel", ["sms", "call", "whatsapp", "email"])
def test_nothing_is_sent_on_any_channel(service, loud, channel):
    to = MAIL if channel == "email" else PHONE
    make_pair(service, to)
    received = []
    signals.attempt_failed.connect(
        lambda **kwargs: received.append(kwargs), weak=False, dispatch_uid=1
    )
    try:
        row = verifications.start(service, to, channel)
        verifications.start(service, to, channel)
    finally:
        signals.attempt_failed.disconnect(dispatch_uid=1)
    assert received == []
    assert (row.is_test, row.code_length, row.status) == (True, 6, "pending")
    for attempt in VerificationAttempt.objects.all():
        assert (attempt.withheld, attempt.message_status) == ("test", "canceled")
        assert (attempt.messages, attempt.sender, attempt.due_at) == (0, "", None)
        assert attempt.error_message == "withheld: test"
        assert not delivery.requeue(attempt)
    assert verifications.check(service, CODE, to=to).valid


def test_no_worker_sends_it(service, loud, settings):
    settings.DJANGO_VERIFY = {
        **settings.DJANGO_VERIFY,
        "DISPATCH": "tests.messages.test_autofill.wake",
    }
    make_pair(service)
    verifications.start(service, PHONE)
    assert VerificationAttempt.objects.get().message_status == "queued"
    assert delivery.deliver_due() == 1
    assert VerificationAttempt.objects.get().message_status == "canceled"
    assert delivery.deliver_due() == 0


def test_the_wire_is_a_face_like_any_other(api, service, loud):
    make_pair(service)
    root = f"Services/{service.sid}"
    started = api.post(f"{root}/Verifications", {"To": PHONE, "Channel": "sms"})
    assert started.status == 201
    ordinary = api.post(f"{root}/VerificationCheck", {"To": PHONE, "Code": wrong(CODE)})
    assert (ordinary.status, ordinary.data["valid"]) == (200, False)
    checked = api.post(f"{root}/VerificationCheck", {"To": PHONE, "Code": CODE})
    assert (checked.data["status"], checked.data["sid"]) == ("approved", started.data["sid"])
    assert Verification.objects.get().is_test


def test_the_approval_reports_that_it_is_a_test(service):
    make_pair(service)
    heard = []

    def receiver(verification, **kwargs):
        heard.append((verification.to, verification.is_test))

    signals.verification_approved.connect(receiver)
    try:
        verifications.start(service, PHONE)
        assert verifications.check(service, CODE, to=PHONE).is_test
        row = verifications.start(service, OTHER_PHONE)
        assert not verifications.approve(service, row.sid).is_test
    finally:
        signals.verification_approved.disconnect(receiver)
    assert heard == [(PHONE, True), (OTHER_PHONE, False)]


def test_its_events_report_it_and_others_do_not(account):
    service = make_service(account, verify_event_subscription_enabled=True)
    EventSink.objects.create(account=account, url="https://example.com/")
    make_pair(service)
    for to in (PHONE, OTHER_PHONE):
        verifications.start(service, to)
    verifications.check(service, CODE, to=PHONE)
    received = {}
    for delivery_ in WebhookDelivery.objects.filter(event_type__contains=".verification."):
        data = delivery_.payload["data"]
        received.setdefault(data["to"], []).append(data.get("is_test"))
        assert CODE not in json.dumps(delivery_.payload)
    assert received == {PHONE: [True, True], OTHER_PHONE: [None]}


def test_five_wrong_codes_end_it(service):
    make_pair(service)
    verifications.start(service, PHONE)
    for number in range(1, 6):
        assert verifications.check(service, wrong(CODE, number), to=PHONE).status == "pending"
    with pytest.raises(exceptions.MaxChecksReached) as caught:
        verifications.check(service, CODE, to=PHONE)
    assert caught.value.code == 60202
    with pytest.raises(exceptions.MaxSendsReached):
        verifications.start(service, PHONE)


def test_it_obeys_the_budget_of_its_recipient(service):
    make_pair(service, code="4829")
    verifications.start(service, PHONE)
    for number in range(1, 6):
        verifications.check(service, wrong("4829", number), to=PHONE)
    verifications.cancel(service, PHONE)
    with pytest.raises(exceptions.MaxSendsReached):
        verifications.start(service, PHONE)


def test_it_obeys_the_limit_of_sends(service, clock):
    make_pair(service)
    for _ in range(5):
        verifications.start(service, PHONE)
        clock.shift(1)
    with pytest.raises(exceptions.MaxSendsReached):
        verifications.start(service, PHONE)


def test_it_obeys_rate_limits(service, clock):
    make_pair(service)
    meter = counters.Meter("mine", "BL", "digest", max=1, interval=60)
    verifications.start(service, PHONE, meters=[meter])
    with pytest.raises(exceptions.VerifyError) as caught:
        verifications.start(service, PHONE, meters=[meter])
    assert caught.value.status == 429


@pytest.mark.parametrize(
    ("pair", "start"),
    [
        (PHONE, PHONE),
        (MEXICO, MEXICO_OLD),
        (MEXICO_OLD, MEXICO),
        (MAIL, MAIL.replace("example", "EXAMPLE")),
        ("jane@bücher.example", "jane@xn--bcher-kva.example"),
        ("jane@xn--bcher-kva.example", "jane@BÜCHER.example"),
    ],
)
def test_every_spelling_is_the_pairs(service, loud, pair, start):
    make_pair(service, pair)
    assert verifications.start(service, start, "email" if "@" in start else "sms").is_test
    assert verifications.check(service, CODE, to=start).valid


@pytest.mark.parametrize(
    ("pair", "start"),
    [
        (PHONE, OTHER_PHONE),
        (PHONE, MAIL),
        (MAIL, "Reviewer@example.com"),
        (MAIL, "reviewer+tag@example.com"),
        ("reviewer+tag@example.com", MAIL),
        (MAIL, "reviewer@sub.example.com"),
    ],
)
def test_another_recipient_is_sent_its_code(service, outbox, pair, start):
    make_pair(service, pair)
    row = verifications.start(service, start, "email" if "@" in start else "sms")
    assert not row.is_test
    assert code_in(outbox[0]) != CODE
    assert not verifications.check(service, CODE, to=start).valid
    assert verifications.check(service, code_in(outbox[0]), to=start).valid


@pytest.mark.parametrize(
    "values",
    [{"days": 0}, {"days": -1}, {"days": None}, {"is_active": False}],
    ids=str,
)
def test_a_pair_that_is_not_live_is_an_ordinary_number(service, outbox, clock, values):
    make_pair(service, **values)
    row = verifications.start(service, PHONE)
    assert not row.is_test
    assert not verifications.check(service, CODE, to=PHONE).valid
    assert verifications.check(service, code_in(outbox[0]), to=PHONE).valid


def test_a_pair_lives_until_its_end(service, outbox, clock):
    make_pair(service, days=1)
    clock.shift(86_399)
    assert verifications.start(service, PHONE).is_test
    verifications.cancel(service, PHONE)
    clock.shift(1)
    assert not verifications.start(service, PHONE).is_test
    assert len(outbox) == 1


def test_another_services_pair_is_none(account, service, outbox):
    make_pair(make_service(account))
    make_pair(make_service(make_account("Other")))
    assert not verifications.start(service, PHONE).is_test
    assert len(outbox) == 1


def test_without_the_setting_there_are_none(service, outbox, settings, django_assert_num_queries):
    make_pair(service)
    settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "TEST_NUMBERS": False}
    assert not verifications.start(service, PHONE).is_test
    assert len(outbox) == 1
    with django_assert_num_queries(0):
        assert testnumbers.code_of(service, PHONE) == ""


@pytest.mark.parametrize("value", [1, 0, None, "true", ""])
def test_the_setting_is_a_boolean(settings, value):
    settings.DJANGO_VERIFY = {"TEST_NUMBERS": value}
    with pytest.raises(ImproperlyConfigured, match="must be True or False"):
        conf.current()


def test_a_resend_stays_a_test_whatever_becomes_of_the_pair(service, loud, clock):
    make_pair(service)
    first = verifications.start(service, PHONE)
    end_pairs()
    clock.shift(60)
    again = verifications.start(service, PHONE)
    assert (again.sid, again.is_test, again.sends) == (first.sid, True, 2)
    pair = TestNumber.objects.get()
    pair.set_code("111111")
    pair.save()
    clock.shift(60)
    verifications.start(service, PHONE, "call")
    assert {a.withheld for a in VerificationAttempt.objects.all()} == {"test"}
    assert verifications.check(service, CODE, to=PHONE).is_test


def test_a_pending_verification_becomes_a_test_and_states_so(service, outbox, clock):
    first = verifications.start(service, PHONE)
    verifications.check(service, wrong(code_in(outbox[0])), to=PHONE)
    make_pair(service)
    clock.shift(60)
    again = verifications.start(service, PHONE)
    assert (again.sid, again.is_test) == (first.sid, True)
    assert len(outbox) == 1
    assert not verifications.check(service, code_in(outbox[0]), to=PHONE).valid
    assert verifications.check(service, CODE, to=PHONE).is_test
    assert Verification.objects.get().is_test


def test_the_pairs_code_goes_before_the_callers(account, loud):
    service = make_service(account, custom_code_enabled=True)
    make_pair(service)
    verifications.start(service, PHONE, custom_code="Abc123")
    verifications.start(service, PHONE, custom_code="Xyz789")
    assert not verifications.check(service, "Xyz789", to=PHONE).valid
    assert verifications.check(service, CODE, to=PHONE).valid


def test_a_custom_code_is_refused_where_the_service_has_none(service):
    make_pair(service)
    with pytest.raises(exceptions.FeatureDisabled):
        verifications.start(service, PHONE, custom_code="Abc123")


def test_a_payment_needs_its_amount_and_payee(account, loud):
    service = make_service(account, psd2_enabled=True)
    make_pair(service)
    payment = {"amount": "€1", "payee": "Shop"}
    verifications.start(service, PHONE, **payment)
    other = verifications.check(service, CODE, to=PHONE, **payment | {"amount": "€1"})
    assert other.is_test
    with pytest.raises(exceptions.TransactionRequired):
        verifications.start(service, PHONE)


def test_a_clients_own_verification_is_a_test_too(service, loud):
    make_pair(service)
    one, two = (
        verifications.start(service, PHONE, client=ClientVerification(service=service))
        for _ in range(2)
    )
    assert one.sid != two.sid
    assert one.is_test
    assert two.is_test
    assert {a.withheld for a in VerificationAttempt.objects.all()} == {"test"}
    assert verifications.check(service, CODE, verification_sid=two.sid).valid


def test_silent_authentication_has_its_url_and_the_fixed_code(service, settings):
    settings.DJANGO_VERIFY = {
        **settings.DJANGO_VERIFY, "SNA": {"BACKEND": "django_verify.verifications.sna.Simulator"}
    }  # fmt: skip
    make_pair(service)
    row = verifications.start(service, PHONE, "sna")
    assert row.is_test
    assert row.sna_url
    assert verifications.check(service, CODE, to=PHONE).is_test


def test_the_code_is_sealed_and_bound_to_its_row(service, caplog):
    pair = make_pair(service)
    cells = [str(value) for value in TestNumber.objects.values().get().values()]
    assert not [cell for cell in cells if CODE in cell]
    assert CODE not in repr(pair) + str(pair)
    assert PHONE not in repr(pair) + str(pair)
    other = make_pair(service, OTHER_PHONE, "111111")
    TestNumber.objects.filter(pk=other.pk).update(sealed_code=pair.sealed_code)
    assert testnumbers.code_of(service, PHONE) == CODE
    assert testnumbers.code_of(service, OTHER_PHONE) == ""
    assert other.sid in caplog.text
    assert OTHER_PHONE not in caplog.text


def test_a_pair_whose_key_is_gone_is_none(service, outbox, settings):
    settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "KEYS": {"old": "o" * 40}}
    make_pair(service)
    settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "KEYS": {"new": "n" * 40, "old": "o" * 40}}
    assert testnumbers.code_of(service, PHONE) == CODE
    settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "KEYS": {"new": "n" * 40}}
    assert not verifications.start(service, PHONE).is_test
    assert len(outbox) == 1


@pytest.mark.parametrize("code", ["", "123", "12345678901", "12a4", "١٢٣٤", "1234\n", " 1234"])
def test_a_code_is_digits(service, code):
    with pytest.raises(ValueError, match="4–10 digits"):
        TestNumber(service=service, recipient=PHONE).set_code(code)


@pytest.mark.parametrize("recipient", ["", "x", "4155552671", "+1", "@", "a@b", f"{PHONE}\n"])
def test_what_is_no_recipient_is_not_written(service, recipient):
    with pytest.raises(ValueError, match="not a"):
        make_pair(service, recipient)
    with pytest.raises(ValidationError):
        TestNumber(service=service, recipient=recipient).full_clean()


@pytest.mark.parametrize(("one", "other"), [(PHONE, PHONE), (MEXICO, MEXICO_OLD), (MAIL, MAIL)])
def test_a_recipient_has_one_pair_in_a_service(account, service, one, other):
    make_pair(service, one)
    with pytest.raises(ValidationError, match="already"):
        TestNumber(service=service, recipient=other).clean()
    with pytest.raises(IntegrityError):
        make_pair(service, other)
    make_pair(make_service(account), other)


def test_the_summary_leaves_them_out(api, service, outbox):
    make_pair(service)
    for to in (PHONE, OTHER_PHONE):
        verifications.start(service, to)
    verifications.check(service, CODE, to=PHONE)
    summary = api.get("Attempts/Summary").data
    assert (summary["total_attempts"], summary["total_converted"]) == (1, 0)
    assert len(api.get("Attempts").data["attempts"]) == 2


def test_a_service_of_the_hosts_own_asks_once(service, django_assert_num_queries):
    with django_assert_num_queries(1):
        assert testnumbers.code_of(service, PHONE) == ""
    make_pair(service)
    with django_assert_num_queries(1):
        assert testnumbers.code_of(service, PHONE) == CODE
