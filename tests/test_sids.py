"""Object identifiers: their shape, their spelling, their randomness."""

import re

import pytest

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


def test_sids_are_new_each_time_and_in_no_order():
    minted = [sids.verification() for _ in range(1000)]
    assert len(set(minted)) == 1000
    assert minted != sorted(minted)


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
