"""The summary is the same from the lines of hours as from the rows, whatever is asked."""

import datetime as dt

import pytest
from django.db import connection
from django.db.models import Count
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_verify import rollups, sids
from django_verify.api import summaries
from django_verify.models import AttemptRollup, RollupHour, Verification, VerificationAttempt
from tests.conftest import make_account, make_service, purged

pytestmark = pytest.mark.django_db

HOUR, DAY = 3600, 86_400
COUNTRIES, CHANNELS = ("US", "DE", ""), ("sms", "call", "email", "rcs", "sna")


ROWS = 120


def made(service, moment, number):
    """A start of long ago, and what became of it."""
    row = Verification(
        sid=sids.verification(moment),
        account_id=service.account_id,
        service=service,
        serial=number,
        recipient_key=f"+1415555{number:04}",
        to=f"+1415555{number:04}",
        country=COUNTRIES[number % 3],
        channel=CHANNELS[number % 5],
        status="approved" if number % 4 == 1 else "expired",
        is_test=number % 11 == 0,
        sends=1 + number % 2,
        date_created=moment,
        date_updated=moment + dt.timedelta(seconds=number),
        expires_at=moment + dt.timedelta(seconds=600),
        code_length=6,
        max_checks=5,
        max_sends=5,
    )
    attempts = [
        VerificationAttempt(
            sid=sids.attempt(moment + dt.timedelta(seconds=40 * resend)),
            verification=row,
            account_id=row.account_id,
            channel=row.channel,
            locale="en",
            message_status="delivered",
        )
        for resend in range(row.sends)
    ]
    return row, attempts


@pytest.fixture
def site(account, clock):
    """Rows of 32 days, of two services of the account and one of another."""
    services = [make_service(account), make_service(account), make_service(make_account())]
    now, rows, sent = timezone.now(), [], []
    for number in range(ROWS):
        age = dt.timedelta(hours=6.4 * number, seconds=977 * number % 3600)
        row, attempts = made(services[number % 7 % 3], now - age, number)
        rows.append(row)
        sent += attempts
    Verification.objects.bulk_create(rows)
    VerificationAttempt.objects.bulk_create(sent)
    return services


def queries_of(service):
    """What may be asked, with the edges at, before and behind whole hours."""
    now = timezone.now().replace(minute=0, second=0, microsecond=0)
    times = [None]
    for hours, seconds in ((1, 0), (49, -1), (300, 1800), (719.9, 0)):
        moment = now - dt.timedelta(hours=hours, seconds=seconds)
        times.append(moment.strftime("%Y-%m-%dT%H:%M:%SZ"))
    hour, day, days, month = times[1:]
    filters = ({}, {"Channel": "rbm"}, {"VerifyServiceSid": service.sid, "Country": "DE"})
    of_these = ((0, 1, 2), (0,), (1,), (0, 2), (0,), (0, 1), (2,), (0,), (0,))
    for (after, before), numbers in zip(
        (
            *((None, None), (hour, None), (days, None), (month, None), (None, day)),
            *((month, hour), (days, day), (day, hour), (hour, days)),
        ),
        of_these,
        strict=True,
    ):
        time = {"DateCreatedAfter": after, "DateCreatedBefore": before}
        for number in numbers:
            query = {**time, **filters[number]}
            yield {name: value for name, value in query.items() if value}


def asked(api, service):
    found = []
    for query in queries_of(service):
        answer = api.get("Attempts/Summary", **query)
        assert answer.status == 200, answer.data
        answer.data.pop("url")
        found.append((query, answer.data))
    return found


def test_lines_and_rows_come_to_the_same(api, site, monkeypatch):
    service = site[0]
    rows = asked(api, service)
    assert len({answer["total_attempts"] for _, answer in rows}) > 7
    assert asked(api, service) == rows
    rollups.advance()
    assert AttemptRollup.objects.count() > 75
    assert asked(api, service) == rows
    # Some hours are to be counted again.
    RollupHour.objects.filter(
        hour__in=list(RollupHour.objects.values_list("hour", flat=True))[::5]
    ).update(due_at=timezone.now())
    assert asked(api, service) == rows
    # It is the lines that have answered.
    AttemptRollup.objects.update(starts=0)
    assert asked(api, service) != rows
    monkeypatch.setattr(summaries, "_WORTH_IT", 10**9)
    assert asked(api, service) == rows


def test_what_a_purge_has_taken_is_in_no_summary(api, site, clock, settings):
    settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "ATTEMPT_RETENTION_DAYS": 5}
    rollups.advance()
    assert purged("attempts") > 50
    service = site[0]
    found = asked(api, service)
    mine = VerificationAttempt.objects.filter(account=service.account, verification__is_test=False)
    left = mine.exclude(channel="sna").aggregate(n=Count("pk"))["n"]
    assert dict(found[0][1])["total_attempts"] == left < AttemptRollup.objects.count()
    AttemptRollup.objects.all().delete()
    RollupHour.objects.update(due_at=timezone.now())
    assert asked(api, service) == found


def test_a_month_reads_the_rows_of_its_edges_alone(api, site):
    rollups.advance()
    with CaptureQueriesContext(connection) as captured:
        assert api.get("Attempts/Summary").data["total_attempts"] > 50
    sqls = [query["sql"] for query in captured]
    # One for each edge, and one for messages of verifications that begin before or behind it.
    assert len([sql for sql in sqls if "verificationattempt" in sql]) == 4
    assert len([sql for sql in sqls if "rollup" in sql]) == 3


def test_a_site_without_time_zones_has_the_same_figures(api, site, settings):
    rollups.advance()
    found = asked(api, site[0])
    settings.USE_TZ = False
    for query, answer in found:
        assert api.get("Attempts/Summary", **query).data.items() >= answer.items(), query


def test_an_end_far_away_is_no_million_of_hours(api, site, monkeypatch):
    rollups.advance()
    period, hours = rollups.Period.of, []

    def watched(first, end, *args, **kwargs):
        hours.append(end - first)
        return period(first, end, *args, **kwargs)

    monkeypatch.setattr(rollups.Period, "of", watched)
    # By a clock that was ahead.
    row, attempts = made(site[0], timezone.now() + dt.timedelta(days=2), ROWS)
    row.save(force_insert=True)
    VerificationAttempt.objects.bulk_create(attempts)
    totals = [
        api.get("Attempts/Summary", **query).data["total_attempts"]
        for query in (
            {},
            {"DateCreatedBefore": "2026-03-03T00:00:00Z"},
            {"DateCreatedBefore": "9999-12-31T23:59:59Z"},
        )
    ]
    assert totals[0] == totals[1] + len(attempts) == totals[2]
    assert len(hours) == 3
    assert max(hours) <= 30 * 24 + 1


def test_a_time_begins_and_ends_between_the_messages_of_a_verification(api, service, clock):
    begin = timezone.now().replace(minute=7, second=0, microsecond=0)
    for number in range(1, 12):
        row, attempts = made(service, begin + dt.timedelta(seconds=number), number)
        row.save(force_insert=True)
        VerificationAttempt.objects.bulk_create(attempts)
    clock.move_to(begin + dt.timedelta(minutes=1))
    rows = VerificationAttempt.objects.exclude(channel="sna").filter(verification__is_test=False)
    for after, before in (
        (0, 60),
        (6, 44),
        (20, 60),
        (30, 60),
        (45, 60),
        (0, 45),
        (46, 60),
        (0, 7),
    ):
        times = [begin + dt.timedelta(seconds=each) for each in (after, before)]
        texts = [f"{moment:%Y-%m-%dT%H:%M:%SZ}" for moment in times]
        names = ("DateCreatedAfter", "DateCreatedBefore")
        query = dict(zip(names, texts, strict=True))
        found = rows.filter(sid__gte=sids.first_at("VL", times[0]))
        found = found.filter(sid__lt=sids.first_at("VL", times[1]))
        for extra, of_these in (
            ({}, found),
            ({"DestinationPrefix": "+14155550"}, found),
            ({"DestinationPrefix": "+14155550001"}, found.filter(verification__serial=1)),
            ({"Country": "DE"}, found.filter(verification__country="DE")),
            ({"Channel": "email"}, found.filter(channel="email")),
        ):
            answer = api.get("Attempts/Summary", **query, **extra).data
            converted = of_these.filter(verification__status="approved").count()
            assert (answer["total_attempts"], answer["total_converted"]) == (
                of_these.count(),
                converted,
            ), (after, before, extra)


def test_thousands_of_rows_are_counted_once_in_five_seconds(api, service, clock, monkeypatch):
    def add(number):
        row, attempts = made(service, timezone.now(), number)
        row.save(force_insert=True)
        VerificationAttempt.objects.bulk_create(attempts[:1])

    def total(**query):
        return api.get("Attempts/Summary", **query).data["total_attempts"]

    passed = [0.0]
    monkeypatch.setattr(summaries, "monotonic", lambda: passed[0])
    after = f"{timezone.now() - dt.timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"
    monkeypatch.setattr(summaries, "MANY", 3)
    for number in (1, 2):
        add(number)
        assert total(DateCreatedAfter=after) == number
    add(3)
    assert total(DateCreatedAfter=after) == 3
    add(5)
    assert total(DateCreatedAfter=after) == 3
    # Another question is another count.
    assert total(DateCreatedAfter=after, Country="US") == 1
    assert total(DateCreatedAfter=after, DestinationPrefix="+1415555") == 4
    # The clock may be set meanwhile.
    passed[0] = 4.9
    clock.shift(-3600)
    assert total(DateCreatedAfter=after) == 3
    passed[0] = 5.0
    clock.shift(3600)
    assert total(DateCreatedAfter=after) == 4


@pytest.mark.parametrize("query", [{}, {"DestinationPrefix": "+1"}])
def test_what_is_asked_of_the_whole_time_is_kept_as_well(api, site, clock, monkeypatch, query):
    monkeypatch.setattr(summaries, "MANY", 1)
    before = api.get("Attempts/Summary", **query).data
    clock.shift(1)
    with CaptureQueriesContext(connection) as captured:
        assert api.get("Attempts/Summary", **query).data == before
    assert not any("verificationattempt" in each["sql"] for each in captured)


def test_a_count_of_another_database_is_another(monkeypatch):
    now, filters = timezone.now(), rollups.Filters(account=sids.account())
    figures = {"default": summaries.Figures(5000, 1), "other": summaries.Figures(6000, 2)}
    monkeypatch.setattr(summaries._Attempts, "_count", lambda self, *_: figures[self._rows.db])
    for _ in range(2):
        for alias, count in figures.items():
            rows = VerificationAttempt.objects.using(alias)
            attempts = summaries._Attempts(rows, filters, None, now)
            assert attempts.counted(now, None) == count
