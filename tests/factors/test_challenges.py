"""Challenges by their verbs: budgets, replay, expiry, limits, and who wins at one moment."""

import datetime as dt

import pyotp
import pytest
from django.db import transaction
from django.utils import timezone

from django_verify import exceptions, factors, signals
from django_verify.crypto import codes
from django_verify.db import autocommit
from django_verify.factors import challenges, entities
from django_verify.models import Challenge, Factor, WebhookDelivery
from tests.conftest import THREADS, make_service, wrong
from tests.factors.test_entities import WHO, app, enrol, listen, received

pytestmark = pytest.mark.django_db(transaction=True)

HOUR = 3600


@pytest.fixture
def factor(service, clock):
    """A verified factor, two steps after its enrolment."""
    return verified(service, clock)


def verified(service, clock=None, **params):
    row = enrol(service, **params)
    Factor.objects.filter(sid=row.sid).update(status="verified")
    row.status = "verified"
    return row


def code(factor):
    return app(factor).now()


def again(challenge):
    return challenges.rows().get(sid=challenge.sid)


def test_a_challenge_lives_five_minutes_by_default(factor):
    now = timezone.now()
    challenge = challenges.create(factor)
    assert challenge.expiration_date == now + dt.timedelta(minutes=5)
    assert (challenge.status, challenge.date_responded) == ("pending", None)


@pytest.mark.parametrize(
    ("seconds", "fine"), [(1, True), (HOUR, True), (0, False), (-1, False), (HOUR + 1, False)]
)
def test_the_expiration_is_in_the_next_hour(factor, seconds, fine):
    wanted = timezone.now() + dt.timedelta(seconds=seconds)
    if fine:
        assert challenges.create(factor, expiration_date=wanted).expiration_date == wanted
    else:
        with pytest.raises(exceptions.InvalidFactorParameter):
            challenges.create(factor, expiration_date=wanted)


def test_an_unverified_factor_is_not_asked(service):
    with pytest.raises(exceptions.FactorUnverified):
        challenges.create(enrol(service))


def test_a_factor_that_has_gone_is_not_asked(factor):
    Factor.objects.all().delete()
    with pytest.raises(exceptions.NotFound):
        challenges.create(factor)


def test_the_right_code_approves(factor, service):
    listen(service, "challenge.approved")
    heard = []

    def note(challenge, **_):
        heard.append(challenge.sid)

    signals.challenge_approved.connect(note)
    challenge = challenges.create(factor, details={"message": "Log in?", "fields": []})
    answered = challenges.answer(challenge, code(factor), metadata={"os": "Android"})
    signals.challenge_approved.disconnect(note)
    assert (answered.status, answered.date_responded) == ("approved", timezone.now())
    assert again(challenge).metadata == {"os": "Android"}
    assert heard == [challenge.sid]
    ((name, event),) = received()
    assert (name, event["challenge_sid"]) == ("challenge.approved", challenge.sid)
    assert event["factor_sid"] == factor.sid


def test_a_code_may_come_with_the_question(factor):
    right = code(factor)
    assert challenges.create(factor, auth_payload=wrong(right)).status == "pending"
    assert challenges.create(factor, auth_payload=right).status == "approved"


def test_a_malformed_code_makes_no_challenge(factor):
    with pytest.raises(exceptions.InvalidFactorParameter):
        challenges.create(factor, auth_payload="12345")
    challenge = challenges.create(factor)
    with pytest.raises(exceptions.InvalidFactorParameter):
        challenges.answer(challenge, "1234567")
    assert again(challenge).checks == 0
    assert Challenge.objects.count() == 1


def test_no_code_works_twice(factor, clock):
    right = code(factor)
    assert challenges.create(factor, auth_payload=right).status == "approved"
    assert challenges.create(factor, auth_payload=right).status == "pending"
    clock.shift(30)
    assert challenges.create(factor, auth_payload=code(factor)).status == "approved"


def test_the_code_of_the_enrolment_is_used_up(service, clock):
    factor = enrol(service)
    right = code(factor)
    factor = entities.verify(factor, right)
    assert challenges.create(factor, auth_payload=right).status == "pending"
    clock.shift(30)
    assert challenges.create(factor, auth_payload=code(factor)).status == "approved"


def test_a_challenge_has_five_guesses(factor):
    challenge, right = challenges.create(factor), code(factor)
    for number in range(5):
        assert challenges.answer(challenge, wrong(right, number + 1)).status == "pending"
    with pytest.raises(exceptions.MaxChallengeChecksReached):
        challenges.answer(challenge, right)
    assert again(challenge).status == "pending"


def test_a_factor_has_twenty_guesses_a_day(factor, clock):
    right = code(factor)
    for number in range(20):
        if number % 5 == 0:
            challenge = challenges.create(factor)
        challenges.answer(challenge, wrong(right, number + 1))
    with pytest.raises(exceptions.MaxChallengeChecksReached) as refused:
        challenges.create(factor, auth_payload=right)
    assert refused.value.retry_after == 24 * HOUR
    clock.shift(24 * HOUR)
    assert challenges.create(factor, auth_payload=code(factor)).status == "approved"


def test_right_codes_give_their_guess_back(factor, clock):
    for _ in range(25):
        assert challenges.create(factor, auth_payload=code(factor)).status == "approved"
        clock.shift(120)
    assert Factor.objects.get().guesses == 0


def test_a_challenge_that_has_run_out(factor, clock):
    challenge = challenges.create(factor)
    clock.shift(300)
    assert again(challenge).current_status(timezone.now()) == "expired"
    with pytest.raises(exceptions.ChallengeExpired):
        challenges.answer(challenge, code(factor))
    with pytest.raises(exceptions.ChallengeExpired):
        challenges.answer(challenge, metadata={})
    assert Factor.objects.get().guesses == 0


def test_an_answer_is_final(factor, clock):
    challenge = challenges.create(factor, auth_payload=code(factor))
    clock.shift(30)
    with pytest.raises(exceptions.ChallengeAnswered):
        challenges.answer(challenge, code(factor))
    with pytest.raises(exceptions.ChallengeAnswered):
        challenges.answer(challenge, metadata={"os": "x"})
    assert Factor.objects.get().guesses == 0


def test_a_challenge_that_was_over_first_leaves_the_code_unused(factor, clock):
    challenge, right = challenges.create(factor), code(factor)
    proof = factors.get("totp").prove(factor, right, timezone.now(), challenge)
    clock.shift(300)
    with pytest.raises(exceptions.ChallengeExpired):
        challenges.settle(challenge, factor, proof)
    assert Factor.objects.get().last_step == -1
    assert not WebhookDelivery.objects.exists()


def test_a_device_may_state_something_about_itself(factor):
    challenge = challenges.create(factor)
    assert challenges.answer(challenge, metadata={"os": "iOS"}).metadata == {"os": "iOS"}
    assert again(challenge).status == "pending"
    with pytest.raises(exceptions.InvalidFactorParameter):
        challenges.answer(challenge)


def test_guesses_are_not_charged_where_they_could_be_used_back(factor):
    challenge = challenges.create(factor)
    with transaction.atomic():
        with pytest.raises(autocommit.AtomicBlockError):
            challenges.answer(challenge, "123456")
        with pytest.raises(autocommit.AtomicBlockError):
            challenges.create(factor, auth_payload="123456")


@pytest.mark.parametrize(
    ("length", "first", "wait", "more"), [(6, 50, HOUR, 50), (4, 10, 24 * HOUR, 10)]
)
def test_the_challenges_of_a_factor_are_limited(service, clock, length, first, wait, more):
    factor = verified(service, config_code_length=length)
    for _ in range(first):
        challenges.create(factor)
    with pytest.raises(exceptions.TooManyChallenges) as refused:
        challenges.create(factor)
    assert refused.value.retry_after == wait
    clock.shift(wait)
    for _ in range(more):
        challenges.create(factor)
    with pytest.raises(exceptions.TooManyChallenges):
        challenges.create(factor)
    if length == 6:  # the hour is over, the day is not
        clock.shift(HOUR)
        with pytest.raises(exceptions.TooManyChallenges) as refused:
            challenges.create(factor)
        assert refused.value.retry_after == 22 * HOUR


def test_challenges_at_one_moment_keep_the_limit(service, aligned, monkeypatch):
    monkeypatch.setattr(challenges, "MAX_TRIES", 200)
    for _ in range(2):
        factor = verified(service, config_code_length=4)

        def ask(factor=factor):
            try:
                return challenges.create(factor).serial
            except exceptions.TooManyChallenges:
                return None

        made = [serial for serial in aligned([ask] * 20) if serial]
        assert sorted(made) == list(range(1, 11))


def test_fifty_uses_of_one_code_approve_one_challenge(service, aligned):
    listen(service, "challenge.approved")
    for turn in range(4):
        factor = verified(service)
        # More than the day's guesses, so that the replay rule and not the budget decides.
        asked = [challenges.create(factor) for _ in range(THREADS)]
        right = code(factor)

        def answer(challenge, right=right):
            try:
                return challenges.answer(again(challenge), right).status
            except exceptions.MaxChallengeChecksReached:
                return "refused"

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(challenges, "GUESSES_PER_DAY", 100)
            results = aligned([lambda c=c: answer(c) for c in asked])
        assert (results.count("approved"), results.count("pending")) == (1, THREADS - 1)
        assert Challenge.objects.filter(factor=factor, status="approved").count() == 1
        assert len(received()) == turn + 1


def test_fifty_wrong_codes_compare_five_for_a_challenge_and_twenty_for_a_factor(
    service, aligned, monkeypatch
):
    seen, real = [], codes.matches
    monkeypatch.setattr(codes, "matches", lambda *a: seen.append(a[1]) or real(*a))

    def answer(challenge, payload):
        try:
            challenges.answer(again(challenge), payload)
        except exceptions.MaxChallengeChecksReached:
            return "refused"

    for across, compared in ((False, 5), (True, 20)):
        factor = verified(service, config_skew=0)
        asked = [challenges.create(factor) for _ in range(THREADS if across else 1)]
        right = code(factor)
        seen.clear()
        results = aligned(
            [
                lambda n=n, asked=asked, right=right: answer(
                    asked[n % len(asked)], wrong(right, n + 1)
                )
                for n in range(THREADS)
            ]
        )
        assert len(seen) == compared
        assert results.count("refused") == THREADS - compared


def test_a_deleted_entity_takes_its_challenges(factor, service):
    challenge = challenges.create(factor)
    entities.delete(factor.entity)
    with pytest.raises(exceptions.NotFound):
        challenges.answer(challenge, "123456")
    assert not Challenge.objects.exists()
    with pytest.raises(exceptions.NotFound):
        challenges.fetch(entities.create(service, WHO), challenge.sid)


def test_another_entitys_challenge_is_absent(factor, account):
    challenge = challenges.create(factor)
    other = entities.create(make_service(account), WHO)
    with pytest.raises(exceptions.NotFound):
        challenges.fetch(other, challenge.sid)
    with pytest.raises(exceptions.NotFound):
        entities.fetch_factor(other, factor.sid)


def test_seeds_outlive_a_rotation_of_the_keys(service, settings, clock):
    settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "KEYS": {"old": "o" * 40}}
    factor = verified(service)
    secret = app(factor).secret
    settings.DJANGO_VERIFY = {
        **settings.DJANGO_VERIFY,
        "KEYS": {"new": "n" * 40, "old": "o" * 40},
    }
    assert challenges.create(factor, auth_payload=pyotp.TOTP(secret).now()).status == "approved"
    # The right code has moved the seed to the new key.
    settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "KEYS": {"new": "n" * 40}}
    clock.shift(30)
    assert challenges.create(factor, auth_payload=pyotp.TOTP(secret).now()).status == "approved"


def test_a_seed_whose_key_has_gone_proves_nothing(service, settings, clock):
    settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "KEYS": {"old": "o" * 40}}
    factor = verified(service)
    right = code(factor)
    settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "KEYS": {"new": "n" * 40}}
    assert challenges.create(factor, auth_payload=right).status == "pending"
