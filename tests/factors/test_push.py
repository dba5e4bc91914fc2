"""What keeps a device from being asked until its owner gives in."""

import datetime as dt

import pytest
from django.utils import timezone

from django_verify import exceptions
from django_verify.factors import challenges, entities, push
from django_verify.models import Challenge, Factor
from tests.device import Phone

pytestmark = pytest.mark.django_db

PARAMS = {
    "binding_alg": "ES256",
    "config_app_id": "com.example.app",
    "config_notification_platform": "none",
    "config_sdk_version": "1",
}


@pytest.fixture
def factor(service, clock):
    params = {**PARAMS, "binding_public_key": Phone(None, service.sid, "x").public_key}
    made = entities.enrol(service, "user-0001", "push", "Phone", params=params)
    Factor.objects.update(status="verified")
    made.refresh_from_db()
    return made


def ask(factor, status="pending"):
    challenge = challenges.create(factor, details={"message": "Log in?", "fields": []})
    if status != "pending":
        Challenge.objects.filter(sid=challenge.sid).update(
            status=status, date_responded=timezone.now()
        )
    return challenge


def wait(factor):
    with pytest.raises(exceptions.TooManyChallenges) as refusal:
        ask(factor)
    return refusal.value.retry_after


def test_twenty_wait_at_one_time(factor, clock):
    for number in range(push.PENDING):
        ask(factor)
        clock.shift(number == 0)
    assert wait(factor) == 299
    clock.shift(299)
    ask(factor)


def test_another_factor_has_limits_of_its_own(factor, service):
    for _ in range(push.PENDING):
        ask(factor)
    params = {**PARAMS, "binding_public_key": Phone(None, service.sid, "x").public_key}
    other = entities.enrol(service, "user-0001", "push", "Tablet", params=params)
    Factor.objects.update(status="verified")
    other.refresh_from_db()
    assert ask(other).serial == 1


def test_from_the_third_denial_in_a_row_there_is_a_wait(factor, clock):
    ask(factor, "denied")
    ask(factor, "denied")
    for expected in (60, 120, 240, 480, 960, 1920, 3600, 3600):
        ask(factor, "denied")
        assert wait(factor) == expected
        clock.shift(expected - 1)
        assert wait(factor) == 1
        clock.shift(1)
    ask(factor, "approved")
    ask(factor, "denied")
    ask(factor, "denied")
    ask(factor)


def test_denials_are_forgotten_after_a_day(factor, clock):
    for _ in range(3):
        ask(factor, "denied")
    clock.shift(86_400)
    ask(factor)


def test_a_hundred_without_an_approval_are_a_days_worth(factor, clock):
    began = timezone.now()
    for _ in range(push.UNANSWERED_IN_A_DAY):
        ask(factor)
        clock.shift(301)
    assert wait(factor) == (began + dt.timedelta(days=1) - timezone.now()).total_seconds()
    newest = Challenge.objects.order_by("-serial").first()
    Challenge.objects.filter(sid=newest.sid).update(status="approved")
    ask(factor)
