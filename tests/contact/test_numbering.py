"""The table of spellings: every row has its day and source, folding ends, and nobody is mixed up."""

import random
import re
from itertools import islice
from re import _parser as grammar

import phonenumbers
import pytest

from django_verify.contact import numbering
from django_verify.contact.numbering import CHANGES, Kind

# Rows whose former spelling libphonenumber takes for a valid number all the same.
STILL_ACCEPTED = ("2410?", "377(4", "8211", "8216", "8217", "8218", "8219")
DIGITS = "0123456789"
RETIRED = [change for change in CHANGES if change.kind is Kind.RETIRED]

each = pytest.mark.parametrize("change", CHANGES, ids=[change.old for change in CHANGES])


def sample(pattern, chance):
    """Return a text that matches a pattern of digits, drawn by chance."""
    return _drawn(grammar.parse(pattern), chance)


def _drawn(parts, chance):
    text = ""
    for operation, argument in parts:
        match str(operation):
            case "LITERAL":
                text += chr(argument)
            case "IN":
                text += chance.choice(_choices(argument))
            case "MAX_REPEAT":
                least, most, repeated = argument
                times = chance.randint(least, min(most, least + 9))
                text += "".join(_drawn(repeated, chance) for _ in range(times))
            case "SUBPATTERN":
                text += _drawn(argument[3], chance)
            case "BRANCH":
                text += _drawn(chance.choice(argument[1]), chance)
    return text


def _choices(members):
    found = ""
    for kind, value in members:
        if str(kind) == "LITERAL":
            found += chr(value)
        elif str(kind) == "RANGE":
            found += "".join(map(chr, range(value[0], value[1] + 1)))
        else:
            found += DIGITS
    return found


def former(change, count=15):
    """Return numbers in a row's former or second spelling."""
    chance = random.Random(change.old)
    drawn = ("+" + sample(change.old, chance) for _ in range(count * 200))
    return list(islice(filter(change.pattern.match, drawn), count))


def is_valid(number):
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return False
    written = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
    return written == number and phonenumbers.is_valid_number(parsed)


def current(region, count=8):
    """Return valid numbers of every kind that a region has, drawn from the metadata."""
    chance = random.Random(region)
    metadata = phonenumbers.PhoneMetadata.metadata_for_region(region)
    code = phonenumbers.country_code_for_region(region)
    kinds = ("fixed_line", "mobile", "toll_free", "voip", "personal_number", "uan", "shared_cost")
    for kind in kinds:
        pattern = getattr(getattr(metadata, kind), "national_number_pattern", None)
        if not pattern:
            continue
        for _ in range(count):
            number = f"+{code}{sample(pattern, chance)}"
            if is_valid(number):
                yield number


@each
def test_a_row_has_its_day_and_its_source(change):
    assert re.fullmatch(r"(19|20)\d\d(-\d\d-\d\d)?", change.since)
    assert len(change.source) > 10


@each
def test_a_row_makes_one_number_of_two_spellings(change):
    numbers = former(change, 60)
    assert len(numbers) > 4
    written = [change.pattern.sub(change.new, number) for number in numbers]
    assert all(re.fullmatch(r"\+[1-9][0-9]{6,14}", number) for number in written)
    # Few of Argentina's ten digits are a number; `test_phones` has some.
    assert any(map(is_valid, written)) or change.old.startswith("549")
    for number, today in zip(numbers, written, strict=True):
        assert numbering.key(number) == numbering.key(today)
        if change.kind is Kind.RETIRED:
            assert numbering.complete(number) == today
        else:
            assert numbering.complete(number) == number


@each
def test_folding_twice_is_folding_once(change):
    for number in former(change):
        key = numbering.key(number)
        assert numbering.key(key) == key
        assert numbering.complete(numbering.complete(number)) == numbering.complete(number)


@pytest.mark.parametrize("change", RETIRED, ids=[change.old for change in RETIRED])
def test_a_spelling_that_has_ended_is_nobodys_number_today(change):
    if change.old.startswith(STILL_ACCEPTED):
        pytest.skip("the metadata have not followed the plan")
    assert not [number for number in former(change, 50) if is_valid(number)]


@pytest.mark.parametrize("region", sorted(phonenumbers.SUPPORTED_REGIONS))
def test_no_number_of_another_person_has_the_same_key(region):
    for number in current(region):
        key = numbering.key(number)
        assert numbering.key(key) == key
        if key == number:
            continue
        rows = [change for change in CHANGES if change.pattern.match(number)]
        assert rows
        assert all(r.kind is Kind.TWIN or r.old.startswith(STILL_ACCEPTED) for r in rows), number


def test_every_row_is_found_by_its_calling_code():
    assert sum(map(len, numbering._RETIRED.values())) == len(RETIRED)
    assert sum(map(len, numbering._TWINS.values())) == len(CHANGES) - len(RETIRED)


@each
def test_no_spelling_begins_with_other_digits(change):
    for number in former(change):
        assert not numbering.BEGINNINGS.isdisjoint((number[1:3], number[1:4]))


@pytest.mark.parametrize("text", ["", "+", "5215512345678", "+521551234567\n", "jane@example.com"])
def test_what_is_no_number_in_e164_stays_as_it_is(text):
    assert numbering.key(text) == text
