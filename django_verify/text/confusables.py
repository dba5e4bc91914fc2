"""The characters that a name or value from outside may have in a message.

A brand or a substitution must not look like the code, a link, another line or another brand.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from itertools import pairwise

SUBSTITUTION_LENGTH = 64
#: Digits that a brand may have in all, the vendor's bound.
BRAND_DIGITS = 4

_BRAND_SIGNS = frozenset(" -_&'.")
#: What links, mentions, origin-bound lines (`@host #code`), markup and placeholders begin with.
FORBIDDEN_SIGNS = frozenset("@#/:<>{}%\\")
#: The full stop, and what browsers and phones read as one within a host name.
DOTS = ".․。．｡﹒"
_LINK = re.compile(rf"[{DOTS}][^\s{DOTS}]|://|\bwww\b", re.IGNORECASE)
# Browsers read an origin-bound code from a message's last line; some take it from anywhere.
_BOUND = re.compile(r"@[^\s@]+\s+#")
_CODE_LIKE = re.compile(r"\d{4,}")
_RUN_OF_FOUR = re.compile(r"(\d\d)(?=\d\d)")
# Letters and marks that show nothing, outside the categories that are refused anyway.
_INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0\u180b\u180c\u180d\u180f") | {
    chr(number) for number in (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0), 0x16FE4)
}
# Scripts whose letters are drawn as Latin ones; a fold of them would be a table of its own.
_DRAWN_AS_LATIN = {"LISU", "CHEROKEE", "DESERET", "OSAGE"}
_SMALL_CAPITAL = "LATIN LETTER SMALL CAPITAL "
# Scripts that one language writes side by side; the Latin alphabet joins them, as in UTS 39's
# "highly restrictive" level, because no letter of theirs looks like one of its own.
_SCRIPTS_TOGETHER = (
    {"CJK", "HIRAGANA", "KATAKANA", "LATIN"},
    {"CJK", "HANGUL", "LATIN"},
    {"CJK", "BOPOMOFO", "LATIN"},
)
_COMMON = {"COMBINING", "KATAKANA-HIRAGANA", "MODIFIER", "IDEOGRAPHIC"}
# Look-alikes to the Latin letter they pass for. Capitals come first: Η is no H once it is an η.
_CAPITALS = str.maketrans("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧАВЕЅІЈКМНОРСТУХ", "ABEZHIKMNOPTYXABESIJKMHOPCTYX")
_LOOKS_LIKE = str.maketrans(
    # Cyrillic, Greek, Latin letters of their own, digits
    "абвгеіїјкмнопрсԛѕтухһԁԝьӏαβγεζηικμνορστυχωϲϳıɩɑɡøłđħ0134578",
    "abbreiijkmhonpcqstyxhdwblabyeznlkuvopotuxwcjilagoldholeastb",
)
_ALIKE = str.maketrans({"i": "l", "j": "l"})


def normalize(value: str) -> str:
    """Return the composed form (NFC), in which names are kept and compared."""
    return unicodedata.normalize("NFC", value)


def fault_of_brand(value: str) -> str:
    """Return what is wrong with a brand name, in a sentence; empty when nothing is.

    Letters of one script, digits, space and `- _ & ' .`, at most four digits.
    """
    if not any(char.isalnum() for char in value):
        return "It must hold a letter or a digit." if value.strip() else "It must not be empty."
    if not unicodedata.is_normalized("NFC", value):
        return "It must be in Unicode's composed form (NFC)."
    if not all(_is_letter(char) or char in _BRAND_SIGNS for char in value):
        return "Only letters, digits, spaces and - _ & ' . are allowed."
    if _has_marked_digit(value):
        return "A digit must not carry a mark."
    if sum(char.isdigit() for char in value) > BRAND_DIGITS:
        return "At most four digits."
    if _LINK.search(value):
        return "It must not look like a link."
    if not _one_script(value):
        return "Its letters must be of one alphabet."
    return ""


def fault_of_substitution(value: str) -> str:
    """Return what is wrong with a value for a template, in a sentence; empty when nothing is."""
    if not 1 <= len(value) <= SUBSTITUTION_LENGTH:
        return f"it must have 1–{SUBSTITUTION_LENGTH} characters"
    if not (value[0].isalnum() and any(char.isalnum() for char in value)):
        return "it must begin with a letter or a digit"
    # The compatibility form shows what a full-width or composed sign stands for.
    plain = unicodedata.normalize("NFKC", value)
    if not all(_is_letter(char) or _is_plain_sign(char) for char in value):
        return "it holds a character that is not allowed"
    if _has_marked_digit(value):
        return "a digit must not carry a mark"
    if FORBIDDEN_SIGNS & set(value + plain):
        return "it must not hold any of @ # / : < > { } % \\"
    if _LINK.search(value) or _LINK.search(plain):
        return "it must not look like a link"
    if _CODE_LIKE.search(plain):
        return "it must not hold four digits in a row"
    return ""


def shown(name: str) -> str:
    """Return a name as it stands in a message.

    Its closing dot would join the words behind it to a host name, and four digits in a row could
    pass for the code, so they are set apart.
    """
    return _RUN_OF_FOUR.sub(r"\1 ", name.rstrip(DOTS + " ") or name)


def imitates_bound_code(text: str) -> bool:
    """Whether a text holds what browsers read as the code for a host: `@host #code`."""
    return _BOUND.search(text) is not None


def holds_any(name: str, words: Iterable[str]) -> bool:
    """Whether a name holds one of the words, however it is spaced, cased or imitated."""
    parts = _skeletons(name)
    runs = {
        "".join(parts[start:end])
        for start in range(len(parts))
        for end in range(start + 1, len(parts) + 1)
    }
    return any("".join(_skeletons(word)) in runs for word in words)


def _skeletons(text: str) -> list[str]:
    """Return the words of a text with every look-alike folded into one letter."""
    composed = "".join(map(_full_size, unicodedata.normalize("NFKC", text)))
    folded = unicodedata.normalize("NFKD", composed.translate(_CAPITALS).casefold())
    bare = "".join(char for char in folded if not unicodedata.combining(char))
    plain = bare.translate(_LOOKS_LIKE).translate(_ALIKE).replace("rn", "m").replace("vv", "w")
    return re.findall(r"[^\W_]+", plain)


def _full_size(char: str) -> str:
    """Return the letter that a small capital is one of."""
    name = unicodedata.name(char, "")
    letter = name.removeprefix(_SMALL_CAPITAL)
    return letter if letter != name and len(letter) == 1 else char


def _is_letter(char: str) -> bool:
    """A letter, a mark that shows, or an ASCII digit."""
    if char in _INVISIBLE:
        return False
    category = unicodedata.category(char)
    return (category[0] in "LM" and category != "Me") or (char.isascii() and char.isdigit())


def _has_marked_digit(value: str) -> bool:
    """Whether a mark stands behind a digit: it would hide a run of digits, not break it."""
    return any(
        one.isdigit() and unicodedata.category(other)[0] == "M" for one, other in pairwise(value)
    )


def _is_plain_sign(char: str) -> bool:
    return char == " " or unicodedata.category(char)[0] in "PS"


def _one_script(value: str) -> bool:
    scripts = {_script(char) for char in value if char.isalpha()} - _COMMON
    if scripts & _DRAWN_AS_LATIN:
        return False
    return len(scripts) <= 1 or any(scripts <= together for together in _SCRIPTS_TOGETHER)


def _script(char: str) -> str:
    """Return the script that a letter's name begins with, that of its compatibility form."""
    plain = unicodedata.normalize("NFKC", char)[0]
    return unicodedata.name(plain, "UNKNOWN").split()[0]
