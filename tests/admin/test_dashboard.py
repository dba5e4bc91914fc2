"""The dashboard: its figures, what each number leads to, its files, and who sees what."""

import csv
import datetime as dt
import html
import io
import re
from itertools import pairwise

import pytest
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import User
from django.db import connection
from django.http import QueryDict
from django.test import RequestFactory, TestCase
from django.test.utils import CaptureQueriesContext
from django.urls import resolve
from django.utils import timezone

from django_verify import rollups, sids, verifications
from django_verify.admin import labels
from django_verify.admin.dashboard import alarms, charts, files, periods
from django_verify.admin.dashboard.sheet import DIMENSIONS
from django_verify.admin.dashboard.tables import Cell
from django_verify.crypto import codes
from django_verify.models import (
    AttemptRollup,
    GuardCount,
    GuardDecision,
    SenderState,
    SpendCap,
    Verification,
    VerificationAttempt,
    WorkerHeartbeat,
)
from django_verify.models.rollups import begin_of, hour_at
from tests.conftest import make_account, make_service

pytestmark = [pytest.mark.django_db, pytest.mark.portable]

URL = "/admin/django_verify/dashboard/"
HOUR, DAY = 3600, 86_400


def start(service, number=0, channel="sms", approved=False, **columns):
    """A start whose message leaves; `columns` are what became of it."""
    to = f"+1415555{2600 + number:04}" if channel != "email" else f"p{number}@example.com"
    with TestCase.captureOnCommitCallbacks(execute=True):
        row = verifications.start(service, to, channel)
    columns = {"message_status": "delivered", "provider_sid": row.sid, **columns}
    attempts = VerificationAttempt.objects.filter(verification=row)
    attempts.filter(pk=attempts.order_by("-sid")[0].pk).update(**columns)
    if approved:
        verifications.check(service, codes.reveal(row), verification_sid=row.sid)
    return row


def decide(service, cause="block", outcome="refused", **columns):
    return GuardDecision.objects.create(
        account_id=service.account_id,
        service=service,
        attempt_sid=sids.attempt(),
        recipient_key="+14155552671",
        country="US",
        channel="sms",
        cause=cause,
        outcome=outcome,
        reason="x",
        price="0.5",
        **columns,
    )


def page(client, **query):
    response = client.get(URL, query)
    assert response.status_code == 200
    return response


def numbers(response):
    return {str(n["name"]): n["text"].replace("\xa0", " ") for n in response.context["numbers"]}


def table(response, name):
    (found,) = [one for one in response.context["tables"] if one.name == name]
    return {
        row.text: [cell.text.replace("\xa0", " ") for cell in cells] for row, cells in found.rows
    }


def rows_of(client, url):
    """How many attempts the list behind a number has."""
    response = client.get(html.unescape(url))
    assert response.status_code == 200
    return response.context["cl"].result_count


def counted(client, url):
    """The same without the page, which takes much longer than its number."""
    path, _, query = html.unescape(url).partition("?")
    request = RequestFactory().get(path, QueryDict(query))
    request.user = User.objects.get(pk=client.session[SESSION_KEY])
    model_admin = resolve(path).func.model_admin
    return model_admin.get_changelist_instance(request).result_count


def cells_with_links(response):
    for one in [*response.context["tables"], *(plot.table for plot in response.context["plots"])]:
        for _name, cells in one.rows:
            yield from (cell for cell in cells if cell.url)
    for number in response.context["numbers"]:
        if number.get("url"):
            yield Cell(number["text"], number["url"])


def read_csv(response):
    text = b"".join(response.streaming_content if response.streaming else [response.content])
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(io.StringIO(text.decode("utf-8-sig"))))


def test_the_index_leads_to_an_empty_page_that_says_what_would_stand_there(boss, service, clock):
    assert f'href="{URL}"' in boss.get("/admin/").content.decode()
    response = page(boss)
    assert "Nobody has asked for a code in this time." in response.content.decode()
    assert numbers(response)["Started"] == "0"
    assert numbers(response)["Conversion"] == "–"


def test_a_new_site_is_told_its_first_steps(boss, clerk):
    step = page(boss).context["first_step"]
    assert "There is no account." in step[0]
    assert step[1:] == ("accounts", "/admin/django_verify/account/")
    assert page(clerk("view_dashboard")).context["first_step"][2] == ""
    account = make_account("Shop")
    assert "There is no service yet." in page(boss).content.decode()
    make_service(account)
    assert page(boss).context["first_step"] is None


def test_figures_of_a_day(boss, service, clock):
    row = start(service)
    clock.shift(12)
    verifications.check(service, codes.reveal(row), verification_sid=row.sid)
    start(service, 1, message_status="undelivered")
    start(service, 2, channel="email", price_value="0.01", price_currency="USD")
    for _ in range(2):
        response = page(boss)
        found = numbers(response)
        assert (found["Started"], found["Sent"], found["Delivered"]) == ("3", "3", "2")
        assert (found["Approved"], found["Conversion"]) == ("1", "33.3 %")
        assert (found["Median time"], found["Spend"]) == ("12 s", "0.11")
        assert found["Per approval"] == "0.1100"
        assert table(response, "country") == {
            "United States": ["2", "1", "50.0 %", "–", "2", "1", "12 s", "15 s", "0.10", "0.1000"],
            "no country": ["1", "0", "0.0 %", "–", "1", "1", "–", "–", "0.01", "–"],
        }
        clock.shift(2 * HOUR)
        rollups.advance()
    assert AttemptRollup.objects.count() == 2


def test_filters_and_the_period_before(boss, service, account, clock):
    other = make_service(account, friendly_name="Other")
    start(service)
    clock.shift(DAY)
    start(service, 1, approved=True)
    start(other, 2, channel="email")
    rollups.advance()
    assert numbers(page(boss))["Started"] == "2"
    assert numbers(page(boss, period="24h"))["Started"] == "2"
    assert numbers(page(boss, period="7d"))["Started"] == "3"
    assert numbers(page(boss, period="30d"))["Started"] == "3"
    assert numbers(page(boss, service=other.sid))["Started"] == "1"
    assert numbers(page(boss, country="-"))["Started"] == "1"
    assert numbers(page(boss, channel="sms", period="7d"))["Started"] == "2"
    yesterday = (timezone.localdate() - dt.timedelta(days=1)).isoformat()
    assert numbers(page(boss, since=yesterday, until=yesterday))["Started"] == "1"
    assert table(page(boss, country="US"), "country")["United States"][2:4] == ["100.0 %", "0.0 %"]
    (_, shadow) = page(boss, period="24h").context["plots"][0].chart.series[1::-1]
    assert [dot.text for dot in shadow.dots if not dot.text.endswith(" 0")] == ["12:00: 1"]


@pytest.mark.parametrize(
    ("query", "period"),
    [
        ({}, "today"),
        ({"was": "today", "period": "7d"}, "7d"),
        ({"was": "7d", "period": "7d", "since": "2026-02-27"}, "dates"),
        ({"was": "dates", "period": "dates", "since": "2026-02-27"}, "dates"),
        ({"was": "dates", "period": "30d", "since": "2026-02-27"}, "30d"),
        ({"period": "30d", "since": "2026-02-27"}, "30d"),
        ({"until": "2026-02-27"}, "dates"),
        ({"was": "dates", "period": "dates"}, "dates"),
    ],
)
def test_of_a_period_and_dates_what_was_changed_last_is_meant(boss, clock, query, period):
    response = page(boss, **query)
    form = response.context["form"]
    assert (form.cleaned_data["period"], form.errors) == (period, {})
    assert f'name="was" value="{period}"' in response.content.decode()
    assert f"period={period}" in response.context["attempts_export"]
    assert ("since" in response.context["attempts_export"]) == bool(form.cleaned_data["since"])


@pytest.mark.parametrize(
    "query",
    [
        {"period": "x"},
        {"service": "VA" + "0" * 32},
        {"country": "\0"},
        {"channel": "fax"},
        {"since": "2026-02-31"},
        {"since": "2026-03-01", "until": "2026-02-01"},
        {"since": "0001-01-01", "until": "2026-03-01"},
        {"since": "9999-12-31", "until": "9999-12-31"},
    ],
)
def test_what_cannot_be_asked_is_today(boss, service, clock, query):
    start(service)
    assert numbers(page(boss, **query))["Started"] == "1"


def test_each_number_leads_to_as_many_rows(boss, service, clock):
    start(service, approved=True, template={"sid": "HJ" + "a" * 32, "locale": "es", "text": "x"})
    start(service, 1, message_status="undelivered", sender="other")
    start(service, 2, message_status="failed", provider_sid="")
    start(service, 3, channel="email")
    start(make_service(make_account("B"), friendly_name="B"), 4, channel="call", locale="de")
    Verification.objects.filter(to="+14155552602").update(is_test=True)
    clock.shift(HOUR)
    start(service, 5, approved=True)
    kinds = {}
    for query in ({}, {"service": service.sid}, {"country": "US", "channel": "sms"}):
        response = page(boss, **query)
        found = [cell for cell in cells_with_links(response) if "attempt/" in cell.url]
        assert len(found) > 20
        for cell in set(found):
            assert counted(boss, cell.url) == int(cell.text), cell
            kinds[frozenset(QueryDict(cell.url.partition("?")[2]))] = cell
    assert len(kinds) > 5
    for cell in kinds.values():
        assert rows_of(boss, cell.url) == int(cell.text), cell


def test_blocks_by_reason_lead_to_their_rows(boss, service, clock):
    for cause, outcome in (("block", "refused"), ("block", "refused"), ("cap", "withheld")):
        decide(service, cause, outcome)
    clock.shift(2 * HOUR)
    rollups.advance()
    decide(service, "block", "refused")
    response = page(boss, service=service.sid)
    (found,) = [one for one in response.context["tables"] if one.name == "blocks"]
    # What was recorded only was sent, so that nothing of it is saved.
    assert [str(head) for head in found.heads] == ["Reason", "Outcome", "Starts", "Price"]
    shown = [(row.text, *(cell.text for cell in cells)) for row, cells in found.rows]
    assert shown == [
        ("a closed range", "refused", "3", "1.50"),
        ("a spend cap", "not sent", "1", "0.50"),
    ]
    for _name, cells in found.rows:
        assert rows_of(boss, cells[1].url) == int(cells[1].text)
    assert table(page(boss, country="DE"), "blocks") == {}


def test_locked_numbers(boss, service, clock):
    start(service)
    Verification.objects.update(status="max_attempts_reached")
    response = page(boss)
    assert numbers(response)["Locked now"] == "1"
    (number,) = [
        n for n in response.context["numbers"] if n["text"] == "1" and "locked" in n.get("url", "")
    ]
    assert rows_of(boss, number["url"]) == 1
    assert numbers(page(boss, country="DE"))["Locked now"] == "0"
    clock.shift(600)
    assert numbers(page(boss))["Locked now"] == "0"


def test_figures_have_a_permission_of_their_own(clerk, service, clock):
    start(service)
    nobody = clerk("view_verification", "view_verificationattempt")
    assert nobody.get(URL).status_code == 403
    assert nobody.get(f"{URL}export/country/").status_code == 403
    assert URL not in nobody.get("/admin/").content.decode()
    viewer = clerk("view_dashboard")
    response = page(viewer)
    assert numbers(response)["Started"] == "1"
    assert not [cell for cell in cells_with_links(response) if cell.url]
    assert viewer.get(f"{URL}export/country/").status_code == 200
    assert viewer.get(f"{URL}export/attempts/").status_code == 403
    assert "export/attempts" not in response.content.decode()
    assert clerk().get(URL).status_code == 403


def test_a_service_leads_to_its_own_dashboard(boss, clerk, service):
    link = f'href="{URL}?service={service.sid}"'
    path = f"/admin/django_verify/verifyservice/{service.sid}/change/"
    assert link in boss.get(path).content.decode()
    assert link not in clerk("view_verifyservice").get(path).content.decode()


def test_each_table_is_a_file(boss, service, clock):
    row = start(service)
    clock.shift(20)
    verifications.check(service, codes.reveal(row), verification_sid=row.sid)
    start(service, 1, sender="=cmd()")
    decide(service)
    response = page(boss)
    urls = set(re.findall(r'href="([^"]*export/[^"]*)"', response.content.decode()))
    names = sorted(url.split("/")[-2] for url in urls)
    assert names == sorted([*DIMENSIONS, "attempts", "attempts", "blocks", "time", "waiting"])
    (line,) = read_csv(boss.get(f"{URL}export/country/"))
    assert line == {
        "country": "US",
        "name": "United States",
        "starts": "2",
        "sent": "2",
        "delivered": "2",
        "approved": "1",
        "conversion": "0.5",
        "conversion before": "",
        "median seconds": "17.5",
        "p95 seconds": "19.75",
        "spend": "0.100000",
        "spend per approval": "0.1",
    }
    hours = read_csv(boss.get(f"{URL}export/time/"))
    assert len(hours) == timezone.localtime().hour + 1
    assert [hour["starts"] for hour in hours if hour["starts"] != "0"] == ["2"]
    waiting = read_csv(boss.get(f"{URL}export/waiting/"))
    assert {"seconds at most": "20", "verifications approved": "1"} in waiting
    assert read_csv(boss.get(f"{URL}export/blocks/"))[0]["price"] == "0.500000"
    assert {row["sender"] for row in read_csv(boss.get(f"{URL}export/sender/"))} == {
        "memory",
        "'=cmd()",
    }
    assert read_csv(boss.get(f"{URL}export/country/?country=DE")) == []
    assert boss.get(f"{URL}export/nothing/").status_code == 404


def test_the_file_of_attempts_is_masked_and_read_in_batches(
    boss, clerk, service, clock, monkeypatch
):
    monkeypatch.setattr(files, "BATCH", 2)
    rows = []
    for number in range(5):
        rows.append(start(service, number))
        clock.shift(1)  # keys of one millisecond are in no order
    start(service, 9, channel="email", error_message="=1+1")
    url = f"{URL}export/attempts/?channel=sms"
    response = boss.get(url)
    assert response.streaming
    found = read_csv(response)
    assert [line["verification"] for line in found] == [row.sid for row in rows]
    assert [line["recipient"] for line in found] == [f"'{row.to}" for row in rows]
    response = clerk("view_dashboard", "view_verificationattempt").get(f"{URL}export/attempts/")
    lines = read_csv(response)
    assert len(lines) == 6
    assert not [
        line for line in lines if "+1415555" in line["recipient"] or "p9@" in line["recipient"]
    ]
    assert lines[-1]["error"] == "'=1+1"


def test_the_page_asks_as_much_however_much_there_is(boss, service, clock):
    with CaptureQueriesContext(connection) as few:
        page(boss, period="7d")
    for number in range(12):
        start(service, number, approved=number % 2, sender=f"s{number}", locale=f"l{number}")
        clock.shift(2 * HOUR)
    rollups.advance()
    page(boss, period="7d")  # names of services and templates are read once there are any
    with CaptureQueriesContext(connection) as many:
        response = page(boss, period="7d")
    assert table(response, "sender")
    assert len(many) <= len(few) + 8
    assert len(many) <= 40
    tables = [q["sql"] for q in many if 'FROM "django_verify_verificationattempt"' in q["sql"]]
    # The hour that is not over, once for each period; messages due; and of the workers two more.
    assert len(tables) <= 5


def test_what_is_not_counted_is_said(boss, service, clock):
    start(service)
    clock.shift(3 * DAY)
    text = page(boss, period="7d").content.decode()
    assert "are not counted yet: run rollupattempts." in text
    rollups.advance()
    assert "not counted yet" not in page(boss, period="7d").content.decode()
    assert numbers(page(boss, period="7d"))["Started"] == "1"


def said(client, **query):
    alarms_ = page(client, **query).context["alarms"]
    return [alarm.text.replace("\xa0", " ") for alarm in alarms_]


def test_a_working_site_has_no_alarm(boss, service, clock):
    start(service, approved=True)
    assert said(boss) == []
    assert "What is wrong now" not in page(boss).content.decode()


def test_waiting_messages_and_no_worker(boss, clerk, service, clock):
    start(service)
    VerificationAttempt.objects.update(message_status="queued", due_at=timezone.now(), lease="")
    assert said(boss) == []
    clock.shift(9 * 60)
    assert said(boss) == ["1 message waits, and no worker has ever run: run deliverattempts."]
    WorkerHeartbeat.objects.create(name="deliverattempts", beat_at=timezone.now())
    (sentence,) = said(boss)
    assert sentence == "1 message waits since noon, though a worker runs."
    clock.shift(5 * 60)
    assert said(boss) == [
        "1 message waits, and no worker has run for 5 minutes: run deliverattempts."
    ]
    (alarm,) = page(boss).context["alarms"]
    assert rows_of(boss, alarm.url) == 1
    (alarm,) = page(clerk("view_dashboard")).context["alarms"]
    assert alarm.url == ""


def test_a_sender_that_is_skipped(boss, clock):
    SenderState.objects.create(
        alias="carrier",
        failures=9,
        failing_since=timezone.now(),
        open_until=timezone.now(),
        last_code="401",
        last_error="Authenticate",
    )
    (sentence,) = said(boss)
    assert sentence.startswith("carrier refuses our credentials. Since noon. ")


def test_a_sender_that_fails_for_what_an_operator_mends(boss, clock):
    kept = {"failures": 1, "failing_since": timezone.now()}
    SenderState.objects.create(alias="keys", last_code="403", last_error="Forbidden", **kept)
    SenderState.objects.create(alias="down", last_code="503", last_error="Busy", **kept)
    (sentence,) = said(boss)
    assert "keys" in sentence


def test_a_budget_that_is_nearly_spent(boss, service, clock):
    cap = SpendCap(account_id=service.account_id, period="day", amount=10)
    cap.save()
    month = SpendCap(account_id=service.account_id, service=service, period="month", amount=10)
    month.save()
    for one, level in ((cap, 7.9), (month, 12)):
        GuardCount.objects.create(
            key=alarms.cap_key(one, timezone.now()),
            level=level,
            room=10,
            drain=0,
            counted_at=0,
            passed=True,
            ends_at=timezone.now(),
        )
    assert said(boss) == ["120.0 % of this month's budget of Acme is spent."]
    GuardCount.objects.filter(level=7.9).update(level=8)
    assert "80.0 % of today's budget of Acme Inc. is spent." in said(boss)


def test_a_country_whose_conversion_fell(boss, service, account, clock):
    clock.shift(600)
    now = hour_at(timezone.now())
    values = {"account": account, "service": service, "channel": "sms"}
    for country, late in (("ID", 2), ("US", 13)):
        for hour in range(now - 100, now):
            fell = hour >= now - 3
            AttemptRollup.objects.create(
                hour=hour,
                country=country,
                starts=20,
                converted=late if fell else 13,
                **values,
            )
    rollups.advance()
    rollups.keeping._rows().update(counted_from=0)
    expected = "Conversion in Indonesia fell from 65.0 % to 10.0 % since 9 a.m."
    assert said(boss) == [expected]
    assert said(boss, country="US") == []
    (alarm,) = page(boss).context["alarms"]
    assert numbers(boss.get(alarm.url))["Started"] == str(20 * 23)


def test_the_longest_ago_that_can_be_asked(boss, clock):
    assert numbers(page(boss, since="0001-01-01", until="0001-01-01"))["Started"] == "0"
    assert numbers(page(boss, until="1969-12-31"))["Started"] == "0"


@pytest.mark.parametrize(
    ("hours", "measure", "since"),
    [
        ([], (0, 0), None),
        ([(1, 100, 60), (2, 100, 10), (3, 100, 10)], (1000, 650), 2),
        ([(1, 100, 60), (2, 100, 10), (3, 100, 62)], (1000, 650), None),  # it is over
        ([(1, 100, 60), (2, 100, 55), (3, 100, 58)], (1000, 650), None),
        ([(1, 9, 0), (2, 9, 0)], (1000, 650), None),  # too few to say
        ([(1, 40, 10), (2, 40, 8)], (20, 20), None),  # nothing to compare it with
        ([(1, 80, 4), (2, 80, 4)], (500, 100), 1),
    ],
)
def test_a_fall(hours, measure, since):
    found = alarms.fall(hours, measure)
    assert (found and found.since) == since


@pytest.mark.parametrize(
    ("most", "top"), [(0, "4"), (3, "4"), (7, "8"), (9.5, "10"), (11, "20"), (160, "200")]
)
def test_a_scale_has_round_ticks(most, top):
    chart = charts.bars("x", "X", "x", ["a"], [most], [str(most)])
    assert chart.rows[-1].text == top
    assert float(chart.bars[0].height) <= charts.HEIGHT


@pytest.mark.parametrize(
    ("most", "ticks"),
    [
        (0.0007, ["0", "0.0002", "0.0004", "0.0006", "0.0008"]),
        (0.9, ["0", "0.25", "0.5", "0.75", "1"]),
        (5, ["0", "1.5", "3", "4.5", "6"]),
        (9_000_000, ["0", "2,500,000", "5,000,000", "7,500,000", "10,000,000"]),
    ],
)
def test_the_ticks_of_a_scale_are_exact(most, ticks):
    chart = charts.bars("x", "X", "x", ["a"], [most], [str(most)])
    assert [row.text for row in chart.rows] == ticks


@pytest.mark.parametrize("count", [1, 2, 7, 24, 30, 366])
def test_the_newest_label_is_shown_and_none_runs_into_another(count):
    names, values = [str(i) for i in range(count)], [1_000_000] * count
    for chart in (
        charts.lines("x", "X", "x", names, [("started", "started", values)]),
        charts.bars("x", "X", "x", names, values, names),
    ):
        places = [float(column.place) for column in chart.columns]
        assert chart.columns[-1].text == names[-1]
        assert float(chart.left) <= places[0]
        assert places[-1] <= float(chart.right)
        assert all(right - left >= 120 for left, right in pairwise(places))
        assert chart.rows[-1].text == "1,000,000"


def test_days_are_those_of_the_site_and_an_hour_is_lost_in_spring(clock, settings):
    clock.move_to(dt.datetime(2026, 4, 2, 12, tzinfo=dt.UTC))
    query = QueryDict("since=2026-03-28&until=2026-03-30")
    with timezone.override("Europe/Berlin"):
        asked = periods.read(periods.DashboardForm(query), timezone.now())
        assert [span.label for span in asked.spans] == ["28 Mar", "29 Mar", "30 Mar"]
        assert [span.end - span.first for span in asked.spans] == [24, 23, 24]
        assert begin_of(asked.first) == dt.datetime(2026, 3, 27, 23, tzinfo=dt.UTC)
        assert asked.before[-1].end == asked.first
        assert (
            len(
                periods.read(
                    periods.DashboardForm(QueryDict("since=2026-03-29&until=2026-03-29")),
                    timezone.now(),
                ).spans
            )
            == 23
        )


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (0.4, "0 s"),
        (59.4, "59 s"),
        (60, "1 min"),
        (80, "1 min 20 s"),
        (7500, "2 h 5 min"),
        (7200, "2 h"),
    ],
)
def test_a_time_as_people_read_it(value, text):
    assert labels.seconds(value) == text
