"""Object identifiers: their shape, their spelling, their randomness."""

import datetime as dt
import re
import uuid

import pytest
from django.utils import timezone

from django_verify import sids

DIGITS = "0123456789abcdef0123456789abcdef"
MINTERS = [
    (sids.account, "AC"),
    (sids.api_key, "SK"),
    (sids.service, "VA"),
    (sids.verification, "VE"),
    (sids.attempt, "VL"),
]


@pytest.mark.parametrize(("mint", "prefix"), MINTERS, ids=[prefix for _, prefix in MINTERS])
def test_a_minted_sid_has_its_prefix_and_32_hexadecimal_digits(mint, prefix):
    value = mint()
    assert re.fullmatch(prefix + "[0-9a-f]{32}", value)
    assert len(value) == sids.LENGTH
    assert sids.is_sid(prefix, value)
    assert sids.canonical(value) == value


@pytest.mark.parametrize("mint", [sids.account, sids.api_key, sids.client, sids.service])
def test_sids_are_new_each_time_and_in_no_order(mint):
    minted = [mint() for _ in range(1000)]
    assert len(set(minted)) == 1000
    assert minted != sorted(minted)


@pytest.mark.parametrize("mint", [sids.verification, sids.attempt])
def test_where_rows_are_many_a_sid_is_a_version_7_uuid_of_its_time(mint):
    moment = dt.datetime(2026, 3, 1, 12, 0, 0, 250_999, tzinfo=dt.UTC)
    minted = [mint(moment) for _ in range(1000)]
    assert len({sid[18:] for sid in minted}) == 1000
    found = [uuid.UUID(sid[2:]) for sid in minted]
    assert {(each.version, each.variant) for each in found} == {(7, uuid.RFC_4122)}
    for bit in range(62):
        assert {each.int >> bit & 1 for each in found} == {0, 1}, bit
    assert {sids.moment_of(sid) for sid in minted} == {moment.replace(microsecond=250_000)}
    later = mint(moment + dt.timedelta(milliseconds=1))
    assert max(minted) < later


def test_sids_of_one_millisecond_sort_by_their_microsecond():
    moment = dt.datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=dt.UTC)
    minted = [sids.attempt(moment.replace(microsecond=250_000 + part)) for part in range(1000)]
    assert minted == sorted(minted)
    assert sids.first_at("VL", moment) <= minted[0]
    assert minted[-1] < sids.first_at("VL", moment + dt.timedelta(milliseconds=1))


def test_a_sid_of_now(clock):
    assert sids.moment_of(sids.verification()) == timezone.now()


@pytest.mark.parametrize("year", [1, 1969, 1970, 2026, 9999])
def test_a_bound_stands_before_what_is_minted_then_and_behind_all_earlier(year):
    moment = dt.datetime(year, 6, 1, 12, 0, 0, 500, tzinfo=dt.UTC)
    bound = sids.first_at("VE", moment)
    assert sids.is_sid("VE", bound)
    assert (bound > sids.verification(moment)) == (year >= 1970)  # its millisecond has begun before
    assert bound <= sids.verification(moment + dt.timedelta(milliseconds=1))


@pytest.mark.parametrize("digits", [DIGITS, DIGITS.upper(), DIGITS.title()])
def test_both_cases_of_the_digits_are_one_sid(digits):
    assert sids.is_sid("VE", "VE" + digits)
    assert sids.canonical("VE" + digits) == "VE" + DIGITS


@pytest.mark.parametrize(
    "value",
    [
        "",
        "VE",
        DIGITS,
        "VA" + DIGITS,
        "ve" + DIGITS,
        "Ve" + DIGITS,
        "VE" + DIGITS[:-1],
        "VE" + DIGITS + "0",
        "VE" + DIGITS + "\n",
        "\nVE" + DIGITS,
        " VE" + DIGITS,
        "VE " + DIGITS[1:],
        "VE" + DIGITS[:-1] + "g",
        "VE" + DIGITS[:-1] + "１",
        "VE" + DIGITS[:-1] + "١",
        "VE" + DIGITS[:-1] + "\0",
        "VE-" + DIGITS[1:],
        "+14155552671",
        "\ud800E" + DIGITS,
    ],
    ids=ascii,
)
def test_anything_else_is_no_sid(value):
    assert sids.is_sid("VE", value) is False
