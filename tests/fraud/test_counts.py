"""The counting statement: buckets that drain, and places that parallel starts do not share."""

import datetime as dt

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from django_verify.fraud import counts
from django_verify.fraud.counts import Count
from django_verify.models import GuardCount
from tests.conftest import THREADS, purged


@pytest.mark.django_db
class TestTake:
    def test_passes_until_the_room_is_used_up(self):
        now, bucket = timezone.now(), Count("a", 1, 3, 0)
        found = [counts.take([bucket], now)["a"] for _ in range(5)]
        assert found == [(True, 1), (True, 2), (True, 3), (False, 3), (False, 3)]

    def test_drains_with_time(self):
        now, bucket = timezone.now(), Count("a", 1, 2, 0.1)
        for _ in range(3):
            counts.take([bucket], now)
        assert not counts.take([bucket], now + dt.timedelta(seconds=9))["a"][0]
        assert counts.take([bucket], now + dt.timedelta(seconds=19))["a"][0]

    def test_what_costs_more_than_there_is_room_for_never_passes(self):
        now, dear, cheap = timezone.now(), Count("a", 2, 1, 0), Count("a", 1, 1, 0)
        found = [counts.take([one], now)["a"] for one in (dear, dear, cheap, dear)]
        assert found == [(False, 0), (False, 0), (True, 1), (False, 1)]

    @pytest.mark.parametrize(("ahead", "passes"), [(30, True), (3500, False), (3700, True)])
    def test_a_clock_that_was_wrong_closes_nothing_for_longer_than_an_hour(self, ahead, passes):
        now, bucket = timezone.now(), Count("a", 1, 2, 2 / 3600)
        counts.take([bucket], now + dt.timedelta(seconds=ahead))
        counts.take([bucket], now + dt.timedelta(seconds=ahead))
        assert not counts.take([Count("a", 1, 2, 2 / 3600)], now)["a"][0]
        later = now + dt.timedelta(seconds=1900)
        assert counts.take([bucket], later)["a"][0] is passes

    def test_counts_in_several_buckets_by_one_statement(self):
        now = timezone.now()
        buckets = [Count("b", 0.5, 1, 0), Count("a", 1, 1, 0), Count("c", 2, 9, 0)]
        with CaptureQueriesContext(
            connection,
        ) as captured:
            found = counts.take(buckets, now)
        assert found == {"a": (True, 1), "b": (True, 0.5), "c": (True, 2)}
        assert len(captured) == 1
        assert counts.take(buckets, now)["a"] == (False, 1)

    def test_no_buckets_cost_no_statement(self, django_assert_num_queries):
        with django_assert_num_queries(0):
            assert counts.take([], timezone.now()) == {}

    def test_what_was_counted_can_be_corrected(self):
        counts.take([Count("a", 5, 9, 0)], timezone.now())
        counts.give("a", -2.5)
        assert GuardCount.objects.get().level == 2.5

    def test_purge_deletes_what_nobody_counts_in(self, clock):
        counts.take([Count("old", 1, 9, 0), Count("busy", 1, 9, 0)], timezone.now())
        clock.shift(2 * 86_400)
        counts.take([Count("busy", 1, 9, 0)], timezone.now())
        assert purged("guard counts") == 1
        assert GuardCount.objects.get().key == "busy"
        assert purged("guard counts") == 0

    @given(st.lists(st.tuples(st.floats(0.1, 3), st.floats(0, 20)), max_size=12))
    @settings(
        max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    def test_never_holds_more_than_its_room(self, made):
        GuardCount.objects.all().delete()
        now, room, drain = timezone.now(), 5.0, 0.25
        level = 0.0
        for cost, wait in made:
            now += dt.timedelta(seconds=wait)
            level = max(0.0, level - wait * drain)
            passed, held = counts.take([Count("a", cost, room, drain)], now)["a"]
            fits = level + cost <= room + 1e-6
            assert passed == fits or abs(level + cost - room) < 1e-4
            level = level + cost if passed else level
            assert held <= room + 1e-6
            assert abs(held - level) < 1e-3


@pytest.mark.postgres
@pytest.mark.races
@pytest.mark.django_db(transaction=True)
def test_parallel_starts_share_no_place(aligned):
    now = timezone.now()
    for number in range(3):
        bucket = Count(f"a{number}", 1, 20, 0)
        found = aligned([lambda: counts.take([bucket], now)] * THREADS)
        assert sum(one[bucket.key][0] for one in found) == 20
