"""What an attempt's error means, in words for people; the raw code and text stay beside them."""

from __future__ import annotations

from dataclasses import dataclass

from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

from django_verify import senders
from django_verify.models import VerificationAttempt
from django_verify.senders import causes
from django_verify.senders.causes import Cause

# What stands for a sender where none was tried.
_NOBODY = _("The provider")


@dataclass(frozen=True, slots=True)
class Explanation:
    """A cause in the language of the moment: what happened, and what is to be done.

    `whose` is `site`, `provider`, `recipient` or `nobody`: who can change it. `url` is the
    provider's public list of errors, or empty.
    """

    cause: str
    label: str
    sentence: str
    deed: str
    whose: str
    sender: str
    code: str
    text: str
    url: str


def explain(attempt: VerificationAttempt) -> Explanation | None:
    """Return why a message was not accepted or did not arrive; None where nothing went wrong.

    Reads the row alone, and asks no database.
    """
    if not (attempt.error_code or attempt.error_message):
        return None
    return explain_error(attempt.sender, attempt.error_code, attempt.error_message)


def explain_error(sender: str, code: str = "", text: str = "") -> Explanation:
    """Return what a sender's error means, by its code and our text of it; either may be empty.

    A sender that is no longer configured is explained by what is the same for all.
    """
    known = configured(sender)
    cause = _cause(known, code, text)
    words = cause.words
    return Explanation(
        cause=cause.value,
        label=str(words.label),
        sentence=str(words.sentence) % {"sender": sender or _NOBODY},
        deed=str(words.deed),
        whose=words.whose,
        sender=sender,
        code=code,
        text=text,
        url=known.error_list if known else "",
    )


def configured(alias: str) -> senders.Sender | None:
    """Return a sender; None where the settings do not name it, or cannot be loaded."""
    try:
        return senders.configured().get(alias)
    except ImproperlyConfigured:
        return None


def _cause(sender: senders.Sender | None, code: str, text: str) -> Cause:
    found = sender.cause_of(code, text) if sender and code else None
    told = causes.of_text(text)
    # Many codes are of any invalid value; what was found out about it stands in the text.
    if told is Cause.INVALID_NUMBER and found and found.words.whose != causes.RECIPIENT:
        return told
    found = found or told
    if not found and text != causes.REPORTED:
        found = causes.of_status(code) or causes.of_vague_text(text)
    return found or Cause.UNKNOWN
