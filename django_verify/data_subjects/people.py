"""Who is asked for: numbers, addresses and identities, in every spelling that is the person's."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from django_verify.contact import emails, phones


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


def read(
    recipients: Iterable[str] = (),
    identities: Iterable[str] = (),
    *,
    region: str = "",
    account: str = "",
) -> Person:
    """Return the person of some numbers and e-mail addresses, as people write them, and identities.

    `region` is the ISO 3166 code of numbers without a country code. A mailbox is one person's with
    all its tags. Raises ValueError for what is neither a number nor an address, and for nothing.
    """
    keys: set[str] = set()
    spellings: set[str] = set()
    names = {identity.lower() for identity in identities}
    for text in recipients:
        if "@" in text:
            mail = emails.read(text)
            keys.add(mail.key)
            spellings |= {mail.address, mail.key, emails.canonical(mail.address)}
        else:
            number = phones.read_listed(text, region)
            written = {number.key, *phones.spellings(number.number)}
            keys |= written
            spellings |= written
    if not (keys or names):
        raise ValueError("a number, an e-mail address or an identity is needed")
    return Person(
        keys=frozenset(keys),
        spellings=frozenset(spellings),
        identities=frozenset(names),
        account=account,
    )
