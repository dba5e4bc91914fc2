"""The catalogues of the pages and the admin: complete, with every placeholder, and compiled."""

import gettext
import io
import re
from functools import cache
from pathlib import Path
from unicodedata import category

import pytest
from babel import Locale
from babel.messages.extract import extract
from babel.messages.pofile import read_po
from django.utils import translation
from django.utils.translation import gettext as translated
from django.utils.translation import to_locale
from django.utils.translation.template import templatize

import django_verify
from django_verify.messages.channels import TEXT_LOCALES
from django_verify.web.sentences import wrong_code

PACKAGE = Path(django_verify.__file__).parent
#: The languages of the admin, whose catalogues have the pages' texts too.
ADMIN = ["de", "es", "fr", "pt"]
#: Those of the messages have the pages; the pages have Chinese for Taiwan besides.
PAGES = sorted({*map(to_locale, TEXT_LOCALES), "zh_Hant"} - {"en", *ADMIN})
LANGUAGES = ADMIN + PAGES
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|%%|%d|%(?=\s|\Z)")
WORD = re.compile(r"\b[a-z]{2,}", re.IGNORECASE)
#: How a sentence ends: as in Latin, Greek, Arabic, Devanagari and Han; Thai leaves it out.
ENDS = ".?:;\u061f\u0964\u3002\uff1f\uff1a"
#: What joins letters or words; every other character that shows nothing is a mistake.
JOINERS = "\u200c\u200d"
KEYWORDS = {"gettext": None, "gettext_lazy": None, "_": None, "ngettext": (1, 2)}
every_language = pytest.mark.parametrize("language", LANGUAGES)


@cache
def strings(code="", templates="templates"):
    """Every text of these folders, by default those of the pages and of the admin; a pair counts."""
    sources = [path.read_bytes() for path in (PACKAGE / code).rglob("*.py")]
    sources = [source for source in sources if b"gettext" in source]
    pages = (PACKAGE / templates).rglob("*.html")
    sources += [templatize(path.read_text(encoding="utf-8")).encode() for path in pages]
    found = (extract("python", io.BytesIO(source), KEYWORDS) for source in sources)
    return {message for messages in found for _, message, _, _ in messages}


def of_pages():
    return strings("web", "templates/django_verify/web")


def texts_of(language):
    return strings() if language in ADMIN else of_pages()


def folder(language):
    return PACKAGE / "locale" / language / "LC_MESSAGES"


@cache
def read(language):
    with (folder(language) / "django.po").open("rb") as file:
        return read_po(file, abort_invalid=True)


@cache
def catalogue(language):
    return {entry.id: entry for entry in read(language) if entry.id}


@cache
def compiled(language):
    with (folder(language) / "django.mo").open("rb") as file:
        return gettext.GNUTranslations(file)


def pairs(message, entry):
    """Each translation with its source; a plural form has the plural's."""
    if isinstance(message, str):
        return [(message, entry.string)]
    return [(message[min(index, 1)], text) for index, text in enumerate(entry.string)]


def test_the_scanner_finds_the_texts():
    assert len(strings()) > 1000
    assert {"Send the code", "Phone number", "blocked starts"} <= strings()
    assert "We sent a code to %(to)s." in strings()
    assert 90 < len(of_pages()) < 150
    assert of_pages() < strings()


def test_these_languages_and_no_other():
    assert {path.parent.parent.name for path in PACKAGE.glob("locale/*/*/django.po")} == set(
        LANGUAGES
    )
    assert len(LANGUAGES) == 41


@every_language
def test_every_text_is_translated(language):
    assert set(catalogue(language)) == texts_of(language)
    for message, entry in catalogue(language).items():
        for source, text in pairs(message, entry):
            assert text.strip(), source
            for end in (0, -1):
                assert text[end].isspace() == source[end].isspace(), source
            unseen = {sign for sign in text if category(sign) in {"Cc", "Cf"}}
            assert unseen <= set(JOINERS) | set(source), source
            # Names and units are the same in another language; sentences are not.
            assert text != source or len(WORD.findall(source)) < 4
        assert not entry.fuzzy


@every_language
def test_every_placeholder_is_kept(language):
    for message, entry in catalogue(language).items():
        for source, text in pairs(message, entry):
            assert sorted(PLACEHOLDER.findall(text)) == sorted(PLACEHOLDER.findall(source)), source
            assert "%" not in PLACEHOLDER.sub("", text)
            for bracket in "<>{}":
                assert text.count(bracket) == source.count(bracket), source


@every_language
def test_a_sentence_ends_as_its_source_does(language):
    for message, entry in catalogue(language).items():
        if isinstance(message, str) and language != "th":
            assert (message[-1] in ".?:") == (entry.string[-1] in ENDS), message


@every_language
def test_every_number_has_the_form_of_its_language(language):
    """The rules of the catalogues tell numbers apart where Unicode's (CLDR) do, or not at all."""
    spoken = Locale.parse({"tl": "fil"}.get(language, language))
    rule = compiled(language).plural
    both = {(rule(number), spoken.plural_form(number)) for number in range(1, 200)}
    count, names = read(language).num_plurals, {name for _, name in both}
    assert len(both) == len(names)
    assert {rule(number) for number in range(200)} == set(range(count))
    assert len({form for form, _ in both}) == len(names) or count == 1
    for message, entry in catalogue(language).items():
        assert isinstance(message, str) or len(entry.string) == count, message


@every_language
def test_it_is_compiled(language):
    texts = compiled(language)
    numbers = {texts.plural(number): number for number in range(200)}
    for message, entry in catalogue(language).items():
        if isinstance(message, tuple):
            forms = tuple(texts.ngettext(*message, numbers[form]) for form in sorted(numbers))
            assert forms == entry.string
        else:
            assert texts.gettext(message) == entry.string


@pytest.mark.parametrize(
    ("language", "sentence"),
    [
        ("de", "Sie haben noch 1 Versuch."),
        ("fr-ca", "Il vous reste 1 essai."),
        ("es-mx", "Le queda 1 intento."),
        ("pt-br", "Você tem mais 1 tentativa."),
        ("nl", "U hebt nog 1 poging."),
        ("zh-hans", "您还可以再试 1 次。"),
        ("zh-hant", "您還可以再試 1 次。"),
        ("he", "נותר לך עוד ניסיון אחד (1)."),
        ("eu", "You have 1 more try."),
    ],
)
def test_regions_have_their_language_s(language, sentence):
    with translation.override(language):
        assert wrong_code(1).endswith(sentence)


def test_the_admin_of_a_region_has_its_language_s():
    with translation.override("pt"):
        expected = translated("blocked starts")
    with translation.override("pt-br"):
        assert translated("blocked starts") == expected != "blocked starts"
