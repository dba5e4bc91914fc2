"""What people type or paste: digits of any script, marks that show nothing, spacing, punctuation.

The faces for people read by it; the wire of /v2 takes nothing but what is written plainly.
"""

from __future__ import annotations

import unicodedata

#: What stands between the parts of a number or a code: spaces, and every punctuation mark that
#: libphonenumber counts as valid. Input methods write the long-vowel mark for a hyphen.
PUNCTUATION = (
    "-\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u30fc\uff70\uff0d"
    "./\uff0e\uff0f()\uff08\uff09[]\uff3b\uff3d~\u2053\u223c\u301c\uff5e"
)
_SEPARATORS = frozenset("\t" + PUNCTUATION)
_STOPS = dict.fromkeys(map(ord, "\u3002\uff61"), ord("."))
# The forms of ASCII's signs that are as wide as an ideograph.
_WIDE = {wide: wide - 0xFEE0 for wide in range(0xFF01, 0xFF5F)}


def plain(text: str) -> str:
    """Return a text without marks that show nothing, its digits and wide forms in ASCII, trimmed.

    Letters of no other kind are touched, so what was no number before is none afterwards.
    """
    shown = "".join(_ascii(char) for char in text if unicodedata.category(char) != "Cf")
    return shown.translate(_WIDE).strip()


def joined(text: str) -> str:
    """Return a plain text without the spaces and the punctuation within it."""
    return "".join(
        char
        for char in plain(text)
        if char not in _SEPARATORS and unicodedata.category(char) != "Zs"
    )


def email(text: str) -> str:
    """Return an e-mail address as it is written plainly; a domain of another script stays."""
    local, at, domain = plain(text).rpartition("@")
    domain = domain.translate(_STOPS)
    return f"{local}{at}{domain if domain.isascii() else _domain(text)}"


def _domain(text: str) -> str:
    """Return the domain with its own digits: they may be part of a name in another script."""
    shown = "".join(char for char in text if unicodedata.category(char) != "Cf")
    return shown.translate(_WIDE | _STOPS).strip().rpartition("@")[2]


def _ascii(character: str) -> str:
    value = unicodedata.decimal(character, None)
    return character if value is None else str(int(value))
