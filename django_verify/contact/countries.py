"""Names of the countries that have telephone numbers, in many languages, for pickers.

The names are Unicode's (CLDR), in `countries.tsv`, which `docs/countries.py` writes.
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
    """Return every country that has numbers, in the order of the names."""
    found = [Country(code, name(code, language), calling) for code, calling in phones.regions()]
    return sorted(found, key=lambda country: _order(country.name))


def region(hint: str) -> str:
    """Return the region that a code in any of its forms names; empty for what names none."""
    code = hint.strip().upper() if hint.isascii() else ""
    code = _aliases().get(code, code)
    return code if code in phones.SUPPORTED else ""


def _order(text: str) -> str:
    """Return a name without case and accents, as lists are looked through."""
    apart = unicodedata.normalize("NFKD", text.casefold())
    return "".join(character for character in apart if not unicodedata.combining(character))


@lru_cache(maxsize=64)
def _names(language: str) -> dict[str, str]:
    """Return the names in a language or the one that Django falls back to; none for another."""
    regions, *lines = TABLE.read_text("utf-8").splitlines()
    fallback = LANG_INFO.get(language, {}).get("fallback", [])
    for code in (language, *fallback, language.partition("-")[0]):
        for line in lines:
            if line.startswith(f"{code}\t"):
                return dict(zip(regions.split("\t"), line.split("\t"), strict=True))
    return {}


@lru_cache(maxsize=1)
def _aliases() -> dict[str, str]:
    """Return the region that each other code stands for."""
    lines = (line.split("\t") for line in ALIASES.read_text("utf-8").splitlines())
    return {code: region for region, codes in lines for code in codes.split()}
