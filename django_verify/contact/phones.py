"""Telephone numbers: strict E.164, people's own spellings, region, budget key, masking.

The only importer of phonenumbers. Its parser is lenient (extensions, letters, full-width
digits, bidirectional marks), so a grammar of ours stands before it.
"""

from __future__ import annotations

import re
import unicodedata
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
# The longest spelling that is looked at, and what stands between digits in it: spaces, dashes and
# brackets as people type them, and the marks that direct text brings along when it is copied.
_LONGEST = 64
_BETWEEN = dict.fromkeys(
    map(
        ord,
        " \t\u00a0\u2002\u2003\u2007\u2009\u202f\u3000"
        "()-./\u00ad\u2010\u2011\u2012\u2013\u2014\u2015\u2212\uff08\uff09\uff0d\uff0e"
        "\u061c\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060"
        "\u2066\u2067\u2068\u2069\ufeff",
    )
)
_DIALLED = re.compile(r"(\+?)([0-9]{3,24})\Z")
_TEL = re.compile(r"\s*tel:", re.IGNORECASE | re.ASCII)
_INTERNATIONAL = phonenumbers.PhoneNumberFormat.INTERNATIONAL
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
        raise ValueError("not a phone number in E.164 format, such as +14155552671")
    key = fold(value)
    region = _region(value)
    if region is None and value.startswith(_RENUMBERED):
        region = _region(key)
    if region is None:
        raise ValueError("not a valid phone number")
    return Phone(value, key, region)


def read(text: str, region: str = "") -> Phone:
    """Read a number as people write it, in international form or in that of a region.

    Spaces, dashes, brackets and the like are dropped, digits of any script accepted. `region` is an
    ISO 3166 code in either case; without one the number begins with + or 00. Raises ValueError for
    letters, extensions and anything else, and for a region without numbers.
    """
    if len(text) > _LONGEST:
        raise ValueError("too long for a phone number")
    home = _home(region)
    dialled = _TEL.sub("", text, count=1).translate(_BETWEEN).replace("\uff0b", "+")
    found = _DIALLED.match("".join(map(_ascii, dialled)))
    if found is None:
        raise ValueError("not a phone number")
    plus, digits = found.groups()
    spellings: list[tuple[str, str | None]]
    spellings = [("+" + digits, None)] if plus else [(digits, home)] if home else []
    if not plus and digits.startswith("00"):
        spellings.append(("+" + digits[2:], None))
    for spelling, default in spellings:
        if number := _e164(spelling, default):
            return parse(number)
    raise ValueError("not a valid phone number" if spellings else "a region is needed")


def display(number: str) -> str:
    """Return a number in E.164 as people read it: `+1 415-555-2671`."""
    return phonenumbers.format_number(phonenumbers.parse(number), _INTERNATIONAL)


def prefix(number: str) -> str:
    """Return what the numbers of one block share: the number without its last four digits.

    Aliases are folded first.
    """
    return fold(number)[:-4]


@lru_cache(maxsize=1)
def regions() -> list[tuple[str, int]]:
    """Return every region that has numbers, with its calling code, by the region's code."""
    codes = phonenumbers.SUPPORTED_REGIONS
    return [(code, phonenumbers.country_code_for_region(code)) for code in sorted(codes)]


def fold(number: str) -> str:
    """Return the one spelling under which every alias of this number is counted."""
    for pattern, replacement in _ALIASES:
        folded, changed = pattern.subn(replacement, number)
        if changed:
            return folded
    return number


def line_type(number: str) -> str | None:
    """Return mobile, landline or voip; None where the numbering plan does not distinguish them."""
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


def _home(region: str) -> str | None:
    code = region.upper() if region.isascii() else region
    if code and code not in phonenumbers.SUPPORTED_REGIONS:
        raise ValueError("no region with phone numbers")
    return code or None


def _ascii(character: str) -> str:
    """Return the ASCII digit of a decimal digit of any script; other characters as they are."""
    value = unicodedata.decimal(character, None)
    return character if value is None else str(int(value))


def _e164(spelling: str, region: str | None) -> str:
    """Return a number in E.164 that `parse` takes; empty where the spelling is none."""
    try:
        parsed = phonenumbers.parse(spelling, region)
        number: str = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
        return parse(number).number
    except (phonenumbers.NumberParseException, ValueError):
        return ""


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
