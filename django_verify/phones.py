"""Telephone numbers: strict E.164, region, budget key, masking.

The only importer of phonenumbers. Its parser is lenient (extensions, letters, full-width
digits, bidirectional marks), so a strict ASCII grammar stands before it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache

import phonenumbers

#: Every ISO 3166-1 alpha-2 code, those of regions without telephone numbers included.
COUNTRIES = frozenset(phonenumbers.SUPPORTED_REGIONS) | set("AQ BV GS HM PN TF UM".split())

_E164 = re.compile(r"\+[1-9][0-9]{6,14}\Z")

# Two spellings of one subscriber, folded to the second: Argentina's mobile 9, Mexico's old mobile
# 1, Brazil's ninth digit (added, not removed), Italy's leading 0.
_ALIASES = (
    (re.compile(r"\+549([0-9]{10})\Z"), r"+54\1"),
    (re.compile(r"\+521([0-9]{10})\Z"), r"+52\1"),
    (re.compile(r"\+55([0-9]{2})([6-9][0-9]{7})\Z"), r"+55\g<1>9\2"),
    (re.compile(r"\+390+([0-9]+)\Z"), r"+39\1"),
)
_LINE_TYPES = {
    phonenumbers.PhoneNumberType.MOBILE: "mobile",
    phonenumbers.PhoneNumberType.FIXED_LINE: "landline",
    phonenumbers.PhoneNumberType.VOIP: "voip",
}
# Where a number in the old spelling is no longer valid by itself and people still write it.
_RENUMBERED = ("+52", "+55")


@dataclass(frozen=True, slots=True)
class Phone:
    """A number as given (E.164), the key its budgets are kept under, its ISO 3166 region.

    `region` is empty for numbers of no country, such as +800.
    """

    number: str = field(repr=False)
    key: str = field(repr=False)
    region: str


@lru_cache(maxsize=4096)
def parse(value: str) -> Phone:
    """Read a number in E.164, `+` and 7–15 ASCII digits, nothing trimmed and nothing added.

    Raises ValueError when it is not written so, or is no number of any country.
    """
    if not _E164.match(value):
        raise ValueError("not a phone number in E.164 format")
    key = fold(value)
    region = _region(value)
    if region is None and value.startswith(_RENUMBERED):
        region = _region(key)
    if region is None:
        raise ValueError("not a valid phone number")
    return Phone(value, key, region)


def fold(number: str) -> str:
    """Return the one spelling under which every alias of this number is counted."""
    for pattern, replacement in _ALIASES:
        folded, changed = pattern.subn(replacement, number)
        if changed:
            return folded
    return number


def line_type(number: str) -> str | None:
    """Return mobile, landline or voip; None where the numbering plan does not tell."""
    return _LINE_TYPES.get(phonenumbers.number_type(phonenumbers.parse(number)))


def carrier_name(number: str) -> str | None:
    """Return whom the number's block was given to; None without the extra `carrier`."""
    try:
        from phonenumbers import carrier  # noqa: PLC0415 - an extra: the data are ten times ours
    except ImportError:
        return None
    return carrier.name_for_number(phonenumbers.parse(number), "en") or None


def mask(number: str) -> str:
    """Hide all but the first three digits and the last two: `+141*******71`."""
    if len(number) < 8:
        return "*" * len(number)
    return number[:4] + "*" * (len(number) - 6) + number[-2:]


def _region(number: str) -> str | None:
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return None
    written = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
    if written != number or not phonenumbers.is_valid_number(parsed):
        return None
    region = phonenumbers.region_code_for_number(parsed) or ""
    return region if len(region) == 2 else ""
