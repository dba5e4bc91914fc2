"""Sends through Django's mail framework, and so through whatever e-mail backend the site has."""

from __future__ import annotations

import smtplib
from collections.abc import Mapping
from email.utils import formataddr, parseaddr

from django.core.mail import EmailMessage
from django.template.loader import render_to_string
from django.utils.safestring import mark_safe

from django_verify.senders.base import Message, Receipt, Sender, SendError, TemporarySendError


class EmailSender(Sender):
    """Plain-text mail from `from_email`, by default the site's DEFAULT_FROM_EMAIL.

    `templates` maps the template ids that a start may name to Django templates; each gets
    `twilio_code`, `twilio_message` and the caller's substitutions.
    """

    channels = frozenset({"email"})

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
            headers={"Auto-Submitted": "auto-generated"},
        )
        if message.from_email or message.from_name:
            mail.from_email = _sender(message.from_name, mail.from_email)
        try:
            accepted = mail.send()
        except smtplib.SMTPRecipientsRefused as error:
            code = next((reply[0] for reply in error.recipients.values()), 0)
            raise _refusal("the mail server refused the recipient", code) from None
        except smtplib.SMTPAuthenticationError as error:
            # Our own credentials: another sender may still reach the recipient.
            text = "the mail server refused the credentials"
            raise TemporarySendError(text, code=str(error.smtp_code)) from None
        except smtplib.SMTPResponseException as error:
            raise _refusal("the mail server refused", error.smtp_code) from None
        except (smtplib.SMTPException, OSError) as error:
            text = f"the mail server failed: {type(error).__name__}"
            raise TemporarySendError(text) from None
        if not accepted:
            raise SendError("the mail backend sent nothing")
        return Receipt()

    def _body(self, message: Message) -> str:
        if not message.template_id:
            return message.body
        name = self.templates.get(message.template_id)
        if name is None:
            raise SendError("the template is not configured")
        ours = {"twilio_code": message.code, "twilio_message": message.body}
        values = {**message.substitutions, **ours}
        plain = {key: mark_safe(value) for key, value in values.items()}  # noqa: S308 - no HTML
        return render_to_string(name, plain)


def _sender(name: str, address: str) -> str:
    """Return a From header; a domain in Unicode is written as mail servers know it."""
    given, bare = parseaddr(address)
    local, _, domain = bare.rpartition("@")
    return formataddr((name or given, f"{local}@{domain.encode('idna').decode()}"))


def _refusal(text: str, code: int) -> SendError:
    """Return the error of an SMTP reply; 4xx asks to come back."""
    kind = TemporarySendError if code < 500 else SendError
    return kind(text, code=str(code))
