"""Templates that a provider keeps: one for all languages, or one for each of our locales."""

from __future__ import annotations

from collections.abc import Mapping

from django_verify.senders.base import UNSUITED, Message, TemporarySendError

#: Stands for the code where a provider's template has a place for it.
CODE = "{code}"

#: The id of the one template, or locale → id; a language stands for its regions.
Ids = str | Mapping[str, str]


def pick(ids: Ids, locale: str) -> str:
    """Return the id for a locale. Raises TemporarySendError where there is none."""
    if isinstance(ids, str):
        return ids
    found = ids.get(locale) or ids.get(locale.partition("-")[0])
    if not found:
        raise TemporarySendError("it has no template for the language", fault=UNSUITED)
    return found


def filled(text: str, message: Message) -> str:
    """Return the value of one place of a template."""
    return text.replace(CODE, message.code)
