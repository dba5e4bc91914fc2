"""Telephone numbers: the strict grammar, the region, the one key of every spelling, the mask."""

import datetime as dt
import re

import pytest
from hypothesis import example, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from django_verify.contact import phones

VALID = [
    ("+14155552671", "US"),
    ("+16135550123", "CA"),
    ("+18095551234", "DO"),
    ("+447400123456", "GB"),
    ("+442079460123", "GB"),
    ("+493012345678", "DE"),
    ("+4915123456789", "DE"),
    ("+33612345678", "FR"),
    ("+393471234567", "IT"),
    ("+390669812345", "VA"),
    ("+353871234567", "IE"),
    ("+79161234567", "RU"),
    ("+77011234567", "KZ"),
    ("+8613800138000", "CN"),
    ("+919876543210", "IN"),
    ("+5511912345678", "BR"),
    ("+61491570156", "AU"),
    ("+6421123456", "NZ"),
    ("+80012345678", ""),
    ("+882161234567", ""),
]
# Not written as E.164, and yet read as a number by a lenient parser.
MISWRITTEN = [
    "",
    "+",
    "14155552671",
    "4155552671",
    "0014155552671",
    "+0014155552671",
    "+014155552671",
    "++14155552671",
    "+1 415 555 2671",
    "+1-415-555-2671",
    "+1(415)5552671",
    "+1.415.555.2671",
    " +14155552671",
    "+14155552671 ",
    "+14155552671\n",
    "\n+14155552671",
    "+14155552671\r\n",
    "+14155552671\0",
    "+14155552671;ext=7",
    "+14155552671x7",
    "+14155552671#7",
    "+14155552671,7",
    "tel:+14155552671",
    "whatsapp:+14155552671",
    "+1415555CAFE",
    "+1800FLOWERS",
    "＋14155552671",
    "+１４１５５５５２６７１",
    "+1415555267１",
    "+١٤١٥٥٥٥٢٦٧١",
    "+1415555267١",
    "+1415555267²",
    "\u200e+14155552671",
    "+14155552671\u200f",
    "\u202a+14155552671\u202c",
    "\u2066+14155552671\u2069",
    "+1415\u200b5552671",
    "\ufeff+14155552671",
    "+1415\u00a05552671",
    "+14155552671\ud800",
    "+123456",
    "+1234567890123456",
    "+" + "1" * 100_000,
]
# Well written, and the number of nobody.
INVALID = [
    "+19995552671",
    "+11234567890",
    "+1415555267",
    "+141555526711",
    "+999123456789",
    "+4407400123456",
    "+4407911123456",
    "+49015123456789",
    "+330612345678",
    "+5411152345678",
    "+39612345678",
]
# Every spelling of one recipient, the key first, and how each is stored.
SPELLINGS = [
    ("+541123456789", "+5491123456789", "+5491123456789"),
    ("+541123450001", "+541123450001", "+541123450001"),
    ("+543514123456", "+5493514123456", "+5493514123456"),
    ("+3780549886377", "+390549886377", "+390549886377"),
    ("+3780549886377", "+3780549886377", "+3780549886377"),
    ("+3780549886377", "+378886377", "+3780549886377"),
    ("+970592234567", "+972592234567", "+972592234567"),
    ("+970591234567", "+970591234567", "+970591234567"),
    ("+97022712345", "+97222712345", "+97222712345"),
    ("+525512345678", "+5215512345678", "+525512345678"),
    ("+525512340001", "+5215512340001", "+525512340001"),
    ("+523312345678", "+5213312345678", "+523312345678"),
    ("+5511991234567", "+551191234567", "+5511991234567"),
    ("+5521987654321", "+552187654321", "+5521987654321"),
    ("+2290197123456", "+22997123456", "+2290197123456"),
    ("+237222123456", "+23722123456", "+237222123456"),
    ("+237233123456", "+23733123456", "+237233123456"),
    ("+51912345678", "+511912345678", "+51912345678"),
    ("+51912345678", "+5184912345678", "+51912345678"),
    ("+390669812345", "+3790669812345", "+390669812345"),
    ("+2250707123456", "+22507123456", "+2250707123456"),
    ("+2252720301234", "+22520301234", "+2252720301234"),
    ("+24166123456", "+2416123456", "+24166123456"),
    ("+24166123456", "+24106123456", "+24166123456"),
    ("+38344123456", "+37744123456", "+38344123456"),
    ("+77012345678", "+9977012345678", "+77012345678"),
    ("+821052001234", "+82112001234", "+821052001234"),
]
# Numbers that look like an alias and are none.
UNFOLDED = [
    "+14155552671",
    "+5491234",
    "+551133334444",
    "+551155554444",
    "+551177123456",
    "+5511912345678",
    "+5519912345678",
    "+393471234567",
    "+390345123456",
    "+39345123456",
    "+390612345678",
    "+521234567890",
    "+525551234567",
    "+549112345678",
    "+447400123456",
    "+22650123456",
    "+84812345678",
]

near_misses = st.from_regex(r"\A[+＋]?[0-9٠-٩０-９ ().;=xa\-\n]{0,20}\Z")
well_written = st.from_regex(re.compile(r"\A\+[0-9]{5,17}\Z", re.ASCII))
country_numbers = st.builds(
    "+{}{}".format,
    st.sampled_from(["1415", "4474", "4915", "549", "521", "5511", "39", "390", "336", "91", "86"]),
    st.from_regex(re.compile(r"\A[0-9]{6,10}\Z", re.ASCII)),
)


@pytest.mark.parametrize(("number", "region"), VALID)
def test_a_valid_number_is_accepted_as_it_is(number, region):
    phone = phones.parse(number)
    assert (phone.number, phone.region) == (number, region)


@pytest.mark.parametrize("value", MISWRITTEN, ids=lambda value: ascii(value)[:32])
def test_what_is_not_written_as_e164_is_refused(value):
    with pytest.raises(ValueError, match=r"not a phone number in E\.164 format"):
        phones.parse(value)


@pytest.mark.parametrize(
    "value",
    [
        *INVALID,
        pytest.param("+3903471234567"),
        pytest.param("+3900612345678"),
    ],
)
def test_the_number_of_nobody_is_refused(value):
    with pytest.raises(ValueError, match="not a valid phone number"):
        phones.parse(value)


@pytest.mark.parametrize(("key", "spelling", "stored"), SPELLINGS)
def test_every_spelling_has_one_key(key, spelling, stored):
    phone = phones.parse(spelling)
    assert (phone.number, phone.key) == (stored, key)
    assert phones.fold(key) == phones.fold(spelling) == key
    assert phones.same(key, spelling)


@pytest.mark.parametrize("key", sorted({row[0] for row in SPELLINGS}))
def test_the_key_itself_is_a_number(key):
    assert phones.parse(key).key == key


def test_metadata_that_are_older_than_a_change_keep_the_former_spelling(monkeypatch):
    known = phones._looked_up
    former = {"+22997123456": ("BJ", phones.NumberType.MOBILE)}
    monkeypatch.setattr(phones, "_looked_up", lambda n: former.get(n) or known(n))
    monkeypatch.setattr(phones.numbering, "complete", lambda number: "+2290197123456999")
    phones._known.cache_clear()
    phone = phones.parse("+22997123456")
    phones._known.cache_clear()
    assert (phone.number, phone.region) == ("+22997123456", "BJ")


@pytest.mark.parametrize("number", UNFOLDED)
def test_nothing_else_is_folded(number):
    assert phones.fold(number) == number


@pytest.mark.parametrize("number", [number for number, _ in VALID])
def test_the_key_of_other_numbers_is_the_number(number):
    assert phones.fold(number) == number


@pytest.mark.once
@given(st.one_of(st.text(), near_misses, well_written, country_numbers))
@example("+1" + "9" * 14)
@examples(deadline=None, database=None, max_examples=500)
def test_parsing_any_text_answers_or_raises_value_error(text):
    try:
        phone = phones.parse(text)
    except ValueError:
        return
    assert phone.number in {text, phones.numbering.complete(text)}
    assert re.fullmatch(r"\+[0-9]{7,15}", phone.number, re.ASCII)
    assert re.fullmatch(r"\+[0-9]{7,15}", phone.key, re.ASCII)
    assert re.fullmatch(r"([A-Z]{2})?", phone.region)


@pytest.mark.once
@given(country_numbers)
@examples(deadline=None, database=None, max_examples=300)
def test_folding_twice_is_folding_once(number):
    assert phones.fold(phones.fold(number)) == phones.fold(number)


@pytest.mark.once
@given(well_written)
@examples(deadline=None, database=None)
def test_the_mask_shows_six_characters_at_most(number):
    masked = phones.mask(number)
    assert len(masked) == len(number)
    shown = len(masked.replace("*", ""))
    assert shown <= 6
    assert len(number) >= 8 or shown == 0


def test_the_mask_keeps_the_first_and_the_last_digits():
    assert phones.mask("+14155552671") == "+141******71"


@pytest.mark.parametrize("number", ["", "+", "+123456"])
def test_the_mask_shows_nothing_of_a_fragment(number):
    assert phones.mask(number) == "*" * len(number)


def test_the_repr_shows_no_number():
    assert "4155552671" not in repr(phones.parse("+14155552671"))


@pytest.mark.parametrize(
    ("version", "day"),
    [
        ("9.0.0", dt.date(2025, 3, 6)),
        ("9.0.10", dt.date(2025, 7, 24)),
        ("8.13.55", dt.date(2025, 3, 5)),
        ("8.13", dt.date(2025, 3, 5)),
        ("9.1.0", None),
        ("10.0.0", None),
        ("dev", None),
    ],
)
def test_the_day_of_the_metadata_is_reckoned_from_their_version(monkeypatch, version, day):
    monkeypatch.setattr(phones.phonenumbers, "__version__", version)
    assert phones.metadata_date() == day


@pytest.mark.parametrize(
    ("text", "prefix"),
    [("+1", "+1"), ("+44 (90) 987-", "+4490987"), ("0044 90", "+4490"), ("+٤٩", "+49")],
)
def test_the_beginning_of_numbers_is_read(text, prefix):
    assert phones.read_prefix(text) == prefix


@pytest.mark.parametrize(
    "text", ["", "+", "+0", "49", "+4x", "00", "000", "+" + "1" * 16, "+1" * 40]
)
def test_what_begins_no_number_is_refused(text):
    with pytest.raises(ValueError, match="beginning"):
        phones.read_prefix(text)


@pytest.mark.parametrize(
    ("prefix", "some", "none"),
    [
        ("+4479", {"GB", "GG", "IM", "JE"}, {"DE", "US"}),
        ("+4", {"GB", "DE", "CH", "CZ"}, {"US", "FR"}),
        ("+38344", {"XK"}, {"RS", "UA"}),
        ("+999", set(), {"US"}),
        ("+1876", {"JM"}, {"US", "CA", "DO"}),
        ("+1", {"JM", "US", "CA", "DO"}, {"MX"}),
        ("+447781", {"GG"}, {"GB", "JE"}),
        ("+262639", {"YT"}, {"RE"}),
        ("+77", {"KZ", "RU"}, {"US"}),
    ],
)
def test_the_regions_under_a_prefix_are_those_that_have_numbers_like_it(prefix, some, none):
    found = set(phones.regions_under(prefix))
    assert some <= found
    assert not none & found
