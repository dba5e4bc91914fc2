"""What people type: every decimal digit, every mark that shows nothing, every punctuation."""

import sys
import unicodedata

import pytest
from phonenumbers import phonenumberutil

from django_verify.contact import typed

EVERY = [chr(code) for code in range(sys.maxunicode + 1)]
DECIMALS = [char for char in EVERY if char.isdecimal()]
MARKS = [char for char in EVERY if unicodedata.category(char) == "Cf"]
SPACES = [char for char in EVERY if unicodedata.category(char) == "Zs"]


def test_every_decimal_digit_is_read():
    assert len(DECIMALS) > 600
    for char in DECIMALS:
        assert typed.plain(char) == str(unicodedata.decimal(char))
        assert typed.joined(f"1{char}2") == f"1{unicodedata.decimal(char)}2"


def test_a_number_of_another_kind_is_no_digit():
    for char in "²①½Ⅷ一六":
        assert typed.joined(char) == char


def test_every_mark_that_shows_nothing_is_dropped():
    for char in MARKS:
        assert typed.joined(f"{char}12{char}3{char}") == "123"
        assert typed.email(f"{char}anna@exam{char}ple.com{char}") == "anna@example.com"


def test_every_space_is_dropped_within_and_around():
    for char in [*SPACES, "\t"]:
        assert typed.joined(f"{char}1{char}2{char}") == "12"
    assert typed.joined("\r\n 12 \n") == "12"


def test_every_punctuation_mark_of_libphonenumber_is_dropped():
    marks = set(phonenumberutil._VALID_PUNCTUATION) - set("x\\")
    assert {"[", "]", "\u30fc", "\u2053"} <= marks
    for char in marks:
        assert typed.joined(f"1{char}2") == "12"


@pytest.mark.parametrize("text", ["1x2", "1\n2", "1+2", "1,2", "1;2", "1_2", "a b"])
def test_nothing_else_is_dropped(text):
    assert typed.joined(text).replace(" ", "") == text.replace(" ", "")


def test_wide_letters_are_letters():
    assert typed.joined("ＡＢ１２ｃｄ") == "AB12cd"
