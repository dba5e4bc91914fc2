"""Compiled statements: what they write and find is what the ORM writes and finds."""

import datetime as dt
import gc
import threading
import uuid
import weakref

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, connections, transaction
from django.db.models import CharField, F
from django.db.models.signals import post_init, post_save, pre_init, pre_save
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_verify import sids
from django_verify.db import statements
from django_verify.db.statements import Rows, Select
from django_verify.models import (
    SendOutcome,
    Verification,
    VerificationAttempt,
    WebhookDelivery,
)
from tests.conftest import PHONE, make_service

pytestmark = [pytest.mark.django_db, pytest.mark.every_case]

ACCOUNT, SID = "AC" + "0" * 31 + "1", "VE" + "0" * 31 + "2"
NOW = dt.datetime(2026, 3, 4, 5, 6, 7, 891000, tzinfo=dt.UTC)


def a_verification(service, **values):
    return statements.new(
        Verification,
        account_id=service.account_id,
        service_id=service.sid,
        **{"to": PHONE, "recipient_key": PHONE, "channel": "sms", "serial": 1, "code_length": 6}
        | {"max_checks": 5, "max_sends": 5, "send_log": "", "expires_at": NOW}
        | values,
    )


def written(service, **values):
    row = a_verification(service, **values)
    statements.insert("default", row)
    return row


def columns(row):
    return {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}


def test_a_row_comes_back_as_it_was_written():
    service = make_service()
    row = written(
        service, amount="€ 1", payee=None, confirmed=True, lookup={"carrier": {"type": "mobile"}},
        date_created=NOW, sna_url="https://example.com/%s?a=%d", status=Verification.Status.APPROVED,
    )  # fmt: skip
    assert columns(Verification.objects.get()) == columns(row)
    assert not row._state.adding
    attempt = statements.new(
        VerificationAttempt, account_id=row.account_id, verification_id=row.sid, channel="sms", locale="pt-BR", tags={"ä": "%"},
        trail=[{"sender": "a"}], due_at=NOW,
    )  # fmt: skip
    statements.insert("default", attempt)
    assert columns(VerificationAttempt.objects.get()) == columns(attempt)
    again = VerificationAttempt.objects.get()
    again.tags, again.trail = {}, []
    again.sid = sids.attempt()
    statements.insert("default", again)
    stored = VerificationAttempt.objects.get(pk=again.pk)
    assert (stored.tags, stored.trail) == ({}, [])


def test_the_database_draws_the_key_of_a_row_that_has_none():
    for kind in "cu":
        row = statements.new(
            SendOutcome, account_sid=ACCOUNT, verification_sid=SID, kind=kind, happened_at=1.5
        )
        statements.insert("default", row)
    found = SendOutcome.objects.order_by("pk")
    assert [(row.kind, row.account_sid, row.happened_at) for row in found] == [
        ("c", ACCOUNT, 1.5), ("u", ACCOUNT, 1.5),
    ]  # fmt: skip


def test_rows_of_one_model_are_written_by_one_statement(django_assert_num_queries):
    service = make_service()
    rows = [a_verification(service, serial=number, to=f"{number}%s") for number in (1, 2, 3)]
    rows[1].amount, rows[2].lookup = "", {"a": 1}
    with django_assert_num_queries(1):
        statements.insert("default", *rows)
    found = {row.pk: columns(row) for row in Verification.objects.all()}
    assert found == {row.pk: columns(row) for row in rows}
    assert not any(row._state.adding for row in rows)


@pytest.mark.parametrize("signal", [None, post_save], ids=["unheard", "heard"])
def test_a_change_and_a_new_row_by_one_statement(service, signal, django_assert_num_queries):
    row, new = written(service), a_verification(service, serial=2, amount="7", lookup={"a": "%s"})
    at_once = connection.vendor == "postgresql" and signal is None
    mine = Rows(Verification, "default", {"pk": row.pk, "status": "pending"})
    listen = lambda **_: None  # noqa: E731
    if signal:
        signal.connect(listen, sender=Verification)
    try:
        with django_assert_num_queries(int(at_once)):
            done = mine.update_and_insert({"status": "approved", "checks__add": 1}, new)
        assert done == (1 if at_once else None)
        assert (new._state.adding, new._state.db) == (
            (False, "default") if at_once else (True, None)
        )
        missed = a_verification(service, serial=3)
        assert mine.update_and_insert({"status": "canceled"}, missed) == (0 if at_once else None)
        assert missed._state.adding
        assert mine.update_and_insert({"checks": F("checks") + 1}, missed) is None
        none = Rows(Verification, "default", {"pk": row.pk, "status__in": ()})
        assert none.update_and_insert({"status": "canceled"}, missed) == (0 if at_once else None)
    finally:
        if signal:
            signal.disconnect(listen, sender=Verification)
    row.refresh_from_db()
    assert (row.status, row.checks) == (("approved", 1) if at_once else ("pending", 0))
    others = Verification.objects.exclude(pk=row.pk)
    assert [columns(each) for each in others] == ([columns(new)] if at_once else [])


def test_defaults_are_those_of_the_fields():
    service = make_service()
    made, built = a_verification(service), Verification(sid="VE" + "0" * 32)
    drawn = {"sid", "nonce", "date_created", "date_updated", "sent_at"}
    given = {"account_id", "service_id", "to", "recipient_key", "channel", "serial", "code_length"}
    given |= {"max_checks", "max_sends", "send_log", "expires_at"}
    for name, value in columns(made).items():
        if name not in drawn | given:
            assert value == getattr(built, name), name
    assert made.nonce != a_verification(service).nonce


SHAPES = [
    {"status": "pending"}, {"status": "approved"}, {"checks": 0, "sends": 1}, {"checks": 1},
    {"status__in": ("pending", "approved")}, {"status__in": ["canceled"]}, {"status__in": ()},
    {"expires_at__gt": NOW - dt.timedelta(seconds=1)}, {"expires_at__gt": NOW}, {"expires_at__lte": NOW},
    {"amount": None}, {"amount__isnull": True}, {"amount": "1"}, {"to": "100%"}, {"sid": "no SID"},
]  # fmt: skip


@pytest.mark.parametrize("conditions", SHAPES, ids=str)
def test_conditions_hold_as_the_orm_has_them(conditions):
    row = written(make_service())
    expected = Verification.objects.filter(pk=row.pk, **conditions).count()
    rows = Rows(Verification, "default", {"pk": row.pk, **conditions})
    for _ in range(2):
        assert rows.update(country="AT") == expected
        assert rows.filter().update(country="DE") == expected
    assert Verification.objects.get().country == ("DE" if expected else "")


def test_a_change_may_be_anything_that_a_column_holds():
    service = make_service()
    row = written(service)
    rows = Rows(Verification, "default", {"service_id": service.sid, "account": service.account_id})
    changes = {
        "amount": "1", "lookup": {"a": 1}, "date_updated": NOW, "service_id": None, "is_test": True,
    }  # fmt: skip
    assert rows.update(**changes) == 1
    row.refresh_from_db()
    assert {name: getattr(row, name) for name in changes} == changes
    mine = Rows(Verification, "default", {"pk": row.pk})
    assert mine.update(lookup={}, amount=None) == 1
    assert mine.update(checks=F("checks") + 3) == 1
    assert mine.update(checks__add=2, sends__add=1, country="AT") == 1
    assert mine.filter(checks__lt=5).update(checks__add=2) == 0
    row.refresh_from_db()
    assert (row.lookup, row.amount, row.checks, row.sends) == ({}, None, 5, 2)


def test_a_second_condition_on_a_column_is_one_more():
    row = written(make_service())
    rows = Rows(Verification, "default", {"pk": row.pk, "status": "pending"})
    assert rows.filter(status="approved").update(checks=1) == 0
    assert rows.filter(status="pending").update(checks=1) == 1


def test_its_sql_is_made_once():
    rows = [Rows(Verification, "default", {"pk": f"VE{n:032x}"}) for n in range(3)]
    statements._update.cache_clear()
    for row in rows:
        row.update(checks=1)
    assert statements._update.cache_info().misses == 1


def test_a_driver_is_given_what_it_takes_least_time_over(service):
    """Texts and keys; and what has few values, such as a status or a number of guesses, none at all."""
    given = []

    def note(execute, sql, params, many, context):
        given.extend(params)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        row = written(service, date_created=NOW)
        pending = Rows(Verification, "default", {"pk": row.pk, "status": row.status})
        pending.update(status=Verification.Status.APPROVED, date_updated=NOW)
    assert len(given) > 10
    assert {type(param) for param in given} <= {str, int, bytes}
    assert {"", "pending", "approved", *range(10)}.isdisjoint(given)


def test_a_select_takes_any_value(service):
    found = Select(
        lambda to, sid: Verification.objects.filter(to=to, sid=sid).values_list("to", "lookup"),
        to=CharField(),
        sid=Verification._meta.pk,
    )
    row = written(service, to="%s'", lookup={"a": [1]})
    assert found.rows("default", to="%s'", sid=row.sid) == [["%s'", {"a": [1]}]]
    for values in ({"to": "%s", "sid": row.sid}, {"to": "%s'", "sid": "none"}):
        assert found.rows("default", **values) == []


def test_a_column_that_was_not_read_is_read_when_it_is_asked_for(service):
    row = written(service)
    part = statements.loaded(Verification, "default", {"sid": row.sid})
    assert (part.to, part._state.adding, part._state.db) == (PHONE, False, "default")


SIGNALS = {
    "pre_save": pre_save,
    "post_save": post_save,
    "pre_init": pre_init,
    "post_init": post_init,
}


@pytest.mark.parametrize("signal", SIGNALS.values(), ids=SIGNALS)
def test_a_host_hears_of_what_it_listens_to(service, signal):
    heard = []
    signal.connect(lambda sender, **_: heard.append(sender), sender=Verification, weak=False,
                   dispatch_uid="host")  # fmt: skip
    try:
        row = written(service)
        statements.loaded(Verification, "default", columns(row))
    finally:
        signal.disconnect(sender=Verification, dispatch_uid="host")
    assert heard
    assert set(heard) == {Verification}
    assert columns(Verification.objects.get()) == columns(row)


@pytest.mark.parametrize("signal", [pre_init, post_init], ids=["pre_init", "post_init"])
def test_columns_come_in_any_order_where_a_host_listens(service, signal):
    row = written(service, amount="1", payee="Acme")
    names = ("payee", "sid", "amount", "to", "status")
    signal.connect(heard_by_host, sender=Verification)
    try:
        part = statements.loaded(Verification, "default", {n: getattr(row, n) for n in names})
    finally:
        signal.disconnect(heard_by_host, sender=Verification)
    assert {name: vars(part)[name] for name in names} == {
        name: getattr(row, name) for name in names
    }
    assert part.recipient_key == PHONE


def heard_by_host(**_):
    """A receiver that does nothing."""


def test_a_failure_marks_the_transaction_as_the_orm_does(service):
    row = written(service)
    twin = a_verification(service, sid=row.sid)
    with transaction.atomic():
        with pytest.raises(IntegrityError):
            statements.insert("default", twin)
        assert connection.needs_rollback
        transaction.set_rollback(False)
        if connection.vendor == "postgresql":
            transaction.set_rollback(True)
    with CaptureQueriesContext(connection) as captured:
        Rows(Verification, "default", {"pk": row.pk}).update(checks=1)
    assert len(captured) == 1


@pytest.mark.django_db(transaction=True)
def test_no_statement_keeps_another_thread_s_connection():
    statements._update.cache_clear()
    statements._insert.cache_clear()
    select = Select(
        lambda pk: Verification.objects.filter(pk=pk).values_list("sid", "expires_at", "is_test"),
        pk=Verification._meta.pk,
    )
    seen = []

    def work():
        select.rows("default", pk="VE" + "0" * 32)
        Rows(Verification, "default", {"expires_at__gt": timezone.now()}).update(checks=1)
        statements._insert(Verification, "default")
        seen.append(weakref.ref(connections["default"]))
        connections.close_all()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    del thread
    gc.collect()
    assert seen[0]() is None
    assert select.rows("default", pk="VE" + "0" * 32) == []


@pytest.mark.parametrize("use_tz", [False, True])
def test_moments_are_aware_where_the_site_s_are(service, settings, use_tz):
    """What was compiled under the other setting reads moments as that had them."""
    row = written(service)
    found = Select(
        lambda sid: Verification.objects.filter(sid=sid).values_list("expires_at"),
        sid=Verification._meta.pk,
    )
    for setting in (not use_tz, use_tz):
        settings.USE_TZ = setting
        ((moment,),) = found.rows("default", sid=row.sid)
        assert timezone.is_aware(moment) == setting


ODD = ["'", "\\", "x'--", "%s", "%", '"', "\u2028", "ÄÖ", "NULL", "''", "0", " "]


@pytest.mark.parametrize("text", ODD)
def test_a_text_is_never_a_part_of_the_statement(service, text):
    row = written(service, to=text, amount=text, lookup={text: text}, channel=text[:16])
    stored = Verification.objects.get(pk=row.pk)
    assert (stored.to, stored.amount, stored.lookup) == (text, text, {text: text})
    assert Rows(Verification, "default", {"to": text, "pk": row.pk}).update(payee=text) == 1
    assert Verification.objects.get().payee == text


BAD_SIDS = ["", "VE", "VE' OR '1'='1", "VE" + "g" * 32, "VE" + "0" * 31, "SK" + "0" * 32, None, 7]


@pytest.mark.parametrize("sid", BAD_SIDS)
def test_what_is_no_sid_is_nobody_s_and_is_not_written(service, sid):
    row = written(service)
    assert Rows(Verification, "default", {"pk": sid}).update(checks=1) == 0
    found = Select(
        lambda sid: Verification.objects.filter(sid=sid).values_list("sid"),
        sid=Verification._meta.pk,
    )
    assert found.rows("default", sid=sid) == []
    with pytest.raises((ValidationError, IntegrityError)):
        Rows(Verification, "default", {"pk": row.pk}).update(account_id=sid)


EVENT_ID = uuid.UUID("5d6b5f0e-6b1c-5d0e-9f57-9c1b6a3f0c52")
# What some driver or database might read as something else.
PAYLOADS = [
    {"text": "'\"\\ %s \x01 ä \N{GRINNING FACE}", "none": None, "list": [1, 2.5, {"a": True}]},
    {},
    [],
]


def a_delivery(**values):
    values = {"sink_id": sids.event_sink(), "event_type": "x", "event_id": EVENT_ID, **values}
    return statements.new(WebhookDelivery, **values)


@pytest.mark.parametrize("payload", PAYLOADS, ids=["texts", "object", "list"])
def test_json_and_uuids_come_back_as_they_were_written(service, payload):
    row = a_delivery(payload=payload, date_created=NOW, date_updated=NOW, due_at=NOW)
    statements.insert("default", row)
    assert columns(WebhookDelivery.objects.get(event_id=EVENT_ID)) == columns(row)
    changed = Rows(Verification, "default", {"pk": written(service).pk})
    new = a_delivery(payload=payload)
    if changed.update_and_insert({"checks": 1}, new):
        assert columns(WebhookDelivery.objects.get(pk=new.pk)) == columns(new)


def test_a_text_is_written_as_a_uuid_if_it_is_one():
    row = a_delivery(event_id=str(EVENT_ID))
    statements.insert("default", row)
    assert WebhookDelivery.objects.get().event_id == EVENT_ID
    with pytest.raises(ValidationError):
        statements.insert("default", a_delivery(event_id="no UUID"))
