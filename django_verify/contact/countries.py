"""Names of the countries that have telephone numbers, in many languages, for pickers.

The names are Unicode's (CLDR), in `countries.tsv`, and so is their order, in `orders.tsv`;
`docs/countries.py` writes both.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from django.conf.locale import LANG_INFO

from django_verify.contact import phones

#: A line of regions, then one of their names for each language.
TABLE = Path(__file__).with_suffix(".tsv")
#: A language and its regions in the order of their names, where that is not that of `order_key`.
ORDERS = TABLE.with_name("orders.tsv")
#: A region and the other codes for it on each line: three letters, digits, and former ones (CLDR).
ALIASES = TABLE.with_name("regions.tsv")


@dataclass(frozen=True, slots=True)
class Country:
    """One line of a picker."""

    region: str
    name: str
    calling_code: int


def name(region: str, language: str = "en") -> str:
    """Return a country's name in a language, such as `pt-br`; in English where it is not known."""
    return _names(language.lower()).get(region) or _names("en").get(region, region)


@lru_cache(maxsize=64)
def choices(language: str = "en") -> list[Country]:
    """Return every country that has numbers, in the order that the language has for the names."""
    found = [Country(code, name(code, language), calling) for code, calling in phones.regions()]
    places = {code: place for place, code in enumerate(_line(ORDERS, language.lower()))}
    return sorted(found, key=lambda each: (places.get(each.region, 0), order_key(each.name)))


def region(hint: str) -> str:
    """Return the region that a code in any of its forms names; empty for what names none."""
    code = hint.strip().upper() if hint.isascii() else ""
    code = _aliases().get(code, code)
    return code if code in phones.SUPPORTED else ""


def order_key(text: str) -> str:
    """Return a name without case and accents, by which languages without a line are sorted."""
    apart = unicodedata.normalize("NFKD", text.casefold())
    return "".join(character for character in apart if not unicodedata.combining(character))


@lru_cache(maxsize=64)
def _names(language: str) -> dict[str, str]:
    """Return the names in a language or the one that Django falls back to; none for another."""
    regions, _, _ = TABLE.read_text("utf-8").partition("\n")
    return dict(zip(regions.split("\t")[1:], _line(TABLE, language), strict=False))


def _line(table: Path, language: str) -> list[str]:
    """Return what a table has for a language, or for the one that Django falls back to."""
    lines = table.read_text("utf-8").splitlines()
    fallback = LANG_INFO.get(language, {}).get("fallback", [])
    for code in (language, *fallback, language.partition("-")[0]):
        for line in lines:
            if code and line.startswith(f"{code}\t"):
                return line.split("\t")[1:]
    return []


@lru_cache(maxsize=1)
def _aliases() -> dict[str, str]:
    """Return the region that each other code stands for."""
    lines = (line.split("\t") for line in ALIASES.read_text("utf-8").splitlines())
    return {code: region for region, codes in lines for code in codes.split()}
