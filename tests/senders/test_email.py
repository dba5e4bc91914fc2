"""The email sender: one plain mail through Django, and what the mail server's answers become."""

import smtplib
from types import SimpleNamespace

import pytest
import requests
from django.core.exceptions import ImproperlyConfigured
from django.core.mail import EmailMessage
from django.core.mail.backends import locmem as locmem_mail

from django_verify.senders import (
    ACCOUNT,
    REQUEST,
    Message,
    Receipt,
    SendError,
    TemporarySendError,
)
from django_verify.senders.email import EmailSender
from tests.senders.conftest import told_of

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


def bad_header():
    """The error of the Django that runs, for a line break where a header is."""
    try:
        EmailMessage(subject="a\nb").message()
    except ValueError as error:
        return error
    raise AssertionError


REFUSED = smtplib.SMTPRecipientsRefused
GONE = [
    (REFUSED({MAIL: (550, b"nobody")}), "550"),
    (REFUSED({MAIL: (551, b"not local")}), "551"),
    (REFUSED({MAIL: (550, b"5.1.1 <jane> unknown")}), "550"),
    (REFUSED({MAIL: (552, b"5.2.2 mailbox full")}), "552"),
    (REFUSED({MAIL: (556, b"5.1.10 null MX")}), "556"),
    (smtplib.SMTPDataError(550, b"5.1.1 no such user"), "550"),
]
OURS = [
    (smtplib.SMTPDataError(554, b"spam"), "554", REQUEST),
    (smtplib.SMTPDataError(550, b"5.7.26 unauthenticated"), "550", REQUEST),
    (smtplib.SMTPResponseException(500, b"what"), "500", REQUEST),
    (smtplib.SMTPSenderRefused(550, b"5.1.1 not you", "x@y"), "550", REQUEST),
    (smtplib.SMTPSenderRefused(530, b"5.7.0 log in first", "x@y"), "530", ACCOUNT),
    (REFUSED({MAIL: (550, b"5.7.1 relaying denied")}), "550", REQUEST),
    (REFUSED({MAIL: (554, b"relay access denied")}), "554", REQUEST),
    (REFUSED({MAIL: (553, b"5.1.8 bad sender's address")}), "553", REQUEST),
    (REFUSED({MAIL: (530, b"authentication required")}), "530", ACCOUNT),
    (smtplib.SMTPAuthenticationError(535, b"wrong"), "535", ACCOUNT),
    (ImproperlyConfigured("no key"), "", ACCOUNT),
    (bad_header(), "", REQUEST),
]
LATER = [
    (smtplib.SMTPDataError(451, b"later"), "451"),
    (smtplib.SMTPResponseException(499, b"what"), "499"),
    (smtplib.SMTPConnectError(421, b"busy"), "421"),
    (REFUSED({MAIL: (450, b"4.2.1 greylisted")}), "450"),
    (smtplib.SMTPServerDisconnected("gone"), ""),
    (smtplib.SMTPNotSupportedError("SMTPUTF8"), ""),
    (ConnectionRefusedError(111, "refused"), ""),
    (TimeoutError("slow"), ""),
    (OSError("network"), ""),
]


def failed(server, outcome):
    """The error that a backend's becomes; it shows nothing of the mail."""
    server(outcome)
    with pytest.raises(SendError) as caught:
        EmailSender("mail").send(message())
    for received in told_of(caught.value):
        assert MAIL not in received
    return caught.value


@pytest.mark.parametrize(("outcome", "code"), GONE, ids=repr)
def test_a_recipient_without_a_mailbox_is_refused_for_good(outcome, code, server):
    error = failed(server, outcome)
    assert (type(error), error.code) == (SendError, code)


@pytest.mark.parametrize(("outcome", "code", "fault"), OURS, ids=repr)
def test_a_mistake_of_ours_leaves_the_mail_to_another_sender(outcome, code, fault, server):
    error = failed(server, outcome)
    assert type(error) is TemporarySendError
    assert (error.code, error.fault, error.uncertain) == (code, fault, False)


@pytest.mark.parametrize(("outcome", "code"), LATER, ids=repr)
def test_a_server_that_is_busy_or_away_is_asked_again(outcome, code, server):
    error = failed(server, outcome)
    assert (type(error), error.code, error.fault) == (TemporarySendError, code, "")


@pytest.mark.parametrize(
    "outcome", [KeyError(MAIL), RuntimeError(MAIL), ValueError(MAIL)], ids=repr
)
def test_what_nobody_knows_is_temporary_and_may_have_been_sent(outcome, server):
    error = failed(server, outcome)
    assert (type(error), error.fault, error.uncertain) == (TemporarySendError, "", True)


class AnymailError(Exception):
    """The errors of django-anymail, by their names and attributes."""

    def __init__(self, status=None, response=None, cause=None):
        super().__init__(f"to {MAIL}")
        self.status_code, self.response, self.__cause__ = status, response, cause


class AnymailRecipientsRefused(AnymailError):
    pass


class AnymailAPIError(AnymailError):
    pass


class AnymailRequestsAPIError(AnymailAPIError, requests.HTTPError):
    pass


class AnymailUnsupportedFeature(AnymailError):
    pass


class ClientError(Exception):
    """botocore's, as Amazon SES raises it."""

    def __init__(self, status, code):
        super().__init__(MAIL)
        metadata = {"HTTPStatusCode": status, "HTTPHeaders": {}}
        self.response = {"Error": {"Code": code, "Message": MAIL}, "ResponseMetadata": metadata}


def answered(status, **headers):
    response = requests.Response()
    response.status_code = status
    response.headers.update(headers)
    return AnymailRequestsAPIError(status, response)


def test_a_recipient_that_anymail_refuses_is_refused_for_good(server):
    assert type(failed(server, AnymailRecipientsRefused())) is SendError


STATUSES = {
    **dict.fromkeys((400, 413, 422), REQUEST),
    **dict.fromkeys((401, 402, 403, 404), ACCOUNT),
    **dict.fromkeys((408, 429, 500, 502, 503), ""),
}


@pytest.mark.parametrize(("status", "fault"), STATUSES.items())
@pytest.mark.parametrize("kind", ["requests", "botocore", "anymail over botocore"])
def test_an_api_that_refuses_is_read_by_its_status(kind, status, fault, server):
    aws = ClientError(status, "MessageRejected")
    ses = AnymailAPIError(None, aws.response, aws)
    error = failed(server, {"requests": answered(status), "botocore": aws}.get(kind, ses))
    assert type(error) is TemporarySendError
    assert error.code == (str(status) if kind == "requests" else "MessageRejected")
    assert (error.fault, error.uncertain) == (fault, status in {500, 502})


def test_an_api_states_when_to_come_again(server):
    error = failed(server, answered(429, **{"Retry-After": "7"}))
    assert (error.retry_after, error.fault) == (7, "")
    throttled = ClientError(400, "Throttling")
    assert failed(server, throttled).fault == ""


@pytest.mark.parametrize(
    ("outcome", "fault", "uncertain"),
    [
        (AnymailAPIError(cause=requests.ReadTimeout()), "", True),
        (AnymailAPIError(), "", True),
        (answered(200), "", True),
        (AnymailUnsupportedFeature(), REQUEST, False),
    ],
    ids=repr,
)
def test_an_api_without_a_status(outcome, fault, uncertain, server):
    error = failed(server, outcome)
    assert type(error) is TemporarySendError
    assert (error.fault, error.uncertain) == (fault, uncertain)


def test_the_real_errors_of_anymail(server):
    errors = pytest.importorskip("anymail.exceptions")
    assert type(failed(server, errors.AnymailRecipientsRefused())) is SendError
    response = answered(422).response
    error = failed(server, errors.AnymailRequestsAPIError("no", response=response, status_code=422))
    assert (error.fault, error.code) == (REQUEST, "422")
    aws = ClientError(403, "AccessDenied")
    ses = errors.AnymailAPIError("no", response=aws.response)
    ses.__cause__ = aws
    assert (failed(server, ses).fault, failed(server, errors.AnymailAPIError("x")).uncertain) == (
        ACCOUNT,
        True,
    )


@pytest.mark.parametrize(
    ("status", "message_id", "found"),
    [
        ({"queued"}, "id-1", Receipt("id-1")),
        ({"sent"}, {"id-2"}, Receipt("id-2")),
        ({"unknown"}, None, Receipt()),
        (None, None, Receipt()),
        ({"rejected"}, None, SendError),
        ({"invalid"}, None, SendError),
        ({"failed"}, None, TemporarySendError),
    ],
)
def test_what_anymail_knows_of_a_mail(status, message_id, found, monkeypatch):
    def send_messages(self, messages):
        messages[0].anymail_status = SimpleNamespace(status=status, message_id=message_id)
        return 1

    monkeypatch.setattr(locmem_mail.EmailBackend, "send_messages", send_messages)
    if isinstance(found, Receipt):
        assert EmailSender("mail").send(message()) == found
        return
    with pytest.raises(SendError) as caught:
        EmailSender("mail").send(message())
    assert type(caught.value) is found


def test_a_new_code_is_not_folded_under_an_old_one(mailoutbox):
    sids = ["VL" + "1" * 32, "VL" + "2" * 32]
    for sid in sids:
        EmailSender("mail").send(message(attempt_sid=sid))
    assert [mail.message()["X-Entity-Ref-ID"] for mail in mailoutbox] == sids


@pytest.mark.parametrize("templates", [{}, {"t": "no/such.txt"}])
def test_a_template_that_is_not_there_leaves_the_mail_to_another_sender(templates, mailoutbox):
    sender = EmailSender("mail", templates=templates)
    with pytest.raises(TemporarySendError) as caught:
        sender.send(message(template_id="t"))
    assert (caught.value.fault, mailoutbox) == (REQUEST, [])


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
