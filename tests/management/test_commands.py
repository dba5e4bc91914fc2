"""The management commands: an account for the API, and the two deliverers."""

import datetime as dt
import json
import os
import signal
import threading
from io import StringIO

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import InterfaceError, OperationalError
from django.db.utils import ConnectionHandler
from django.utils import timezone

from django_verify import delivery, health, sids, verifications
from django_verify.crypto import codes
from django_verify.factors import notifications
from django_verify.models import Account, Verification, VerificationAttempt, WorkerHeartbeat
from tests.conftest import PHONE, Api, code_in, make_account, make_service

pytestmark = pytest.mark.django_db

SID = "AC0123456789abcdef0123456789ABCDEF"
TOKEN = "a token of thirty-two characters."
PHONES = [f"+1415555267{number}" for number in range(5)]
NOTHING_OVER = "0 verifications expired\n"


def run(command, *arguments):
    out = StringIO()
    call_command(command, *arguments, stdout=out)
    return out.getvalue()


def create(*arguments, name="Acme"):
    return json.loads(run("createverifyaccount", "--friendly-name", name, *arguments))


def test_an_account_is_printed_as_one_json_object():
    printed = run("createverifyaccount", "--friendly-name", "Acme")
    assert printed.count("\n") == 1
    answer = json.loads(printed)
    assert set(answer) == {"account_sid", "auth_token"}
    account = Account.objects.get()
    assert account.sid == answer["account_sid"]
    assert sids.is_sid("AC", account.sid)
    assert (account.friendly_name, account.is_active) == ("Acme", True)


def test_the_token_is_strong_and_not_stored():
    token = create()["auth_token"]
    account = Account.objects.get()
    assert len(token) == 43
    assert token not in account.auth_token_hash
    assert codes.secret_matches(account.auth_token_hash, token)


def test_the_token_opens_the_api():
    answer = create()
    assert Api(answer["account_sid"], answer["auth_token"]).get("Services").status == 200
    assert Api(answer["account_sid"], answer["auth_token"] + "x").get("Services").status == 401


def test_a_given_sid_and_token_open_the_api():
    assert create("--account-sid", SID, "--auth-token", TOKEN) == {
        "account_sid": SID.replace("ABCDEF", "abcdef"),
        "auth_token": TOKEN,
    }
    assert Api(SID, TOKEN).get("Services").status == 200
    assert Api(SID.replace("ABCDEF", "abcdef"), TOKEN).get("Services").status == 200


@pytest.mark.parametrize("token", ["x" * 32, "with:colon" * 4, " " + "x" * 32 + " "])
def test_a_token_is_accepted_as_it_is(token):
    answer = create("--auth-token", token)
    assert answer["auth_token"] == token
    assert Api(answer["account_sid"], token).get("Services").status == 200


def test_two_accounts_differ():
    assert create() != create()
    assert Account.objects.count() == 2


@pytest.mark.parametrize("again", [SID, SID.replace("ABCDEF", "abcdef")])
def test_an_account_is_not_created_twice(again):
    create("--account-sid", SID, "--auth-token", TOKEN)
    with pytest.raises(CommandError, match="exists"):
        create("--account-sid", again)
    assert Api(SID, TOKEN).get("Services").status == 200


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--account-sid", "AC123"], "--account-sid"),
        (["--account-sid", "SK" + "0" * 32], "--account-sid"),
        (["--account-sid", SID + "\n"], "--account-sid"),
        (["--auth-token", "x" * 31], "--auth-token"),
        (["--auth-token", "é" * 40], "--auth-token"),
        (["--friendly-name", ""], "--friendly-name"),
        (["--friendly-name", "   "], "--friendly-name"),
        (["--friendly-name", "x" * 65], "--friendly-name"),
    ],
    ids=str,
)
def test_bad_input_is_a_command_error(arguments, sentence):
    with pytest.raises(CommandError, match=sentence):
        create(*arguments)
    assert not Account.objects.exists()


def test_the_name_is_required():
    with pytest.raises(CommandError, match="--friendly-name"):
        run("createverifyaccount")


def test_the_name_is_trimmed_and_may_be_long():
    create(name=f"  {'x' * 64}  ")
    assert Account.objects.get().friendly_name == "x" * 64


def interrupted(service, *phones, **values):
    """Starts whose process dies before it sends: nothing here commits, so nothing is sent."""
    return [verifications.start(service, phone, **values) for phone in phones]


def test_there_is_nothing_to_deliver():
    assert run("deliverattempts") == "0 attempts claimed\n"


def test_an_interrupted_attempt_is_delivered_once(service, clock, outbox):
    (verification,) = interrupted(service, PHONE)
    clock.shift(61)
    assert run("deliverattempts") == "1 attempts claimed\n"
    (message,) = outbox
    assert (message.channel, message.to) == ("sms", PHONE)
    assert code_in(message) == codes.reveal(verification)
    assert VerificationAttempt.objects.get().message_status == "sent"
    assert run("deliverattempts") == "0 attempts claimed\n"
    assert len(outbox) == 1


def test_an_attempt_in_good_hands_is_left_alone(service, clock, outbox):
    interrupted(service, PHONE)
    clock.shift(59)
    assert run("deliverattempts") == "0 attempts claimed\n"
    assert outbox == []


def test_a_code_that_has_run_out_is_not_sent(service, clock, outbox):
    interrupted(service, PHONE)
    clock.shift(601)
    assert run("deliverattempts") == "1 attempts claimed\n"
    assert outbox == []
    attempt = VerificationAttempt.objects.get()
    assert attempt.message_status == "failed"
    assert "was over" in attempt.error_message


def test_one_pass_takes_the_oldest_up_to_its_limit(service, clock, outbox):
    for phone in PHONES:
        interrupted(service, phone)
        clock.shift(1)
    clock.shift(61)
    assert run("deliverattempts", "--limit", "2") == "2 attempts claimed\n"
    assert [message.to for message in outbox] == PHONES[:2]
    assert run("deliverattempts", "--limit", "0") == "0 attempts claimed\n"
    assert run("deliverattempts") == "3 attempts claimed\n"
    assert sorted(message.to for message in outbox) == PHONES


def test_there_is_nothing_to_expire(service, clock):
    interrupted(service, PHONE)
    clock.shift(599)
    assert run("expireverifications") == NOTHING_OVER
    assert Verification.objects.get().status == "pending"


@pytest.mark.parametrize(
    ("arguments", "statements"),
    [
        ((), 4),
        (("--batch", "5"), 5),
        (("--batch", "2"), 8),
        (("--batch", "1"), 13),
        (("--batch", "0"), 13),
        (("--batch", "-7"), 13),
    ],
    ids=str,
)
def test_what_has_run_out_is_marked_in_batches(
    arguments, statements, service, clock, django_assert_num_queries
):
    interrupted(service, *PHONES)
    health.beat("expireverifications")
    clock.shift(600)
    with django_assert_num_queries(statements):
        assert run("expireverifications", *arguments) == NOTHING_OVER.replace("0", "5", 1)
    assert set(Verification.objects.values_list("status", flat=True)) == {"expired"}
    assert run("expireverifications") == NOTHING_OVER


def test_a_run_looks_back_six_hours_behind_the_one_before(service, clock):
    (long_over,) = interrupted(service, PHONE)
    clock.shift(600 + 6 * 3600)
    health.beat("expireverifications")
    assert run("expireverifications") == NOTHING_OVER
    Verification.objects.update(expires_at=long_over.expires_at + dt.timedelta(seconds=1))
    WorkerHeartbeat.objects.update(
        beat_at=timezone.now() + dt.timedelta(days=9)
    )  # a clock went back
    assert run("expireverifications") == NOTHING_OVER.replace("0", "1", 1)


def test_the_first_run_looks_at_everything(service, clock):
    interrupted(service, PHONE)
    clock.shift(400 * 86_400)
    assert run("expireverifications") == NOTHING_OVER.replace("0", "1", 1)


def test_a_sealed_code_is_wiped_when_it_has_run_out(db, clock):
    service = make_service(make_account(), custom_code_enabled=True)
    interrupted(service, PHONE, custom_code="Ab12Cd")
    assert Verification.objects.get().sealed_code
    clock.shift(601)
    run("expireverifications")
    assert Verification.objects.get().sealed_code == ""


def test_what_ended_otherwise_keeps_its_status(service, clock):
    done, gone, _ = interrupted(service, *PHONES[:3])
    verifications.approve(service, done.sid)
    verifications.cancel(service, gone.sid)
    clock.shift(601)
    assert run("expireverifications") == NOTHING_OVER.replace("0", "1", 1)
    statuses = Verification.objects.order_by("to").values_list("status", flat=True)
    assert list(statuses) == ["approved", "canceled", "expired"]


def test_a_sealed_code_is_wiped_however_late_the_command_runs(db, clock):
    service = make_service(make_account(), custom_code_enabled=True)
    interrupted(service, PHONE, custom_code="Ab12Cd")
    clock.shift(8 * 24 * 3600)
    run("expireverifications")
    assert Verification.objects.get().sealed_code == ""


def test_a_sealed_code_is_wiped_when_the_guesses_are_used_up(db, clock):
    service = make_service(make_account(), custom_code_enabled=True)
    (verification,) = interrupted(service, PHONE, custom_code="Ab12Cd")
    for _ in range(5):
        verifications.check(service, "000000", verification_sid=verification.sid)
    clock.shift(601)
    run("expireverifications")
    assert Verification.objects.get().sealed_code == ""


def test_a_negative_limit_is_a_command_error():
    with pytest.raises(CommandError):
        run("deliverattempts", "--limit=-1")


def loop(monkeypatch, turns):
    """Run the loop; each pass takes the next function of `turns`, and the last one ends it."""
    passes = iter(turns)
    monkeypatch.setattr(threading.Event, "wait", lambda self, timeout=None: None)
    monkeypatch.setattr(delivery, "deliver_due", lambda limit, stop: next(passes)(stop))
    monkeypatch.setattr(notifications, "deliver_due", lambda limit, stop: 0)
    return run("deliverattempts", "--loop", "--interval", "0.01", "--limit", "2")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_loop_ends_after_the_message_in_hand(monkeypatch, number):
    kept = signal.getsignal(number)

    def interrupted(stop):
        assert not stop()
        os.kill(os.getpid(), number)
        assert stop()
        return 1

    assert loop(monkeypatch, [lambda stop: 2, lambda stop: 0, interrupted]) == (
        "3 attempts claimed\n"
    )
    assert signal.getsignal(number) is kept


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("fault", [OperationalError, InterfaceError])
def test_a_loop_outlives_its_database(monkeypatch, caplog, fault):
    closed = []

    def gone(stop):
        raise fault("server at db.internal closed the connection")

    def again(stop):
        assert closed == [1]
        os.kill(os.getpid(), signal.SIGTERM)
        return 1

    monkeypatch.setattr(ConnectionHandler, "close_all", lambda self: closed.append(1))
    assert loop(monkeypatch, [gone, again]) == "1 attempts claimed\n"
    assert f"the database failed: {fault.__name__}" in caplog.text
    assert "db.internal" not in caplog.text


def test_a_pass_that_is_stopped_starts_no_further_message(service, clock, outbox):
    interrupted(service, *PHONES)
    clock.shift(61)
    assert delivery.deliver_due(stop=lambda: len(outbox) == 2) == 2
    assert len(outbox) == 2


@pytest.mark.parametrize("interval", ["0", "-1", "3601"])
def test_an_interval_has_bounds(interval):
    with pytest.raises(CommandError, match="--interval"):
        run("deliverattempts", "--loop", "--interval", interval)
