"""E-mail addresses: a strict grammar, the key of a recipient, masking; the twin of phones."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field

from django_verify.contact import typed

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_LOCAL = re.compile(rf"{_ATOM}(?:\.{_ATOM})*\Z")
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.(?=[^.]*[A-Za-z]){_LABEL}\Z")
# The longest text that is looked at; an address has 254 characters.
_LONGEST_TYPED = 320
# One provider's mailboxes, by either of its domains; a dot in the name and its case mean nothing
# (Google, "Dots don't matter in Gmail addresses"). Nothing is guessed about others.
_GMAIL = frozenset(("gmail.com", "googlemail.com"))


@dataclass(frozen=True, slots=True)
class Email:
    """An address as given, and the key of its recipient, by which budgets are kept."""

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
    key = key_of(value)
    if len(key) > 254:
        raise ValueError("not an e-mail address")
    return Email(value, key)


def read(text: str) -> Email:
    """Read an address as people type or paste it. Raises ValueError as `parse` does."""
    if len(text) > _LONGEST_TYPED:
        raise ValueError("not an e-mail address")
    return parse(typed.email(text))


def key_of(address: str) -> str:
    """Return the key of an address: its mailbox without a tag, in lower case."""
    local, _, domain = canonical(address).rpartition("@")
    person = local.partition("+")[0] or local
    return f"{person.lower()}@{domain}"


def same(one: str, other: str) -> bool:
    """Whether two are one mailbox: the local part as it is, the domain in any spelling.

    Spellings that Google delivers to one mailbox are one; a tag makes another.
    """
    return canonical(one) == canonical(other)


def is_mailbox(key: str) -> bool:
    """Whether all addresses with this key are one mailbox, tags included, as far as is known."""
    return key.endswith("@gmail.com")


def canonical(address: str) -> str:
    """Return the one spelling of an e-mail address: its domain in ASCII and lower case."""
    local, _, domain = address.rpartition("@")
    ascii_domain = _to_ascii(domain)
    if ascii_domain in _GMAIL:
        person, plus, tag = local.lower().partition("+")
        local, ascii_domain = f"{person.replace('.', '')}{plus}{tag}", "gmail.com"
    return f"{local}@{ascii_domain}"


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
