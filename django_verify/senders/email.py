"""Sends through Django's mail framework, and so through whatever e-mail backend the site has."""

from __future__ import annotations

import smtplib

from django.core.mail import EmailMessage

from django_verify.senders.base import Message, Receipt, Sender, SendError, TemporarySendError


class EmailSender(Sender):
    """Plain-text mail from `from_email`, by default the site's DEFAULT_FROM_EMAIL."""

    channels = frozenset({"email"})

    def __init__(self, alias: str, *, from_email: str | None = None) -> None:
        super().__init__(alias)
        self.from_email = from_email

    def send(self, message: Message) -> Receipt:
        """Send to the one recipient; Django refuses line breaks in headers."""
        mail = EmailMessage(
            subject=message.subject,
            body=message.body,
            from_email=self.from_email,
            to=[message.to],
            headers={"Auto-Submitted": "auto-generated"},
        )
        try:
            accepted = mail.send()
        except smtplib.SMTPRecipientsRefused:
            raise SendError("the mail server refused the recipient") from None
        except smtplib.SMTPResponseException as error:
            kind = SendError if error.smtp_code >= 500 else TemporarySendError
            raise kind("the mail server refused", code=str(error.smtp_code)) from None
        except (smtplib.SMTPException, OSError) as error:
            text = f"the mail server failed: {type(error).__name__}"
            raise TemporarySendError(text) from None
        if not accepted:
            raise SendError("the mail backend sent nothing")
        return Receipt()
