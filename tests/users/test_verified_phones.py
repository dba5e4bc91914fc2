"""Whose number it is: claims, confirmations, policies, the primary one, races."""

import datetime as dt
import subprocess
import sys

import pytest
from django.contrib.auth import get_user_model

from django_verify.users import signals, verified_phones
from django_verify.users.models import VerifiedPhone
from tests.conftest import OTHER_PHONE, PHONE

pytestmark = pytest.mark.django_db(transaction=True)

NAMES = ("phone_verified", "phone_released", "phone_transferred")


def make_user(name="ann"):
    return get_user_model().objects.create_user(name)


@pytest.fixture
def ann():
    return make_user()


@pytest.fixture
def bob():
    return make_user("bob")


@pytest.fixture
def heard():
    """Every signal, as its name and its arguments."""
    seen, kept = [], []
    for name in NAMES:

        def note(signal, sender, name=name, **facts):
            seen.append((name, facts))

        kept.append(note)
        getattr(signals, name).connect(note)
    yield seen
    for name, note in zip(NAMES, kept, strict=True):
        getattr(signals, name).disconnect(note)


def numbers(user):
    return [str(row.number) for row in verified_phones.verified(user)]


def test_a_claim_is_pending_until_it_is_confirmed(ann, heard):
    row = verified_phones.claim(ann, PHONE)
    assert not row.is_verified
    assert not verified_phones.has_verified(ann)
    assert verified_phones.claim(ann, PHONE) == row
    confirmed = verified_phones.confirm(ann, PHONE, channel="sms")
    assert (confirmed.pk, confirmed.is_verified, confirmed.is_primary) == (row.pk, True, True)
    assert numbers(ann) == [PHONE]
    assert verified_phones.primary(ann) == row
    assert [name for name, _ in heard] == ["phone_verified"]


def test_what_is_no_number_is_refused(ann):
    with pytest.raises(ValueError, match="a region is needed"):
        verified_phones.claim(ann, "415 555 2671")
    with pytest.raises(ValueError, match="not a phone number"):
        verified_phones.confirm(ann, "+1415555CODE")


def test_a_number_is_read_as_people_type_it(ann):
    assert verified_phones.claim(ann, "+1 [415] 555-2671\u200e").e164 == "+14155552671"
    assert verified_phones.confirm(ann, "００１ー４１５ー５５５ー２６７１").e164 == "+14155552671"
    assert verified_phones.verified(ann).count() == 1


def test_a_pending_change_keeps_the_old_number(ann, heard):
    old = verified_phones.confirm(ann, PHONE)
    verified_phones.claim(ann, OTHER_PHONE, replaces=old)
    assert numbers(ann) == [PHONE]
    new = verified_phones.confirm(ann, OTHER_PHONE)
    assert numbers(ann) == [OTHER_PHONE]
    assert verified_phones.primary(ann) == new
    name, facts = heard[1]
    assert name == "phone_released"
    assert (facts["number"], facts["reason"], facts["user"]) == (PHONE, "replaced", ann)


def test_only_ones_own_number_is_replaced(ann, bob):
    with pytest.raises(ValueError, match="another user"):
        verified_phones.claim(bob, OTHER_PHONE, replaces=verified_phones.confirm(ann, PHONE))


def test_the_spellings_of_a_number_are_one(ann, bob):
    verified_phones.confirm(ann, "+5491123456789")
    with pytest.raises(verified_phones.NumberTaken):
        verified_phones.confirm(bob, "+541123456789")


def test_another_users_number_is_denied_by_default(ann, bob):
    verified_phones.confirm(ann, PHONE)
    with pytest.raises(verified_phones.NumberTaken) as refused:
        verified_phones.confirm(bob, PHONE)
    assert refused.value.reason == "number_in_use"
    assert "PHONE_CONFLICT_POLICY" in str(refused.value)
    assert (numbers(ann), numbers(bob)) == ([PHONE], [])
    # Bob's claim is pending: it counts once Ann's is released.
    verified_phones.release(verified_phones.primary(ann))
    assert verified_phones.confirm(bob, PHONE).is_verified


def test_a_transfer_is_reported(ann, bob, heard, settings):
    settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "PHONE_CONFLICT_POLICY": "transfer"}
    verified_phones.confirm(ann, OTHER_PHONE)
    verified_phones.confirm(ann, PHONE)
    verified_phones.confirm(bob, PHONE)
    assert (numbers(ann), numbers(bob)) == ([OTHER_PHONE], [PHONE])
    released, transferred, verified = heard[2:]
    assert (released[0], released[1]["reason"]) == ("phone_released", "transferred")
    assert (transferred[0], transferred[1]["from_user"]) == ("phone_transferred", ann)
    assert (verified[0], verified[1]["phone"].user_id) == ("phone_verified", bob.pk)


def test_another_factor_may_be_asked_for(ann, bob, settings):
    settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "PHONE_CONFLICT_POLICY": "ask"}
    verified_phones.confirm(ann, PHONE)
    with pytest.raises(verified_phones.AnotherFactorRequired):
        verified_phones.confirm(bob, PHONE)
    assert numbers(ann) == [PHONE]
    verified_phones.confirm(bob, PHONE, another_factor=True)
    assert (numbers(ann), numbers(bob)) == ([], [PHONE])


def decide(user, holder):
    return "transfer" if user.username == "bob" else "deny"


def test_a_site_may_decide_by_itself(ann, bob, settings):
    settings.DJANGO_VERIFY = {
        **settings.DJANGO_VERIFY,
        "PHONE_CONFLICT_POLICY": f"{__name__}.decide",
    }
    verified_phones.confirm(ann, PHONE)
    verified_phones.confirm(bob, PHONE)
    with pytest.raises(verified_phones.NumberTaken):
        verified_phones.confirm(ann, PHONE)


@pytest.mark.parametrize("answer", [None, "", "denied", "TRANSFER", True])
def test_an_answer_that_is_no_policy_moves_no_number(ann, bob, settings, monkeypatch, answer):
    monkeypatch.setitem(globals(), "decide", lambda user, holder: answer)
    settings.DJANGO_VERIFY = {
        **settings.DJANGO_VERIFY,
        "PHONE_CONFLICT_POLICY": f"{__name__}.decide",
    }
    verified_phones.confirm(ann, PHONE)
    with pytest.raises(verified_phones.NumberTaken):
        verified_phones.confirm(bob, PHONE, another_factor=True)
    assert (numbers(ann), numbers(bob)) == ([PHONE], [])


def test_the_numbers_of_a_user_are_limited(ann, settings):
    settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "USERS_PHONES": 1}
    old = verified_phones.confirm(ann, PHONE)
    with pytest.raises(verified_phones.TooManyNumbers):
        verified_phones.confirm(ann, OTHER_PHONE)
    verified_phones.claim(ann, OTHER_PHONE, replaces=old)
    assert verified_phones.confirm(ann, OTHER_PHONE).is_verified


def test_the_primary_number(ann):
    first, second = verified_phones.confirm(ann, PHONE), verified_phones.confirm(ann, OTHER_PHONE)
    assert (first.is_primary, second.is_primary) == (True, None)
    verified_phones.make_primary(second)
    assert numbers(ann) == [OTHER_PHONE, PHONE]
    verified_phones.release(second)
    assert verified_phones.primary(ann) == first
    verified_phones.release(second)  # once more does nothing
    with pytest.raises(ValueError, match="verified"):
        verified_phones.make_primary(verified_phones.claim(ann, OTHER_PHONE))
    assert verified_phones.primary(ann) == first


def test_a_verification_may_be_too_old(ann, clock):
    verified_phones.confirm(ann, PHONE)
    clock.shift(60)
    assert verified_phones.has_verified(ann, within=dt.timedelta(seconds=61))
    assert not verified_phones.has_verified(ann, within=dt.timedelta(seconds=60))
    verified_phones.confirm(ann, PHONE)
    assert verified_phones.has_verified(ann, within=dt.timedelta(seconds=60))


def test_a_user_takes_the_numbers_along(ann, bob):
    verified_phones.confirm(ann, PHONE)
    ann.delete()
    assert verified_phones.confirm(bob, PHONE).is_verified


def test_the_number_is_masked_where_it_is_named(ann):
    row = verified_phones.confirm(ann, PHONE)
    assert PHONE not in f"{row} {row!r}"


def test_of_twenty_users_at_one_moment_one_gets_the_number(aligned):
    users = [make_user(f"user-{number}") for number in range(20)]

    def attempt(user):
        try:
            return verified_phones.confirm(user, PHONE).user_id
        except verified_phones.NumberTaken:
            return None

    for _ in range(3):
        won = [pk for pk in aligned([lambda u=u: attempt(u) for u in users]) if pk]
        assert [VerifiedPhone.objects.get(claim=PHONE).user_id] == won
        VerifiedPhone.objects.all().delete()


def test_of_many_confirmations_of_one_user_one_number_is_primary(ann, aligned, settings):
    settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "USERS_PHONES": 20}
    given = [f"+1415555{2600 + number}" for number in range(8)]
    aligned([lambda n=n: verified_phones.confirm(ann, n) for n in given])
    assert sorted(numbers(ann)) == given
    assert VerifiedPhone.objects.filter(is_primary=True).count() == 1


def test_the_app_has_to_be_installed():
    program = "import django; django.setup(); from django_verify.users import verified_phones"
    env = {"DJANGO_SETTINGS_MODULE": "tests.bare", "PYTHONPATH": ":".join(filter(None, sys.path))}
    ran = subprocess.run(
        [sys.executable, "-c", program], env=env, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 1
    assert "add 'django_verify.users' to INSTALLED_APPS" in ran.stderr


def test_users_who_take_each_others_numbers_at_one_moment(ann, bob, aligned, settings):
    settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "PHONE_CONFLICT_POLICY": "transfer"}
    carl = make_user("carl")
    given = [PHONE, OTHER_PHONE, "+14155550100"]
    for _ in range(8):
        for user, number in zip([ann, bob, carl], given, strict=True):
            verified_phones.confirm(user, number)
        pairs = [(user, number) for user in (ann, bob, carl) for number in given]
        aligned([lambda u=u, n=n: verified_phones.confirm(u, n) for u, n in pairs])
        assert sorted(numbers(ann) + numbers(bob) + numbers(carl)) == sorted(given)
        for user in (ann, bob, carl):
            kept = VerifiedPhone.objects.filter(user=user, claim__isnull=False)
            assert kept.filter(is_primary=True).count() == kept.exists()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("+390549886377", "+3780549886377"),
        ("+22997123456", "+2290197123456"),
        ("+22507123456", "+2250707123456"),
        ("+5215512340001", "+525512340001"),
        ("+5491123450001", "+541123450001"),
        ("+972592234567", "+970592234567"),
    ],
)
def test_two_spellings_are_not_two_owners(ann, bob, one, other):
    for first, second in ((one, other), (other, one)):
        row = verified_phones.confirm(ann, first)
        with pytest.raises(verified_phones.NumberTaken):
            verified_phones.confirm(bob, second)
        assert verified_phones.confirm(ann, second).pk == row.pk
        verified_phones.release(row)
