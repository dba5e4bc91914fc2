"""Sentences for people, where the API's messages are written for developers."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from django_verify.exceptions import (
    ChannelDisabled,
    ConcurrentStarts,
    Conflict,
    DestinationRefused,
    EmailNotConfigured,
    GateRefused,
    GateUnavailable,
    InvalidParameter,
    LandlineRefused,
    MaxChecksReached,
    MaxSendsReached,
    NotFound,
    TooManyRequests,
    VerifyError,
    WhatsappNotConfigured,
)
from django_verify.proofs import ProofRefused
from django_verify.signals import NotRecorded
from django_verify.verifications import progress
from django_verify.verifications.clients import State
from django_verify.verifications.refusals import Refusal

Text = str | Promise

LABELS: dict[str, Text] = {
    "sms": gettext_lazy("Text message"),
    "call": gettext_lazy("Phone call"),
    "whatsapp": gettext_lazy("WhatsApp"),
    "telegram": gettext_lazy("Telegram"),
    "rcs": gettext_lazy("RCS message"),
    "email": gettext_lazy("E-mail"),
}
INSTEAD: dict[str, Text] = {
    "sms": gettext_lazy("Send a text message instead"),
    "call": gettext_lazy("Call me instead"),
    "whatsapp": gettext_lazy("Send it by WhatsApp instead"),
    "telegram": gettext_lazy("Send it by Telegram instead"),
    "rcs": gettext_lazy("Send an RCS message instead"),
    "email": gettext_lazy("Send an e-mail instead"),
}
_BAD_NUMBER = gettext_lazy("This number cannot receive a code. Please check it.")
_BAD_EMAIL = gettext_lazy("This e-mail address cannot receive a code. Please check it.")
_NOT_THIS_COUNTRY = gettext_lazy("We cannot send codes to numbers of this country in this way.")
_NOT_THIS_WAY = gettext_lazy("This way of sending is not available. Please choose another.")
_SOMETHING_WRONG = gettext_lazy("The code could not be sent. Please try again later.")
_TRY_LATER = gettext_lazy("This cannot be done at the moment. Please try again later.")
_CODE_OVER = gettext_lazy("The code is no longer valid. Please request a new one.")
_TOO_MANY_SENDS = gettext_lazy("Too many codes were requested.")
_TOO_MANY_CODES = gettext_lazy("Too many wrong codes were entered.")
_TOO_MANY_TRIES = gettext_lazy("Too many attempts were made.")
WRONG_CODE = gettext_lazy("That is not the code we sent.")
SENT_AGAIN = gettext_lazy("We sent the code again.")
CALLING = gettext_lazy("We are calling you now.")
SENT_BEFORE = gettext_lazy("We have just sent a code there. Please enter it.")
SESSION_LOST = gettext_lazy("Your session has ended. Please start again.")
NO_CODE = gettext_lazy("Enter the code as it stands in the message.")
ANOTHER_TAB = gettext_lazy(
    "A newer code was requested in this browser. Please enter that one; nothing was checked."
)
_NO_PERSON = gettext_lazy("Please confirm that you are human, then try again.")
_NO_GATE = gettext_lazy("We cannot send codes at the moment. Please try again later.")
# Of what the guard says openly.
_SENTENCES: dict[str, Text] = {"country": _NOT_THIS_COUNTRY, "number_type": _BAD_NUMBER}
_REFUSED: dict[str, Text] = {
    "number_in_use": gettext_lazy(
        "This number belongs to another account here, so it was not added to yours."
    ),
    "another_factor_required": gettext_lazy(
        "This number belongs to another account here. To move it to yours, you have to prove"
        " your identity in another way first."
    ),
    "too_many_numbers": gettext_lazy(
        "Your account has as many numbers as it may have. Remove one, then try again."
    ),
}
_NOT_KEPT = gettext_lazy("Your account could not be given this number.")


def of_error(error: VerifyError, to: str = "") -> str:
    """Return the sentence for an error; `to` is the recipient that was typed."""
    match error:
        case MaxChecksReached():
            return f"{_TOO_MANY_CODES} {_again(error.retry_after)}"
        case MaxSendsReached():
            return f"{_TOO_MANY_SENDS} {_again(error.retry_after)}"
        case ConcurrentStarts():
            return str(SENT_BEFORE)
        case TooManyRequests():
            of_sends = error.limit in {"number", "network", "device", "prefix"}
            many = _TOO_MANY_SENDS if of_sends else _TOO_MANY_TRIES
            return f"{many} {_again(error.retry_after)}"
        case ChannelDisabled() | EmailNotConfigured() | WhatsappNotConfigured() | LandlineRefused():
            return str(_NOT_THIS_WAY)
        case InvalidParameter(parameter="channel"):
            return str(_NOT_THIS_WAY)
        case InvalidParameter():
            return str(_BAD_EMAIL if "@" in to else _BAD_NUMBER)
        case GateRefused():
            return str(_NO_PERSON)
        case GateUnavailable() | DestinationRefused():
            return str(_SENTENCES.get(error.reason, _NO_GATE))
    return str(_SOMETHING_WRONG)


def of_refusal(error: Refusal) -> str:
    """Return the sentence for a refusal in a view of the site's own, where any verb may be used."""
    match error:
        case ProofRefused():
            return str(SESSION_LOST)
        case NotRecorded():
            return str(_REFUSED.get(error.reason, _NOT_KEPT))
        case NotFound() | Conflict():
            return str(_CODE_OVER)
        case InvalidParameter(parameter="code"):
            return str(WRONG_CODE)
        case InvalidParameter(parameter="to"):
            return str(_BAD_NUMBER)
        case InvalidParameter():
            return str(_TRY_LATER)
        case _ if (sentence := of_error(error)) != str(_SOMETHING_WRONG):
            return sentence
    return str(_TRY_LATER)


def of_refusals(reasons: Sequence[str]) -> list[str]:
    """Return why a recipient was not kept for the user who is logged in."""
    return [str(_REFUSED.get(reason, _NOT_KEPT)) for reason in reasons]


def wrong_code(left: int) -> str:
    """Return the sentence for a wrong code, with the tries that are left."""
    more = ngettext("You have %(count)d more try.", "You have %(count)d more tries.", left)
    return f"{WRONG_CODE} {more % {'count': left}}"


def undelivered(state: State) -> str:
    """Return the sentence for a message that failed; nothing for any other."""
    if state.delivery != progress.FAILED:
        return ""
    return str(_NOT_THIS_WAY if state.next_channel else _SOMETHING_WRONG)


def too_soon(seconds: int) -> str:
    """Return when the next message may be asked for."""
    return _("Please wait before you request another code. %(when)s") % {"when": _again(seconds)}


def sent_again(channel: str) -> str:
    """Return the sentence for another message."""
    return str(CALLING if channel == "call" else SENT_AGAIN)


def label(channel: str) -> Text:
    """Return what people call a channel."""
    return LABELS.get(channel, channel)


def instead(channel: str) -> Text:
    """Return the label of the button that changes to a channel."""
    return INSTEAD.get(channel, channel)


def duration(seconds: int) -> str:
    """Return a time to wait in words: 25 seconds, 4 minutes, 2 hours."""
    if seconds < 120:
        return ngettext("%(count)d second", "%(count)d seconds", seconds) % {"count": seconds}
    minutes = -(-seconds // 60)
    if minutes < 120:
        return ngettext("%(count)d minute", "%(count)d minutes", minutes) % {"count": minutes}
    hours = -(-minutes // 60)
    return ngettext("%(count)d hour", "%(count)d hours", hours) % {"count": hours}


def _again(seconds: int | None) -> str:
    if not seconds:
        return _("Please try again later.")
    return _("You can try again in %(duration)s.") % {"duration": duration(seconds)}
