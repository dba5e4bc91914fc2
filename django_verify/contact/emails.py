"""E-mail addresses: a strict grammar, budget key, masking; the twin of phones."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_LOCAL = re.compile(rf"{_ATOM}(?:\.{_ATOM})*\Z")
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.(?=[^.]*[A-Za-z]){_LABEL}\Z")


@dataclass(frozen=True, slots=True)
class Email:
    """An e-mail address as given, and the key its budgets are kept under."""

    address: str = field(repr=False)
    key: str = field(repr=False)


def parse(value: str) -> Email:
    """Read one e-mail address, at most 254 characters; its domain may be internationalised.

    Raises ValueError for quoted local parts, address literals, lists and anything odd.
    """
    local, _, domain = value.rpartition("@")
    if len(value) > 254 or len(local) > 64 or not _LOCAL.match(local):
        raise ValueError("not an e-mail address")
    ascii_domain = _to_ascii(domain)
    if not _DOMAIN.match(ascii_domain):
        raise ValueError("not an e-mail address")
    person = local.partition("+")[0] or local
    key = f"{person.lower()}@{ascii_domain}"
    if len(key) > 254:
        raise ValueError("not an e-mail address")
    return Email(value, key)


def same(one: str, other: str) -> bool:
    """Whether two e-mail addresses are one: the local part as it is, the domain in any spelling."""
    return canonical(one) == canonical(other)


def canonical(address: str) -> str:
    """Return the one spelling of an e-mail address: its domain in ASCII and lower case."""
    local, _, domain = address.rpartition("@")
    return f"{local}@{_to_ascii(domain)}"


def mask(address: str) -> str:
    """Hide the local part but for its first character: `j***@example.com`."""
    local, _, domain = address.rpartition("@")
    return f"{local[:1]}***@{domain}"


def _to_ascii(domain: str) -> str:
    # IDNA drops or splits some characters; only what can stand in a name comes before it.
    if not all(char in ".-" or unicodedata.category(char)[0] in "LMN" for char in domain):
        return ""
    try:
        return domain.encode("idna").decode().lower()
    except UnicodeError:
        return ""
