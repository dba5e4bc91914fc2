"""How many rows the queries look at where the tables have grown; `benchmarks.scale` has the times.

`SCALE_ROWS` sets how many verifications there are: by default as many as show in the numbers of
rows that are looked at, which a plan of PostgreSQL counts, whether anything grows with the table.
"""

import datetime as dt
import json
import os

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from benchmarks import crowd
from django_verify import health, verifications
from django_verify.admin import filters, records, stretches
from django_verify.api import paging
from django_verify.crypto import codes
from django_verify.delivery import due, reports
from django_verify.events import outbox
from django_verify.factors import notifications
from django_verify.models import Challenge, Verification, VerificationAttempt
from django_verify.senders import Report
from tests.conftest import OTHER_PHONE, PHONE, Api, wrong

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.postgres,
    pytest.mark.skipif(connection.vendor != "postgresql", reason="PostgreSQL's plans"),
]

ROWS = int(os.environ.get("SCALE_ROWS", "60000"))
ADMIN = "/admin/django_verify/"
# A page has 1,000 rows at most, each with a row that it belongs to.
PAGE = 1001


# A row that is looked for ends where the next one begins, and an event may have two readers.
SLACK = 10


@pytest.fixture(autouse=True)
def reach(monkeypatch):
    """The rows that filters look at, in the proportion that they have to a million."""
    found = min(paging.REACH, ROWS // 500)
    monkeypatch.setattr(paging, "REACH", found)
    monkeypatch.setattr(stretches, "REACH", found)
    monkeypatch.setattr(filters, "LATEST", found)
    monkeypatch.setattr(records, "SEARCHED", found)
    return found


@pytest.fixture
def site(transactional_db):
    found = crowd.fill(ROWS)
    if ROWS < 10**6:
        # An index that is worth its look-ups in a million rows must be so in these few.
        with connection.cursor() as cursor:
            cursor.execute("SET random_page_cost = 1.1")
    found.api = {}
    for owner in (found.busy, found.quiet):
        token = owner.set_auth_token()
        owner.save()
        found.api[owner.friendly_name] = Api(owner.sid, token)
    yield found
    tables = ", ".join(f'"{name}"' for name in connection.introspection.django_table_names())
    kept = {"django_migrations", "django_content_type", "auth_permission"}
    names = [name for name in tables.split(", ") if name.strip('"') not in kept]
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {', '.join(names)}")
        cursor.execute("RESET random_page_cost")


def big_tables():
    """The tables that a query may not read from end to end."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND reltuples > %s", [ROWS // 5]
        )
        return {name for (name,) in cursor.fetchall()}


def statements(call):
    """What a call asks or writes."""
    with CaptureQueriesContext(connection) as captured:
        call()
    verbs = ("SELECT", "UPDATE", "DELETE", "WITH")
    return [query["sql"] for query in captured if query["sql"].startswith(verbs)]


def plan_of(sql):
    """The plan of a statement; a SELECT is run for its numbers of rows."""
    analyze = "ANALYZE, TIMING OFF, " if sql.startswith("SELECT") else ""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN ({analyze}FORMAT JSON) {sql.replace('%', '%%')}", None)
        (found,) = cursor.fetchone()
    return (json.loads(found) if isinstance(found, str) else found)[0]["Plan"]


def nodes(plan):
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


def rows_of(node):
    """How many rows a node gave, and how many more it looked at."""
    removed = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
    removed += node.get("Rows Removed by Join Filter", 0)
    return (node.get("Actual Rows", 0) + removed) * node.get("Actual Loops", 1)


def faults(sql, big, reach):
    """What is wrong with a plan: a table that is read, a sort, or rows beyond the reach."""
    for node in nodes(plan_of(sql)):
        kind, table = node["Node Type"], node.get("Relation Name", "")
        if kind == "Seq Scan" and table in big:
            yield f"reads all of {table}"
        if "Sort" in kind and rows_of(node["Plans"][0]) > reach + SLACK:
            yield f"sorts {rows_of(node['Plans'][0])} rows"
        if rows_of(node) > reach + SLACK:
            yield f"looks at {rows_of(node)} rows: {kind} of {table}"


def check(calls, reach):
    """Run the calls, and return the faults of each."""
    big, found = big_tables(), {}
    assert len(big) >= 10
    for name, call in calls.items():
        asked = statements(call)
        assert asked, name
        wrong_ones = [(fault, sql) for sql in asked for fault in faults(sql, big, reach)]
        if wrong_ones:
            found[name] = wrong_ones
    return found


def of_the_hot_path(site):
    row = verifications.start(site.service, PHONE)
    code, attempt = codes.reveal(row), row.attempts.get()
    wrong_code = wrong(code)
    path, form = f"Services/{site.service.sid}/VerificationCheck", {"To": PHONE, "Code": wrong_code}
    # The process knows its callers by the second.
    site.api["Busy"].post(path, form)
    return {
        "start": lambda: verifications.start(site.service, OTHER_PHONE),
        "resend": lambda: verifications.start(site.service, OTHER_PHONE),
        "fetch": lambda: verifications.fetch(site.service, PHONE),
        "a wrong code": lambda: verifications.check(site.service, wrong_code, to=PHONE),
        "a wrong code of a known caller": lambda: site.api["Busy"].post(path, form),
        "the code": lambda: verifications.check(site.service, code, verification_sid=row.sid),
        "cancel": lambda: verifications.cancel(site.service, OTHER_PHONE),
        "a report": lambda: reports.record(
            attempt.sender, [Report(provider_sid=attempt.provider_sid, status="delivered")]
        ),
        "release": lambda: verifications.release(row),
        "its attempts": lambda: list(VerificationAttempt.objects.filter(verification=row)),
    }


def of_the_workers():
    last_pass = timezone.now() - dt.timedelta(minutes=1)
    return {
        "messages due": due.deliver_due,
        "what has run out": lambda: verifications.expire(since=last_pass),
        "events due": lambda: outbox.deliver_due(workers=1),
        "notifications due": notifications.deliver_due,
        "health": health.examine,
    }


def pages(api, path, key, **query):
    """The first pages of a list, of which the last one's rows are returned."""
    answer = api.get(path, **query)
    for _ in range(4):
        assert answer.status == 200
        url = answer.data["meta"]["next_page_url"]
        if url is None:
            break
        answer = api.get(url.partition("/v2/")[2])
    return answer.data[key]


def of_the_lists(site):
    day = (timezone.now() - dt.timedelta(days=3)).strftime("%Y-%m-%dT%H:%M:%SZ")
    newest = Verification.objects.order_by("-pk").filter(account=site.busy)[0]
    oldest = VerificationAttempt.objects.order_by("pk").filter(account=site.busy)[20]
    queries = {
        "all": {},
        "late": {"PageToken": paging._token("PA", oldest.date_created, oldest.pk)},
        "Page": {"Page": "1000"},
        "size": {"PageSize": "1000"},
        "after": {"DateCreatedAfter": day},
        "before": {"DateCreatedBefore": day},
        "verification": {"VerificationSid": newest.sid},
        "recipient": {"ChannelData.To": newest.to},
    }
    found = {
        f"{owner} {name}": lambda a=api, q=query: pages(a, "Attempts", "attempts", **q)
        for owner, api in site.api.items()
        for name, query in queries.items()
    }
    challenge = Challenge.objects.order_by("?")[0]
    api, root = site.api["Busy"], f"Services/{site.service.sid}/Entities"
    identity = f"{root}/{challenge.entity.identity}"
    return found | {
        "services": lambda: pages(api, "Services", "services"),
        "entities": lambda: pages(api, root, "entities", PageSize="1000"),
        "factors": lambda: pages(api, f"{identity}/Factors", "factors"),
        "challenges": lambda: pages(api, f"{identity}/Challenges", "challenges"),
        "challenges by status": lambda: pages(
            api, f"{identity}/Challenges", "challenges", Status="denied"
        ),
        "webhooks": lambda: pages(api, f"Services/{site.service.sid}/Webhooks", "webhooks"),
        "safe list": lambda: api.get("SafeList/Numbers/+12013340000"),
    }


def of_filters_that_leave_little(site):
    queries = (
        {"Country": "GB"},
        {"Channel": "call"},
        {"Status": "unconverted"},
        {"VerifyServiceSid": site.quiet_service.sid},
        {"Country": "GB", "Status": "converted", "PageSize": "1000"},
    )
    return {
        f"{owner} {query}": lambda a=api, q=query: pages(a, "Attempts", "attempts", **q)
        for owner, api in site.api.items()
        for query in queries
    }


def of_the_summaries(site):
    days = ((timezone.now() - dt.timedelta(days=n)).strftime("%Y-%m-%dT%H:%M:%SZ") for n in (3, 2))
    after, before = days
    figures = "Attempts/Summary"
    return {
        "of the last days": lambda: site.api["Busy"].get(figures, DateCreatedAfter=before),
        "of a day": lambda: site.api["Busy"].get(
            figures, DateCreatedAfter=after, DateCreatedBefore=before, Country="US"
        ),
        "of a quiet account": lambda: site.api["Quiet"].get(figures, DateCreatedAfter=after),
    }


@pytest.fixture
def boss(transactional_db):
    client = Client()
    client.force_login(User.objects.create_superuser("boss"))
    return client


def of_the_admin(site, boss):
    row = Verification.objects.order_by("-pk").filter(account=site.busy)[0]
    challenge = Challenge.objects.order_by("?").select_related("factor__entity")[0]
    now = timezone.localtime()
    day, month, tomorrow = (str(now - dt.timedelta(days=days)) for days in (1, 28, -1))
    lists = {
        "verification": (
            *({"status": "expired"}, {"status": "canceled"}, {"channel": "call"}),
            *({"country": "GB"}, {"service": site.quiet_service.sid}, {"test": "1"}),
            *({"q": row.sid}, {"q": row.to}, {"q": "+1202000"}, {"q": "nobody@example.com"}),
            {"o": "2"},
        ),
        "verificationattempt": (
            *({"message_status": "failed"}, {"channel": "call"}, {"country": "GB"}),
            *({"service": site.quiet_service.sid}, {"q": row.sid}, {"q": row.to}, {"q": "+9"}),
        ),
        "entity": (
            *({"service": site.quiet_service.sid}, {"q": challenge.entity.identity}),
            {"q": challenge.entity_id},
        ),
        "factor": (
            *({"factor_type": "totp"}, {"status": "unverified"}),
            *({"service": site.quiet_service.sid}, {"q": challenge.entity.identity}),
            {"q": challenge.factor_id},
        ),
        "challenge": (
            *({"factor_type": "totp"}, {"status": "denied"}, {"q": challenge.sid}),
            *({"q": challenge.entity.identity}, {"q": challenge.factor_id}),
        ),
        "webhookdelivery": ({"status": "dead"}, {"q": site.hook.sid}, {"q": "EV" + "0" * 32}),
        "guarddecision": (
            *({"cause": "rule"}, {"outcome": "recorded"}, {"country": "GB"}),
            *({"service": site.quiet_service.sid}, {"q": "+12013000000"}, {"q": row.send_log[4:]}),
        ),
        "safelistnumber": ({"q": "+12013340000"}, {"q": "GN" + "0" * 32}),
        "devicekey": ({"q": "0" * 64}, {"q": "00"}),
    }
    # As the links of the page have it; and of what has keys with a time, any other.
    to_now = [{"date_created__gte": since, "date_created__lt": tomorrow} for since in (day, month)]
    past = {"date_created__gte": month, "date_created__lt": day}
    calls = {}
    for name, queries in lists.items():
        dated = {"safelistnumber": (), "challenge": to_now}.get(name, (*to_now, past))
        for query in ({}, {"p": "2"}, *dated, *queries):
            calls[f"{name} {query}"] = lambda n=name, q=query: shown(boss, n, q)
    attempt = VerificationAttempt.objects.order_by("-pk")[0]
    objects = {
        "verification": row.pk,
        "verificationattempt": attempt.pk,
        "entity": challenge.entity_id,
        "factor": challenge.factor_id,
        "challenge": challenge.pk,
    }
    return calls | {
        f"{name} itself": lambda n=name, pk=pk: shown(boss, f"{n}/{pk}/change", {})
        for name, pk in objects.items()
    }


def shown(boss, path, query):
    assert boss.get(f"{ADMIN}{path}/", query).status_code == 200, (path, query)


def test_no_query_looks_at_more_rows_for_a_larger_table(site, boss, reach):
    found = check(of_the_hot_path(site), PAGE)
    found |= check(of_the_workers(), PAGE)
    found |= check(of_the_lists(site), PAGE)
    found |= check(of_filters_that_leave_little(site), reach)
    # The attempts of a day or two, and the verifications of a day more.
    found |= check(of_the_summaries(site), 4 * ROWS // crowd.DAYS)
    found |= check(of_the_admin(site, boss), reach)
    lines = {f"{name}: {fault}\n    {sql}" for name, rest in found.items() for fault, sql in rest}
    assert not found, "\n" + "\n".join(sorted(lines))


#: What the planner knows of a table: all, nothing of its columns, and not even its size.
FORGET = (
    "SELECT %s",
    "DELETE FROM pg_statistic WHERE starelid = %s::regclass",
    "UPDATE pg_class SET reltuples = -1, relpages = 0 WHERE oid = %s::regclass",
)


def test_a_guess_is_charged_by_the_unique_index_whatever_the_statistics(site):
    """No other index is worth a look, not even before the first ANALYZE."""
    verifications.start(site.service, PHONE)
    api, path = site.api["Busy"], f"Services/{site.service.sid}/VerificationCheck"
    form, table = {"To": PHONE, "Code": "none"}, Verification._meta.db_table
    api.post(path, form)
    (charge,) = statements(lambda: api.post(path, form))
    assert charge.startswith("UPDATE")
    with transaction.atomic(), connection.cursor() as cursor:
        for forget in FORGET:
            cursor.execute(forget, [table])
            scans = [
                node
                for node in nodes(plan_of(charge))
                if node.get("Relation Name") == table and "Scan" in node["Node Type"]
            ]
            # The row, and whether it is the newest.
            assert len(scans) == 2
            assert {node.get("Index Name") for node in scans} == {"verify_recipient_serial"}, forget
        transaction.set_rollback(True)
