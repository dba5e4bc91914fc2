"""The catalogues of the pages: complete, with every placeholder, and compiled."""

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
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]")
KEYWORDS = {"gettext": None, "gettext_lazy": None, "_": None, "ngettext": (1, 2)}
# Names that are the same in the other language.
SAME = {
    "Code",
    "E-mail",
    "Error:",
    "Telegram",
    "WhatsApp",
    ("%(count)d minute", "%(count)d minutes"),
}

every_language = pytest.mark.parametrize("language", LANGUAGES)


@cache
def strings():
    """Every text of the pages, a pair where it counts."""
    sources = [path.read_bytes() for path in (PACKAGE / "web").glob("*.py")]
    templates = (PACKAGE / "templates/django_verify/web").rglob("*.html")
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
    assert len(strings()) > 80
    assert {"Send the code", "Phone number"} <= strings()
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
        assert all(text == text.strip() != "" for text in texts)
        assert not entry.fuzzy
        assert entry.string != message or message in SAME


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
            assert not set(text) & set("<>{}")


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
