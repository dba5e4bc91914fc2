"""The catalogues of the pages and the admin: complete, with every placeholder, and compiled."""

import gettext
import io
import re
from functools import cache
from pathlib import Path

import pytest
from babel.messages.extract import extract
from babel.messages.pofile import read_po
from django.utils import translation
from django.utils.translation.template import templatize

import django_verify
from django_verify.web.sentences import wrong_code

PACKAGE = Path(django_verify.__file__).parent
LANGUAGES = ["de", "es", "fr", "pt"]
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|%%|%d|%(?=\s|\Z)")
WORD = re.compile(r"\b[a-z]{2,}", re.IGNORECASE)
KEYWORDS = {"gettext": None, "gettext_lazy": None, "_": None, "ngettext": (1, 2)}
every_language = pytest.mark.parametrize("language", LANGUAGES)


@cache
def strings():
    """Every text of the pages and of the admin, a pair where it counts."""
    sources = [path.read_bytes() for path in PACKAGE.rglob("*.py")]
    sources = [source for source in sources if b"gettext" in source]
    templates = (PACKAGE / "templates").rglob("*.html")
    sources += [templatize(path.read_text(encoding="utf-8")).encode() for path in templates]
    found = (extract("python", io.BytesIO(source), KEYWORDS) for source in sources)
    return {message for messages in found for _, message, _, _ in messages}


def folder(language):
    return PACKAGE / "locale" / language / "LC_MESSAGES"


@cache
def catalogue(language):
    with (folder(language) / "django.po").open("rb") as file:
        return {entry.id: entry for entry in read_po(file, abort_invalid=True) if entry.id}


def test_the_scanner_finds_the_texts():
    assert len(strings()) > 1000
    assert {"Send the code", "Phone number", "blocked starts"} <= strings()
    assert "We sent a code to %(to)s." in strings()


def test_these_languages_and_no_other():
    assert {path.parent.parent.name for path in PACKAGE.glob("locale/*/*/django.po")} == set(
        LANGUAGES
    )


@every_language
def test_every_text_is_translated(language):
    assert set(catalogue(language)) == strings()
    for message, entry in catalogue(language).items():
        texts = entry.string if isinstance(entry.string, tuple) else (entry.string,)
        sources = message if isinstance(message, tuple) else (message,)
        for source, text in zip(sources, texts, strict=True):
            assert text.strip(), source
            for end in (0, -1):
                assert text[end].isspace() == source[end].isspace(), source
        assert not entry.fuzzy
        # Names and units are the same in another language; sentences are not.
        assert entry.string != message or len(WORD.findall(sources[0])) < 4


@every_language
def test_every_placeholder_is_kept(language):
    for message, entry in catalogue(language).items():
        pairs = (
            zip(message, entry.string, strict=True)
            if isinstance(message, tuple)
            else [(message, entry.string)]
        )
        for source, text in pairs:
            assert sorted(PLACEHOLDER.findall(text)) == sorted(PLACEHOLDER.findall(source))
            assert "%" not in PLACEHOLDER.sub("", text)
            for bracket in "<>{}":
                assert text.count(bracket) == source.count(bracket), source


@every_language
def test_a_sentence_ends_as_its_source_does(language):
    for message, entry in catalogue(language).items():
        if isinstance(message, str):
            assert (message[-1] in ".?:") == (entry.string[-1] in ".?:"), message


@every_language
def test_it_is_compiled(language):
    with (folder(language) / "django.mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)
    for message, entry in catalogue(language).items():
        if isinstance(message, tuple):
            assert (compiled.ngettext(*message, 1), compiled.ngettext(*message, 2)) == entry.string
        else:
            assert compiled.gettext(message) == entry.string


@pytest.mark.parametrize(
    ("language", "sentence"),
    [
        ("de", "Sie haben noch 1 Versuch."),
        ("fr-ca", "Il vous reste 1 essai."),
        ("es-mx", "Le queda 1 intento."),
        ("pt-br", "Resta-lhe 1 tentativa."),
        ("nl", "You have 1 more try."),
    ],
)
def test_regions_have_their_language_s(language, sentence):
    with translation.override(language):
        assert wrong_code(1).endswith(sentence)
