"""The life of a verification as CloudEvents: each change received once, and never at its cost."""

import datetime as dt
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import OperationalError, connection, transaction

from django_verify import delivery, verifications
from django_verify.crypto import codes
from django_verify.db import config_cache
from django_verify.db import statements as compiled
from django_verify.events import cloudevents
from django_verify.events import outbox as event_outbox
from django_verify.exceptions import MaxChecksReached, NotFound
from django_verify.models import EventSink, Verification, VerificationAttempt, WebhookDelivery
from django_verify.senders import Sender, SendError
from django_verify.senders.locmem import LocmemSender
from tests.api.test_statement_counts import (
    AROUND,
    CHARGE,
    NEW,
    statements,  # noqa: F401 - a fixture
)
from tests.conftest import PHONE, code_in, make_account, make_service, wrong

pytestmark = pytest.mark.django_db(transaction=True)

FAMILY = "com.twilio.accountsecurity.verify."


class BrokenSender(Sender):
    """Refuses every message."""

    channels = frozenset({"sms"})

    def send(self, message):
        raise SendError("the number is not in service", code="21614")


@pytest.fixture
def service(account):
    return make_service(account, verify_event_subscription_enabled=True)


@pytest.fixture
def sink(service):
    return make_sink(service.account)


def make_sink(account, service=None, **values):
    values = {"friendly_name": "Sink", "url": "https://sink.example.com/", **values}
    return EventSink.objects.create(account=account, service=service, **values)


def received(sink):
    """The types of a sink's events, sorted."""
    types = sink.deliveries.values_list("event_type", flat=True)
    return sorted(name.removeprefix(FAMILY) for name in types)


def the_event(sink, kind):
    return sink.deliveries.get(event_type=FAMILY + kind).payload


STARTED = ["message.sent", "verification.pending"]


def test_an_approval(service, sink, clock, outbox):
    row = verifications.start(
        service, PHONE, tags={"order": "7"}, custom_friendly_name="Shop", locale="de"
    )
    clock.shift(30)
    code = code_in(outbox[0])
    assert verifications.check(service, wrong(code), to=PHONE).status == "pending"
    clock.shift(30)
    verifications.check(service, code, to=PHONE)
    assert received(sink) == sorted([*STARTED, "verification.approved"])
    attempt = VerificationAttempt.objects.get()
    event = the_event(sink, "verification.approved")
    data = event.pop("data")
    delivery_row = sink.deliveries.get(event_type=FAMILY + "verification.approved")
    assert event == {
        "specversion": "1.0",
        "type": "com.twilio.accountsecurity.verify.verification.approved",
        "source": f"/v1/Accounts/{row.account_id}/Services/{service.sid}/Verifications/{row.sid}",
        "id": str(delivery_row.event_id),
        "dataschema": "https://events-schemas.twilio.com/AccountSecurity.VerifyEventStreamEvent/3",
        "datacontenttype": "application/json",
        "time": "2026-03-01T12:01:00.250Z",
    }
    assert data == {
        "account_sid": row.account_id,
        "service_sid": service.sid,
        "verification_sid": row.sid,
        "friendly_name": "Acme",
        "custom_friendly_name": "Shop",
        "custom_code_enabled": False,
        "created_at": "2026-03-01T12:00:00.250Z",
        "expired_at": "2026-03-01T12:10:00.250Z",
        "verified_at": "2026-03-01T12:01:00.250Z",
        "to": PHONE,
        "verification_status": "APPROVED",
        "country": "US",
        "code_length": 6,
        "send_code_attempts": {
            "count": 1,
            "attempts": [
                {
                    "time": "2026-03-01T12:00:00.250Z",
                    "channel": "SMS",
                    "attempt_sid": attempt.sid,
                    "locale": "de",
                    "tags": {"order": "7"},
                }
            ],
        },
        "check_attempts": {
            "count": 2,
            "attempts": [{"time": "2026-03-01T12:01:00.250Z", "status": "SUCCESS"}],
        },
    }
    pending = the_event(sink, "verification.pending")["data"]
    assert pending["verification_status"] == "PENDING"
    assert pending["check_attempts"] == {"count": 0, "attempts": []}
    assert "verified_at" not in pending
    message = the_event(sink, "message.sent")
    assert message["dataschema"].endswith("AccountSecurity.MessageStatusEvent/2")
    assert message["data"] == {
        "account_sid": row.account_id,
        "service_sid": service.sid,
        "verification_sid": row.sid,
        "attempt_sid": attempt.sid,
        "channel": "SMS",
        "to": PHONE,
        "message_status": "SENT",
        "error_code": "",
        "mcc": "",
        "mnc": "",
        "number_segments": None,
        "has_fallback": False,
        "is_fallback": False,
        "created_at": "2026-03-01T12:00:00.250Z",
        "tags": {"order": "7"},
    }


def test_an_event_has_the_same_id_each_time_it_is_made(service, sink):
    row = verifications.start(service, PHONE)
    namespace = uuid.UUID("5d6b5f0e-6b1c-4d0e-9f57-9c1b6a3f0c52")
    event = sink.deliveries.get(event_type=FAMILY + "verification.pending")
    assert event.event_id == uuid.uuid5(namespace, f"{row.sid} pending")
    assert event.payload["id"] == str(event.event_id)


def test_an_approval_and_a_cancellation_by_the_site(service, sink):
    verifications.approve(service, verifications.start(service, PHONE).sid)
    assert received(sink) == sorted([*STARTED, "verification.approved"])
    data = the_event(sink, "verification.approved")["data"]
    assert data["check_attempts"] == {"count": 0, "attempts": []}
    sink.deliveries.all().delete()
    row = verifications.start(service, PHONE)
    verifications.cancel(service, row.sid)
    with pytest.raises(NotFound):
        verifications.cancel(service, row.sid)
    assert received(sink) == sorted([*STARTED, "verification.canceled"])


def test_a_resend_is_no_new_verification(service, sink, clock):
    verifications.start(service, PHONE)
    clock.shift(1)
    verifications.start(service, PHONE)
    assert received(sink) == sorted([*STARTED, "message.sent"])


def use_up(service, code):
    for number in range(1, 6):
        verifications.check(service, wrong(code, number), to=PHONE)
    with pytest.raises(MaxChecksReached):
        verifications.check(service, code, to=PHONE)


def test_the_end_of_the_guesses_is_reported_once_and_after_a_moment(service, sink, clock, outbox):
    verifications.start(service, PHONE)
    use_up(service, code_in(outbox[0]))
    assert received(sink) == sorted([*STARTED, "verification.max-attempts-reached"])
    event = the_event(sink, "verification.max-attempts-reached")
    assert event["data"]["verification_status"] == "MAX_ATTEMPTS_REACHED"
    assert event["data"]["check_attempts"]["count"] == 5
    assert event["data"]["check_attempts"]["attempts"][0]["status"] == "FAILURE"
    due = {row.event_type: row.due_at - row.date_created for row in sink.deliveries.all()}
    assert due.pop(event["type"]) == cloudevents.HOLD
    assert set(due.values()) == {dt.timedelta(0)}


def test_a_last_guess_that_is_right_is_an_approval_alone(service, sink, outbox):
    verifications.start(service, PHONE)
    code = code_in(outbox[0])
    for number in range(1, 5):
        verifications.check(service, wrong(code, number), to=PHONE)
    assert verifications.check(service, code, to=PHONE).status == "approved"
    assert received(sink) == sorted([*STARTED, "verification.approved"])


def test_an_expiry_is_reported_once(service, sink, clock):
    quiet = make_service(service.account)
    verifications.start(quiet, "+15017122661")
    verifications.start(service, PHONE)
    clock.shift(601)
    assert verifications.expire() == 2
    assert verifications.expire() == 0
    assert received(sink) == sorted([*STARTED, "verification.expired"])
    assert the_event(sink, "verification.expired")["data"]["to"] == PHONE


def test_a_message_that_failed(service, sink, settings):
    settings.DJANGO_VERIFY = {"SENDERS": {"x": {"BACKEND": f"{__name__}.BrokenSender"}}}
    verifications.start(service, PHONE)
    assert received(sink) == sorted(["verification.pending", "message.failed"])
    data = the_event(sink, "message.failed")["data"]
    assert (data["message_status"], data["error_code"]) == ("FAILED", "21614")


def test_a_custom_code_has_no_length_to_tell(account, clock, outbox):
    service = make_service(
        account, verify_event_subscription_enabled=True, custom_code_enabled=True
    )
    sink = make_sink(account)
    verifications.start(service, PHONE, custom_code="Ab12Cd")
    verifications.check(service, "Ab12Cd", to=PHONE)
    for kind in ("pending", "approved"):
        data = the_event(sink, f"verification.{kind}")["data"]
        assert (data["code_length"], data["custom_code_enabled"]) == (None, True)
    assert "Ab12Cd" not in str(list(WebhookDelivery.objects.values()))


def test_no_event_holds_the_code(service, sink, outbox):
    row = verifications.start(service, PHONE)
    verifications.check(service, code_in(outbox[0]), to=PHONE)
    texts = str(list(sink.deliveries.values_list("payload", flat=True)))
    assert codes.reveal(row) not in texts


def test_who_is_reported(service):
    account = service.account
    mine, every = make_sink(account, service), make_sink(account)
    others = [
        make_sink(account, make_service(account)),
        make_sink(account, status="disabled"),
        make_sink(make_account("Other")),
    ]
    verifications.start(service, PHONE)
    assert received(mine) == received(every) == STARTED
    assert [received(sink) for sink in others] == [[]] * 3
    ids = [set(sink.deliveries.values_list("event_id", flat=True)) for sink in (mine, every)]
    assert ids[0] == ids[1]


def test_a_rollback_reports_nothing(service, sink):
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        verifications.start(service, PHONE)
        assert received(sink) == sorted(["verification.pending"])
        1 / 0  # noqa: B018
    assert received(sink) == []


def test_a_subscription_counts_from_the_start_on(account, outbox):
    service, sink = make_service(account), make_sink(account)
    row = verifications.start(service, PHONE)
    service.verify_event_subscription_enabled = True
    service.save()
    verifications.check(service, code_in(outbox[0]), verification_sid=row.sid)
    assert received(sink) == []


@pytest.fixture
def lost_table():
    """There is nowhere to write an event to."""
    compiled.forget()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WebhookDelivery._meta, "db_table", "no_such_table")
        yield
    compiled.forget()


def test_an_event_that_cannot_be_written_takes_nothing_back(
    service, sink, outbox, lost_table, caplog
):
    row = verifications.start(service, PHONE)
    code = code_in(outbox[0])
    for number in range(1, 6):
        verifications.check(service, wrong(code, number), to=PHONE)
    row.refresh_from_db()
    assert (row.checks, row.status) == (5, "max_attempts_reached")
    assert VerificationAttempt.objects.get().message_status == "sent"
    row = verifications.start(service, "+15017122661")
    verifications.check(service, code_in(outbox[1]), verification_sid=row.sid)
    row.refresh_from_db()
    assert row.status == "approved"
    assert "an event was not recorded: OperationalError" in caplog.text or (
        "an event was not recorded: ProgrammingError" in caplog.text
    )
    assert "no_such_table" not in caplog.text


@pytest.mark.postgres
@pytest.mark.skipif(
    connection.vendor != "postgresql", reason="its own limit, and its own statement"
)
@pytest.mark.parametrize("verb", ["start", "approve"])
def test_a_change_that_had_to_wait_keeps_its_event(service, sink, caplog, verb):
    """Another one holds its row: it is not the event that cannot be written."""
    if verb == "approve":
        verifications.start(service, PHONE)
    before, change = received(sink), getattr(verifications, verb)
    held, may_end = threading.Event(), threading.Event()

    def hold():
        try:
            with transaction.atomic():
                change(service, PHONE)
                held.set()
                may_end.wait(60)
                transaction.set_rollback(True)
        finally:
            connection.close()

    def let_go(execute, *call):
        try:
            return execute(*call)
        except OperationalError:
            may_end.set()
            holder.result()
            raise

    with ThreadPoolExecutor(1) as pool:
        holder = pool.submit(hold)
        held.wait(60)
        try:
            with connection.cursor() as cursor:
                cursor.execute("SET lock_timeout = '200ms'")
            with connection.execute_wrapper(let_go):
                change(service, PHONE)
        finally:
            may_end.set()
            connection.close()
    added = STARTED if verb == "start" else ["verification.approved"]
    assert received(sink) == sorted(before + added)
    assert not caplog.records


def test_a_sink_that_goes_while_a_message_is_sent_holds_nothing_up(service, sink, monkeypatch):
    send = LocmemSender.send

    def slowly(self, message):
        EventSink.objects.all().delete()
        return send(self, message)

    monkeypatch.setattr(LocmemSender, "send", slowly)
    row = verifications.start(service, PHONE)
    assert row.attempts.get().message_status == "sent"
    # The start has read the sinks; what has lost its own is dropped.
    event_outbox.deliver_due()
    assert not WebhookDelivery.objects.exists()


@pytest.fixture
def asked(api, service, outbox):
    """`asked("start")` and `asked("check")` ask over the API, which goes by copies in memory."""
    path = f"Services/{service.sid}"

    def ask(what):
        if what == "start":
            answer = api.post(f"{path}/Verifications", {"To": PHONE, "Channel": "sms"})
        else:
            code = {"To": PHONE, "Code": code_in(outbox[-1])}
            answer = api.post(f"{path}/VerificationCheck", code)
        assert answer.status in {200, 201}
        return answer

    return ask


SINK_CHANGES = {
    "deleted": lambda sink: sink.delete(),
    "deleted with others": lambda sink: EventSink.objects.all().delete(),
    "disabled": lambda sink: EventSink.objects.update(status="disabled"),
    "of another service": lambda sink: EventSink.objects.update(service=make_service(sink.account)),
}


@pytest.mark.parametrize("change", SINK_CHANGES)
def test_a_changed_sink_counts_at_the_next_request(asked, service, sink, change):
    asked("start")
    asked("check")
    WebhookDelivery.objects.all().delete()
    asked("start")
    SINK_CHANGES[change](sink)
    heard = WebhookDelivery.objects.count()
    asked("check")
    asked("start")
    assert WebhookDelivery.objects.count() == heard


def test_a_new_sink_counts_at_the_next_request(asked, service, sink):
    asked("start")
    new = make_sink(service.account, service)
    asked("check")
    assert received(new) == ["verification.approved"]


def test_a_check_by_a_process_that_has_not_seen_the_service(asked, service, sink):
    asked("start")
    config_cache.forget()
    asked("check")
    assert the_event(sink, "verification.approved")["data"]["friendly_name"] == "Acme"


def shown(sink, kind="verification.approved"):
    data = the_event(sink, kind)["data"]
    return data["custom_friendly_name"], data["send_code_attempts"]


def test_every_message_is_shown_with_what_was_said_of_it(service, sink, clock, outbox):
    """Whether the row's log has it all or not."""
    verifications.start(service, PHONE, locale="de")
    clock.shift(1)
    verifications.start(service, PHONE, "call", locale="fr", tags={"order": "7"})
    clock.shift(1)
    row = verifications.start(service, PHONE, locale="es", custom_friendly_name="Shop")
    verifications.approve(service, row.sid)
    name, sent = shown(sink)
    assert (name, sent["count"]) == ("Shop", 3)
    assert [(a["channel"], a["locale"], a["tags"]) for a in sent["attempts"]] == [
        ("SMS", "de", {}),
        ("CALL", "fr", {"order": "7"}),
        ("SMS", "es", {}),
    ]
    assert [a["attempt_sid"] for a in sent["attempts"]] == [
        a["attempt_sid"] for a in row.send_code_attempts
    ]


def test_the_log_says_what_the_attempts_say(service, sink, clock):
    for channel in ("sms", "call"):
        row = verifications.start(service, PHONE, channel, locale="pt-BR")
        clock.shift(1.2345)
    by_log = cloudevents._attempts(row)
    Verification.objects.filter(pk=row.pk).update(send_log=f"{row.send_log},sms VL{'0' * 32}")
    row.refresh_from_db()
    assert by_log == cloudevents._attempts(row)
    assert len(by_log) == 2


def test_a_change_that_lost_reports_nothing(service, sink):
    row = verifications.start(service, PHONE)
    sink.deliveries.all().delete()
    rows = Verification.objects.filter(sid=row.sid, status="approved")
    assert (
        cloudevents.update(rows, {"status": "canceled"}, cloudevents.of_status(row, "canceled"))
        == 0
    )
    assert received(sink) == []


def test_a_takeover_that_is_obsolete_is_reported_as_failed(service, sink, clock):
    with transaction.atomic():
        verifications.start(service, PHONE)
        transaction.get_connection().run_on_commit.clear()
    clock.shift(601)
    assert delivery.deliver_due() == 1
    assert received(sink) == sorted(["verification.pending", "message.failed"])


def test_fifty_right_guesses_report_one_approval(service, sink, outbox, aligned):
    for _ in range(3):
        row = verifications.start(service, PHONE)
        code = code_in(outbox[-1])

        def guess(sid=row.sid, code=code):
            try:
                return verifications.check(service, code, verification_sid=sid).status
            except (NotFound, MaxChecksReached):
                return None

        answers = aligned([guess] * 20)
        assert answers.count("approved") == 1
        kinds = received(sink)
        assert kinds.count("verification.approved") == 1
        assert "verification.max-attempts-reached" not in kinds
        sink.deliveries.all().delete()
        Verification.objects.all().delete()


def test_a_service_without_the_subscription_pays_nothing(api, account, statements, outbox):  # noqa: F811
    service = make_service(account)
    make_sink(account)
    path = f"Services/{service.sid}"
    start = lambda: api.post(f"{path}/Verifications", {"To": PHONE, "Channel": "sms"})  # noqa: E731
    first = ["SELECT", "SELECT", "SELECT", *NEW, "UPDATE"]
    assert statements(start) == (first, AROUND)
    form = {"To": PHONE, "Code": code_in(outbox[0])}
    check = lambda: api.post(f"{path}/VerificationCheck", form)  # noqa: E731
    assert statements(check) == ([*CHARGE, "UPDATE"], 0)
    assert not WebhookDelivery.objects.exists()


def test_the_sinks_of_an_account_have_services_of_it(service):
    from django.core.exceptions import ValidationError

    sink = EventSink(
        account=make_account("Other"), service=service, friendly_name="x", url="https://x.example"
    )
    with pytest.raises(ValidationError):
        sink.full_clean()


@pytest.mark.parametrize("status", ["delivered", "undelivered", "queued", "sending"])
def test_what_the_provider_states_later(service, sink, status):
    verifications.start(service, PHONE)
    attempt = VerificationAttempt.objects.get()
    rows = VerificationAttempt.objects.filter(message_status="sent")
    change = {"message_status": status, "error_code": "30003"}
    assert cloudevents.update_message(attempt, rows, change) == 1
    assert cloudevents.update_message(attempt, rows, change) == 0
    if status in {"queued", "sending"}:
        assert received(sink) == STARTED
    else:
        assert received(sink) == sorted([*STARTED, f"message.{status}"])
        assert the_event(sink, f"message.{status}")["data"]["error_code"] == "30003"
