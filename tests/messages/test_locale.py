"""The catalogues: complete, as the code has its sentences, and safe to put a code into."""

import ast
import gettext
import re
import unicodedata
from functools import cache
from pathlib import Path

import pytest
from babel import Locale
from babel.messages.pofile import read_po
from bidi import get_display

from django_verify.messages import channels
from django_verify.messages.channels import CHANNELS, SPEECH_LOCALES, TEXT_LOCALES, Draft

LOCALE_DIR = Path(channels.__file__).parents[1] / "locale"
TAGS = sorted({*TEXT_LOCALES, *SPEECH_LOCALES})
PLACEHOLDER = re.compile(r"%\((\w+)\)s")
RIGHT_TO_LEFT = ["ar", "he"]
# Controls, format characters (bidi marks, zero width), separators of lines, unassigned, digits.
FORBIDDEN_CATEGORIES = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Nd", "Nl", "No"}
LINK = re.compile(r"https?|www\.|://|\w\.\w|@", re.IGNORECASE)


def folder(tag):
    return LOCALE_DIR / tag.replace("-", "_") / "LC_MESSAGES"


@cache
def catalogue(tag):
    """(context, msgid) to text, as the .po file has it."""
    with (folder(tag) / "messages.po").open("rb") as file:
        entries = read_po(file, abort_invalid=True)
    return {(entry.context, entry.id): entry for entry in entries if entry.id}


@cache
def sentences():
    """(context, msgid) of every `_sentence` in channels.py; a text may be a name set just before."""
    found = set()
    tree = ast.parse(Path(channels.__file__).read_text(encoding="utf-8"))
    for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)):
        names = {
            target.id: node.value
            for node in ast.walk(function)
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for node in ast.walk(function):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "_sentence":
                context, text = (names.get(getattr(a, "id", ""), a) for a in node.args[1:3])
                found.add((ast.literal_eval(context), ast.literal_eval(text)))
    return frozenset(found)


def expected(tag):
    contexts = {"sms", "email"} if tag in TEXT_LOCALES else set()
    contexts |= {"call"} if tag in SPEECH_LOCALES else set()
    return {key for key in sentences() if key[0] in contexts}


def compose(channel, **values):
    defaults = {
        "attempt_sid": "VL" + "0" * 32,
        "to": "+14155552671",
        "code": "904716",
        "friendly_name": "Acme",
        "minutes": 10,
    }
    return CHANNELS[channel].compose(Draft(**defaults | values))


def test_the_scanner_finds_the_sentences():
    assert ("sms", "Your %(friendly_name)s verification code is: %(code)s") in sentences()
    assert {context for context, _ in sentences()} == {"sms", "email", "call"}
    assert len(sentences()) >= 11


def test_there_is_a_catalogue_for_every_tag_and_no_other():
    found = {path.name for path in LOCALE_DIR.iterdir() if path.is_dir()}
    # The pages have one more, since Django reads `zh-hant` as simplified Chinese without it.
    assert found == {"zh_Hant", *(tag.replace("-", "_") for tag in TAGS)}


@pytest.mark.parametrize("tag", TAGS)
def test_a_catalogue_has_the_sentences_of_the_code(tag):
    assert set(catalogue(tag)) == expected(tag)


@pytest.mark.parametrize("tag", TAGS)
def test_every_sentence_is_translated(tag):
    for entry in catalogue(tag).values():
        assert entry.string.strip() == entry.string != ""
        assert not entry.fuzzy


@pytest.mark.parametrize("tag", [tag for tag in TAGS if not tag.startswith("en")])
def test_no_sentence_was_left_in_english(tag):
    assert not [entry.id for entry in catalogue(tag).values() if entry.string == entry.id]


def test_english_is_the_code_itself():
    assert all(entry.string == entry.id for entry in catalogue("en").values())


@pytest.mark.parametrize("tag", TAGS)
def test_every_placeholder_is_kept_exactly(tag):
    for entry in catalogue(tag).values():
        kept, wanted = PLACEHOLDER.findall(entry.string), PLACEHOLDER.findall(entry.id)
        assert sorted(kept) == sorted(wanted), entry.id
        assert "%" not in PLACEHOLDER.sub("", entry.string), entry.id


@pytest.mark.parametrize("tag", TAGS)
def test_no_translation_holds_what_could_spoil_a_message(tag):
    for entry in catalogue(tag).values():
        text = PLACEHOLDER.sub("X", entry.string)
        odd = [char for char in text if unicodedata.category(char) in FORBIDDEN_CATEGORIES]
        assert not odd, (entry.id, [unicodedata.name(char, repr(char)) for char in odd])
        assert not LINK.search(PLACEHOLDER.sub("", entry.string)), entry.id
        assert not set(text) & set("<>#{}[]|\\"), entry.id
        assert "  " not in text, entry.id


@pytest.mark.parametrize("tag", TAGS)
def test_the_code_touches_no_letter(tag):
    for entry in catalogue(tag).values():
        for match in re.finditer(r"(.?)%\(code\)s(.?)", entry.string):
            assert not any(neighbour.isalnum() for neighbour in match.groups()), entry.id


@pytest.mark.parametrize("tag", TAGS)
def test_text_is_in_its_composed_form(tag):
    assert all(unicodedata.is_normalized("NFC", e.string) for e in catalogue(tag).values())


@pytest.mark.parametrize("tag", TAGS)
def test_the_compiled_catalogue_is_up_to_date(tag):
    with (folder(tag) / "messages.mo").open("rb") as file:
        compiled = dict(gettext.GNUTranslations(file)._catalog)
    header = compiled.pop("")
    assert compiled == {
        f"{context}\x04{msgid}": entry.string for (context, msgid), entry in catalogue(tag).items()
    }
    assert "charset=utf-8" in header.lower()
    assert f"Language: {tag.replace('-', '_')}\n" in header.replace("\r", "") + "\n"


@pytest.mark.parametrize("tag", TAGS)
def test_the_tag_is_a_language(tag):
    assert Locale.parse(tag, sep="-").english_name


@pytest.mark.parametrize("tag", TAGS)
def test_a_translation_is_written_in_the_script_of_its_language(tag):
    scripts = {
        "ar": "ARABIC",
        "el": "GREEK",
        "he": "HEBREW",
        "hi": "DEVANAGARI",
        "ja": "HIRAGANA",
        "kn": "KANNADA",
        "ko": "HANGUL",
        "mr": "DEVANAGARI",
        "ru": "CYRILLIC",
        "te": "TELUGU",
        "th": "THAI",
        "uk": "CYRILLIC",
        "zh": "CJK",
        "zh-HK": "CJK",
    }
    script = scripts.get(tag, "LATIN")
    for entry in catalogue(tag).values():
        letters = [c for c in PLACEHOLDER.sub("", entry.string) if c.isalpha()]
        own = [c for c in letters if unicodedata.name(c).startswith((script, "KATAKANA", "CJK"))]
        assert letters
        assert len(own) >= 0.9 * len(letters), entry.id


@pytest.mark.parametrize("code", ["904716", "0000", "0123456789", "a1B2c3", "1A2B3C", "Abcd12"])
@pytest.mark.parametrize("brand", ["Acme", "Acme 24", "أكمي", "אקמי", "Café-Bar"])
@pytest.mark.parametrize("tag", RIGHT_TO_LEFT)
def test_right_to_left_text_shows_the_code_in_order(tag, brand, code):
    payments = [{}, {"amount": "€39.99", "payee": "Shop"}, {"amount": "₪ 1,200", "payee": "חנות"}]
    for payment in payments:
        for channel, warn in [("sms", False), ("sms", True), ("whatsapp", True), ("email", False)]:
            values = {"friendly_name": brand, "code": code, "warn": warn} | payment
            (line,) = (
                line
                for line in compose(channel, locale=tag, **values).body.splitlines()
                if code in line
            )
            for direction in ("R", None):
                assert get_display(line, base_dir=direction).count(code) == 1, line


@pytest.mark.parametrize("tag", RIGHT_TO_LEFT)
def test_right_to_left_text_shows_the_minutes_in_order(tag):
    body = compose("email", locale=tag, minutes=120).body
    assert "120" in get_display(body.splitlines()[2], base_dir="R")
