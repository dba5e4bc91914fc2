"""Times as HTTP writes them: timestamps, whole seconds left, `Retry-After`."""

import datetime as dt

import pytest

from django_verify.net import times

NOW = dt.datetime(2026, 1, 2, 3, 4, 5, 678_900, tzinfo=dt.UTC)


def test_a_timestamp_is_in_utc_with_whole_seconds():
    assert times.timestamp(NOW) == "2026-01-02T03:04:05Z"
    east = dt.timezone(dt.timedelta(hours=5, minutes=30))
    assert times.timestamp(NOW.astimezone(east)) == "2026-01-02T03:04:05Z"


@pytest.mark.parametrize(
    ("left", "seconds"), [(-5, 1), (0, 1), (0.001, 1), (1, 1), (1.001, 2), (86_400, 86_400)]
)
def test_the_seconds_left_are_whole_and_never_too_few(left, seconds):
    assert times.whole_seconds(left) == seconds
    assert times.seconds_until(NOW + dt.timedelta(seconds=left), NOW) == seconds


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("7", 7),
        (" 7 ", 7),
        ("0", 0),
        ("-1", None),
        ("1.5", None),
        ("٣", None),
        ("9" * 400, 100),
        ("soon", None),
        ("Fri, 02 Jan 2026 03:04:35 GMT", 30),
        ("Fri, 02 Jan 2026 03:03:35 GMT", 0),
        ("Sat, 03 Jan 2026 03:04:35 GMT", 100),
        ("Wed, 99 Foo 2026 03:04:35 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(header, seconds, time_machine):
    time_machine.move_to(NOW, tick=False)
    assert times.read_retry_after(header, 100) == seconds


def test_a_day_is_the_longest_unless_the_caller_states_otherwise():
    assert times.read_retry_after("99999999") == times.DAY
