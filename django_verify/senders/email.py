"""Sends through Django's mail framework, and so through whatever e-mail backend the site has.

What the backends of django-anymail know is used where they are: no import of theirs is needed.
"""

from __future__ import annotations

import re
import smtplib
from collections.abc import Iterator, Mapping
from email.utils import formataddr, parseaddr

from django.core.exceptions import ImproperlyConfigured
from django.core.mail import EmailMessage
from django.template import TemplateDoesNotExist, TemplateSyntaxError
from django.template.loader import render_to_string
from django.utils.safestring import mark_safe

from django_verify.net.times import read_retry_after
from django_verify.senders import rest
from django_verify.senders.base import (
    ACCOUNT,
    REQUEST,
    Message,
    Receipt,
    Sender,
    SendError,
    TemporarySendError,
)
from django_verify.senders.causes import Cause, by_code

# What a mail server answers to a recipient it does not have, cannot forward to, or that is full.
_NO_MAILBOX = frozenset({550, 551, 552, 553})
_MAILBOX_CODES = frozenset(map(str, _NO_MAILBOX))
# The enhanced codes of RFC 3463: of the recipient's address (but not of the sender's, 5.1.7 and
# 5.1.8) and of its mailbox. All others are of policies, protocols and contents.
_ENHANCED = re.compile(rb"(?:\d{3}[ -])?5\.(\d{1,3})\.(\d{1,3})\b")
_OF_SENDER = frozenset({b"7", b"8"})
_NO_LOGIN = frozenset({530, 534, 535, 538})
# What anymail's backends call a recipient that they did not take.
_REFUSED = frozenset({"invalid", "rejected"})
# What they raise before they ask the provider.
_NOT_ASKED = frozenset(
    {"AnymailInvalidAddress", "AnymailSerializationError", "AnymailUnsupportedFeature"}
)
# AWS answers these under HTTP 400.
_TOO_MANY = frozenset({"LimitExceededException", "Throttling", "ThrottlingException"})


class EmailSender(Sender):
    """Plain-text mail from `from_email`, by default the site's DEFAULT_FROM_EMAIL.

    `templates` maps the template ids that a start may name to Django templates; each gets
    `twilio_code`, `twilio_message` and the caller's substitutions. A mail server's acceptance is
    no delivery: whether the mail bounces later is not known here.
    """

    channels = frozenset({"email"})
    causes = by_code(
        credentials="530 534 535 538",
        invalid_number="550 551 553 556 invalid",
        unreachable="450 552 bounced",
        opted_out="unsubscribed rejected",
        spam="554",
        rate_limited="LimitExceededException Throttling ThrottlingException",
        provider_down="421 451 452 454 failed",
    )
    error_list = "https://www.rfc-editor.org/rfc/rfc5321#section-4.2.3"

    def __init__(
        self,
        alias: str,
        *,
        from_email: str | None = None,
        templates: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(alias)
        self.from_email = from_email
        self.templates = dict(templates or {})

    def send(self, message: Message) -> Receipt:
        """Send to the one recipient; Django refuses line breaks in headers."""
        mail = EmailMessage(
            subject=message.subject,
            body=self._body(message),
            from_email=message.from_email or self.from_email,
            to=[message.to],
            headers={
                "Auto-Submitted": "auto-generated",
                # Gmail folds a mail under an earlier one of its subject, unless this differs.
                "X-Entity-Ref-ID": message.attempt_sid,
            },
        )
        if message.from_email or message.from_name:
            mail.from_email = _sender(message.from_name, mail.from_email)
        accepted, failure = None, None
        try:
            accepted = mail.send()
        except Exception as error:  # noqa: BLE001 - a backend may raise anything, with the mail in it
            failure = _failure(error)
        failure = failure or _refused(mail) or _nothing(accepted)
        if failure is not None:
            # Raised out here, for the backend's error holds the mail.
            raise failure
        return Receipt(_message_id(mail))

    def cause_of(self, code: str, text: str = "") -> Cause | None:
        """Return what a reply means: one that is not of the recipient is of a policy."""
        if text.startswith("the mail server refused the mail") and code in _MAILBOX_CODES:
            return Cause.SPAM
        return super().cause_of(code, text)

    def _body(self, message: Message) -> str:
        if not message.template_id:
            return message.body
        name = self.templates.get(message.template_id)
        if name is None:
            raise TemporarySendError("the template is not configured", fault=REQUEST)
        ours = {"twilio_code": message.code, "twilio_message": message.body}
        values = {**message.substitutions, **ours}
        plain = {key: mark_safe(value) for key, value in values.items()}  # noqa: S308 - no HTML
        failure = ""
        try:
            return render_to_string(name, plain)
        except (TemplateDoesNotExist, TemplateSyntaxError) as error:
            failure = type(error).__name__
        raise TemporarySendError(f"the template fails: {failure}", fault=REQUEST)


def _sender(name: str, address: str) -> str:
    """Return a From header; a domain in Unicode is written as mail servers know it."""
    given, bare = parseaddr(address)
    local, _, domain = bare.rpartition("@")
    return formataddr((name or given, f"{local}@{domain.encode('idna').decode()}"))


def _failure(error: Exception) -> SendError:
    """Return what a backend's error means; what nobody knows may have been sent."""
    # By name, because anymail need not be there, and its errors are errors of `requests`, too.
    names = {kind.__name__ for kind in type(error).__mro__}
    if "AnymailRecipientsRefused" in names:
        return SendError("the mail provider refused the recipient")
    if (status := _status(error)) is not None:
        return _by_status(error, status)
    if isinstance(error, smtplib.SMTPException):
        return _by_reply(error)
    text = f"the mail backend failed: {type(error).__name__}"
    if isinstance(error, ImproperlyConfigured):
        return TemporarySendError(text, fault=ACCOUNT)
    # A line break in a header, in the words of Django 5.2 or of Python. Nothing was sent.
    if (isinstance(error, ValueError) and "Header values" in str(error)) or names & _NOT_ASKED:
        return TemporarySendError(text, fault=REQUEST)
    if isinstance(error, OSError) and "AnymailError" not in names:
        return TemporarySendError(text.replace("backend", "server"))
    return TemporarySendError(text, uncertain=True)


def _status(error: BaseException) -> int | None:
    """Return the HTTP status that an API answered, as anymail, requests and botocore keep it."""
    for one in _causes(error):
        response = getattr(one, "response", None)
        places = [getattr(one, "status_code", None), getattr(response, "status_code", None)]
        if isinstance(response, dict):
            text = rest.pick(response, "ResponseMetadata", "HTTPStatusCode")
            places.append(int(text) if text.isdecimal() else None)
        found = next((place for place in places if isinstance(place, int)), None)
        if found is not None:
            return found
    return None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _by_status(error: Exception, status: int) -> TemporarySendError:
    """Return the error of an API; no status of it is known to be the recipient's."""
    responses = [getattr(one, "response", None) for one in _causes(error)]
    codes = [rest.code_of(rest.pick(one, "Error", "Code")) for one in responses]
    code = next(filter(None, codes), "")
    headers: Mapping[str, str] = next(
        filter(None, (getattr(one, "headers", {}) for one in responses)), {}
    )
    # Of a success that anymail could not read, the mail has left.
    unread = 200 <= status < 300
    fault = "" if unread or code in _TOO_MANY else rest.fault_of(status)
    return TemporarySendError(
        rest.REFUSALS[fault],
        code=code or str(status),
        uncertain=unread or (status >= 500 and status != rest.UNAVAILABLE),
        retry_after=read_retry_after(headers.get("retry-after"), rest.LONGEST_PAUSE),
        fault=fault,
    )


def _by_reply(error: smtplib.SMTPException) -> SendError:
    """Return the error of an SMTP server; 4xx asks to come back."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        replies = error.recipients.values()
        code, text = next(iter(replies), (0, b""))
    elif isinstance(error, smtplib.SMTPResponseException):
        code, text = error.smtp_code, _bytes(error.smtp_error)
    else:
        return TemporarySendError(f"the mail server failed: {type(error).__name__}")
    if isinstance(error, smtplib.SMTPAuthenticationError) or code in _NO_LOGIN:
        refused = "the mail server refused the credentials"
        return TemporarySendError(refused, code=str(code), fault=ACCOUNT)
    if code < 500:
        return TemporarySendError("the mail server did not take it for now", code=str(code))
    if _is_of_recipient(error, code, _bytes(text)):
        return SendError("the mail server refused the recipient", code=str(code))
    return TemporarySendError("the mail server refused the mail", code=str(code), fault=REQUEST)


def _bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode(errors="replace")


def _is_of_recipient(error: smtplib.SMTPException, code: int, text: bytes) -> bool:
    if isinstance(error, smtplib.SMTPSenderRefused):
        return False
    if found := _ENHANCED.match(text):
        subject, detail = found.groups()
        return subject == b"2" or (subject == b"1" and detail not in _OF_SENDER)
    return isinstance(error, smtplib.SMTPRecipientsRefused) and code in _NO_MAILBOX


def _refused(mail: EmailMessage) -> SendError | None:
    """Return what anymail found out where the site has it raise nothing for a refused recipient."""
    found = getattr(getattr(mail, "anymail_status", None), "status", None)
    words = {found} if isinstance(found, str) else set(found or ())
    if words and words <= _REFUSED:
        return SendError("the mail provider refused the recipient", code=min(words))
    if words == {"failed"}:
        return TemporarySendError("the mail provider did not send the mail", code="failed")
    return None


def _nothing(accepted: int | None) -> SendError | None:
    if accepted:
        return None
    # Without a count, a backend of the site's own may have sent all the same.
    text, uncertain = "the mail backend sent nothing", accepted is None
    return TemporarySendError(text, uncertain=uncertain, fault="" if uncertain else REQUEST)


def _message_id(mail: EmailMessage) -> str:
    """Return the provider's id, which anymail has; a set of them where there are several."""
    found = getattr(getattr(mail, "anymail_status", None), "message_id", None)
    return found if isinstance(found, str) else min(map(str, found or ()), default="")
