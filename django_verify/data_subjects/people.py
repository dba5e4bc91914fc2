"""Who is asked for: numbers, addresses and identities, in every spelling that is the person's."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from phonenumber_field.phonenumber import PhoneNumber

from django_verify import sids
from django_verify.contact import emails, phones
from django_verify.exceptions import misuse
from django_verify.models.fields import e164

# A number and an address within a text, with what may stand around them.
_WORDS = re.compile(r"""\+[0-9]+|[^\s<>"',;:()\[\]]+@[^\s<>"',;:()\[\]]+""", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """The names under which rows of one person are looked for.

    `keys` are recipients' keys, `spellings` numbers and addresses as they may be written, and
    `identities` those of entities, in lower case. `account` is the SID of the account whose rows
    are meant, empty for all.
    """

    keys: frozenset[str] = field(default=frozenset(), repr=False)
    spellings: frozenset[str] = field(default=frozenset(), repr=False)
    identities: frozenset[str] = field(default=frozenset(), repr=False)
    account: str = ""

    def is_recipient(self, value: str) -> bool:
        """Whether a text is a number or an address of this person, in any spelling."""
        if value in self.spellings:
            return True
        if "@" in value:
            return emails.key_of(value) in self.keys
        return value.startswith("+") and phones.fold(value) in self.keys

    def is_named_in(self, text: str) -> bool:
        """Whether a number or an address of this person stands in a text, such as a sentence."""
        return any(self.is_recipient(word.rstrip(".")) for word in _WORDS.findall(text))


def read(
    recipients: Iterable[str | PhoneNumber] = (),
    identities: Iterable[str] = (),
    *,
    region: str = "",
    account: str = "",
) -> Person:
    """Return the person of some numbers and e-mail addresses, as people write them, and identities.

    `region` is the ISO 3166 code of numbers without a country code. A mailbox is one person's with
    all its tags. Numbers may be those of a phone field. Raises ValueError for what is neither a
    number nor an address, and for nothing, and TypeError for what is no list of texts.
    """
    keys: set[str] = set()
    spellings: set[str] = set()
    names = {identity.strip().lower() for identity in _texts("identities", identities)}
    if "" in names:
        raise ValueError("an identity is empty")
    for text in _texts("recipients", recipients):
        if "@" in text:
            mail = emails.read(text)
            keys.add(mail.key)
            spellings |= {mail.address, mail.key, emails.canonical(mail.address)}
        else:
            number = phones.read_listed(text, region)
            written = {number.key, *phones.spellings(number.number)}
            keys |= written
            spellings |= written
    if not isinstance(account, str):
        raise misuse.not_a_text("account", account)
    if account and not sids.is_sid("AC", account):
        raise ValueError("not the SID of an account")
    if not (keys or names):
        raise ValueError("a number, an e-mail address or an identity is needed")
    return Person(
        keys=frozenset(keys),
        spellings=frozenset(spellings),
        identities=frozenset(names),
        account=sids.canonical(account),
    )


def _texts(name: str, values: Iterable[Any]) -> Iterator[str]:
    """Yield the members of a list of texts. Raises TypeError for anything else."""
    # The letters of a text would each be taken for one, and find nobody.
    if isinstance(values, str | bytes | PhoneNumber) or not isinstance(values, Iterable):
        raise misuse.expected(f"a list of {name}", values)
    for value in values:
        if not isinstance(value, str | PhoneNumber):
            raise misuse.expected(f"a list of {name} as texts", value)
        yield e164(value) if isinstance(value, PhoneNumber) else value
