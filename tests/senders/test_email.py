"""The email sender: one plain mail through Django, and what the mail server's answers become."""

import smtplib

import pytest
from django.core.mail.backends import locmem as locmem_mail

from django_verify.senders import Message, SendError, TemporarySendError
from django_verify.senders.email import EmailSender

MAIL = "jane.doe@example.com"


def message(**values):
    defaults = {
        "channel": "email",
        "to": MAIL,
        "body": "Your code is: 904716\n",
        "attempt_sid": "VL" + "0" * 32,
        "locale": "en",
        "subject": "Your Acme verification code",
    }
    return Message(**defaults | values)


@pytest.fixture
def server(monkeypatch):
    """Make the mail backend raise, or answer, what is given."""

    def answer(outcome):
        def send_messages(self, messages):
            if isinstance(outcome, Exception):
                raise outcome
            return outcome

        monkeypatch.setattr(locmem_mail.EmailBackend, "send_messages", send_messages)

    return answer


def test_it_sends_one_plain_mail_to_one_recipient(mailoutbox):
    EmailSender("mail").send(message())
    (mail,) = mailoutbox
    assert (mail.to, mail.cc, mail.bcc) == ([MAIL], [], [])
    assert mail.subject == "Your Acme verification code"
    assert mail.body == "Your code is: 904716\n"
    assert mail.message().get_content_type() == "text/plain"
    assert mail.attachments == []


def test_the_mail_states_that_a_machine_sent_it(mailoutbox):
    EmailSender("mail").send(message())
    assert mailoutbox[0].message()["Auto-Submitted"] == "auto-generated"


def test_the_sites_recipient_is_the_default(mailoutbox, settings):
    settings.DEFAULT_FROM_EMAIL = "site@example.org"
    EmailSender("mail").send(message())
    assert mailoutbox[0].from_email == "site@example.org"


def test_the_from_recipient_is_an_option(mailoutbox):
    EmailSender("mail", from_email="Acme <verify@example.org>").send(message())
    assert mailoutbox[0].from_email == "Acme <verify@example.org>"


def test_text_in_any_language_arrives(mailoutbox):
    EmailSender("mail").send(message(subject="رمز التحقق", body="الرمز: 904716\n"))
    mail = mailoutbox[0].message()
    assert mail.get_payload(decode=True).decode() == "الرمز: 904716\n"


@pytest.mark.parametrize("to", ["jane@münchen.de", "jane@xn--mnchen-3ya.de"])
def test_an_international_domain_is_sent_in_ascii(to, mailoutbox):
    EmailSender("mail").send(message(to=to))
    assert mailoutbox[0].message()["To"] == "jane@xn--mnchen-3ya.de"


@pytest.mark.parametrize(
    "ending", ["\nBcc: evil@example.org", "\r\nBcc: evil@example.org", "\rBcc: evil@example.org"]
)
@pytest.mark.parametrize("field", ["subject", "to", "from_email"])
def test_no_header_can_be_injected(field, ending, mailoutbox):
    sender = EmailSender("mail", from_email="verify@example.org")
    given = message()
    if field == "from_email":
        sender.from_email += ending
    else:
        given = message(**{field: getattr(given, field) + ending})
    with pytest.raises((SendError, ValueError)):
        sender.send(given)
    assert mailoutbox == []


@pytest.mark.parametrize(
    ("outcome", "error", "code"),
    [
        (smtplib.SMTPDataError(554, b"spam"), SendError, "554"),
        (smtplib.SMTPDataError(451, b"later"), TemporarySendError, "451"),
        (smtplib.SMTPResponseException(500, b"what"), SendError, "500"),
        (smtplib.SMTPResponseException(499, b"what"), TemporarySendError, "499"),
        (smtplib.SMTPSenderRefused(550, b"not you", "x@y"), SendError, "550"),
        (smtplib.SMTPAuthenticationError(535, b"wrong"), TemporarySendError, "535"),
        (smtplib.SMTPAuthenticationError(454, b"later"), TemporarySendError, "454"),
        (smtplib.SMTPConnectError(421, b"busy"), TemporarySendError, "421"),
        (smtplib.SMTPRecipientsRefused({MAIL: (550, b"nobody")}), SendError, "550"),
        (smtplib.SMTPServerDisconnected("gone"), TemporarySendError, ""),
        (smtplib.SMTPNotSupportedError("SMTPUTF8"), TemporarySendError, ""),
        (ConnectionRefusedError(111, "refused"), TemporarySendError, ""),
        (TimeoutError("slow"), TemporarySendError, ""),
        (OSError("network"), TemporarySendError, ""),
    ],
    ids=lambda value: repr(value) if isinstance(value, Exception) else None,
)
def test_the_servers_answer_becomes_an_error(outcome, error, code, server):
    server(outcome)
    with pytest.raises(SendError) as caught:
        EmailSender("mail").send(message())
    assert type(caught.value) is error
    assert caught.value.code == code


def test_a_recipient_refused_for_now_may_be_tried_again(server):
    server(smtplib.SMTPRecipientsRefused({MAIL: (450, b"greylisted, try again")}))
    with pytest.raises(TemporarySendError):
        EmailSender("mail").send(message())


@pytest.mark.parametrize("outcome", [0, None])
def test_a_backend_that_sent_nothing_is_an_error(outcome, server):
    server(outcome)
    with pytest.raises(SendError, match="sent nothing"):
        EmailSender("mail").send(message())


def test_it_reaches_people():
    assert EmailSender("mail").development is False
    assert EmailSender("mail").channels == {"email"}
