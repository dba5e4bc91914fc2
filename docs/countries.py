"""Writes the tables of countries and languages from Babel's data: `python -m docs.countries`.

`contact/countries.tsv` has names: the languages are those of Django and of the messages, without
the variants that have their language's names; a name that Babel does not have is empty.
`contact/orders.tsv` has the order of the names, by Node's `Intl.Collator`, for the languages whose
order is not that of the letters without case and accents.
`contact/regions.tsv` and `messages/languages.tsv` have the other codes of a region or a language.
"""

import json
import subprocess
from collections.abc import Mapping
from typing import Any

from babel import Locale, UnknownLocaleError
from babel.core import get_global
from django.conf.global_settings import LANGUAGES
from django.utils.translation import to_language, to_locale

from django_verify.contact import countries, phones

LOCALES = countries.TABLE.parents[1] / "locale"
# By Django's name, where the Unicode consortium has another.
RENAMED = {"tl": "fil"}
# What Unicode's algorithm makes of names, each language with its own rules.
COLLATE = """
const found = {};
for (const [language, names] of Object.entries(JSON.parse(require("fs").readFileSync(0, "utf8")))) {
  const order = new Intl.Collator([language, "en"]);
  const codes = Object.keys(names);
  found[language] = codes.sort((one, other) => order.compare(names[one], names[other]));
}
console.log(JSON.stringify(found));
"""
LANGUAGES_TABLE = countries.TABLE.parents[1] / "messages" / "languages.tsv"
# What CLDR leaves to its matcher: macrolanguages (ISO 639-3) and the names of our catalogues.
OURS = {
    **dict.fromkeys("no nor nn nno".split(), "nb"),
    **dict.fromkeys("fil tgl".split(), "tl"),
    **dict.fromkeys("yue nan hak".split(), "zh-Hant"),
    **dict.fromkeys("wuu gan hsn cdo cjy cpx czh czo mnp cnp csp".split(), "zh"),
    **dict.fromkeys("arz ary apc acm afb aeb arq ars ajp apd acw ayl acx".split(), "ar"),
    "zlm": "ms",
}


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


def orders() -> str:
    """Return the table of orders, for the names that are in `contact/countries.tsv` by now."""
    languages = [
        line.split("\t")[0] for line in countries.TABLE.read_text("utf-8").splitlines()[1:]
    ]
    names = {language: dict(_names(language)) for language in languages}
    answer = subprocess.run(
        ["node", "--eval", COLLATE],
        input=json.dumps(names),
        capture_output=True,
        check=True,
        text=True,
    )
    rows = {}
    for language, order in json.loads(answer.stdout).items():
        plain = sorted(names[language], key=lambda code: countries.order_key(names[language][code]))
        if order != plain or language.partition("-")[0] in rows:
            rows[language] = order
    return "".join("\t".join([language, *order]) + "\n" for language, order in rows.items())


def _names(language: str) -> list[tuple[str, str]]:
    return [(code, countries.name(code, language)) for code, _ in phones.regions()]


def regions() -> str:
    """Return the table of the codes that stand for a region which has numbers."""
    found: dict[str, list[str]] = {}
    for code, targets in sorted(get_global("territory_aliases").items()):
        if region := next((target for target in targets if target in phones.SUPPORTED), ""):
            found.setdefault(region, []).append(code)
    return "".join(f"{region}\t{' '.join(codes)}\n" for region, codes in sorted(found.items()))


def aliases() -> str:
    """Return the table of the codes that stand for a language, those of ISO 639-2 by themselves."""
    known: Mapping[str, Any] = get_global("language_aliases")
    order = list(known)
    overlong = {
        code for code in order[order.index("aar") : order.index("wel") + 1] if len(code) == 3
    }
    stands = {
        code: "tl" if target.startswith("fil") else target.replace("_", "-")
        for code, target in known.items()
        if len(target.split("_")[0]) == 2 or target.startswith("fil")
    }
    found: dict[str, tuple[list[str], list[str]]] = {}
    for code, language in sorted((stands | OURS).items()):
        found.setdefault(language, ([], []))[code in overlong].append(code)
    return "".join(
        f"{language}\t{' '.join(others)}\t{' '.join(long)}\n"
        for language, (others, long) in sorted(found.items())
    )


if __name__ == "__main__":
    countries.TABLE.write_text(table(), encoding="utf-8")
    countries.ORDERS.write_text(orders(), encoding="utf-8")
    countries.ALIASES.write_text(regions(), encoding="utf-8")
    LANGUAGES_TABLE.write_text(aliases(), encoding="utf-8")
