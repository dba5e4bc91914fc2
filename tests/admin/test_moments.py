"""Times of the console: of a site without USE_TZ, and those that no calendar has."""

import html
import re

import pytest
from django.utils import timezone

from django_verify import rollups
from django_verify.models import SenderState
from tests.admin.test_dashboard import URL, decide, start
from tests.conftest import make_account, make_service

pytestmark = pytest.mark.django_db

ADMIN = "/admin/django_verify"


def test_the_console_of_a_site_without_time_zones(boss, settings, clock):
    settings.USE_TZ = False
    settings.TIME_ZONE = "Europe/Vienna"
    service, now = make_service(make_account()), timezone.now()
    start(service)
    decide(service)
    SenderState.objects.create(
        alias="memory", failures=9, failing_since=now, open_until=now, last_error_at=now
    )
    text = boss.get(URL).content.decode()
    links = {html.unescape(url) for url in re.findall(r'href="(/[^"]*date_created[^"]*)"', text)}
    assert len(links) > 10
    other = (f"{URL}?period={name}" for name in ("24h", "7d"))
    files = (f"{URL}export/{name}/" for name in ("country", "time", "blocks", "attempts"))
    dates = f"{URL}?since=2026-02-27&until=2026-02-28"
    for url in (*links, *other, *files, dates, f"{ADMIN}/senderstate/memory/change/"):
        assert boss.get(url).status_code == 200
    clock.shift(3 * 3600)
    assert rollups.advance()
    assert boss.get(URL).status_code == 200


@pytest.mark.parametrize("model", ["verification", "verificationattempt", "guarddecision"])
@pytest.mark.parametrize("name", ["date_created__gte", "date_created__lt"])
@pytest.mark.parametrize("moment", ["0001-01-01 00:00:00+14:00", "9999-12-31 23:59:59-14:00"])
def test_a_time_that_no_column_has_is_refused(boss, model, name, moment):
    answer = boss.get(f"{ADMIN}/{model}/", {name: moment})
    assert (answer.status_code, answer["Location"]) == (302, f"{ADMIN}/{model}/?e=1")


def test_a_site_without_time_zones_has_no_times_with_one(boss, settings):
    settings.USE_TZ = False
    query = {"date_created__gte": "2026-03-01 00:00:00+00:00"}
    assert boss.get(f"{ADMIN}/verification/", query).status_code == 302
