"""The outbox of notifications: claimed once, sent after the commit, tried again, claimed again."""

import datetime as dt
from io import StringIO
from types import SimpleNamespace

import pytest
from django.core.management import call_command
from django.db import transaction
from django.utils import timezone

from django_verify import exceptions
from django_verify.factors import challenges, entities, notifications
from django_verify.models import Challenge, Factor, Notification, PushCredential
from django_verify.push_senders import PushError, PushSender, TemporaryPushError, Unregistered
from tests.conftest import make_account
from tests.device import FCM_TOKEN, Phone
from tests.factors.test_push import PARAMS

pytestmark = pytest.mark.django_db(transaction=True)

SCRIPT = []
SEEN = []


class Scripted(PushSender):
    """Does what the script says next, and then succeeds."""

    def send(self, message, credential):
        SEEN.append(SimpleNamespace(message=message, credential=credential))
        assert transaction.get_connection().in_atomic_block is False
        if SCRIPT:
            step = SCRIPT.pop(0)
            if isinstance(step, BaseException):
                raise step
            return step()
        return f"id of {message.sid}"


@pytest.fixture(autouse=True)
def sent(settings):
    SCRIPT.clear()
    SEEN.clear()
    entry = {"BACKEND": "tests.factors.test_notifications.Scripted"}
    settings.DJANGO_VERIFY = settings.DJANGO_VERIFY | {"PUSH_SENDERS": {"fcm": entry}}
    return SEEN


@pytest.fixture
def factor(service, clock):
    return make_push(service)


def make_push(service, **config):
    params = {
        **PARAMS,
        "binding_public_key": Phone(None, service.sid, "x").public_key,
        "config_notification_platform": "fcm",
        "config_notification_token": FCM_TOKEN,
        **config,
    }
    made = entities.enrol(service, "user-0001", "push", "Phone", params=params)
    Factor.objects.update(status="verified")
    made.refresh_from_db()
    return made


def ask(factor, **more):
    return challenges.create(factor, details={"message": "Log in?", "fields": []}, **more)


def row():
    return Notification.objects.get()


def test_it_is_sent_after_the_commit_and_not_without_it(factor, sent):
    with transaction.atomic():
        challenge = ask(factor)
        assert sent == []
    (call,) = sent
    message = call.message
    assert (message.token, message.app_id, message.ttl) == (FCM_TOKEN, "com.example.app", 300)
    assert (message.challenge_sid, message.message) == (challenge.sid, "Log in?")
    assert call.credential is None
    assert (row().status, row().provider_id) == ("sent", f"id of {message.sid}")
    assert row().due_at is None
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        ask(factor)
        1 / 0  # noqa: B018
    assert Notification.objects.count() == len(sent) == 1
    assert FCM_TOKEN not in repr(message)
    assert "Log in" not in repr(message)


def test_a_failure_is_tried_again_with_growing_waits_until_its_time_is_over(factor, sent, clock):
    SCRIPT.extend(TemporaryPushError("busy") for _ in range(20))
    ask(factor)
    waits = []
    while (left := row()).due_at is not None:
        waits.append(round((left.due_at - timezone.now()).total_seconds()))
        clock.shift(waits[-1] - 1)
        assert notifications.deliver_due() == 0
        clock.shift(1)
        assert notifications.deliver_due() == 1
    assert waits == [2, 4, 8, 16, 32, 60, 60, 60]
    assert (left.status, left.error, left.tries) == ("failed", "busy", 9)
    assert sent[-1].message.ttl == 300 - sum(waits)
    assert {call.message.sid for call in sent} == {left.sid}


def test_it_waits_as_long_as_the_push_service_states(factor, sent, clock):
    SCRIPT.append(TemporaryPushError("busy", retry_after=90))
    SCRIPT.append(TemporaryPushError("busy", retry_after=500))
    ask(factor)
    assert (row().due_at - timezone.now()).total_seconds() == 90
    clock.shift(90)
    assert notifications.deliver_due() == 1
    assert row().status == "failed"


def test_zero_seconds_are_one_attempt(factor, sent, clock):
    challenge = ask(factor)
    SCRIPT.append(TemporaryPushError("busy"))
    asked = notifications.ask(challenge, 0)
    asked.refresh_from_db()
    assert (asked.status, sent[-1].message.ttl) == ("failed", 0)
    clock.shift(200)
    assert notifications.deliver_due() == 0


@pytest.mark.parametrize(
    ("error", "received"),
    [
        (PushError("refused"), "refused"),
        (ValueError(FCM_TOKEN), "ValueError in the push sender"),
        (PushError("x" * 200), "x" * 128),
    ],
    ids=str,
)
def test_a_permanent_error_ends_it(factor, sent, error, received, caplog):
    SCRIPT.append(error)
    ask(factor)
    assert (row().status, row().error, row().due_at) == ("failed", received, None)
    assert FCM_TOKEN not in caplog.text


def test_a_token_that_was_given_up_is_sent_nothing_further(factor, sent):
    SCRIPT.append(Unregistered("gone"))
    challenge = ask(factor)
    assert row().status == "failed"
    notifications.ask(challenge)
    assert len(sent) == 1
    assert Notification.objects.filter(status="dropped").count() == 1
    factor.refresh_from_db()
    assert factor.is_verified
    entities.update(factor, config_notification_token="fcm-token:" + "b" * 40)
    challenge = challenges.fetch(factor.entity, challenge.sid)
    notifications.ask(challenge)
    assert sent[-1].message.token.endswith("b")


def test_what_a_dead_process_left_is_claimed_again_when_its_lease_lapses(factor, sent, clock):
    SCRIPT.append(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        ask(factor)
    held = row()
    assert (held.status, held.tries) == ("sending", 1)
    assert notifications.deliver_due() == 0
    assert notifications.deliver(held.sid) is False
    clock.shift(60)
    assert notifications.deliver_due() == 1
    assert (row().status, row().tries) == ("sent", 2)


def test_any_caller_lost_the_lease_records_nothing(factor, sent, clock):
    def late():
        clock.shift(61)
        assert notifications.deliver_due() == 1
        raise PushError("too late")

    SCRIPT.append(late)
    ask(factor)
    assert (row().status, row().tries, len(sent)) == ("sent", 2, 2)


def test_what_was_never_tried_is_sent_by_the_pass(factor, sent, clock, monkeypatch):
    monkeypatch.setattr(notifications, "wake", lambda sid: None)
    challenge = ask(factor)
    clock.shift(1)
    notifications.ask(challenge, 0)
    assert sent == []
    clock.shift(4)
    assert notifications.deliver_due(1) == 1
    assert notifications.deliver_due() == 1
    assert [call.message.ttl for call in sent] == [295, 0]
    notifications.ask(challenge, 0)
    clock.shift(60)
    assert notifications.deliver_due() == 1
    assert Notification.objects.get(status="dropped").error == "its time was over"


@pytest.mark.parametrize("status", ["approved", "denied", "expired"])
def test_a_challenge_that_is_over_is_not_informed_of(factor, sent, clock, monkeypatch, status):
    monkeypatch.setattr(notifications, "wake", lambda sid: None)
    ask(factor, expiration_date=timezone.now() + dt.timedelta(seconds=100))
    if status == "expired":
        clock.shift(100)
    else:
        Challenge.objects.update(status=status)
    assert notifications.deliver_due() == 1
    assert (row().status, row().error, sent) == ("dropped", "the challenge was over", [])


def test_without_a_sender_nothing_is_sent(service, clock, settings, sent):
    settings.DJANGO_VERIFY = settings.DJANGO_VERIFY | {"PUSH_SENDERS": {}}
    ask(make_push(service))
    assert (row().status, row().error) == (
        "dropped",
        "no push sender is configured for the platform",
    )


def test_a_device_that_has_turned_notifications_off(factor, sent):
    challenge = ask(factor)
    entities.update(factor, config_notification_platform="none")
    with pytest.raises(exceptions.PlatformWithoutNotifications):
        notifications.ask(challenges.fetch(factor.entity, challenge.sid))
    ask(factor)
    assert len(sent) == Notification.objects.count() == 1


def make_credential(account, **values):
    made = PushCredential(account=account, friendly_name="Ours", type="fcm", **values)
    made.seal_secret("the secret")
    made.save()
    return made


def test_the_services_credential_is_given_to_the_sender(factor, service, sent):
    made = make_credential(service.account, team_id="T", key_id="K", topic="app", sandbox=True)
    assert "the secret" not in made.sealed_secret
    service.push_fcm_credential_sid = made.sid
    service.save()
    ask(factor)
    used = sent[-1].credential
    assert (used.secret, used.team_id, used.key_id) == ("the secret", "T", "K")
    assert (used.topic, used.sandbox) == ("app", True)
    assert "the secret" not in repr(used)


def test_a_credential_of_another_else_is_none(factor, service, sent, settings):
    theirs = make_credential(make_account("Other"))
    for sid in (theirs.sid, "CR" + "0" * 32):
        service.push_fcm_credential_sid = sid
        service.save()
        ask(factor)
    assert sent == []
    assert {r.error for r in Notification.objects.all()} == {
        "the service names a push credential that does not exist"
    }
    mine = make_credential(service.account)
    PushCredential.objects.filter(sid=mine.sid).update(sealed_secret=theirs.sealed_secret)
    service.push_fcm_credential_sid = mine.sid
    service.save()
    challenge = ask(factor)
    assert (
        challenge.notifications.get().error
        == "the key of the push credential is no longer configured"
    )


def test_a_row_that_raises_stops_nobody(factor, sent, clock, monkeypatch, caplog):
    with monkeypatch.context() as still:
        still.setattr(notifications, "wake", lambda sid: None)
        first = ask(factor).notifications.get().sid
        clock.shift(1)
        second = ask(factor).notifications.get().sid
    finish, failed = notifications._finish, []

    def once(row, *args, **kwargs):
        if row.sid == first and not failed:
            failed.append(row.sid)
            raise ZeroDivisionError(FCM_TOKEN)
        finish(row, *args, **kwargs)

    monkeypatch.setattr(notifications, "_finish", once)
    assert notifications.deliver_due() == 1
    assert Notification.objects.get(sid=second).status == "sent"
    assert f"{first} was put off: ZeroDivisionError" in caplog.text
    assert FCM_TOKEN not in caplog.text
    clock.shift(60)
    assert notifications.deliver_due() == 1
    assert Notification.objects.get(sid=first).status == "sent"


def test_a_failure_after_the_commit_is_not_the_callers(factor, sent, monkeypatch, caplog):
    monkeypatch.setattr(notifications, "deliver", lambda sid: 1 / 0)
    assert ask(factor).status == "pending"
    assert "was interrupted: ZeroDivisionError" in caplog.text


def test_what_cannot_be_asked_for(factor, sent):
    challenge = ask(factor)
    for ttl in (-1, 301):
        with pytest.raises(exceptions.InvalidFactorParameter):
            notifications.ask(challenge, ttl)
    Challenge.objects.all().delete()
    with pytest.raises(exceptions.NotFound):
        notifications.ask(challenge)


def test_a_pass_stops_when_reported(factor, sent, monkeypatch):
    with monkeypatch.context() as still:
        still.setattr(notifications, "wake", lambda sid: None)
        ask(factor)
    assert notifications.deliver_due(stop=lambda: True) == 0
    assert notifications.deliver_due() == 1


@pytest.mark.parametrize("engine", ["tasks", "celery", "tests.nowhere.wake"])
def test_with_workers_no_request_waits_for_a_push_service(factor, sent, settings, engine):
    settings.DJANGO_VERIFY = settings.DJANGO_VERIFY | {"DISPATCH": engine}
    ask(factor)
    assert sent == []
    call_command("deliverattempts", stdout=StringIO())
    assert (len(sent), row().status) == (1, "sent")


def test_many_passes_send_once(factor, sent, aligned, monkeypatch):
    with monkeypatch.context() as still:
        still.setattr(notifications, "wake", lambda sid: None)
        ask(factor)
    taken = aligned([notifications.deliver_due for _ in range(10)])
    assert sum(taken) == len(sent) == 1
