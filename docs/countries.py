"""Writes `django_verify/contact/countries.tsv` from Babel's data: `python -m docs.countries`.

The languages are those of Django and of the messages, without the variants that have their
language's names; a name that Babel does not have is empty.
"""

from babel import Locale, UnknownLocaleError
from django.conf.global_settings import LANGUAGES
from django.utils.translation import to_language, to_locale

from django_verify.contact import countries, phones

LOCALES = countries.TABLE.parents[1] / "locale"
# By Django's name, where the Unicode consortium has another.
RENAMED = {"tl": "fil"}


def languages() -> list[str]:
    """Return the codes of the languages, as Django writes them."""
    ours = {to_language(path.name) for path in LOCALES.iterdir()}
    return sorted(ours.union(code for code, _ in LANGUAGES))


def table() -> str:
    """Return the table: a line of regions, then one of names for each language."""
    regions = [region for region, _ in phones.regions()]
    rows = {"": regions}
    for language in languages():
        try:
            names = Locale.parse(to_locale(RENAMED.get(language, language))).territories
        except UnknownLocaleError:
            continue
        row = [names.get(region, "") for region in regions]
        if any(row) and row != rows.get(language.partition("-")[0]):
            rows[language] = row
    return "".join("\t".join([language, *row]) + "\n" for language, row in rows.items())


if __name__ == "__main__":
    countries.TABLE.write_text(table(), encoding="utf-8")
