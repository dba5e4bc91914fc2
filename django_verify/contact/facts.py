"""What numbering plans say of a number: its national form, its calling code, and what is wrong."""

from __future__ import annotations

import phonenumbers

from django_verify.contact import phones

TOO_SHORT, TOO_LONG = "TOO_SHORT", "TOO_LONG"
INVALID_LENGTH, INVALID_COUNTRY_CODE = "INVALID_LENGTH", "INVALID_COUNTRY_CODE"
INVALID_BUT_POSSIBLE, NOT_A_NUMBER = "INVALID_BUT_POSSIBLE", "NOT_A_NUMBER"

_Failure = phonenumbers.NumberParseException
_UNREADABLE = {
    _Failure.INVALID_COUNTRY_CODE: INVALID_COUNTRY_CODE,
    _Failure.TOO_SHORT_AFTER_IDD: TOO_SHORT,
    _Failure.TOO_SHORT_NSN: TOO_SHORT,
    _Failure.TOO_LONG: TOO_LONG,
}
_Reason = phonenumbers.ValidationResult
_IMPOSSIBLE = {
    _Reason.TOO_SHORT: TOO_SHORT,
    _Reason.TOO_LONG: TOO_LONG,
    _Reason.INVALID_LENGTH: INVALID_LENGTH,
    _Reason.INVALID_COUNTRY_CODE: INVALID_COUNTRY_CODE,
    # Within its town it can be dialled: the area's digits are missing.
    _Reason.IS_POSSIBLE_LOCAL_ONLY: TOO_SHORT,
}
# More than any spelling of a number has.
_LONGEST = 64


def national_format(number: str) -> str:
    """Return a number in E.164 as its own country writes it: `(415) 555-2671`."""
    form = phonenumbers.PhoneNumberFormat.NATIONAL
    return phonenumbers.format_number(phonenumbers.parse(number), form)


def calling_code(number: str) -> str:
    """Return the digits of the calling code of a number in E.164: `1`."""
    return str(phonenumbers.parse(number).country_code)


def faults(text: str, region: str = "") -> list[str]:
    """Return what is wrong with a text that `phones.read` takes for no number, at least one word.

    The words are the constants above; `region` is an ISO 3166 code in upper case.
    """
    if any(char.isalpha() for char in text) or not any(char.isdigit() for char in text):
        return [NOT_A_NUMBER]
    if len(text) > _LONGEST:
        return [TOO_LONG]
    try:
        parsed = phonenumbers.parse(text, region or None)
    except _Failure as error:
        return [_UNREADABLE.get(error.error_type, NOT_A_NUMBER)]
    reason = phonenumbers.is_possible_number_with_reason(parsed)
    return [_IMPOSSIBLE.get(reason, INVALID_BUT_POSSIBLE)]


def read(text: str, region: str = "") -> phones.Phone | None:
    """Return the number that a text is, as `phones.read` does; None for none."""
    try:
        return phones.read(text, region)
    except ValueError:
        return None
