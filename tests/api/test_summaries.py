"""The summary is the same from the lines of hours as from the rows, whatever is asked."""

import datetime as dt

import pytest
from django.db import connection
from django.db.models import Count
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_verify import rollups, sids
from django_verify.api import attempts
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
    monkeypatch.setattr(attempts, "_WORTH_IT", 10**9)
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
    assert len([sql for sql in sqls if "verificationattempt" in sql]) == 2
    assert len([sql for sql in sqls if "rollup" in sql]) == 3
