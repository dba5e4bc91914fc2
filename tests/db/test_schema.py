"""What a cycle costs its tables: which indexes it writes into, and that each query has one."""

import datetime as dt

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_verify import health, verifications
from django_verify.crypto import codes
from django_verify.db import queries
from django_verify.delivery import due, reports
from django_verify.models import Verification, VerificationAttempt
from django_verify.senders import Report, locmem
from django_verify.verifications import guess_budget
from tests.conftest import PHONE, wrong

pytestmark = pytest.mark.django_db(transaction=True)

TABLES = {model._meta.db_table for model in (Verification, VerificationAttempt)}
on_postgres = pytest.mark.skipif(connection.vendor != "postgresql", reason="PostgreSQL's own")


def rows(sql, *params):
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return cursor.fetchall() if cursor.description else []


def updates():
    """All updates of verifications, and those that wrote into no index."""
    rows("SELECT pg_stat_force_next_flush()")
    sql = "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = %s"
    return rows(sql, Verification._meta.db_table)[0]


def indexes_of(attempt):
    """The indexes that hold the attempt's row as it is now."""
    sql = "SELECT pg_get_expr(indpred, indrelid) FROM pg_index WHERE indrelid = %s::regclass"
    table = VerificationAttempt._meta.db_table
    conditions = [condition or "true" for (condition,) in rows(sql, table)]
    sid = attempt.sid[2:]
    return sum(rows(f"SELECT {c} FROM {table} WHERE sid = %s", sid)[0][0] for c in conditions)


@on_postgres
def test_a_check_and_an_approval_write_into_no_index(service):
    row = verifications.start(service, PHONE)
    code, before = codes.reveal(row), updates()
    verifications.check(service, wrong(code), verification_sid=row.sid)
    assert verifications.check(service, code, verification_sid=row.sid).valid
    every, heap_only = (now - then for now, then in zip(updates(), before, strict=True))
    assert every == heap_only == 3  # two charges and an approval


@on_postgres
@pytest.mark.parametrize("timeout", [None, 60], ids=["reported or not", "a report is awaited"])
def test_a_message_that_is_sent_is_in_four_indexes(service, settings, monkeypatch, timeout):
    given = {"DELIVERY_REPORT_TIMEOUT": timeout, "BASE_URL": "https://example.com"}
    settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, **given}
    monkeypatch.setattr(locmem.LocmemSender, "reporting", True)
    attempt = verifications.start(service, PHONE).attempts.get()
    assert attempt.message_status == "sent"
    assert (attempt.due_at is None) == (timeout is None)
    assert attempt.provider_sid
    assert indexes_of(attempt) == 4


@pytest.fixture
def asked():
    """`asked(call)` returns the SELECTs and UPDATEs of a call that name one of the two tables."""

    def capture(call):
        with CaptureQueriesContext(connection) as captured:
            call()
        return [q["sql"] for q in captured if any(table in q["sql"] for table in TABLES)]

    return capture


def scanned(sql):
    """The tables of a statement that the database can only read from end to end."""
    if connection.vendor == "postgresql":
        # Of a few rows it would read all, index or not.
        rows("SET enable_seqscan = off")
        plan = rows(f"EXPLAIN {sql}")
        rows("RESET enable_seqscan")
        return [line for (line,) in plan if "Seq Scan" in line and any(t in line for t in TABLES)]
    if connection.vendor == "mysql":
        # A key is 16 bytes there, and one of them may be a per cent sign.
        plan = rows("EXPLAIN " + sql.replace("%", "%%"))
        return [line for line in plan if line[2] in TABLES and not (line[4] or line[5])]
    plan = rows(f"EXPLAIN QUERY PLAN {sql}")
    scans = [line[3] for line in plan if line[3].startswith("SCAN") and "INDEX" not in line[3]]
    # The table of the senders that fail has a row for each sender of the site.
    return scans[1:] if "django_verify_senderstate" in sql else scans


def test_no_query_reads_a_whole_table(service, api, asked, clock):
    row = verifications.start(service, PHONE)
    attempt, now = row.attempts.get(), timezone.now()
    delivered = Report(provider_sid="of nobody", status="delivered")
    day = "2026-03-01T00:00:00Z"
    calls = {
        "due": lambda: due.deliver_due(),
        "health": lambda: health.queue(),
        "history": lambda: guess_budget.history(service, PHONE, now),
        "check": lambda: queries.at_check(service, PHONE),
        "check by SID": lambda: queries.verification(row.sid, service),
        "by recipient": lambda: verifications.fetch(service, PHONE),
        "over": lambda: verifications.expire(since=now - dt.timedelta(hours=1)),
        "report": lambda: reports.record("memory", [delivered]),
        "of a verification": lambda: list(VerificationAttempt.objects.filter(verification=row)),
        "service": lambda: list(Verification.objects.filter(service=service)),
        "one": lambda: api.get(f"Attempts/{attempt.sid}"),
        **{
            f"list {filters}": lambda f=filters: api.get("Attempts", **f)
            for filters in (
                {},
                {"Country": "US"},
                {"DateCreatedAfter": day},
                {"DateCreatedBefore": day},
                {"VerificationSid": row.sid},
                {"VerifyServiceSid": service.sid},
                {"ChannelData.To": PHONE},
                {"Status": "converted"},
            )
        },
        "summary": lambda: api.get("Attempts/Summary", Country="US"),
    }
    for name, call in calls.items():
        statements = [sql for sql in asked(call) if sql.startswith("SELECT")]
        assert statements, name
        for sql in statements:
            assert scanned(sql) == [], (name, sql)


def test_a_value_takes_its_place_whatever_stands_around_it(service):
    """The open values of a compiled query are found again by what the database is given."""
    row = verifications.start(service, PHONE)
    assert queries.verification(row.sid, service) == [row]
    for other in (
        row.sid[:-1] + ("0" if row.sid[-1] != "0" else "1"),
        service.sid,
        "",
        "\0value 1",
    ):
        assert queries.verification(other, service) == []
    assert queries.at_check(service, PHONE) == queries.of_recipient(service, PHONE) == [row]
