"""The texts that operators write: placeholders, one pass of substitution, length in segments.

No tables here and no choice between texts; a text and its values are data throughout.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field

from django_verify.text import confusables

TEXT_LENGTH = 500
#: Placeholders that are filled here and that no caller may fill.
RESERVED = ("code", "friendly_name", "ttl")

_NAME = r"[A-Za-z][A-Za-z0-9_]{0,31}"
_PLACEHOLDER = re.compile(r"\{\{(" + _NAME + r")\}\}")
# The neighbours that would let a value continue a number or become part of a link.
_TOUCHING = re.compile(
    r"[\d.@#/\\%_{}]\{\{" + _NAME + r"\}\}"
    r"|\{\{" + _NAME + r"\}\}(?:[\d@#/\\%_{}]|[.:][^\s.])"
)
_CODE_LIKE = re.compile(r"\d{4,}")
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")

# The default alphabet of GSM 03.38, and the extension characters that take two places.
_GSM = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    "ÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_EXTENSION = frozenset("\f^{}\\[~]|€")


@dataclass(frozen=True, slots=True)
class TemplateText:
    """A template's text in one language with the caller's values, and without the code."""

    sid: str
    locale: str
    text: str = field(repr=False)
    substitutions: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Size:
    """What a text message costs: its encoding, its length in that encoding, its segments."""

    encoding: str
    length: int
    segments: int


def placeholders(text: str) -> list[str]:
    """Return the names of a text's placeholders, each once, in order."""
    return list(dict.fromkeys(_PLACEHOLDER.findall(text)))


def custom_placeholders(text: str) -> list[str]:
    """Return the names that the caller must fill."""
    return [name for name in placeholders(text) if name not in RESERVED]


def render(text: str, values: Mapping[str, str]) -> str:
    """Fill the placeholders in one pass: what a value holds is never read as a placeholder."""
    return _PLACEHOLDER.sub(lambda match: values[match[1]], text)


def faults(text: str) -> list[str]:
    """Return what is wrong with an operator's text, in sentences."""
    found = []
    if len(text) > TEXT_LENGTH:
        found.append(f"At most {TEXT_LENGTH} characters.")
    if "code" not in placeholders(text):
        found.append("The text must hold {{code}}, where the code will stand.")
    if "{" in (rest := _PLACEHOLDER.sub("", text)) or "}" in rest:
        found.append(
            "Braces are for placeholders only: two on each side of a name of letters, digits and"
            " _, without spaces, such as {{code}}."
        )
    if _TOUCHING.search(text):
        found.append(
            "A placeholder must not touch another one, a digit, or a sign that is part of links."
        )
    if _CODE_LIKE.search(text):
        found.append("Four digits in a row could be mistaken for the code.")
    if confusables.imitates_bound_code(text):
        found.append("What reads like @host #code could be mistaken for the code of that site.")
    if any(unicodedata.category(char) in {"Cc", "Zl", "Zp"} or char in _BIDI for char in text):
        found.append("Line breaks, control characters and direction marks are not allowed.")
    return found


def fault_of_values(text: str, values: Mapping[str, object]) -> str:
    """Return which values a text lacks or does not know; empty when they fit."""
    wanted = custom_placeholders(text)
    if missing := [name for name in wanted if name not in values]:
        return f"no value for {', '.join(missing)}"
    if unknown := [name for name in values if name not in wanted]:
        return f"the template has no placeholder {', '.join(unknown)[:64]}"
    return ""


def fill(text: str, *, code: str, brand: str, minutes: int, values: Mapping[str, str]) -> str:
    """Return the finished text; only the code stands in it as it is."""
    own = {"code": code, "friendly_name": confusables.shown(brand), "ttl": str(minutes)}
    return render(text, {name: confusables.shown(value) for name, value in values.items()} | own)


def size(text: str) -> Size:
    """Measure a text message: 160 GSM-7 or 70 UCS-2 characters, 153 or 67 in each of several."""
    if set(text) <= _GSM | _GSM_EXTENSION:
        widths = [2 if char in _GSM_EXTENSION else 1 for char in text]
        # Each part of a longer message gives seven of its places to the header that joins them.
        return Size("GSM-7", sum(widths), _segments(widths, 160, 153))
    widths = [len(char.encode("utf-16-be")) // 2 for char in text]
    return Size("UCS-2", sum(widths), _segments(widths, 70, 67))


def _segments(widths: list[int], alone: int, each: int) -> int:
    """Count the segments; a character of two places is never split between two of them."""
    if sum(widths) <= alone:
        return 1
    count, used = 1, 0
    for width in widths:
        if used + width > each:
            count, used = count + 1, 0
        used += width
    return count
