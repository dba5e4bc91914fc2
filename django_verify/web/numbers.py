"""Numbers as people write and read them on a page, and the countries that they choose from."""

from __future__ import annotations

from functools import lru_cache

from django.core.exceptions import ValidationError
from phonenumber_field.formfields import REGION_CODE_TO_COUNTRY_CODE, PhoneNumberField
from phonenumber_field.phonenumber import PhoneNumber


def read(text: str, region: str = "") -> str:
    """Return a number in E.164; one in international form needs no region. Raises ValueError."""
    try:
        return str(PhoneNumberField(region=region or None).clean(text).as_e164)
    except ValidationError:
        raise ValueError("not a phone number") from None


def display(number: str) -> str:
    """Return a number in E.164 as people read it."""
    return str(PhoneNumber.from_string(number).as_international)


@lru_cache(maxsize=64)
def countries(language: str) -> list[tuple[str, str]]:
    """Return every country's code and its line in a picker, in the order of the names."""
    names = _names(language)
    found = [(code, f"{names.get(code, code)} (+{n})") for code, n in _CALLING_CODES]
    return sorted(found, key=lambda line: line[1].casefold())


_CALLING_CODES = sorted(REGION_CODE_TO_COUNTRY_CODE.items())


def _names(language: str) -> dict[str, str]:
    try:
        from babel import Locale, UnknownLocaleError  # noqa: PLC0415 - not a dependency
    except ImportError:
        return {}
    try:
        return dict(Locale.parse(language, sep="-").territories)
    except (UnknownLocaleError, ValueError):
        return {}
