"""Errors for the programmer: an argument of another type, with what was probably meant.

They show types and never values, which may be numbers and codes of people.
"""

from __future__ import annotations

from typing import Any

_SID_LENGTH = 34


def expected(what: str, given: object, hint: str = "") -> TypeError:
    """Return the error for an argument that is something else than it should be."""
    return TypeError(f"{what} is expected, not {_kind(given)}" + (f": {hint}" if hint else ""))


def not_a_service(given: Any) -> TypeError:
    """Return the error for what stands in the place of a service."""
    hint = ""
    if isinstance(given, str):
        hint = "the service comes first, then the recipient or the SID"
        if given[:2] == "VA" and len(given) == _SID_LENGTH:
            hint = "get the row of a SID by VerifyService.objects.get(sid=…)"
    elif hasattr(given, "auth_token_hash"):
        hint = "an account has several, see VerifyService.objects.filter(account=…)"
    return expected("a VerifyService", given, hint)


def not_a_text(name: str, given: Any) -> TypeError:
    """Return the error for an argument that must be text."""
    hint = ""
    if isinstance(given, int) and name in {"code", "to", "custom_code"}:
        hint = "a number in Python has lost its leading zeros and its +"
    elif isinstance(given, bytes):
        hint = "decode it first"
    elif name == "identity":
        hint = "8–64 letters, digits and hyphens that the site knows a person by"
    elif hasattr(given, "sid"):
        hint = "give its `sid`"
    return expected(f"`{name}` as text", given, hint)


def _kind(given: object) -> str:
    if given is None:
        return "None"
    name = type(given).__name__
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"
