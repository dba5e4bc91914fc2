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


def _refusal(text: str, code: int) -> SendError:
    """Return the error of an SMTP reply; 4xx asks to come back."""
    kind = TemporarySendError if code < 500 else SendError
    return kind(text, code=str(code))
