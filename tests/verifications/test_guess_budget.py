"""The budget by itself: any order of starts and guesses keeps its bounds and shuts no door."""

import datetime as dt
import random
from collections import Counter

import pytest

from django_verify import conf
from django_verify.exceptions import MaxSendsReached, TooManyRequests
from django_verify.models import Verification
from django_verify.verifications import guess_budget
from django_verify.verifications.guess_budget import (
    BACKEND,
    COST,
    DEVICE,
    STRANGER,
    Charge,
    History,
    Share,
    guesses_left,
    shares,
)
from tests.conftest import PHONE, make_service

NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
ORIGINS = {BACKEND: ("", False), DEVICE: ("CV1", True), STRANGER: ("CV1", False)}
LENGTHS = range(4, 11)
DAY = dt.timedelta(hours=24)


def make_row(serial, origin, digits=6, now=NOW, **values):
    client, recognized = ORIGINS[origin]
    return Verification(
        serial=serial,
        client=client,
        recognized=recognized,
        code_length=digits,
        max_checks=5,
        date_updated=now,
        expires_at=now + dt.timedelta(minutes=10),
        **values,
    )


def reserve(rows, origin, digits=6, now=NOW, wanted=5, **values):
    row = make_row(len(rows) + 1, origin, digits, now)
    past = History(rows[::-1])
    return row, guess_budget.reserve(past, row, wanted=wanted, now=now, **values)


def units(rows, *origins, since=None):
    return sum(
        row.checks * COST[row.code_length]
        for row in rows
        if row.code_length >= 6
        and guess_budget.origin(row) in (origins or ORIGINS)
        and (since is None or row.expires_at > since - DAY)
    )


def short(rows, *origins, since):
    return sum(
        row.checks
        for row in rows
        if row.code_length < 6
        and guess_budget.origin(row) in (origins or ORIGINS)
        and row.expires_at > since - DAY
    )


@pytest.mark.parametrize("seed", range(60))
def test_any_order_of_starts_and_guesses_keeps_the_bounds(seed):
    """Faces, services of all lengths, devices and strangers, over days, each guess a wrong one."""
    chance = random.Random(seed)
    digits = [chance.choice(LENGTHS) for _ in range(3)]
    origins = chance.choice([[BACKEND, STRANGER], [BACKEND, STRANGER, DEVICE]])
    rows, now = [], NOW
    for _ in range(120):
        now += dt.timedelta(seconds=chance.choice([0, 1, 300, 700, 20_000]))
        origin, wanted = chance.choice(origins), chance.choice([5, 5, 5, 3, 1])
        recent = [row for row in rows if row.expires_at > now - DAY]
        try:
            row, (length, guesses) = reserve(rows, origin, chance.choice(digits), now, wanted)
        except MaxSendsReached:
            # The door of callers without credentials is never shut.
            assert origin == BACKEND
            assert any(guess_budget.origin(other) == BACKEND for other in recent)
            continue
        except TooManyRequests:
            counted = [
                r for r in recent if (guess_budget.origin(r) == BACKEND) == (origin == BACKEND)
            ]
            assert len(counted) >= 50
            continue
        assert 1 <= guesses <= wanted
        if origin != BACKEND and length >= 8:
            assert guesses == wanted
        row.code_length, row.max_checks = length, guesses
        row.checks = chance.choice([guesses, guesses, guesses, 0])
        row.status = "expired" if row.checks < guesses else "max_attempts_reached"
        rows.append(row)
        assert units(rows, since=now) <= 200_000
        assert units(rows, DEVICE, STRANGER, since=now) <= 100_000
        assert units(rows) <= 1_000_000
        assert units(rows, DEVICE, STRANGER) <= 500_000
        assert short(rows, since=now) <= 5
        assert short(rows, DEVICE, STRANGER, since=now) <= 2


@pytest.mark.parametrize("digits", LENGTHS)
@pytest.mark.parametrize("used_up_by", [(STRANGER,), (DEVICE,), (STRANGER, DEVICE)], ids=str)
def test_clients_never_shrink_a_backend_s_guesses_below_three(digits, used_up_by):
    rows = []
    while len(rows) < 50:
        origin = used_up_by[len(rows) % len(used_up_by)]
        try:
            row, offer = reserve(rows, origin, digits)
        except TooManyRequests:
            break
        row.code_length, row.max_checks = offer
        rows.append(row)
        _, (length, guesses) = reserve(rows, BACKEND, digits)
        assert length == digits
        assert guesses >= 3


@pytest.mark.parametrize("used_up_by", [(STRANGER,), (DEVICE,), (STRANGER, DEVICE)], ids=str)
@pytest.mark.parametrize("digits", LENGTHS)
@pytest.mark.parametrize("before", [0, 5, 9, 13, 14, 15, 16, 17, 19])
def test_nor_those_that_its_own_callers_have_left(digits, used_up_by, before):
    rows = [make_row(1, BACKEND, digits, status="expired", checks=before)]

    def left():
        try:
            return reserve(rows, BACKEND, digits)[1][1]
        except MaxSendsReached:
            return 0

    had = left()
    for number in range(30):
        try:
            row, offer = reserve(rows, used_up_by[number % len(used_up_by)], digits)
        except TooManyRequests:
            break
        row.code_length, row.max_checks = offer
        rows.append(row)
    assert left() >= min(had, 3)


@pytest.mark.parametrize("left", [1, 2])
def test_a_backend_gets_more_digits_before_it_gets_too_few_guesses(left):
    """What is left since the last approval comes back with no time; the day's does."""
    old = NOW - 30 * DAY
    rows = [make_row(n, BACKEND, now=old, status="expired", checks=5) for n in range(1, 18)]
    rows.append(make_row(18, BACKEND, now=old, status="expired", checks=5 - left))
    assert reserve(rows, BACKEND)[1] == (8, 5)
    assert reserve(rows, BACKEND, fixed=True)[1] == (6, left)
    assert reserve(rows, BACKEND, wanted=left)[1] == (6, left)


@pytest.mark.parametrize("starts", [4, 200, 1000])
@pytest.mark.parametrize("guesses", [8, 20, 100])
def test_the_longest_codes_are_paid_for_whatever_the_settings(settings, starts, guesses):
    settings.DJANGO_VERIFY = {
        "RECIPIENT_STARTS_PER_DAY": starts,
        "RECIPIENT_GUESSES_PER_DAY": guesses,
    }
    day, ever = shares(conf.current(), has_clients=True)
    backends = [
        Charge(BACKEND, digits, guesses_left(day, [], BACKEND, digits)) for digits in (6, 8, 10)
    ]
    for one in backends:
        for clients in (
            [Charge(STRANGER, 10, 5 * (starts // 4))],
            [Charge(DEVICE, 10, 5 * (starts // 2))],
        ):
            for origin, digits in ((STRANGER, 10), (DEVICE, 10)):
                free = [c._replace(guesses=max(c.guesses - 5, 0)) for c in clients]
                assert guesses_left(day, [one, *free], origin, digits) >= 5
                assert guesses_left(ever, [one, *clients], origin, digits) >= 5
    everything = [Charge(STRANGER, 6, guesses_left(day, [], STRANGER, 6))]
    for digits in (8, 10):
        left = guesses_left(day, everything, STRANGER, digits)
        assert left >= 5
        everything.append(Charge(STRANGER, digits, left))
    assert guesses_left(day, everything, BACKEND, 6) >= 3


def test_without_clients_a_backend_has_it_all():
    day, _ = shares(conf.current(), has_clients=False)
    assert guesses_left(day, [], BACKEND, 6) == 20
    day, _ = shares(conf.current(), has_clients=True)
    assert guesses_left(day, [], BACKEND, 6) == 19


@pytest.mark.parametrize("digits", LENGTHS)
def test_a_guess_costs_its_probability(digits):
    assert COST[digits] == round(10**-digits / 1e-10)
    share = Share((BACKEND,), (BACKEND,), 5, 10**7, 10**7, 10**7)
    used = [Charge(BACKEND, digits, 3)]
    before = guesses_left([share], [], BACKEND, digits)
    assert guesses_left([share], used, BACKEND, digits) == before - 3


def test_a_code_that_cannot_be_lengthened_is_refused():
    rows = [make_row(n, BACKEND, status="expired", checks=5) for n in (1, 2, 3)]
    rows.append(make_row(4, BACKEND, status="expired", checks=4))
    with pytest.raises(MaxSendsReached):
        reserve(rows, BACKEND, fixed=True)
    with pytest.raises(MaxSendsReached):
        reserve(rows, STRANGER, fixed=True)
    assert reserve(rows, STRANGER, digits=10, fixed=True)[1] == (10, 5)


def test_what_is_used_up_for_good_lengthens_a_backend_s_code():
    old = NOW - 30 * DAY
    rows = [make_row(n, BACKEND, now=old, status="expired", checks=5) for n in range(1, 19)]
    assert reserve(rows, BACKEND)[1] == (8, 5)
    with pytest.raises(MaxSendsReached, match="longer code") as caught:
        reserve(rows, BACKEND, fixed=True)
    assert caught.value.retry_after is None


class TestApproval:
    def test_sets_back_what_was_charged(self):
        old = NOW - 30 * DAY
        rows = [make_row(n, BACKEND, now=old, status="expired", checks=5) for n in range(1, 21)]
        rows.append(make_row(21, BACKEND, now=old, status="approved", checks=1, confirmed=True))
        assert History(rows[::-1]).since_approval(NOW) == []
        assert reserve(rows, BACKEND)[1] == (6, 5)

    def test_of_a_test_number_proves_nothing(self):
        rows = [make_row(1, BACKEND, status="expired", checks=5)]
        rows.append(make_row(2, BACKEND, status="approved", is_test=True, checks=1, confirmed=True))
        charges = History(rows[::-1]).since_approval(NOW)
        assert sum(each.guesses for each in charges) == 5

    def test_leaves_counted_what_is_guessed_at_later(self):
        """A verification that was open at the approval may be guessed at after it."""
        open_ = make_row(1, STRANGER, status="pending")
        ended = make_row(2, STRANGER, status="expired", checks=3)
        ended.date_updated = NOW + dt.timedelta(minutes=2)
        over = make_row(3, STRANGER, status="expired", checks=4)
        over.date_updated = NOW - dt.timedelta(minutes=2)
        approved = make_row(4, STRANGER, status="approved", checks=1, confirmed=True)
        charges = History([approved, over, ended, open_]).since_approval(NOW)
        assert [each.guesses for each in charges] == [3, 5]


@pytest.mark.django_db
@pytest.mark.parametrize("seed", range(25))
def test_what_is_read_is_what_all_rows_come_to(account, seed):
    """Of sixty rows with lifetimes of minutes to a day, approvals and releases among them."""
    chance, now = random.Random(seed), NOW
    rows = []
    for serial in range(1, 61):
        now += dt.timedelta(seconds=chance.choice([1, 60, 3600]))
        row = make_row(serial, chance.choice([*ORIGINS]), chance.choice(LENGTHS), now)
        row.account, row.to, row.recipient_key, row.max_sends = account, PHONE, PHONE, 5
        row.sent_at = now
        row.expires_at = now + dt.timedelta(seconds=chance.choice([120, 600, DAY.total_seconds()]))
        row.checks = chance.randint(0, 5)
        row.status = chance.choice(["pending", "pending", "canceled", "expired"])
        row.forgiven = row.status != "pending" and chance.random() < 0.2
        if chance.random() < chance.choice([0, 0.03, 0.2]):
            row.status, row.confirmed, row.checks = "approved", True, row.checks or 1
            row.is_test = chance.random() < 0.3
        rows.append(row)
    Verification.objects.bulk_create(rows)
    everything = History(rows[::-1])
    found = guess_budget.history(make_service(account), PHONE, now)

    def sums(charges):
        total = Counter()
        for each in charges:
            total[each.origin, each.code_length] += each.guesses
        return +total

    assert sums(found.since_approval(now)) == sums(everything.since_approval(now))
    today = [
        [guess_budget.charge(row, now) for row in past.rows if row.expires_at > now - DAY]
        for past in (found, everything)
    ]
    assert sums(today[0]) == sums(today[1])
