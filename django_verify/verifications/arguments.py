"""The arguments of Python callers, looked at before a verb uses them.

What a face has read from a request is validated there, and not again here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from django.utils.functional import Promise
from django.views.decorators.debug import sensitive_variables
from phonenumber_field.phonenumber import PhoneNumber

from django_verify import conf
from django_verify.exceptions import InvalidParameter, misuse
from django_verify.messages import channels
from django_verify.models import VerifyService
from django_verify.models.fields import e164
from django_verify.verifications.request import StartRequest
from django_verify.verifications.validation import read_typed

#: What a number needs that is written as in its own country.
COUNTRY_CODE = (
    "it has no country code: give it as +14155552671, or read it in its country by"
    " django_verify.contact.phones.read(text, region)"
)

_DIGITS = re.compile(r"\d.*\d.*\d")
_OPTIONS = {field.name: str(field.type) for field in fields(StartRequest)}
_TEXTS = {name for name, type_ in _OPTIONS.items() if type_.startswith("str")}
_MAPPINGS = {name for name, type_ in _OPTIONS.items() if type_.startswith("Mapping")}


@sensitive_variables()
def start_request(
    service: VerifyService, to: Any, channel: Any, options: Mapping[str, Any]
) -> StartRequest:
    """Return the request of a start that Python code asks for.

    Raises TypeError for arguments of another type and unknown options, ValueError for a service
    that has not been saved, and InvalidParameter for a number without its country code.
    """
    if service._state.adding:  # noqa: SLF001 - a documented API
        raise ValueError("the service has not been saved: save it before the first start")
    for name in options:
        if name not in _OPTIONS:
            hint = conf.did_you_mean(name, _OPTIONS)
            raise TypeError(f"verifications.start has no option {name!r}.{hint}")
    # What a caller has nothing for is as good as left out; the channel is not.
    given = {"channel": channel, **{n: v for n, v in options.items() if v is not None}}
    texts = {name: text(name, given[name]) for name in _TEXTS & given.keys()}
    for name in _MAPPINGS & given.keys():
        if not isinstance(given[name], Mapping):
            raise misuse.expected(f"`{name}` as a dictionary", given[name])
    return StartRequest(to=recipient(to), **{**given, **texts})


@sensitive_variables()
def text(name: str, value: Any) -> Any:
    """Return a text, a lazy one in the language of now. Raises TypeError."""
    if isinstance(value, str):
        return value
    if isinstance(value, Promise):
        return str(value)
    raise misuse.not_a_text(name, value)


@sensitive_variables()
def optional(name: str, value: Any) -> Any:
    """Return a text as `text` does, and an empty one for None."""
    return "" if value is None else text(name, value)


@sensitive_variables()
def plain(name: str, value: Any) -> str:
    """Return a text, a lazy one or the number of a phone field as text. Raises TypeError."""
    found: str = e164(value) if isinstance(value, PhoneNumber) else text(name, value)
    return found


@sensitive_variables()
def recipient(to: Any) -> str:
    """Return a number or an address as it is written in international form.

    A number of a phone field is taken as well. Raises TypeError for what is no text, and
    InvalidParameter for a number without its country code; anything else is refused where it is
    parsed.
    """
    found = read_typed(plain("to", to))
    if len(found) > channels.LONGEST_TYPED:
        return found
    bare = found.strip().removeprefix("tel:")
    is_national = not (bare.startswith("00") or any(c in "@+＋" or c.isalpha() for c in bare))
    if is_national and _DIGITS.search(bare):
        raise InvalidParameter("to", COUNTRY_CODE)
    return found
