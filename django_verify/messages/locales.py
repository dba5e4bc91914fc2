"""Which language a tag asks for, as devices and systems write it, and which of ours answers it.

Tags are read by BCP 47 and UTS 35, with what POSIX, Java and Android add: aliases such as `iw`,
macrolanguages, scripts, extensions, modifiers. This is the one room for it; the table of
languages, `languages.tsv`, has on a line a language, its other codes, and those of three letters in
ISO 639-2 (CLDR, ISO 639-3).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

_TABLE = Path(__file__).with_name("languages.tsv")
_LONGEST = 128
_LANGUAGE = re.compile(r"[a-z]{2,3}\Z")
_SCRIPT = re.compile(r"[a-z]{4}\Z")
_REGION = re.compile(r"(?:[a-z]{2}|[0-9]{3})\Z")
_EXTENDED = re.compile(r"[a-z]{3}\Z")
_ANDROID_REGION = re.compile(r"r[A-Z]{2}\Z")
# POSIX's modifiers that name a script; others, such as `euro`, say nothing of the language.
_MODIFIERS = {"latin": "Latn", "cyrillic": "Cyrl", "arabic": "Arab", "devanagari": "Deva"}
_TRADITIONAL = frozenset(("TW", "HK", "MO"))


@dataclass(frozen=True, slots=True)
class Locale:
    """A language, the script that is named or implied, and the region; each may be empty."""

    language: str
    script: str = ""
    region: str = ""


# Bounded, because strangers send the tags.
@lru_cache(maxsize=1024)
def read(text: str) -> Locale | None:
    """Return what a tag names; None where it names no language."""
    if len(text) > _LONGEST:
        return None
    if not text.isprintable() or text != text.strip():
        return None
    name, _, modifier = text.partition("@")
    name = name.partition(".")[0].removeprefix("b+")
    first, *rest = [part for part in re.split(r"[-_#+]", name) if part] or [""]
    if not _LANGUAGE.match(first.lower()):
        return None
    language, script, region = _parts(first.lower(), rest)
    alias = _aliases().get(language, language)
    language, _, implied = alias.partition("-")
    script = script or _MODIFIERS.get(modifier.lower(), "") or implied
    if language == "zh":
        script = script or ("Hant" if region in _TRADITIONAL else "Hans")
    return Locale(language, script, region)


def hint(text: str) -> str:
    """Return what a device says of its language, as long as it is a tag; empty otherwise."""
    return text.strip() if read(text.strip()) is not None else ""


def is_overlong(text: str) -> bool:
    """Whether a tag writes in three letters what BCP 47 writes in two; the contract knows none."""
    return re.split(r"[-_]", text.lower())[0] in _table()[1]


@lru_cache(maxsize=1024)
def match(available: tuple[str, ...], requested: str) -> str | None:
    """Return the one of these tags that answers a request, or its language's; None for none."""
    wanted = read(requested)
    if wanted is None:
        return None
    known = {tag: locale for tag in available if (locale := read(tag)) is not None}
    for fits in (_exactly, _by_region, _by_script, _by_language):
        for tag, locale in known.items():
            if fits(locale, wanted):
                return tag
    return None


def _parts(language: str, rest: Iterable[str]) -> tuple[str, str, str]:
    """Return language, script and region; the order of the last two differs between systems."""
    script = region = ""
    for place, part in enumerate(rest):
        small = part.lower()
        if len(part) == 1:
            break  # extensions, and what is private
        if _ANDROID_REGION.match(part):
            region = region or part[1:]
        elif place == 0 and _EXTENDED.match(small):
            language = small if small in _aliases() else language
        elif _SCRIPT.match(small):
            script = script or small.title()
        elif _REGION.match(small):
            region = region or small.upper()
    return language, script, region


def _exactly(locale: Locale, wanted: Locale) -> bool:
    return locale == wanted


def _by_region(locale: Locale, wanted: Locale) -> bool:
    """Whether a tag has the region, and no other script."""
    here = (locale.language, locale.region) == (wanted.language, wanted.region)
    return here and "" in {locale.script, wanted.script}


def _by_script(locale: Locale, wanted: Locale) -> bool:
    """Whether a tag is the language's in the script: without a region, or for any in Chinese."""
    same = (locale.language, locale.script) == (wanted.language, wanted.script)
    return same and (not locale.region or locale.language == "zh")


def _by_language(locale: Locale, wanted: Locale) -> bool:
    return locale.language == wanted.language and not locale.region


def _aliases() -> dict[str, str]:
    """Return the language that each other code stands for."""
    return _table()[0]


@lru_cache(maxsize=1)
def _table() -> tuple[dict[str, str], frozenset[str]]:
    """Return the language of each other code, and which of these codes are overlong."""
    lines = [line.split("\t") for line in _TABLE.read_text("utf-8").splitlines()]
    aliases = {code: language for language, *codes in lines for code in " ".join(codes).split()}
    return aliases, frozenset(code for *_, codes in lines for code in codes.split())
