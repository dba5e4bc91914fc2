"""The verbs of a verification, through the Python API."""

import datetime as dt
from types import SimpleNamespace

import pytest
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, OperationalError, transaction
from django.test import override_settings
from django.utils import timezone

from django_verify import conf, exceptions, signals, verifications
from django_verify.crypto import codes
from django_verify.db import autocommit, queries
from django_verify.models import Verification, VerificationAttempt, VerifyService
from django_verify.verifications import guess_budget, verbs
from django_verify.verifications import store as writes
from tests.conftest import OTHER_PHONE, PHONE, code_in, make_account, make_service, wrong

pytestmark = pytest.mark.django_db(transaction=True)

PSD2 = {"amount": "€39.99", "payee": "Acme Inc."}


def guess(service, code, times, **kwargs):
    """Guess wrongly this often; return the statuses."""
    kwargs = kwargs or {"to": PHONE}
    return [
        verifications.check(service, wrong(code, n), **kwargs).status for n in range(1, times + 1)
    ]


def heard(signal):
    calls = []

    def receiver(**kwargs):
        calls.append(kwargs)

    signal.connect(receiver, weak=False, dispatch_uid=id(calls))
    return calls


@pytest.fixture
def listen():
    """`listen(signal)` returns the list of that signal's calls in this test."""
    connected = []

    def listen(signal):
        calls = heard(signal)
        connected.append((signal, id(calls)))
        return calls

    yield listen
    for signal, uid in connected:
        signal.disconnect(dispatch_uid=uid)


def test_start_writes_a_verification_and_its_attempt(service, outbox, clock):
    row = verifications.start(service, PHONE, "sms", tags={"tenant": "7"})
    stored = Verification.objects.get(sid=row.sid)
    attempt = stored.attempts.get()
    assert (stored.status, stored.channel, stored.country) == ("pending", "sms", "US")
    assert stored.expires_at - stored.date_created == dt.timedelta(seconds=600)
    assert (attempt.message_status, attempt.sender, attempt.tags) == (
        "sent",
        "memory",
        {"tenant": "7"},
    )
    assert (attempt.lease, attempt.due_at, attempt.tries) == ("", None, 1)
    assert stored.send_code_attempts == [
        {"time": "2026-03-01T12:00:00Z", "channel": "sms", "attempt_sid": attempt.sid}
    ]
    assert len(code_in(outbox[0])) == 6


def test_a_clock_that_goes_back_refuses_no_resend(service, outbox, clock):
    row = verifications.start(service, PHONE)
    # As far apart as two machines may be: another start has overtaken this one.
    clock.shift(-60)
    with pytest.raises(exceptions.ConcurrentStarts):
        verifications.start(service, PHONE)
    clock.shift(-1)
    again = verifications.start(service, PHONE)
    assert (again.sid, again.sends) == (row.sid, 2)
    assert len({code_in(message) for message in outbox}) == 1


@pytest.mark.parametrize("length", [4, 6, 10])
def test_code_length_is_the_services(account, outbox, length):
    service = make_service(account, code_length=length)
    verifications.start(service, PHONE)
    assert len(code_in(outbox[0])) == length
    assert verifications.check(service, code_in(outbox[0]), to=PHONE).valid


def test_resend_and_channel_change_keep_sid_and_code(service, outbox, clock):
    first = verifications.start(service, PHONE, "sms")
    clock.shift(30)
    second = verifications.start(service, PHONE, "call")
    third = verifications.start(service, PHONE, "whatsapp")
    assert first.sid == second.sid == third.sid
    assert len({code_in(message) for message in outbox}) == 1
    assert second.expires_at == first.expires_at
    assert [a["channel"] for a in third.send_code_attempts] == ["sms", "call", "whatsapp"]
    assert Verification.objects.get().channel == "whatsapp"
    assert VerificationAttempt.objects.count() == 3


def test_sends_are_limited_and_a_check_does_not_reset_them(service, outbox, clock):
    for _ in range(5):
        verifications.start(service, PHONE)
    clock.shift(60)
    with pytest.raises(exceptions.MaxSendsReached) as caught:
        verifications.start(service, PHONE, "call")
    assert caught.value.retry_after == 540
    assert len(outbox) == 5
    assert verifications.check(service, code_in(outbox[0]), to=PHONE).valid
    assert verifications.start(service, PHONE).sends == 1


def test_right_code_approves_once(service, outbox, listen):
    approved = listen(signals.verification_approved)
    row = verifications.start(service, PHONE)
    answer = verifications.check(service, code_in(outbox[0]), to=PHONE)
    assert (answer.sid, answer.status, answer.valid) == (row.sid, "approved", True)
    with pytest.raises(exceptions.NotFound):
        verifications.check(service, code_in(outbox[0]), to=PHONE)
    assert [call["verification"].sid for call in approved] == [row.sid]
    assert Verification.objects.get().status == "approved"


def test_five_wrong_codes_end_it(service, outbox, clock, listen):
    failed = listen(signals.verification_failed)
    row = verifications.start(service, PHONE)
    code = code_in(outbox[0])
    assert guess(service, code, 5) == ["pending"] * 5
    assert [call["verification"].sid for call in failed] == [row.sid]
    for target in ({"to": PHONE}, {"verification_sid": row.sid}):
        with pytest.raises(exceptions.MaxChecksReached):
            verifications.check(service, code, **target)
    assert verifications.fetch(service, PHONE).status == "max_attempts_reached"
    with pytest.raises(exceptions.MaxSendsReached):
        verifications.start(service, PHONE)
    clock.shift(600)
    with pytest.raises(exceptions.NotFound):
        verifications.check(service, code, to=PHONE)
    assert verifications.start(service, PHONE).sid != row.sid
    assert len(failed) == 1


def test_the_last_check_may_be_right(service, outbox, listen):
    failed = listen(signals.verification_failed)
    verifications.start(service, PHONE)
    code = code_in(outbox[0])
    guess(service, code, 4)
    assert verifications.check(service, code, to=PHONE).valid
    assert failed == []


def test_cancel_unlocks_after_the_last_check(service, outbox):
    verifications.start(service, PHONE)
    guess(service, code_in(outbox[0]), 5)
    assert verifications.cancel(service, PHONE).status == "canceled"
    assert verifications.start(service, PHONE).status == "pending"


def test_expiry_is_exact_and_lazy(service, outbox, clock):
    row = verifications.start(service, PHONE)
    code = code_in(outbox[0])
    clock.shift(599)
    assert verifications.check(service, wrong(code), to=PHONE).status == "pending"
    clock.shift(1)
    for call in (
        lambda: verifications.check(service, code, to=PHONE),
        lambda: verifications.check(service, code, verification_sid=row.sid),
        lambda: verifications.fetch(service, row.sid),
        lambda: verifications.approve(service, row.sid),
        lambda: verifications.cancel(service, row.sid),
    ):
        with pytest.raises(exceptions.NotFound):
            call()
    assert Verification.objects.get().checks == 1
    again = verifications.start(service, PHONE)
    assert again.sid != row.sid
    assert code_in(outbox[-1]) != code


def test_cancel_makes_a_new_code(service, outbox, listen):
    canceled = listen(signals.verification_canceled)
    row = verifications.start(service, PHONE)
    verifications.cancel(service, row.sid)
    assert verifications.fetch(service, row.sid).status == "canceled"
    with pytest.raises(exceptions.NotFound):
        verifications.check(service, code_in(outbox[0]), to=PHONE)
    with pytest.raises(exceptions.NotFound):
        verifications.cancel(service, row.sid)
    assert [call["verification"].sid for call in canceled] == [row.sid]
    assert verifications.start(service, PHONE).sid != row.sid
    assert code_in(outbox[0]) != code_in(outbox[1])


def test_approve_is_final(service, listen):
    approved = listen(signals.verification_approved)
    row = verifications.start(service, PHONE)
    assert verifications.approve(service, PHONE).valid
    for verb in (verifications.approve, verifications.cancel, verifications.fetch):
        with pytest.raises(exceptions.NotFound):
            verb(service, row.sid)
    assert len(approved) == 1


def test_a_used_up_verification_is_not_approved(service, outbox):
    row = verifications.start(service, PHONE)
    guess(service, code_in(outbox[0]), 5)
    with pytest.raises(exceptions.NotFound):
        verifications.approve(service, row.sid)


def test_ended_rows_stay_readable_for_a_day(service, clock):
    row = verifications.start(service, PHONE)
    verifications.cancel(service, row.sid)
    clock.shift(600 + 24 * 3600 - 1)
    assert verifications.fetch(service, row.sid).status == "canceled"
    clock.shift(1)
    with pytest.raises(exceptions.NotFound):
        verifications.fetch(service, row.sid)


def test_fetch_by_recipient_prefers_the_pending_one(service):
    old = verifications.start(service, PHONE)
    verifications.cancel(service, old.sid)
    new = verifications.start(service, PHONE)
    assert verifications.fetch(service, PHONE).sid == new.sid
    verifications.cancel(service, new.sid)
    assert verifications.fetch(service, PHONE).sid == new.sid


@pytest.mark.parametrize(
    "key", ["nobody", "VE123", "+1 415", "a@b", "\0", "VE" + "0" * 32, "+14155552672"]
)
def test_fetch_of_nothing(service, key):
    with pytest.raises(exceptions.NotFound):
        verifications.fetch(service, key)


def test_a_code_belongs_to_its_verification(account, outbox):
    one, two = make_service(account), make_service(account)
    verifications.start(one, PHONE)
    verifications.start(two, PHONE)
    first, second = map(code_in, outbox)
    assert first != second
    assert verifications.check(two, first, to=PHONE).status == "pending"
    row = Verification.objects.get(service=one)
    with pytest.raises(exceptions.NotFound):
        verifications.check(two, first, verification_sid=row.sid)
    assert verifications.check(one, first, to=PHONE).valid


def test_both_targets_must_agree(service, outbox):
    row = verifications.start(service, PHONE)
    code = code_in(outbox[0])
    with pytest.raises(exceptions.NotFound):
        verifications.check(service, code, to=OTHER_PHONE, verification_sid=row.sid)
    assert Verification.objects.get().checks == 0
    assert verifications.check(service, code, to=PHONE, verification_sid=row.sid).valid


@pytest.mark.parametrize("code", ["", "123", "12345678901"])
def test_a_malformed_code_is_not_charged(service, code):
    verifications.start(service, PHONE)
    with pytest.raises(exceptions.InvalidParameter):
        verifications.check(service, code, to=PHONE)
    assert Verification.objects.get().checks == 0


@pytest.mark.parametrize("code", ["١٢٣٤٥٦", "１２３٤５٦", "12 456", "abcdef", "000000\n"])
def test_an_odd_code_is_simply_wrong_as_it_is_written(service, code):
    verifications.start(service, PHONE)
    assert verifications.check(service, code, to=PHONE, as_written=True).status == "pending"
    assert Verification.objects.get().checks == 1


def test_check_needs_a_target(service):
    with pytest.raises(exceptions.CheckTargetMissing):
        verifications.check(service, "123456")


# The recipient budget.


def test_cancel_and_restart_do_not_refresh_the_budget(account, outbox):
    services = [make_service(account) for _ in range(3)]
    compared = 0
    for turn in range(12):
        service = services[turn % 3]
        try:
            verifications.start(service, PHONE)
        except exceptions.MaxSendsReached as error:
            assert error.retry_after > 23 * 3600
            continue
        code = code_in(outbox[-1])
        for n in range(1, 5):
            try:
                verifications.check(service, wrong(code, n), to=PHONE)
                compared += 1
            except exceptions.MaxChecksReached:
                break
        verifications.cancel(service, PHONE)
    assert compared == 20


def test_the_budget_is_reserved_across_services(account):
    services = [make_service(account) for _ in range(5)]
    reserved = [verifications.start(service, PHONE).max_checks for service in services[:4]]
    assert reserved == [5, 5, 5, 5]
    with pytest.raises(exceptions.MaxSendsReached):
        verifications.start(services[4], PHONE)
    assert verifications.start(services[4], OTHER_PHONE).max_checks == 5
    verifications.cancel(services[0], PHONE)
    assert verifications.start(services[4], PHONE).max_checks == 5


def test_the_budget_comes_back_after_a_day(service, outbox, clock):
    for _ in range(4):
        verifications.start(service, PHONE)
        guess(service, code_in(outbox[-1]), 5)
        verifications.cancel(service, PHONE)
    with pytest.raises(exceptions.MaxSendsReached) as caught:
        verifications.start(service, PHONE)
    clock.shift(caught.value.retry_after - 1)
    with pytest.raises(exceptions.MaxSendsReached):
        verifications.start(service, PHONE)
    clock.shift(1)
    assert verifications.start(service, PHONE).status == "pending"


def test_right_codes_cost_nothing(service, outbox):
    for _ in range(30):
        verifications.start(service, PHONE)
        assert verifications.check(service, code_in(outbox[-1]), to=PHONE).valid


def test_every_spelling_shares_the_budget(service, outbox):
    for to in ("+5215512345678", "+525512345678"):
        verifications.start(service, to)
        guess(service, code_in(outbox[-1]), 5, to=to)
        verifications.cancel(service, to)
    assert Verification.objects.values("recipient_key").distinct().count() == 1


def test_short_codes_have_a_smaller_budget(account, outbox):
    service = make_service(account, code_length=4)
    verifications.start(service, PHONE)
    guess(service, code_in(outbox[0]), 3)
    verifications.cancel(service, PHONE)
    assert verifications.start(service, PHONE).max_checks == 2


@override_settings(
    DJANGO_VERIFY={"RECIPIENT_GUESSES_PER_DAY": 1000, "MAX_CONSECUTIVE_FAILURES": 12}
)
def test_guesses_in_a_row_end_only_by_an_approval(service, clock):
    def burn(times):
        row = verifications.start(service, PHONE)
        code = codes.reveal(row)
        for n in range(1, times + 1):
            verifications.check(service, wrong(code, n), to=PHONE)
        return code

    burn(5)
    clock.shift(3 * 86400)
    burn(5)
    clock.shift(3 * 86400)
    assert verifications.start(service, PHONE).max_checks == 2
    verifications.approve(service, PHONE)
    assert verifications.start(service, PHONE).max_checks == 5


def test_a_long_history_is_read_to_its_end(service, outbox):
    for _ in range(3):
        verifications.start(service, PHONE)
        guess(service, code_in(outbox[-1]), 5)
        verifications.cancel(service, PHONE)
    for _ in range(queries.HISTORY + 1):
        verifications.start(service, PHONE)
        verifications.cancel(service, PHONE)
    assert verifications.start(service, PHONE).max_checks == 5
    guess(service, code_in(outbox[-1]), 5)
    verifications.cancel(service, PHONE)
    with pytest.raises(exceptions.MaxSendsReached):
        verifications.start(service, PHONE)


@override_settings(DJANGO_VERIFY={"RECIPIENT_STARTS_PER_DAY": 30})
def test_starts_of_a_recipient_are_bounded(service):
    for _ in range(30):
        verifications.start(service, PHONE)
        verifications.cancel(service, PHONE)
    with pytest.raises(exceptions.TooManyRequests) as caught:
        verifications.start(service, PHONE)
    assert 86000 < caught.value.retry_after <= 87000


def test_budgets_are_an_accounts_own(outbox):
    for _ in range(2):
        service = make_service(make_account())
        for _ in range(4):
            verifications.start(service, PHONE)
            guess(service, code_in(outbox[-1]), 5)
            verifications.cancel(service, PHONE)


@override_settings(DJANGO_VERIFY={"MAX_CONSECUTIVE_FAILURES": 40})
def test_empty_verifications_do_not_hide_wrong_codes(service, clock):
    wrong_codes = 0
    for _ in range(4):
        for turn in range(queries.HISTORY + 5):
            try:
                row = verifications.start(service, PHONE)
            except exceptions.MaxSendsReached as error:
                assert "released" in error.message
                assert error.retry_after is None
                continue
            if turn >= queries.HISTORY:
                wrong_codes += len(guess(service, codes.reveal(row), min(4, row.max_checks)))
            verifications.cancel(service, row.sid)
        clock.shift(25 * 3600)
    assert wrong_codes == 40


@override_settings(DJANGO_VERIFY={"MAX_CONSECUTIVE_FAILURES": 5})
def test_an_operator_releases_a_recipient(service, outbox, clock):
    row = verifications.start(service, PHONE)
    guess(service, codes.reveal(row), 5)
    clock.shift(400 * 86400)
    with pytest.raises(exceptions.MaxSendsReached, match="released"):
        verifications.start(service, PHONE)
    assert verifications.release(row) == 1
    assert verifications.release(row) == 0
    assert verifications.start(service, PHONE).max_checks == 5


def test_a_release_forgives_what_has_expired_unseen(service, clock):
    """No job has marked it yet: it is stored as pending."""
    row = verifications.start(service, PHONE)
    for number in range(4):
        verifications.check(service, wrong(codes.reveal(row), number + 1), to=PHONE)
    clock.shift(600)
    assert Verification.objects.get().status == "pending"
    assert verifications.release(row) == 1
    assert guess_budget.charge(Verification.objects.get(), timezone.now()).guesses == 0


def test_a_release_leaves_what_is_live_reserved(account):
    services = [make_service(account) for _ in range(5)]
    rows = [verifications.start(service, PHONE) for service in services[:4]]
    assert verifications.release(rows[0]) == 0
    with pytest.raises(exceptions.MaxSendsReached):
        verifications.start(services[4], PHONE)


def test_open_verifications_hold_the_reserve_only_while_they_live(account, clock):
    services = [make_service(account) for _ in range(5)]
    for service in services[:4]:
        verifications.start(service, PHONE)
    with pytest.raises(exceptions.MaxSendsReached, match="are open") as caught:
        verifications.start(services[4], PHONE)
    assert caught.value.retry_after == 600
    clock.shift(600)
    assert verifications.start(services[4], PHONE).max_checks == 5


def test_an_approval_by_the_site_forgets_no_wrong_code(service, outbox):
    total = 0
    for _ in range(12):
        try:
            row = verifications.start(service, PHONE)
        except exceptions.MaxSendsReached:
            break
        total += len(guess(service, codes.reveal(row), min(3, row.max_checks)))
        if row.max_checks > 3:
            verifications.approve(service, PHONE)
    assert total == 20


def test_a_shorter_custom_code_shrinks_the_guesses(account, outbox):
    service = make_service(account, custom_code_enabled=True)
    total = 0
    for _ in range(3):
        try:
            verifications.start(service, PHONE)
            row = verifications.start(service, PHONE, custom_code="1234")
        except exceptions.MaxSendsReached:
            break
        for number in range(row.max_checks):
            verifications.check(service, f"00{number:02d}", to=PHONE)
            total += 1
        verifications.cancel(service, PHONE)
    assert total == 5


def test_a_code_that_is_shortened_beside_another_start_pays_for_it(account, monkeypatch):
    """Its guesses get dearer, so they are reserved in a row with all others of the recipient."""
    services = [make_service(account, custom_code_enabled=True) for _ in range(3)]
    for service in services:
        verifications.start(service, PHONE, custom_code="1234567890")
    real, ahead = guess_budget.history, [services[1], services[2]]

    def then_overtaken(*args):
        found = real(*args)
        if ahead:
            verifications.start(ahead.pop(), PHONE, custom_code="1234")
        return found

    monkeypatch.setattr(guess_budget, "history", then_overtaken)
    with pytest.raises(exceptions.MaxSendsReached):
        verifications.start(services[0], PHONE, custom_code="1234")
    short = Verification.objects.filter(code_length=4)
    assert sum(row.max_checks for row in short) == 5
    assert not ahead


def test_a_replaced_code_is_not_accepted_by_a_check_on_its_way(account, monkeypatch):
    service = make_service(account, custom_code_enabled=True)
    verifications.start(service, PHONE, custom_code="111111")
    real = verbs._to_check

    def then_replaced(*args):
        found = real(*args)
        verifications.start(service, PHONE, custom_code="222222")
        return found

    monkeypatch.setattr(verbs, "_to_check", then_replaced)
    assert not verifications.check(service, "111111", to=PHONE).valid


def test_a_live_verification_behind_many_newer_rows(service, outbox):
    first = verifications.start(service, "a+1@example.com", "email")
    for _ in range(queries.HISTORY):
        row = verifications.start(service, "a+2@example.com", "email")
        verifications.cancel(service, row.sid)
    assert verifications.fetch(service, "a+1@example.com").sid == first.sid
    assert verifications.check(service, codes.reveal(first), to="a+1@example.com").valid


def test_each_of_many_payments_can_be_checked(account, outbox):
    """As many are live at once as a recipient has starts in a day."""
    service = make_service(account, psd2_enabled=True, code_length=10)
    payments = [{"amount": str(n), "payee": "Acme"} for n in range(2 * queries.HISTORY + 5)]
    for payment in payments:
        verifications.start(service, PHONE, **payment)
    code = code_in(outbox[0])
    assert verifications.check(service, code, to=PHONE, **payments[0]).valid


def test_a_start_that_was_overtaken_sends_nothing(service, outbox, clock):
    asked_at = dt.datetime.now(dt.UTC)
    clock.shift(0.01)
    verifications.start(service, PHONE)
    with pytest.raises(exceptions.ConcurrentStarts):
        verifications.start(service, PHONE, asked_at=asked_at)
    assert len(outbox) == 1
    assert verifications.start(service, PHONE).sends == 2


@pytest.mark.parametrize("number", [1213, 2006])
def test_a_deadlock_is_another_turn(service, outbox, monkeypatch, number):
    real = writes._create

    def once(*args, **kwargs):
        monkeypatch.setattr(writes, "_create", real)
        raise OperationalError(number, "from the database")

    monkeypatch.setattr(writes, "_create", once)
    if number == 1213:
        assert verifications.start(service, PHONE).sends == 1
    else:
        with pytest.raises(OperationalError):
            verifications.start(service, PHONE)


# PSD2.


def test_psd2_binds_the_code_to_the_transaction(account, outbox):
    service = make_service(account, psd2_enabled=True)
    row = verifications.start(service, PHONE, **PSD2)
    assert (row.amount, row.payee) == ("€39.99", "Acme Inc.")
    assert "€39.99" in outbox[0].body
    assert "Acme Inc." in outbox[0].body
    code = code_in(outbox[0])
    other = {"amount": "€99.99", "payee": "Acme Inc."}
    with pytest.raises(exceptions.NotFound):
        verifications.check(service, code, to=PHONE, **other)
    assert Verification.objects.get().checks == 0
    assert not verifications.check(service, code, verification_sid=row.sid, **other).valid
    assert Verification.objects.get().checks == 1
    with pytest.raises(exceptions.TransactionRequired):
        verifications.check(service, code, verification_sid=row.sid)
    with pytest.raises(exceptions.TransactionRequired):
        verifications.check(service, code, to=PHONE)
    assert verifications.check(service, code, to=PHONE, **PSD2).valid


def test_psd2_keeps_one_verification_per_transaction(account, outbox):
    service = make_service(account, psd2_enabled=True)
    first = verifications.start(service, PHONE, **PSD2)
    other = verifications.start(service, PHONE, amount="€1", payee="Acme Inc.")
    again = verifications.start(service, PHONE, **PSD2)
    assert first.sid == again.sid != other.sid
    assert code_in(outbox[0]) == code_in(outbox[2]) != code_in(outbox[1])


def test_psd2_refusals(account):
    service = make_service(account, psd2_enabled=True)
    for given in ({}, {"amount": "1"}, {"payee": "x"}):
        with pytest.raises(exceptions.TransactionRequired):
            verifications.start(service, PHONE, **given)
    with pytest.raises(exceptions.ChannelWithoutPsd2):
        verifications.start(service, PHONE, "call", **PSD2)
    for given in ({"amount": "1\n2"}, {"payee": "a\u202eb"}, {"payee": "x" * 65}):
        with pytest.raises(exceptions.InvalidParameter):
            verifications.start(service, PHONE, **{**PSD2, **given})


def test_amount_means_nothing_without_psd2(service):
    row = verifications.start(service, PHONE, **PSD2)
    assert (row.amount, row.payee) == (None, None)


# Custom codes.


@pytest.fixture
def custom(account):
    return make_service(account, custom_code_enabled=True)


def test_custom_code(custom, outbox):
    row = verifications.start(custom, PHONE, custom_code="Zx81")
    assert "Zx81" in outbox[0].body
    stored = Verification.objects.get()
    assert stored.sealed_code
    assert "Zx81" not in stored.sealed_code
    verifications.start(custom, PHONE)
    assert "Zx81" in outbox[1].body
    assert not verifications.check(custom, "zx81", to=PHONE).valid
    assert verifications.check(custom, "Zx81", to=PHONE).sid == row.sid
    assert Verification.objects.get().sealed_code == ""


def test_a_new_custom_code_replaces_the_old_one(custom, outbox):
    first = verifications.start(custom, PHONE, custom_code="111111")
    second = verifications.start(custom, PHONE, custom_code="22222222")
    assert first.sid == second.sid
    assert not verifications.check(custom, "111111", to=PHONE).valid
    assert verifications.check(custom, "22222222", to=PHONE).valid


def test_custom_code_refusals(service, custom):
    with pytest.raises(exceptions.FeatureDisabled):
        verifications.start(service, PHONE, custom_code="123456")
    for code in ("123", "12345678901", "12 456", "١٢٣٤", "1234\n"):
        with pytest.raises(exceptions.InvalidParameter, match="custom_code"):
            verifications.start(custom, PHONE, custom_code=code)


def test_cancel_and_expiry_wipe_a_custom_code(custom, clock):
    verifications.start(custom, PHONE, custom_code="123456")
    verifications.cancel(custom, PHONE)
    verifications.start(custom, OTHER_PHONE, custom_code="123456")
    clock.shift(600)
    assert verifications.expire() == 1
    assert verifications.expire() == 0
    assert set(Verification.objects.values_list("sealed_code", "status")) == {
        ("", "canceled"),
        ("", "expired"),
    }


# What a message says.


def test_the_message_follows_the_service(account, outbox):
    service = make_service(account, do_not_share_warning_enabled=True, tts_name="polly")
    verifications.start(service, PHONE, custom_friendly_name="Shop 24", locale="de")
    assert "Shop 24" in outbox[0].body
    assert outbox[0].locale == "de"
    verifications.start(service, PHONE, app_hash="FA+9qCX9VSu")
    assert outbox[1].body.startswith("<#> ")
    assert outbox[1].body.endswith("\nFA+9qCX9VSu")
    assert "share" in outbox[1].body
    verifications.start(service, PHONE, "call", send_digits="ww1")
    assert (outbox[2].send_digits, outbox[2].tts_name) == ("ww1", "polly")
    assert outbox[2].prompt


@pytest.mark.parametrize(
    ("channel", "options", "refusal"),
    [
        ("call", {"app_hash": "FA+9qCX9VSu"}, exceptions.AppHashNeedsSms),
        ("sms", {"app_hash": "short"}, exceptions.InvalidParameter),
        ("call", {"send_digits": "1;2"}, exceptions.InvalidParameter),
        ("sms", {"locale": "xx"}, exceptions.InvalidParameter),
        ("call", {"locale": "ar"}, exceptions.LocaleNotSpoken),
        ("sms", {"custom_friendly_name": "evil.com"}, exceptions.InvalidParameter),
        ("sms", {"custom_friendly_name": "Code 12345"}, exceptions.InvalidParameter),
        ("sms", {"custom_friendly_name": "x" * 31}, exceptions.InvalidParameter),
        ("sms", {"device_ip": "1.2.3"}, exceptions.InvalidParameter),
        ("sms", {"tags": {str(n): "x" for n in range(11)}}, exceptions.InvalidParameter),
        ("sms", {"tags": {"a": "x" * 129}}, exceptions.InvalidParameter),
        ("sms", {"tags": {"a": 1}}, exceptions.InvalidParameter),
        ("sna", {}, exceptions.InvalidParameter),
        ("auto", {}, exceptions.InvalidParameter),
        ("pigeon", {}, exceptions.InvalidParameter),
        ("email", {}, exceptions.InvalidParameter),
    ],
)
def test_refusals_write_and_send_nothing(service, outbox, channel, options, refusal):
    with pytest.raises(refusal):
        verifications.start(service, PHONE, channel, **options)
    assert not outbox
    assert not Verification.objects.exists()


def test_channel_switched_off(account):
    service = make_service(account, channels=["email"], custom_friendly_name_enabled=False)
    with pytest.raises(exceptions.ChannelDisabled):
        verifications.start(service, PHONE, "sms")
    with pytest.raises(exceptions.FeatureDisabled):
        verifications.start(service, "jo@example.com", "email", custom_friendly_name="X")


@pytest.mark.parametrize(
    ("channel", "to", "refusal"),
    [
        ("sms", PHONE, exceptions.ChannelDisabled),
        ("email", "jo@example.com", exceptions.EmailNotConfigured),
        ("whatsapp", PHONE, exceptions.WhatsappNotConfigured),
    ],
)
def test_a_channel_without_a_sender(service, settings, channel, to, refusal):
    settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "ROUTES": {}}
    with pytest.raises(refusal):
        verifications.start(service, to, channel)


# Transactions and signals.


def test_check_refuses_an_outer_transaction(service, outbox):
    verifications.start(service, PHONE)
    code = code_in(outbox[0])
    with transaction.atomic(), pytest.raises(autocommit.AtomicBlockError):
        verifications.check(service, code, to=PHONE)
    transaction.set_autocommit(False)
    try:
        with pytest.raises(autocommit.AtomicBlockError):
            verifications.check(service, code, to=PHONE)
    finally:
        transaction.rollback()
        transaction.set_autocommit(True)
    assert Verification.objects.get().checks == 0


@pytest.mark.parametrize(
    ("alias", "atomic", "decorator"),
    [
        ("default", "transaction.atomic(), ", "transaction.non_atomic_requests."),
        (
            "verify",
            "transaction.atomic(using='verify'), ",
            "transaction.non_atomic_requests(using='verify').",
        ),
    ],
)
def test_the_refusal_names_the_database_where_it_matters(monkeypatch, alias, atomic, decorator):
    monkeypatch.setattr(autocommit.queries, "database", lambda: alias)
    manual = SimpleNamespace(get_autocommit=lambda: False, in_atomic_block=False)
    monkeypatch.setattr(transaction, "get_connection", lambda using: manual)
    with pytest.raises(autocommit.AtomicBlockError) as raised:
        autocommit.require_autocommit("check")
    text = str(raised.value)
    assert text.startswith("check() charges")
    assert atomic in text
    assert text.endswith(decorator)


def test_a_start_in_a_transaction_sends_after_commit(service, outbox, listen):
    started, sent = listen(signals.verification_started), listen(signals.attempt_sent)
    with transaction.atomic():
        verifications.start(service, PHONE)
        assert not outbox
        assert not started
    assert len(outbox) == len(started) == len(sent) == 1
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        verifications.start(service, OTHER_PHONE)
        raise ZeroDivisionError
    assert len(outbox) == len(started) == 1


def test_signals_of_a_start(service, outbox, listen):
    started, sent = listen(signals.verification_started), listen(signals.attempt_sent)
    row = verifications.start(service, PHONE)
    verifications.start(service, PHONE)
    assert [call["verification"].sid for call in started] == [row.sid]
    assert [call["attempt"].message_status for call in sent] == ["sent", "sent"]
    assert not transaction.get_connection().in_atomic_block


def test_a_receiver_that_fails_undoes_nothing(service, outbox):
    def fail(**kwargs):
        raise RuntimeError("receiver")

    for signal in (signals.verification_approved, signals.attempt_sent):
        signal.connect(fail)
    try:
        verifications.start(service, PHONE)
        assert verifications.check(service, code_in(outbox[0]), to=PHONE).valid
    finally:
        for signal in (signals.verification_approved, signals.attempt_sent):
            signal.disconnect(fail)
    assert Verification.objects.get().status == "approved"


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (PermissionDenied("no"), exceptions.Forbidden),
        (exceptions.TooManyRequests(retry_after=7), exceptions.TooManyRequests),
    ],
)
def test_the_host_may_refuse_a_start(service, outbox, raised, expected):
    def refuse(to, channel, **kwargs):
        assert (to, channel) == (PHONE, "sms")
        raise raised

    signals.verification_starting.connect(refuse)
    try:
        with pytest.raises(expected):
            verifications.start(service, PHONE)
    finally:
        signals.verification_starting.disconnect(refuse)
    assert not outbox
    assert not Verification.objects.exists()


# Keys and races that a single thread can stage.


def test_the_key_of_a_row_survives_rotation(service, outbox, settings):
    verifications.start(service, PHONE)
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another key for the tests, of more than fifty characters indeed"
    verifications.start(service, PHONE)
    assert code_in(outbox[0]) == code_in(outbox[1])
    assert verifications.check(service, code_in(outbox[0]), to=PHONE).valid


def test_without_its_key_no_code_is_right(service, outbox, settings, caplog):
    verifications.start(service, PHONE)
    code = code_in(outbox[0])
    settings.SECRET_KEY = "another key for the tests, of more than fifty characters indeed"
    assert verifications.check(service, code, to=PHONE).status == "pending"
    assert "no longer configured" in caplog.text
    assert "Traceback" not in caplog.text
    verifications.start(service, PHONE)
    assert VerificationAttempt.objects.order_by("date_created").last().message_status == "failed"
    assert code not in caplog.text


def after_first_read(monkeypatch, happens):
    """Let something happen between a start's first look at the recipient and its write."""
    real = guess_budget.history

    def read(*args):
        rows = real(*args)
        monkeypatch.setattr(guess_budget, "history", real)
        happens()
        return rows

    monkeypatch.setattr(guess_budget, "history", read)


def test_a_start_that_loses_its_try_sends_nothing(service, outbox, monkeypatch):
    after_first_read(monkeypatch, lambda: verifications.start(service, PHONE))
    with pytest.raises(exceptions.ConcurrentStarts):
        verifications.start(service, PHONE)
    assert len(outbox) == 1
    assert Verification.objects.get().sends == 1


def test_a_resend_that_loses_its_try_sends_nothing(service, outbox, monkeypatch):
    verifications.start(service, PHONE)
    after_first_read(monkeypatch, lambda: verifications.start(service, PHONE))
    with pytest.raises(exceptions.ConcurrentStarts):
        verifications.start(service, PHONE)
    assert len(outbox) == Verification.objects.get().sends == 2


def test_a_resend_of_what_was_just_approved_starts_anew(service, outbox, monkeypatch):
    row = verifications.start(service, PHONE)
    after_first_read(monkeypatch, lambda: verifications.approve(service, row.sid))
    assert verifications.start(service, PHONE).sid != row.sid
    assert len(outbox) == 2


def test_starts_of_two_services_take_turns(account, outbox, monkeypatch):
    one, two = make_service(account), make_service(account)
    after_first_read(monkeypatch, lambda: verifications.start(two, PHONE))
    verifications.start(one, PHONE)
    assert sorted(Verification.objects.values_list("serial", flat=True)) == [1, 2]
    assert len(outbox) == 2


def test_guesses_at_a_verification_that_runs_out_meanwhile_are_counted(account, outbox, clock):
    """Between a start's look at the recipient and its write are the host, limits and look-ups."""
    one, two = make_service(account), make_service(account)
    for _ in range(3):
        verifications.start(one, PHONE)
        guess(one, code_in(outbox[-1]), 5)
        verifications.cancel(one, PHONE)
    verifications.start(one, PHONE)
    clock.shift(599)

    def use_up(**_):
        signals.verification_starting.disconnect(dispatch_uid="host")
        guess(one, code_in(outbox[-1]), 5)
        clock.shift(2)

    signals.verification_starting.connect(use_up, weak=False, dispatch_uid="host")
    with pytest.raises(exceptions.MaxSendsReached):
        verifications.start(two, PHONE)


def test_a_service_deleted_meanwhile(service, outbox, monkeypatch):
    after_first_read(monkeypatch, VerifyService.objects.filter(sid=service.sid).delete)
    with pytest.raises(exceptions.NotFound):
        verifications.start(service, PHONE)
    assert not outbox


def test_a_start_gives_up_in_the_end(service, monkeypatch):
    def always(*args, **kwargs):
        raise IntegrityError

    monkeypatch.setattr(writes, "_create", always)
    with pytest.raises(exceptions.ConcurrentStarts):
        verifications.start(service, PHONE)


def test_a_check_that_loses_its_try_takes_the_next(service, outbox, monkeypatch):
    row = verifications.start(service, PHONE)
    code = code_in(outbox[0])
    real = verbs._to_check

    def stale(*args):
        found = real(*args)
        Verification.objects.filter(sid=row.sid).update(checks=3)
        return found

    monkeypatch.setattr(verbs, "_to_check", stale)
    assert verifications.check(service, code, to=PHONE).checks == 4


def test_an_approval_that_comes_too_late(service, outbox, monkeypatch):
    row = verifications.start(service, PHONE)
    code = code_in(outbox[0])
    real = verbs._is_right

    def canceled_meanwhile(found, given):
        Verification.objects.filter(sid=row.sid).update(status="canceled")
        return real(found, given)

    monkeypatch.setattr(verbs, "_is_right", canceled_meanwhile)
    with pytest.raises(exceptions.NotFound):
        verifications.check(service, code, to=PHONE)
    assert Verification.objects.get().status == "canceled"


def test_a_verification_deleted_meanwhile(service, outbox, monkeypatch):
    verifications.start(service, PHONE)
    real = verbs._to_check

    def deleted(*args):
        found = real(*args)
        Verification.objects.all().delete()
        return found

    monkeypatch.setattr(verbs, "_to_check", deleted)
    with pytest.raises(exceptions.NotFound):
        verifications.check(service, "123456", to=PHONE)


def test_defaults_are_the_documented_ones():
    settings = conf.Settings()
    assert settings.RECIPIENT_GUESSES_PER_DAY == 20
    assert settings.RECIPIENT_GUESSES_SINCE_APPROVAL == 100
    assert settings.MAX_CONSECUTIVE_FAILURES is None
