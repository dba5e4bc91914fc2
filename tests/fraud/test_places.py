"""The hard bound on a number block: places that starts take by the row that they write."""

import datetime as dt

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from django_verify import fraud, verifications
from django_verify.crypto import codes
from django_verify.db.queries import Place
from django_verify.exceptions import FraudBlocked
from django_verify.fraud import places
from django_verify.models import GuardDecision, Verification
from django_verify.verifications import store
from tests.conftest import make_account, make_service

NOW = timezone.now()
SALT = "VL" + "0" * 32


def line(number):
    """One of the ten thousand numbers of a block."""
    return f"+491511234{number * 7:04d}"


class TestPlaces:
    def test_a_block_is_that_of_its_account_and_fits_a_big_integer(self):
        block = places.block_of("AC1", "+4915112345678")
        assert block == places.block_of("AC1", "+4915112340000")
        assert block not in {
            places.block_of("AC2", "+4915112345678"),
            places.block_of("AC1", "+4915112355678"),
        }
        assert 0 <= block < 2**63

    def test_a_block_drains_in_an_hour_by_what_it_has_room_for(self):
        latest = Place(60, 45.0, NOW)
        assert places.level(None, 45, NOW) == 0
        assert places.level(latest, 45, NOW) == 45
        assert places.level(latest, 45, NOW + dt.timedelta(seconds=80)) == 44
        assert places.level(latest, 90, NOW + dt.timedelta(seconds=80)) == 43
        assert places.level(latest, 45, NOW + dt.timedelta(hours=2)) == 0
        # A machine whose clock is behind drains nothing.
        assert places.level(latest, 45, NOW - dt.timedelta(hours=1)) == 45

    def test_is_full_when_one_more_does_not_fit(self):
        assert not places.is_full(Place(9, 44.0, NOW), 45, NOW)
        assert places.is_full(Place(9, 44.1, NOW), 45, NOW)
        assert not places.is_full(Place(9, 44.1, NOW), 48, NOW)

    def test_the_next_place_is_taken_at_first(self):
        assert places.take(7, None, 45, NOW, tries=0, salt=SALT) == {
            "guard_block": 7, "guard_place": 1, "guard_level": 1.0,
        }  # fmt: skip
        taken = places.take(7, Place(12, 3.0, NOW), 45, NOW, tries=0, salt=SALT)
        assert (taken["guard_place"], taken["guard_level"]) == (13, 4.0)

    @pytest.mark.parametrize(("ahead", "held"), [(60, 45.0), (3600, 45.0), (3601, 0.0)])
    def test_a_clock_that_was_wrong_fills_no_block_for_longer_than_an_hour(self, ahead, held):
        latest = Place(45, 45.0, NOW + dt.timedelta(seconds=ahead))
        assert places.level(latest, 45, NOW) == held

    @pytest.mark.parametrize("tries", range(8))
    def test_a_start_that_has_lost_goes_for_one_of_more_and_never_beyond_the_room(self, tries):
        room, latest = 45, Place(12, 30.0, NOW)
        found = set()
        for number in range(400):
            salt = SALT[:-8] + f"{number:08x}"
            taken = places.take(7, latest, room, NOW, tries=tries, salt=salt)
            # What it skips counts as if it were taken.
            assert taken["guard_level"] == 30 + taken["guard_place"] - 12
            found.add(taken["guard_place"])
        assert found == set(range(13, 13 + min(2**tries, 15)))


@pytest.fixture
def guarded(account):
    return make_service(account, guard_level="standard")


@pytest.mark.django_db(transaction=True)
class TestStarts:
    def test_no_two_verifications_have_one_place(self, guarded):
        one, other = (verifications.start(guarded, line(number)) for number in (1, 2))
        other.guard_place = one.guard_place
        with pytest.raises(IntegrityError), transaction.atomic():
            other.save()

    def test_each_message_takes_the_next_place_a_resend_too(self, guarded, clock):
        for number in (1, 2, 1, 3):
            verifications.start(guarded, line(number))
            clock.shift(1)
        rows = Verification.objects.order_by("serial", "to").values_list("to", "guard_place")
        assert dict(rows) == {line(1): 3, line(2): 2, line(3): 4}
        assert len(set(Verification.objects.values_list("guard_block", flat=True))) == 1

    @pytest.mark.parametrize(
        ("level", "to", "options"),
        [
            ("off", line(1), {}),
            ("standard", "ada@example.com", {"channel": "email"}),
            ("standard", line(1), {"risk_check": False}),
        ],
    )
    def test_what_is_not_judged_takes_no_place(self, account, level, to, options):
        service = make_service(account, guard_level=level)
        verifications.start(service, to, **options)
        assert Verification.objects.get().guard_place is None

    def test_a_start_that_loses_its_place_reads_again(self, guarded, clock, monkeypatch):
        verifications.start(guarded, line(1))
        read, found = store.read, []

        def outrun(start, known=None):
            past = read(start, known)
            if not found:
                found.append(past)
                verifications.start(guarded, line(2))
            return past

        monkeypatch.setattr(store, "read", outrun)
        row = verifications.start(guarded, line(3))
        assert found[0].latest_place.number == 1
        assert row.guard_place > 2
        assert Verification.objects.count() == 3

    def test_a_start_whose_block_is_full_by_then_is_refused(
        self, guarded, clock, monkeypatch, outbox
    ):
        monkeypatch.setattr(places, "AT_ONCE", 2)
        verifications.start(guarded, line(1))
        read = store.read

        def outrun(start, known=None):
            past = read(start, known)
            monkeypatch.setattr(store, "read", read)
            verifications.start(guarded, line(2))
            return past

        monkeypatch.setattr(store, "read", outrun)
        with pytest.raises(FraudBlocked):
            verifications.start(guarded, line(3))
        assert Verification.objects.count() == 2 == len(outbox)
        assert GuardDecision.objects.get().reason == (
            "2 messages to numbers that begin with +491511234, none confirmed"
        )

    def test_a_number_that_was_verified_before_passes_a_full_block(
        self, guarded, clock, monkeypatch
    ):
        monkeypatch.setattr(places, "AT_ONCE", 1)
        row = verifications.start(guarded, line(1))
        verifications.check(guarded, codes.reveal(row), verification_sid=row.sid)
        monkeypatch.setattr(places, "FOR_A_CONVERSION", 0.1)
        clock.shift(60)
        with pytest.raises(FraudBlocked):
            verifications.start(guarded, line(2))
        assert verifications.start(guarded, line(1)).guard_place is None

    def test_a_conversion_makes_room_for_three(self, guarded, clock, monkeypatch):
        monkeypatch.setattr(places, "AT_ONCE", 1)
        row = verifications.start(guarded, line(1))
        verifications.check(guarded, codes.reveal(row), verification_sid=row.sid)
        clock.shift(3)
        sent = 0
        for number in range(2, 8):
            try:
                verifications.start(guarded, line(number))
            except FraudBlocked:
                continue
            sent += 1
        assert sent == 3

    def test_what_is_recorded_alone_takes_no_place_that_is_not_there(
        self, account, clock, monkeypatch
    ):
        monkeypatch.setattr(places, "AT_ONCE", 2)
        service = make_service(account, guard_level="standard", guard_record_only=True)
        rows = [verifications.start(service, line(number)) for number in range(4)]
        assert [row.guard_place for row in rows] == [1, 2, None, None]
        assert [row.cause for row in GuardDecision.objects.all()] == ["burst"] * 2

    def test_accounts_share_no_block(self, guarded, clock, monkeypatch):
        monkeypatch.setattr(places, "AT_ONCE", 1)
        verifications.start(guarded, line(1))
        other = make_service(make_account(), guard_level="standard")
        assert verifications.start(other, line(2)).guard_place == 1
        fraud.forget()  # the bound is in no process's memory
        with pytest.raises(FraudBlocked):
            verifications.start(guarded, line(2))
