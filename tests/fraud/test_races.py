"""Parallel starts on one block, over the wire: no two of them share a place."""

import pytest

from django_verify import fraud, verifications
from django_verify.exceptions import VerifyError
from django_verify.fraud import places
from django_verify.models import GuardTrip, Verification, VerificationAttempt
from tests.conftest import THREADS, Api, make_account, make_service

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.races,
    pytest.mark.django_db(transaction=True),
]


def line(number):
    return f"+491511234{number:04d}"


@pytest.fixture
def site():
    account = make_account()
    service = make_service(account, guard_level="standard")
    apis = [Api(account.sid, account.token) for _ in range(THREADS)]
    path = f"Services/{service.sid}/Verifications"

    def start(place):
        return apis[place % THREADS].post(path, {"To": line(place), "Channel": "sms"}).status

    return service, start


def test_two_hundred_on_a_fresh_block_send_at_most_fifty(site, aligned, outbox):
    _, start = site
    statuses = []
    for first in range(0, 4 * THREADS, THREADS):
        calls = [lambda place=first + place: start(place) for place in range(THREADS)]
        statuses += aligned(calls)
    # One that has lost every try is to come again.
    assert {201, 403} <= set(statuses) <= {201, 403, 429}
    # Each has a place of its own; some stay empty that starts have gone for and lost on the way.
    assert 20 <= statuses.count(201) == len(outbox) <= places.AT_ONCE
    taken = Verification.objects.values_list("guard_place", "guard_level")
    assert len({place for place, _ in taken}) == len(outbox)
    assert max(level for _, level in taken) <= places.AT_ONCE


def test_forty_on_a_closed_block_send_nothing(site, aligned, outbox):
    service, start = site
    GuardTrip.objects.create(
        account_id=service.account_id,
        level="standard",
        state="closed",
        kind="block",
        key=f"DE {line(0)[:-4]}",
        reason="closed by hand",
        started_at=service.date_created,
        ends_at=None,
    )
    fraud.forget()
    statuses = aligned([lambda place=place: start(place) for place in range(40)])
    assert statuses == [403] * 40
    assert not outbox
    assert not VerificationAttempt.objects.exists()


def test_a_burst_on_many_blocks_of_a_country_without_conversions_is_bounded(site, aligned):
    service, _ = site

    def one(place):
        try:
            verifications.start(service, f"+49151{place * 99_991 % 10**8:08d}")
        except VerifyError:
            return False
        return True

    done = []
    for first in range(0, 4 * THREADS, THREADS):
        done += aligned([lambda place=first + place: one(place) for place in range(THREADS)])
    assert sum(done) == 60  # of 5 cents each, three dollars
