"""Why a message was not accepted or did not arrive: a few causes, each with a sentence and a deed.

A sender maps its provider's codes to these; what is the same for all, such as an HTTP status or a
text of our own, is read here. Nothing here asks a database or a provider.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from django.utils.translation import gettext_lazy as _

#: Who can change it: an operator of this site, the provider, the recipient, or nobody has to.
SITE: Final = "site"
PROVIDER: Final = "provider"
RECIPIENT: Final = "recipient"
NOBODY: Final = "nobody"

#: The text of an attempt whose code comes from a delivery report, and not from an answer.
REPORTED: Final = "reported by the provider"


class Cause(StrEnum):
    """The causes; their values may be stored, filtered by and grouped by."""

    CREDENTIALS = "credentials"
    BALANCE = "balance"
    ACCOUNT = "account"
    COUNTRY = "country"
    REGISTRATION = "registration"
    CONFIGURATION = "configuration"
    NOT_MOBILE = "not_mobile"
    INVALID_NUMBER = "invalid_number"
    UNREACHABLE = "unreachable"
    OPTED_OUT = "opted_out"
    SPAM = "spam"
    RATE_LIMITED = "rate_limited"
    PROVIDER_DOWN = "provider_down"
    NO_ANSWER = "no_answer"
    UNSUITED = "unsuited"
    NO_SENDER = "no_sender"
    PAUSED = "paused"
    LATE = "late"
    OVER = "over"
    WITHHELD = "withheld"
    KEY = "key"
    BUG = "bug"
    UNKNOWN = "unknown"

    @property
    def words(self) -> Words:
        """What is said of it."""
        return WORDS[self]

    @property
    def label(self) -> Any:
        """Two or three words for lists; translated when they are shown."""
        return WORDS[self].label


@dataclass(frozen=True, slots=True)
class Words:
    """What people read of a cause; `sentence` has a place for the sender's alias."""

    label: Any
    sentence: Any
    deed: Any
    whose: str


WORDS: dict[Cause, Words] = {
    Cause.CREDENTIALS: Words(
        _("Wrong credentials"),
        _("%(sender)s refuses our credentials."),
        _(
            "Compare the key and the secret in the settings with those in the provider's console,"
            " and restart the site after a change."
        ),
        SITE,
    ),
    Cause.BALANCE: Words(
        _("No money"),
        _("Our account at %(sender)s has no money left."),
        _("Top up the account in the provider's console, or pay its invoice."),
        SITE,
    ),
    Cause.ACCOUNT: Words(
        _("Account not allowed"),
        _("%(sender)s does not allow our account to do this."),
        _(
            "Look in the provider's console whether the account is blocked, still on trial, or"
            " lacks a permission."
        ),
        SITE,
    ),
    Cause.COUNTRY: Words(
        _("Country not allowed"),
        _("%(sender)s does not send to this country for us."),
        _("Allow the country in the provider's console, or route it to another sender."),
        SITE,
    ),
    Cause.REGISTRATION: Words(
        _("Not registered"),
        _("%(sender)s wants a registered template, campaign or sender for this message."),
        _("Register it in the provider's console, and put its id into the sender's options."),
        SITE,
    ),
    Cause.CONFIGURATION: Words(
        _("Wrong set-up"),
        _("%(sender)s refuses the request as it is set up here."),
        _(
            "Look the code up in the provider's list of errors, and correct the sender's options,"
            " such as its number, name or region."
        ),
        SITE,
    ),
    Cause.NOT_MOBILE: Words(
        _("No mobile number"),
        _("The number cannot receive this kind of message; it may be a landline."),
        _("Offer the person a call or another channel, or ask for a mobile number."),
        RECIPIENT,
    ),
    Cause.INVALID_NUMBER: Words(
        _("No such recipient"),
        _("%(sender)s knows no such recipient."),
        _("Ask the person to look at the number or address again."),
        RECIPIENT,
    ),
    Cause.UNREACHABLE: Words(
        _("Out of reach"),
        _("The recipient could not be reached: switched off, without coverage, or full."),
        _("Ask the person to look at that, and then for a new code."),
        RECIPIENT,
    ),
    Cause.OPTED_OUT: Words(
        _("Opted out"),
        _("The recipient wants no messages from us, or blocks them."),
        _(
            "The person has to allow them again, with the text START at most providers. Another"
            " channel may do until then."
        ),
        RECIPIENT,
    ),
    Cause.SPAM: Words(
        _("Blocked as spam"),
        _("%(sender)s or the network behind it took the message for spam or fraud."),
        _(
            "Send from a registered sender with the standard text, and ask the provider why it"
            " was filtered."
        ),
        SITE,
    ),
    Cause.RATE_LIMITED: Words(
        _("Too many messages"),
        _("%(sender)s takes no more messages for now."),
        _("Ask the provider for a higher limit, or add a second sender."),
        PROVIDER,
    ),
    Cause.PROVIDER_DOWN: Words(
        _("Provider down"),
        _("%(sender)s is out of order, or cannot be reached from here."),
        _("Look at the provider's status page. If it works, look at this site's network and DNS."),
        PROVIDER,
    ),
    Cause.NO_ANSWER: Words(
        _("No answer"),
        _("%(sender)s did not answer in time, so the message may have left."),
        _("A single one needs nothing. For many, look at the provider's status page."),
        PROVIDER,
    ),
    Cause.UNSUITED: Words(
        _("Unsuited sender"),
        _("%(sender)s cannot carry this message, so it is left to another sender."),
        _("Add a sender that has this language, template or kind of call."),
        SITE,
    ),
    Cause.NO_SENDER: Words(
        _("No sender"),
        _("No sender serves this channel."),
        _("Configure one in the settings, or choose one on the service's page."),
        SITE,
    ),
    Cause.PAUSED: Words(
        _("Sender paused"),
        _("Every sender of this channel is paused."),
        _("Resume one on the page of the providers."),
        SITE,
    ),
    Cause.LATE: Words(
        _("Too late"),
        _("The code had expired before the message could leave."),
        _("Look whether deliverattempts runs. The person may ask for a new code."),
        SITE,
    ),
    Cause.OVER: Words(
        _("No longer needed"),
        _("The verification had ended before the message left."),
        _("Nothing is to be done."),
        NOBODY,
    ),
    Cause.WITHHELD: Words(
        _("Withheld"),
        _("The message was never meant to leave: its number is a test number, or is blocked."),
        _("Nothing is to be done. A block can be lifted under the guard's rules."),
        NOBODY,
    ),
    Cause.KEY: Words(
        _("Key missing"),
        _("The key that the code is made with is no longer in the settings."),
        _("Put the key back, and remove a key only when the codes made with it have expired."),
        SITE,
    ),
    Cause.BUG: Words(
        _("Error in the code"),
        _("The site's own code failed while the message was made or handed over."),
        _("Give the developers the text beside this, and the log of the same moment."),
        SITE,
    ),
    Cause.UNKNOWN: Words(
        _("Unknown reason"),
        _("%(sender)s did not deliver the message, for a reason that is not known here."),
        _("Look the code up in the provider's list of errors, or ask its support."),
        PROVIDER,
    ),
}

# What our own texts are about, by how they begin; the first that fits counts.
_TEXTS: tuple[tuple[str, Cause], ...] = (
    ("the recipient has opted out", Cause.OPTED_OUT),
    ("the provider refused the recipient", Cause.INVALID_NUMBER),
    ("the mail provider refused the recipient", Cause.INVALID_NUMBER),
    ("the mail server refused the recipient", Cause.INVALID_NUMBER),
    ("AWS refused the recipient", Cause.INVALID_NUMBER),
    ("the mail server refused the credentials", Cause.CREDENTIALS),
    ("AWS could not be reached: NoCredentialsError", Cause.CREDENTIALS),
    ("no sender serves this channel", Cause.NO_SENDER),
    ("every sender of this channel is paused", Cause.PAUSED),
    ("no other sender", Cause.UNREACHABLE),
    ("dropped: the code was over", Cause.LATE),
    ("the verification was over", Cause.OVER),
    ("the service was deleted", Cause.OVER),
    ("withheld: ", Cause.WITHHELD),
    ("given up: two messages", Cause.NO_ANSWER),
    ("the key of the code is no longer configured", Cause.KEY),
    ("the sender's database failed", Cause.BUG),
    # Of a sender: it was told what it cannot do.
    ("there is no template in this language", Cause.UNSUITED),
    ("it has no template for the language", Cause.UNSUITED),
    ("the provider cannot wait for a key", Cause.UNSUITED),
    ("the provider cannot dial digits", Cause.UNSUITED),
    ("the provider does not speak this language", Cause.UNSUITED),
    ("the text is too long to be spoken", Cause.UNSUITED),
    ("the template carries nothing but a code", Cause.UNSUITED),
    ("the code is longer than the provider takes", Cause.UNSUITED),
    ("the provider does not carry such a code", Cause.UNSUITED),
    ("Telegram carries codes of 4 to 8 digits alone", Cause.UNSUITED),
    # Of mail, files and libraries.
    ("the template is not configured", Cause.CONFIGURATION),
    ("the template fails", Cause.CONFIGURATION),
    ("the mail backend sent nothing", Cause.CONFIGURATION),
    ("the mail backend failed: ImproperlyConfigured", Cause.CREDENTIALS),
    ("the mail backend failed", Cause.NO_ANSWER),
    ("the mail server failed", Cause.PROVIDER_DOWN),
    ("the mail server did not take it for now", Cause.PROVIDER_DOWN),
    ("the mail server refused the mail", Cause.SPAM),
    ("the mail provider did not send the mail", Cause.PROVIDER_DOWN),
    ("cannot write", Cause.CONFIGURATION),
    ("standard output is closed", Cause.CONFIGURATION),
    ("too many calls of apprise", Cause.RATE_LIMITED),
    ("apprise did not end in time", Cause.NO_ANSWER),
    ("apprise failed", Cause.NO_ANSWER),
    # Of any provider over HTTP.
    ("the provider could not be reached", Cause.PROVIDER_DOWN),
    ("AWS could not be reached", Cause.PROVIDER_DOWN),
    ("the provider did not answer", Cause.NO_ANSWER),
    ("AWS did not answer", Cause.NO_ANSWER),
    ("the provider's answer cannot be read", Cause.NO_ANSWER),
    ("AWS's answer cannot be read", Cause.NO_ANSWER),
)
# What is less than a code or a status tells.
_VAGUE: tuple[tuple[str, Cause], ...] = (
    ("the provider did not accept the account", Cause.ACCOUNT),
    ("the provider refused the request", Cause.CONFIGURATION),
    ("AWS refused the request", Cause.CONFIGURATION),
    ("the provider did not take the message for now", Cause.PROVIDER_DOWN),
    ("AWS did not take the message for now", Cause.PROVIDER_DOWN),
)
# What a failure of our own code ends with; it begins with the name of an exception.
_BUGS = (" in the sender", " while the message was composed")
# Statuses of HTTP that mean the same everywhere; the others go by their hundreds.
_STATUSES = {
    401: Cause.CREDENTIALS,
    402: Cause.BALANCE,
    403: Cause.ACCOUNT,
    407: Cause.CREDENTIALS,
    408: Cause.NO_ANSWER,
    425: Cause.RATE_LIMITED,
    429: Cause.RATE_LIMITED,
    504: Cause.NO_ANSWER,
}
_CLIENT, _SERVER, _END = 400, 500, 600


def by_code(**codes: str) -> dict[str, Cause]:
    """Return code → cause from codes by cause, as a sender's `causes`: `balance="9 25"`."""
    return {code: Cause(name) for name, listed in codes.items() for code in listed.split()}


def of_text(text: str) -> Cause | None:
    """Return the cause that a text of ours names; None for a vague or a foreign one."""
    if text.endswith(_BUGS):
        return Cause.BUG
    return _begins(text, _TEXTS)


def of_vague_text(text: str) -> Cause | None:
    """Return the cause of a text that tells less than the code beside it."""
    return _begins(text, _VAGUE)


def of_status(code: str) -> Cause | None:
    """Return the cause of an HTTP status that stands for a code; None for what is no status."""
    status = int(code) if code.isascii() and code.isdecimal() and len(code) == len("400") else 0
    if not _CLIENT <= status < _END:
        return None
    usual = Cause.PROVIDER_DOWN if status >= _SERVER else Cause.CONFIGURATION
    return _STATUSES.get(status, usual)


def _begins(text: str, table: tuple[tuple[str, Cause], ...]) -> Cause | None:
    return next((cause for beginning, cause in table if text.startswith(beginning)), None)
