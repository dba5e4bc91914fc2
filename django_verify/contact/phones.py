"""Telephone numbers: strict E.164, people's own spellings, region, budget key, masking.

The parser of phonenumbers is lenient (extensions, letters, full-width digits, bidirectional
marks), so a grammar of ours stands before it.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache

from django_verify.contact import MISSING, numbering, typed

try:
    import phonenumbers
except ImportError:
    raise ImportError(MISSING) from None

#: The regions that have numbers, by their ISO 3166-1 codes.
SUPPORTED = frozenset(phonenumbers.SUPPORTED_REGIONS)
#: Every ISO 3166-1 alpha-2 code, those of regions without telephone numbers included.
COUNTRIES = SUPPORTED | set("AQ BV GS HM PN TF UM".split())

_E164 = re.compile(r"\+[1-9][0-9]{6,14}\Z")

# The longest spelling that is looked at.
_LONGEST = 64
# The day of version 9.0.0, and a day that all versions before it are no younger than.
_NINE, _BEFORE_NINE = dt.date(2025, 3, 6), dt.date(2025, 3, 5)
_VERSION = re.compile(r"(?:9\.0\.([0-9]{1,3})|[0-8]\.[0-9.]+)\Z", re.ASCII)
_WRITTEN = re.compile(r"(\+[0-9]{3})([0-9]+)", re.ASCII)
# A message id of WhatsApp, which begins with the recipient's number in base64, and its own end.
_WHATSAPP_ID = re.compile(r"(wamid\.)([A-Za-z0-9+/_-]+?)([A-Za-z0-9+/_-]{6}=*)(?![A-Za-z0-9+/_=-])")
# What numbers go on with of which the beginning alone is known, and how many digits behind the
# calling code tell countries apart that share it.
_REST, _TELLING = "2345678901234", 3
_BEGINNING = re.compile(r"\+[1-9][0-9]{0,14}\Z", re.ASCII)
# National plans that span several calling codes: within one of them, numbers of the others are
# dialled like its own.
_PLANS = (
    ("FR", "GP", "MQ", "GF", "RE", "PM", "BL", "MF", "YT"),
    ("IL", "PS"),
    ("IT", "SM", "VA"),
)
# What France's plan has overseas (Arcep), and where. Metropolitan metadata are wider than the plan,
# so these come before them; of several regions it is the one that has the number.
_OVERSEAS = tuple(
    (re.compile(rf"0?({begin}[0-9]{{6}})\Z"), regions.split())
    for begin, regions in (
        ("(?:26[23]|69[23])", "RE"),
        ("(?:269|639)", "YT"),
        ("268", "RE YT"),
        ("(?:590|69[01])", "GP"),
        ("(?:594|694)", "GF"),
        ("(?:596|69[67])", "MQ"),
        ("598", "GP GF MQ"),
        ("708", "PM"),
        ("(?:939|947|976)", "GP GF MQ RE YT"),
    )
)
_MIQUELON = re.compile(r"0?508([0-9]{6})\Z")
_DIALLED = re.compile(r"(\+?)([0-9]{3,24})\Z", re.ASCII)
_TEL = re.compile(r"\s*tel:", re.IGNORECASE | re.ASCII)
_INTERNATIONAL = phonenumbers.PhoneNumberFormat.INTERNATIONAL


class NumberType(StrEnum):
    """What a number is for, by its plan; one that may be fixed or mobile counts as mobile."""

    MOBILE = "mobile"
    LANDLINE = "landline"
    VOIP = "voip"
    TOLL_FREE = "toll_free"
    PREMIUM = "premium"
    SHARED_COST = "shared_cost"
    PERSONAL = "personal"
    UAN = "uan"
    PAGER = "pager"
    VOICEMAIL = "voicemail"
    SATELLITE = "satellite"
    #: Of no country, and none of the others: +800, +878, +882, +883, +888.
    INTERNATIONAL = "international"
    #: Of a range that the installed metadata do not have, and an operator's rule opens.
    UNLISTED = "unlisted"


_T = phonenumbers.PhoneNumberType
_TYPES = {
    _T.MOBILE: NumberType.MOBILE,
    _T.FIXED_LINE_OR_MOBILE: NumberType.MOBILE,
    _T.FIXED_LINE: NumberType.LANDLINE,
    _T.VOIP: NumberType.VOIP,
    _T.TOLL_FREE: NumberType.TOLL_FREE,
    _T.PREMIUM_RATE: NumberType.PREMIUM,
    _T.SHARED_COST: NumberType.SHARED_COST,
    _T.PERSONAL_NUMBER: NumberType.PERSONAL,
    _T.UAN: NumberType.UAN,
    _T.PAGER: NumberType.PAGER,
    _T.VOICEMAIL: NumberType.VOICEMAIL,
}
_LINE_TYPES = {_T.MOBILE: "mobile", _T.FIXED_LINE: "landline", _T.VOIP: "voip"}
# Satellites' ranges, which the metadata have as mobile or VoIP: Inmarsat, Iridium and Globalstar,
# EMSAT and Thuraya; ACMA's numbering plan for Australia; the Russian plan's code 954.
_SATELLITES = re.compile(r"\+(?:870|881|8821[36]|6114[57]|7954)")
_OF_NO_COUNTRY = {"979": NumberType.PREMIUM, "808": NumberType.SHARED_COST}


@dataclass(frozen=True, slots=True)
class Phone:
    """A number in today's spelling (E.164), the key of its recipient, its ISO 3166 region.

    The key is the same for every spelling: budgets, look-ups, ownership and the safe list go by
    it. `region` is empty for numbers of no country, such as +800.
    """

    number: str = field(repr=False)
    key: str = field(repr=False)
    region: str
    type: NumberType = NumberType.UNLISTED


class _Unlisted:
    """Who knows which numbers are taken beside those of the metadata; by default nobody."""

    opens: Callable[[str], bool] | None = None


def take_unlisted(opens: Callable[[str], bool]) -> None:
    """Let a function decide whether a number in E.164 that no numbering plan has is taken."""
    _Unlisted.opens = opens


def parse(value: str) -> Phone:
    """Read a number in E.164, `+` and 7–15 ASCII digits, nothing trimmed.

    A spelling that a numbering plan has given up is completed to today's. Raises ValueError when
    it is not written so, or is no number of any country, nor of a range that an operator opens.
    """
    try:
        return _known(value)
    except ValueError:
        opens = _Unlisted.opens
        if opens is None or not _E164.match(value) or not opens(value):
            raise
    return Phone(value, fold(value), _main_region(value))


def of_any_range(value: str) -> Phone | None:
    """Return what is written in E.164 as a number, whatever plans and rules say; None for else.

    For what was started before: a rule that opened its range may have ended since.
    """
    if not _E164.match(value):
        return None
    return Phone(value, fold(value), _main_region(value))


@lru_cache(maxsize=4096)
def _known(value: str) -> Phone:
    """Return a number that the metadata have. Raises ValueError."""
    if not _E164.match(value):
        raise ValueError("not a phone number in E.164 format, such as +14155552671")
    # Most numbers have one spelling, which spares them the table.
    is_only = numbering.BEGINNINGS.isdisjoint((value[1:3], value[1:4]))
    number = value if is_only else numbering.complete(value)
    found = _looked_up(number)
    if found is None and number != value:
        # Metadata that are older than the change know the former spelling alone.
        number, found = value, _looked_up(value)
    if found is None:
        raise ValueError("not a valid phone number")
    return Phone(number, number if is_only else fold(number), *found)


def listed(value: str) -> Phone:
    """Read a number in E.164 for a list, one that no country's plan has included.

    Raises ValueError when it is not written so.
    """
    try:
        return parse(value)
    except ValueError:
        if not _E164.match(value):
            raise
    return Phone(value, fold(value), "")


def read(text: str, region: str = "") -> Phone:
    """Read a number as people write it, in international form or in that of a region.

    Spaces, punctuation and invisible marks are dropped, digits of any script read. `region` is an
    ISO 3166 code in either case; without one the number begins with + or 00. A number of another
    region of the same national plan is found too. Raises ValueError for letters, extensions and
    anything else, and for a region without numbers.
    """
    plus, digits = _dialled(text)
    home = _home(region)
    if plus:
        return _first([("+" + digits, None)])
    spellings: list[tuple[str, str | None]] = [*_overseas(digits, home)]
    if home:
        spellings.append((digits, home))
    if digits.startswith("00"):
        spellings.append(("+" + digits[2:], None))
    if not spellings:
        raise ValueError("a region is needed")
    try:
        return _first(spellings)
    except ValueError:
        return _of_the_plan(digits, home)


def read_listed(text: str, region: str = "") -> Phone:
    """Read a number for a list as people write it; with `+` as `listed` does. Raises ValueError."""
    try:
        return read(text, region)
    except ValueError:
        plus, digits = _dialled(text)
        if not plus:
            raise
    return listed("+" + digits)


def metadata_date() -> dt.date | None:
    """Return about when the installed metadata came out; None for what cannot be reckoned.

    The package names no day. libphonenumber brings out a version about every two weeks.
    """
    found = _VERSION.match(phonenumbers.__version__)
    if found is None:
        return None
    return _NINE + int(found[1]) * dt.timedelta(weeks=2) if found[1] else _BEFORE_NINE


def read_prefix(text: str) -> str:
    """Read the beginning of numbers as people write it, with `+` or 00, as `+` and its digits.

    Raises ValueError.
    """
    digits = typed.joined(typed.plain(text.strip())[:_LONGEST])
    found = _BEGINNING.match("+" + digits[2:] if digits.startswith("00") else digits)
    if found is None:
        raise ValueError("not the beginning of a phone number")
    return found[0]


def display(number: str) -> str:
    """Return a number in E.164 as people read it: `+1 415-555-2671`."""
    return phonenumbers.format_number(phonenumbers.parse(number), _INTERNATIONAL)


def prefix(number: str) -> str:
    """Return what the numbers of one block share: the key without its last four digits."""
    return fold(number)[:-4]


@lru_cache(maxsize=1)
def regions() -> list[tuple[str, int]]:
    """Return every region that has numbers, with its calling code, by the region's code."""
    # By the library's table: to ask for one region's code reads all of its metadata.
    regions_of = phonenumbers.COUNTRY_CODE_TO_REGION_CODE
    pairs = ((region, code) for code, names in regions_of.items() for region in names)
    return sorted(pair for pair in pairs if pair[0] in SUPPORTED)


@lru_cache(maxsize=1024)
def regions_under(prefix: str) -> tuple[str, ...]:
    """Return the regions whose numbers may begin as `prefix` does.

    Of those that share a calling code, the ones to which numbers belong that go on in a hundred
    ways; all of them, where the prefix hardly says more than the code.
    """
    digits = prefix.removeprefix("+")
    sharing = tuple(
        region
        for region, code in regions()
        if digits.startswith(str(code)) or str(code).startswith(digits)
    )
    code = len(str(dict(regions())[sharing[0]])) if sharing else 0
    if len(sharing) < 2 or len(digits) < code + _TELLING:
        return sharing
    tried = {
        f"+{digits}{next_two:02d}{_REST}"[: length + 1]
        for next_two in range(100)
        for length in range(max(8, len(digits)), 14)
    }
    found = {known[0] for number in tried if (known := _looked_up(number))}
    return tuple(region for region in sharing if region in found) or sharing


def fold(number: str) -> str:
    """Return the key of a number: the one spelling that stands for all of them."""
    return numbering.key(number)


def spellings(number: str) -> tuple[str, ...]:
    """Return a number as it is written, its key, and others that begin with its calling code."""
    key = numbering.key(number)
    return number, key, *numbering.twins(key)


def same(one: str, other: str) -> bool:
    """Whether two numbers are spellings of one."""
    return fold(one) == fold(other)


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


def mask_within(text: str) -> str:
    """Hide all but the first three digits of the numbers, and their beginnings, in a text.

    Those that stand in WhatsApp's message ids are hidden too.
    """
    text = _WHATSAPP_ID.sub(lambda found: found[1] + "*" * len(found[2]) + found[3], text)
    return _WRITTEN.sub(lambda found: found[1] + "*" * len(found[2]), text)


def _dialled(text: str) -> tuple[str, str]:
    """Return a `+`, if there is one, and the digits. Raises ValueError for anything else."""
    text = text.strip()
    if len(text) > _LONGEST:
        raise ValueError("too long for a phone number")
    found = _DIALLED.match(typed.joined(_TEL.sub("", typed.plain(text), count=1)))
    if found is None:
        raise ValueError("not a phone number")
    return found[1], found[2]


def _home(region: str) -> str | None:
    code = region.upper() if region.isascii() else region
    if code and code not in SUPPORTED:
        raise ValueError("no region with phone numbers")
    return code or None


def _first(spellings: Iterable[tuple[str, str | None]]) -> Phone:
    """Return the first of these that is a number. Raises ValueError where none is."""
    for spelling, default in spellings:
        if number := _e164(spelling, default):
            return parse(number)
    raise ValueError("not a valid phone number")


def _overseas(digits: str, home: str | None) -> Iterable[tuple[str, str]]:
    """Return how a number of France's plan is written where it belongs, outside its own region."""
    if home not in _PLANS[0]:
        return
    if found := _MIQUELON.match(digits):
        yield found[1], "PM"
    for pattern, among in _OVERSEAS:
        if found := pattern.match(digits):
            # Two regions of one calling code have the same number.
            having = {number: region for region in among if (number := _e164(found[1], region))}
            for region in having.values():
                if len(having) == 1 or region == home:
                    yield found[1], region


def _of_the_plan(digits: str, home: str | None) -> Phone:
    """Return the number that another region of the same national plan has, if it is one alone."""
    siblings = next((plan for plan in _PLANS if home in plan), ())
    found = {number for region in siblings if (number := _e164(digits, region))}
    if len(found) != 1:
        raise ValueError("not a valid phone number")
    return parse(found.pop())


def _e164(spelling: str, region: str | None) -> str:
    """Return a number in E.164 that `parse` takes; empty where the spelling is none."""
    try:
        parsed = phonenumbers.parse(spelling, region)
        number: str = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
        return parse(number).number
    except (phonenumbers.NumberParseException, ValueError):
        return ""


def _looked_up(number: str) -> tuple[str, NumberType] | None:
    """Return a number's region and type; None for what is no number of any country."""
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return None
    written = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
    # A number is valid that has a type: asking for both would look through the metadata twice.
    found = _TYPES.get(phonenumbers.number_type(parsed))
    if written != number or found is None:
        return None
    region = phonenumbers.region_code_for_number(parsed) or ""
    if _SATELLITES.match(number):
        found = NumberType.SATELLITE
    elif region == "AR" and found is NumberType.LANDLINE:
        found = NumberType.MOBILE  # mobiles are written without their 9, too
    if len(region) == 2:
        return region, found
    if found is not NumberType.SATELLITE:
        found = _OF_NO_COUNTRY.get(number[1:4], NumberType.INTERNATIONAL)
    return "", found


def _main_region(number: str) -> str:
    """Return the main region of a number's calling code; empty where no country has it."""
    try:
        code = phonenumbers.parse(number).country_code
    except phonenumbers.NumberParseException:
        return ""
    region: str = phonenumbers.region_code_for_country_code(code or 0)
    return region if region in SUPPORTED else ""
