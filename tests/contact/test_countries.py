"""Names of countries: one for each that has numbers, in English, and in Babel's languages."""

import builtins

import pytest

from django_verify.contact import countries, phones


@pytest.fixture(autouse=True)
def forgotten():
    yield
    countries.choices.cache_clear()
    countries._translated.cache_clear()


def test_every_region_with_numbers_has_a_name():
    assert set(countries.NAMES) == {region for region, _ in phones.regions()}
    names = list(countries.NAMES.values())
    assert len(set(names)) == len(names)
    assert all(name == name.strip() and name for name in names)


@pytest.mark.parametrize(
    "language", ["en", "en-gb", "EN", "", "xx", "nonsense", "x" * 50, "de_DE_x_y_z"]
)
def test_english_stands_in_for_what_is_not_known(language):
    assert countries.name("HK", language) in {"Hong Kong", "Sonderverwaltungsregion Hongkong"}
    assert countries.name("DE", language) in {"Germany", "Deutschland"}


@pytest.mark.parametrize(
    ("language", "name"),
    [("de", "Deutschland"), ("pt-br", "Alemanha"), ("zh-hans", "德国"), ("he", "גרמניה")],
)
def test_babel_knows_other_languages(language, name):
    assert countries.name("DE", language) == name


def test_a_region_that_is_none_is_its_own_name():
    assert countries.name("XX") == "XX"


def test_without_babel_there_is_english(monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name == "babel":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    countries._translated.cache_clear()
    monkeypatch.setattr(builtins, "__import__", without)
    assert countries.name("DE", "de") == "Germany"


@pytest.mark.parametrize(("language", "first", "last"), [("en", "AF", "ZW"), ("de", "AF", "CY")])
def test_a_picker_is_in_the_order_of_the_names(language, first, last):
    found = countries.choices(language)
    assert (found[0].region, found[-1].region) == (first, last)
    assert len(found) == len(countries.NAMES)
    assert {(country.region, country.calling_code) for country in found} == set(phones.regions())


def test_accents_do_not_change_the_order():
    names = [country.name for country in countries.choices("en")]
    assert names.index("Afghanistan") < names.index("Åland Islands") < names.index("Albania")
