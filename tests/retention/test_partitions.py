"""The recipe of monthly partitions, as the docs have it, run on PostgreSQL."""

import datetime as dt
import re
from pathlib import Path

import pytest
import time_machine
from django.db import connection
from django.utils import timezone

from django_verify import retention, verifications
from django_verify.crypto import codes
from django_verify.models import Verification, VerificationAttempt
from tests.conftest import OTHER_PHONE, PHONE

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(connection.vendor != "postgresql", reason="PostgreSQL's own"),
]

PAGE = Path(__file__).parent.parent.parent / "docs/retention.md"


def run(statement, *values):
    with connection.cursor() as cursor:
        cursor.execute(statement, values or None)
        return cursor.fetchall() if cursor.description else []


def settled():
    """The test is one transaction, which PostgreSQL lets no table change in with checks to come."""
    run("SET CONSTRAINTS ALL IMMEDIATE")
    run("SET CONSTRAINTS ALL DEFERRED")


@pytest.fixture
def recipe():
    """The three pieces of SQL of the docs: once, each month, and to drop one."""
    once, monthly, drop = re.findall(r"^```sql\n(.*?)^```", PAGE.read_text(), re.M | re.S)
    return once, monthly, drop


@pytest.fixture
def cycle(service, django_capture_on_commit_callbacks):
    """`cycle(phone)` starts, sends and checks, and returns the attempt."""

    def cycle(phone):
        with django_capture_on_commit_callbacks(execute=True):
            row = verifications.start(service, phone)
        assert verifications.check(service, codes.reveal(row), verification_sid=row.sid).valid
        attempt = row.attempts.get()
        assert attempt.message_status == "sent"
        return attempt

    return cycle


def partition_of(attempt):
    table = VerificationAttempt._meta.db_table
    return run(f"SELECT tableoid::regclass::text FROM {table} WHERE sid = %s", attempt.sid[2:])[0][
        0
    ]


def test_months_are_made_used_and_dropped(cycle, recipe):
    once, monthly, drop = recipe
    before = cycle(PHONE)
    settled()
    run(once)
    run(monthly)
    run(monthly)  # what is there stays
    assert partition_of(before) == "verify_attempts_before"
    assert VerificationAttempt.objects.get(sid=before.sid).message_status == "sent"
    assert partition_of(cycle(PHONE)) == "verify_attempts_before"
    with time_machine.travel(timezone.now() + dt.timedelta(days=40)):
        later = cycle(OTHER_PHONE)
        month = later.date_created.strftime("%Y_%m")
        assert partition_of(later) == f"verify_attempts_{month}"
    with time_machine.travel(timezone.now() + dt.timedelta(days=4000)):
        assert partition_of(cycle(PHONE)) == "verify_attempts_rest"
    settled()
    run(drop)
    assert VerificationAttempt.objects.count() == 2
    assert Verification.objects.count() == 4
    with time_machine.travel(timezone.now() + dt.timedelta(days=100)):
        found = {each.kind.name: each.deleted for each in retention.purge(share=1)}
        assert (found["attempts"], found["verifications"]) == (1, 3)


def test_the_partitioned_table_has_the_columns_indexes_and_keys_of_the_other(recipe):
    def shape():
        table = VerificationAttempt._meta.db_table
        with connection.cursor() as cursor:
            description = connection.introspection.get_table_description(cursor, table)
            constraints = connection.introspection.get_constraints(cursor, table)
        columns = [(each.name, each.type_code, each.null_ok) for each in description]
        kinds = ("columns", "primary_key", "unique", "foreign_key", "check")
        return columns, sorted(str([c[kind] for kind in kinds]) for c in constraints.values())

    expected = shape()
    run(recipe[0])
    assert shape() == expected
