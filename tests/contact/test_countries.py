"""Names of countries: one for each that has numbers, in English, and in the visitor's language."""

import pytest

from django_verify.contact import countries, phones
from django_verify.messages import locales
from docs.countries import LANGUAGES_TABLE, aliases, languages, regions, table


@pytest.fixture(autouse=True)
def forgotten():
    yield
    countries.choices.cache_clear()
    countries._names.cache_clear()


def test_every_region_with_numbers_has_a_name():
    names = countries._names("en")
    assert set(names) - {""} == {region for region, _ in phones.regions()}
    assert len(set(names.values())) == len(names)
    assert all(name == name.strip() and name for name in names.values())


@pytest.mark.parametrize("language", ["en", "de", "es", "fr", "pt", "zh-hk"])
def test_the_pages_lack_no_name(language):
    assert all(countries._names(language).values())


def test_the_table_has_the_shape_that_its_generator_writes():
    """Its names are those of the Babel that it was made with."""
    written = [line.split("\t") for line in countries.TABLE.read_text("utf-8").splitlines()]
    made = [line.split("\t") for line in table().splitlines()]
    assert written[0] == made[0]
    assert {len(line) for line in written} == {len(made[0])}
    assert {line[0] for line in written[1:]} <= set(languages())
    assert len(written) > 80


def test_the_other_codes_have_the_shape_that_their_generator_writes():
    for path, made in ((countries.ALIASES, regions()), (LANGUAGES_TABLE, aliases())):
        written = path.read_text("utf-8").splitlines()
        assert {line.count("\t") for line in written} == {made.splitlines()[0].count("\t")}
        assert written == sorted(written)
    assert LANGUAGES_TABLE == locales._TABLE


@pytest.mark.parametrize(
    ("hint", "region"),
    [
        *[(spelling, "US") for spelling in ("US", "us", " US\n", "USA", "usa", "840")],
        *[(spelling, "GB") for spelling in ("GB", "UK", "uk", "GBR", "826")],
        *[
            (former, now)
            for former, now in (("BU", "MM"), ("ZR", "CD"), ("TP", "TL"), ("FX", "FR"))
        ],
        *[
            (spelling, "")
            for spelling in ("", " ", "XX", "AQ", "001", "ＵＳ", "ıt", "\0", "x" * 999)
        ],
    ],
    ids=ascii,
)
def test_a_region_is_read_in_every_form(hint, region):
    assert countries.region(hint) == region


def test_every_region_is_its_own_code():
    assert all(countries.region(code.lower()) == code for code, _ in phones.regions())


@pytest.mark.parametrize("language", ["", "xx", "nonsense", "x" * 50, "de_DE_x_y_z", "udm", "d"])
def test_english_stands_in_for_what_is_not_known(language):
    assert countries.name("DE", language) == "Germany"


@pytest.mark.parametrize(
    ("language", "name"),
    [
        ("en-gb", "Germany"),
        ("EN", "Germany"),
        ("de", "Deutschland"),
        ("de-AT", "Deutschland"),
        ("pt-br", "Alemanha"),
        ("zh", "德国"),
        ("zh-hans", "德国"),
        ("zh-tw", "德國"),
        ("he", "גרמניה"),
        ("tl", "Germany"),
        ("nb", "Tyskland"),
    ],
)
def test_names_are_in_the_visitors_language(language, name):
    assert countries.name("DE", language) == name


def test_a_region_that_is_none_is_its_own_name():
    assert countries.name("XX") == countries.name("XX", "de") == "XX"


@pytest.mark.parametrize(("language", "first", "last"), [("en", "AF", "ZW"), ("de", "AF", "CY")])
def test_a_picker_is_in_the_order_of_the_names(language, first, last):
    found = countries.choices(language)
    assert (found[0].region, found[-1].region) == (first, last)
    assert {(country.region, country.calling_code) for country in found} == set(phones.regions())


def test_every_order_has_each_region_once():
    named = {line.split("\t")[0] for line in countries.TABLE.read_text("utf-8").splitlines()[1:]}
    lines = [line.split("\t") for line in countries.ORDERS.read_text("utf-8").splitlines()]
    assert len(lines) > 50
    assert {line[0] for line in lines} <= named
    regions = sorted(region for region, _ in phones.regions())
    assert all(sorted(line[1:]) == regions for line in lines)


@pytest.mark.parametrize(
    ("language", "earlier", "later"),
    [
        ("sv", "ZM", "AT"),  # Zambia, Österrike
        ("cs", "HN", "CL"),  # Honduras, Chile
        ("da", "ZW", "AX"),  # Zimbabwe, Åland
        ("zh-hans", "DE", "CN"),  # by their sound: Déguó, Zhōngguó
        ("ar", "IS", "DE"),
    ],
)
def test_each_language_has_its_own_alphabet(language, earlier, later):
    order = [country.region for country in countries.choices(language)]
    assert order.index(earlier) < order.index(later)


def test_accents_do_not_change_the_order():
    names = [country.name for country in countries.choices("en")]
    assert names.index("Afghanistan") < names.index("Åland Islands") < names.index("Albania")
