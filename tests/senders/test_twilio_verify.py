"""Twilio Verify carries our code: what it is asked, its refusals, and the report of the outcome."""

import datetime as dt
import json

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from django_verify import delivery, senders, verifications
from django_verify.delivery import outcomes
from django_verify.models import Verification, VerificationAttempt
from django_verify.senders import ACCOUNT, REQUEST, UNSUITED, Receipt, SendError, TemporarySendError
from django_verify.senders.twilio_verify import TwilioVerifySender
from tests.conftest import OTHER_PHONE, PHONE, code_in, make_account, make_service
from tests.operations import VERIFICATION_PARAMETERS
from tests.senders.fakes import CODE, TwilioVerify, basic, fake, reset  # noqa: F401 - a fixture
from tests.senders.test_senders_over_http import message

BACKEND = "django_verify.senders.twilio_verify.TwilioVerifySender"
MEMORY = {"BACKEND": "django_verify.senders.locmem.LocmemSender"}


def carrier(url="https://verify.twilio.com", **options):
    return TwilioVerifySender("it", **TwilioVerify.options | {"base_url": url} | options)


def asked(sent, **options):
    request = carrier(**options).request(sent)
    return dict(request.form)


def test_a_text(fake):  # noqa: F811
    server = fake(TwilioVerify)
    assert carrier(server.url).send(message()) == Receipt(TwilioVerify.sid)
    (request,) = server.asked
    assert request.path == f"/v2/Services/{TwilioVerify.service}/Verifications"
    assert request.form == {"To": PHONE, "Channel": "sms", "CustomCode": CODE, "Locale": "en"}


def test_an_api_key_signs_in_as_well():
    key = {"account_sid": "", "auth_token": "", "api_key": "SK1", "api_secret": "s"}
    assert carrier(**key).request(message()).auth == ("SK1", "s")


TEMPLATE = {"template_sid": "HJ1", "substitutions": {"shop": "Ä"}}


@pytest.mark.parametrize(
    ("sent", "options", "form"),
    [
        (message(locale="pt-BR"), {}, {"Locale": "pt-BR"}),
        (message(), {"friendly_name": "Acme"}, {"CustomFriendlyName": "Acme"}),
        (
            message(),
            TEMPLATE,
            {"TemplateSid": "HJ1", "TemplateCustomSubstitutions": '{"shop": "\\u00c4"}'},
        ),
        (message(body="<#> Code\n904716\nFA+9qCX9VSu"), {}, {"AppHash": "FA+9qCX9VSu"}),
        (message(amount="€5", payee="Shop"), {}, {"Amount": "€5", "Payee": "Shop"}),
        (message("call", send_digits="ww1"), {}, {"SendDigits": "ww1"}),
        (message("call", prompt="Press a key"), {"waits_for_key": True}, {}),
        (message("whatsapp"), TEMPLATE, {"Locale": "en"}),
    ],
    ids=["locale", "name", "template", "app", "payment", "digits", "key", "whatsapp"],
)
def test_what_is_asked_besides(sent, options, form):
    usual = {"To": PHONE, "Channel": sent.channel, "CustomCode": CODE, "Locale": "en"}
    assert asked(sent, **options) == usual | form


def test_an_e_mail_brings_what_its_caller_has_chosen():
    mail = message("email", to="jane@example.com", subject="Your code")
    usual = {"To": "jane@example.com", "Channel": "email", "CustomCode": CODE}
    assert asked(mail, **TEMPLATE) == usual
    chosen = {"from_email": "a@example.com", "from_name": "Acme", "template_id": "d-1"}
    mail = message("email", to="jane@example.com", substitutions={"a": "b"}, **chosen)
    configuration = json.loads(asked(mail)["ChannelConfiguration"])
    assert configuration == {
        "from": "a@example.com",
        "from_name": "Acme",
        "template_id": "d-1",
        "substitutions": {"a": "b"},
    }


def test_every_parameter_is_one_of_the_contract():
    everything = message(
        "call", send_digits="1", amount="€5", payee="Shop", body="<#> Code\n904716\nFA+9qCX9VSu"
    )
    mail = message("email", to="jane@example.com", template_id="d-1")
    names = {"AppHash", *asked(everything, friendly_name="Acme", **TEMPLATE), *asked(mail)}
    assert len(names) == 12
    assert names <= set(VERIFICATION_PARAMETERS.split())


@pytest.mark.parametrize(
    "sent",
    [message(code=""), message(code="ab-cd"), message(code="1" * 11), message("call", prompt="x")],
    ids=["none", "marks", "long", "key"],
)
def test_what_it_cannot_carry_is_left_to_another(sent):
    with pytest.raises(TemporarySendError) as caught:
        carrier().request(sent)
    assert caught.value.fault == UNSUITED


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"service_sid": "MG1"}, "service_sid is VA and 32"),
        ({"api_key": "SK1"}, "needs both"),
        ({"auth_token": ""}, "give account_sid and auth_token"),
        ({"channels": "sms"}, "channels is a list of call, email, sms, whatsapp"),
        ({"channels": []}, "channels is a list of"),
        ({"channels": ["sna"]}, "channels is a list of"),
        ({"substitutions": {"a": "b"}}, "substitutions need a template_sid"),
    ],
    ids=str,
)
def test_options_that_do_not_fit(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        carrier(**options)


@pytest.mark.parametrize(
    ("status", "code", "text", "error", "fault"),
    [
        (400, 60200, f"Invalid parameter `To`: {PHONE}", SendError, None),
        (400, 60200, "Invalid parameter: To", SendError, None),
        (400, 60200, "Invalid parameter: Token", TemporarySendError, REQUEST),
        (400, 60200, "Invalid parameter `CustomCode`", TemporarySendError, REQUEST),
        (403, 60205, "A landline", SendError, None),
        (403, 60410, "Blocked", TemporarySendError, REQUEST),
        (403, 60605, "Blocked", TemporarySendError, REQUEST),
        (403, 60204, "Not enabled", TemporarySendError, ACCOUNT),
        (401, 20003, "Authenticate", TemporarySendError, ACCOUNT),
        (404, 20404, "No service", TemporarySendError, ACCOUNT),
        (429, 60203, "Max send attempts", TemporarySendError, ""),
        (500, 20500, "Oh", TemporarySendError, ""),
    ],
    ids=str,
)
def test_refusals(fake, status, code, text, error, fault):  # noqa: F811
    server = fake(TwilioVerify)
    server.fault = TwilioVerify.error(status, code, text)
    with pytest.raises(SendError) as caught:
        carrier(server.url).send(message())
    assert (type(caught.value), caught.value.code) == (error, str(code))
    assert getattr(caught.value, "fault", None) == fault


def test_an_id_stays_within_its_path(fake):  # noqa: F811
    server = fake(TwilioVerify)
    carrier(server.url).report_outcome("VE1/../x?y", "approved")
    path = f"/v2/Services/{TwilioVerify.service}/Verifications/VE1%2F..%2Fx%3Fy"
    assert server.asked[0].path == path


# What follows is the whole way, from a start to the report.
whole_way = pytest.mark.django_db(transaction=True)


@pytest.fixture
def server(fake, settings):  # noqa: F811
    """A site whose texts go through Twilio Verify, and its fake."""
    server = fake(TwilioVerify)
    away = {"BACKEND": BACKEND, "OPTIONS": TwilioVerify.options | {"base_url": server.url}}
    settings.DJANGO_VERIFY = {"SENDERS": {"away": away, "memory": MEMORY}}
    return server


def reported(server):
    return [request.form["Status"] for request in server.asked if "Status" in request.form]


def carried_code(server):
    return server.asked[0].form["CustomCode"]


def due():
    return VerificationAttempt.objects.get().due_at


@whole_way
@pytest.mark.portable
def test_an_approval_is_reported_once_and_by_the_id_of_all_messages(server, service):
    verifications.start(service, PHONE)
    verifications.start(service, PHONE, "call")
    row = verifications.check(service, carried_code(server), to=PHONE)
    assert row.status == "approved"
    assert reported(server) == ["approved"]
    assert server.asked[-1].path.endswith(f"/Verifications/{TwilioVerify.sid}")
    assert server.asked[-1].authorization == basic(TwilioVerify.account, TwilioVerify.token)
    assert not VerificationAttempt.objects.filter(due_at__isnull=False).exists()
    assert delivery.deliver_due() == 0


@whole_way
@pytest.mark.portable
def test_a_wrong_code_reports_nothing_and_a_cancellation_does(server, service):
    row = verifications.start(service, PHONE)
    verifications.check(
        service, "000000" if carried_code(server) != "000000" else "1" * 6, to=PHONE
    )
    assert reported(server) == []
    with transaction.atomic():
        verifications.cancel(service, row.sid)
        assert reported(server) == []
    assert reported(server) == ["canceled"]


@whole_way
@pytest.mark.portable
def test_what_the_site_approves_is_reported(server, service):
    verifications.approve(service, verifications.start(service, PHONE).sid)
    assert reported(server) == ["approved"]


@whole_way
@pytest.mark.portable
def test_a_message_of_another_sender_reports_nothing(server, service):
    service.senders = {"sms": ["memory"]}
    service.save()
    verifications.approve(service, verifications.start(service, PHONE).sid)
    assert server.asked == []


@whole_way
@pytest.mark.portable
def test_a_report_that_fails_is_made_again_while_the_code_would_live(
    server, service, caplog, clock
):
    row = verifications.start(service, PHONE)
    server.fault = TwilioVerify.error(503, 20503)
    assert verifications.check(service, carried_code(server), to=PHONE).status == "approved"
    assert "'away' took no outcome" in caplog.text
    assert CODE not in caplog.text
    assert due() is not None
    assert delivery.deliver_due() == 0  # too early
    server.fault = None
    clock.shift(25)
    assert delivery.deliver_due() == 1
    assert reported(server) == ["approved", "approved"]
    assert due() is None
    assert Verification.objects.get(sid=row.sid).status == "approved"


@whole_way
@pytest.mark.portable
@pytest.mark.parametrize(
    ("verb", "more"),
    [(verifications.approve, 3), (verifications.cancel, 5)],
    ids=["approve", "cancel"],
)
def test_what_a_report_costs_in_statements(server, service, settings, verb, more):
    def count(number):
        with CaptureQueriesContext(connection) as captured:
            sid = verifications.start(service, number).sid
        starting = len(captured)
        with CaptureQueriesContext(connection) as captured:
            verb(service, sid)
        return starting, len(captured)

    reporting = count(PHONE)
    settings.DJANGO_VERIFY = {"SENDERS": {"memory": MEMORY}}
    others = count(OTHER_PHONE)
    assert (reporting[0] - others[0], reporting[1] - others[1]) == (1, more)


@whole_way
@pytest.mark.portable
def test_of_two_processes_one_reports(server, service, clock):
    verifications.start(service, PHONE)
    server.fault = TwilioVerify.error(503, 20503)
    verifications.check(service, carried_code(server), to=PHONE)
    server.fault = None
    clock.shift(25)
    rows = VerificationAttempt.objects.select_related("verification__service")
    one, other = rows.get(), rows.get()
    assert outcomes.settle(one)
    assert not outcomes.settle(other)
    assert reported(server) == ["approved", "approved"]


@whole_way
@pytest.mark.portable
@pytest.mark.parametrize(
    ("fault", "again"),
    [
        (TwilioVerify.error(404, 20404), False),
        (TwilioVerify.error(401, 20003), False),
        (TwilioVerify.error(400, 60200), False),
        (TwilioVerify.error(429, 20429), True),
        (reset, True),
        ((200, b"<h1>"), False),
    ],
    ids=["gone", "credentials", "refused", "busy", "reset", "unreadable"],
)
def test_what_is_not_reported_again(server, service, fault, again):
    verifications.start(service, PHONE)
    server.fault = fault
    verifications.check(service, carried_code(server), to=PHONE)
    assert (due() is not None) == again


@whole_way
@pytest.mark.portable
def test_a_report_is_given_up_with_the_code(server, service, clock):
    row = verifications.start(service, PHONE)
    clock.move_to(row.expires_at - dt.timedelta(seconds=5))
    server.fault = TwilioVerify.error(503, 20503)
    verifications.check(service, carried_code(server), to=PHONE)
    assert due() is None


@whole_way
@pytest.mark.portable
def test_a_bug_of_a_sender_undoes_no_approval(server, service, monkeypatch, caplog):
    def fail(self, *args):
        raise KeyError(PHONE)

    monkeypatch.setattr(TwilioVerifySender, "report_outcome", fail)
    verifications.start(service, PHONE)
    assert verifications.check(service, carried_code(server), to=PHONE).status == "approved"
    assert "took no outcome: KeyError" in caplog.text
    assert PHONE not in caplog.text
    assert due() is None


woken = []


def wake(sid):
    woken.append(sid)


@whole_way
@pytest.mark.portable
def test_workers_report_where_they_send(server, service, settings, clock):
    settings.DJANGO_VERIFY |= {"DISPATCH": f"{__name__}.wake"}
    woken.clear()
    verifications.start(service, PHONE)
    assert delivery.take(woken.pop())
    verifications.check(service, carried_code(server), to=PHONE)
    assert reported(server) == []
    assert delivery.take(woken.pop())
    assert reported(server) == ["approved"]
    assert due() is None


@whole_way
@pytest.mark.once
def test_our_own_api_takes_what_is_asked_and_reported(settings, live_server, outbox):
    """It answers as the vendor's does, so one site can stand behind another."""
    theirs = make_account()
    behind = make_service(theirs, custom_code_enabled=True, senders={"sms": ["memory"]})
    options = {"service_sid": behind.sid, "account_sid": theirs.sid, "auth_token": theirs.token}
    options |= {"base_url": live_server.url, "channels": ["sms"]}
    away = {"BACKEND": BACKEND, "OPTIONS": options}
    settings.DJANGO_VERIFY = {"SENDERS": {"away": away, "memory": MEMORY}}
    service = make_service(make_account("Ours"), senders={"sms": ["away"]})
    row = verifications.start(service, PHONE)
    verifications.start(service, PHONE)
    attempt = row.attempts.first()
    there = Verification.objects.get(sid=attempt.provider_sid)
    assert (there.service_id, there.sends, there.status) == (behind.sid, 2, "pending")
    assert verifications.check(service, code_in(outbox[-1]), to=PHONE).status == "approved"
    there.refresh_from_db()
    assert there.status == "approved"
    # A new code goes out once the former verification is over there.
    row = verifications.start(service, OTHER_PHONE)
    verifications.cancel(service, row.sid)
    verifications.start(service, OTHER_PHONE)
    assert verifications.check(service, code_in(outbox[-1]), to=OTHER_PHONE).status == "approved"
    statuses = Verification.objects.filter(service=behind).order_by("sid")
    assert [one.status for one in statuses] == ["approved", "canceled", "approved"]


def test_only_what_wants_outcomes_is_asked_about(settings):
    settings.DJANGO_VERIFY = {"SENDERS": {"memory": MEMORY}}
    assert senders.taking_outcomes() == []
