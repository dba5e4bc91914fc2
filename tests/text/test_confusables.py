"""What a brand and a substitution may be written with."""

import unicodedata

import pytest

from django_verify.text import confusables

PLAIN = ["Acme", "Shop & Co.", "O'Neil", "Café-Bar", "A_1", "Привет", "楽天Pay", "ヤフー", "한국 Pay",
         "أكمي", "हिन्दी", "เครื่องน้ำ", "Nº 1", "Shop 2024", "1234", "ΑΒΓ"]  # fmt: skip
REFUSED = {
    "": "empty",
    "  ": "empty",
    "&.": "letter or a digit",
    "Cafe\u0301": "NFC",
    "a\nb": "Only letters",
    "a\u2028b": "Only letters",
    "a\u202eb": "Only letters",
    "a\u200bb": "Only letters",
    "a\u2060b": "Only letters",
    "a\u034fb": "Only letters",
    "a\ufe0fb": "Only letters",
    "a\u3164b": "Only letters",
    "a\u20ddb": "Only letters",
    "a\xadb": "Only letters",
    **{f"a{sign}b": "Only letters" for sign in "@#/:<>{}%\\|!?\t\x00"},
    "12 34 5": "four digits",
    "６": "Only letters",
    "a.com": "link",
    "Acme .com": "link",
    "www Acme": "link",
    "PаyPal": "one alphabet",
    "αcme": "one alphabet",
    "楽天Привет": "one alphabet",
}


@pytest.mark.parametrize("name", PLAIN)
def test_a_brand(name):
    assert confusables.fault_of_brand(name) == ""


@pytest.mark.parametrize(("name", "part"), REFUSED.items(), ids=ascii)
def test_a_brand_that_is_refused(name, part):
    assert part in confusables.fault_of_brand(name)


@pytest.mark.parametrize(
    ("name", "word", "answer"),
    [
        ("PayPal", "paypal", True),
        ("My PAYPAL shop", "PayPal", True),
        ("Pay-Pal", "PayPal", True),
        ("P a y P a l", "PayPal", True),
        ("PayPaI", "PayPal", True),
        ("P4yPa1", "PayPal", True),
        ("РауРаӏ", "PayPal", True),
        ("Páypàl", "PayPal", True),
        ("ｐａｙｐａｌ", "PayPal", True),
        ("G00gle", "google", True),
        ("αΡΡle", "apple", True),
        ("ΗΜ", "HM", True),
        ("Big Bank", "Big Bank", True),
        ("Bigbank", "Big Bank", True),
        ("arnex", "amex", True),
        ("Visage", "Visa", False),
        ("Acme", "PayPal", False),
        ("Acme", "&", False),
    ],
)
def test_a_restricted_word(name, word, answer):
    assert confusables.holds_any(name, ["unheard", word]) is answer


@pytest.mark.parametrize("value", ["Ann", "5,00 €", "Acme Inc.", "O’Neil & Söhne (Köln)", "7 days",
                                   "東京。", "Москва - Store", "100+", "1234"[:3]])  # fmt: skip
def test_a_substitution(value):
    assert confusables.fault_of_substitution(value) == ""


@pytest.mark.parametrize(
    "value",
    ["", "x" * 65, "-", " a", ".com", "a\nb", "a\rb", "a\u2028b", "a\u202eb", "a\u200db", "a\ufeffb",
     "a\xa0b", "a\tb", *(f"a{sign}b" for sign in "@#/:<>{}%\\"), "a＠b", "a／b", "a：b", "a℀b", "a.com",
     "a．com", "a。com", "a｡com", "a․com", "www evil", "1234", "a12345", "١٢٣٤", "１２３４", "①②③④",
     "{{code}}", "a\0b"],
    ids=ascii,
)  # fmt: skip
def test_a_substitution_that_is_refused(value):
    assert confusables.fault_of_substitution(value)


@pytest.mark.parametrize(
    ("name", "shown"),
    [("Acme", "Acme"), ("Acme Inc.", "Acme Inc"), ("Shop 2024", "Shop 20 24"), ("A123", "A123"),
     (".", "."), ("12345678", "12 34 56 78")],
)  # fmt: skip
def test_a_name_in_a_message(name, shown):
    assert confusables.shown(name) == shown


def test_a_name_is_composed():
    assert confusables.normalize("Cafe\u0301") == "Café"
    assert unicodedata.is_normalized("NFC", confusables.normalize("e\u0301a"))


@pytest.mark.parametrize("mark", ["\U000e0100", "\U00016fe4", "\u0332", "\u20dd", "\ufe0f"])
def test_marks_hide_no_run_of_digits(mark):
    assert confusables.fault_of_substitution(mark.join("987654"))
    assert confusables.fault_of_brand("Acme " + mark.join("2024"))


@pytest.mark.parametrize("imitation", ["ᴘᴀʏᴘᴀʟ", "PᴀʏPᴀʟ"])
def test_small_capitals_imitate_no_word(imitation):
    assert confusables.holds_any(imitation, ["paypal"])


@pytest.mark.parametrize("imitation", ["ꓑꓮꓬꓑꓮꓡ", "ᏢᎪᎩᏢᎪᏞ"])
def test_scripts_drawn_as_latin_are_refused(imitation):
    assert confusables.fault_of_brand(imitation)


@pytest.mark.parametrize(
    ("text", "poses"),
    [
        ("@example.com #1", True),
        ("Pay @example.com #1 now", True),
        ("@a@b.example #x", True),
        ("@例え.テスト\u00a0#1", True),
        ("@example.com\n#1", True),
        ("@example.com", False),
        ("@example.com to #1", False),
        ("@ #1", False),
        ("a #1 @b", False),
        ("@#1", False),
        ("@" * 100_000, False),
        ("@a" + " " * 100_000, False),
    ],
    ids=lambda value: ascii(value)[:20],
)
def test_what_browsers_take_for_the_code_of_a_host(text, poses):
    assert confusables.imitates_bound_code(text) is poses
