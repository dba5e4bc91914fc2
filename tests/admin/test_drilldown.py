"""What the dashboard counts is what the lists behind its numbers have."""

import pytest
from django.utils import timezone

from django_verify.models import GuardDecision, Verification
from tests.admin.test_dashboard import decide, page, start
from tests.conftest import make_account, make_service

pytestmark = pytest.mark.django_db


@pytest.fixture
def service():
    return make_service(make_account())


def listed(client, url):
    return client.get(url).context["cl"].result_count


def lock(row, **columns):
    status = Verification.Status.MAX_ATTEMPTS_REACHED
    Verification.objects.filter(pk=row.pk).update(status=status, **columns)


def test_what_is_locked_now(boss, service, clock):
    other = make_service(make_account())
    for number in range(2):
        lock(start(service, number))
    lock(start(other, 2))
    lock(start(service, 3), is_test=True)
    lock(start(service, 4), expires_at=timezone.now())
    for query, count in (({}, 3), ({"service": service.pk}, 2), ({"channel": "call"}, 0)):
        (number,) = (
            one for one in page(boss, **query).context["numbers"] if one["name"] == "Locked now"
        )
        assert number["text"] == str(count)
        assert listed(boss, number["url"]) == count
    ignored = boss.get("/admin/django_verify/verification/?locked=x").context["cl"].result_count
    assert ignored == 5


def test_what_was_blocked_in_a_country_by_a_channel(boss, service):
    for country, channel in (("US", "sms"), ("US", "call"), ("DE", "sms")):
        row = decide(service)
        GuardDecision.objects.filter(pk=row.pk).update(country=country, channel=channel)
    for query, count in (({}, 3), ({"country": "US"}, 2), ({"channel": "sms"}, 2)):
        (table,) = (t for t in page(boss, **query).context["tables"] if t.name == "blocks")
        ((_name, (_outcome, starts, _saved)),) = table.rows
        assert starts.text == str(count)
        assert listed(boss, starts.url) == count
    url = "/admin/django_verify/guarddecision/?channel=x&country=xx"
    assert listed(boss, url) == 3


@pytest.mark.parametrize("period", ["today", "7d"])
def test_a_day_that_is_not_over_is_compared_with_as_much_of_the_one_before(
    boss, service, clock, period
):
    days = 1 if period == "today" else 7
    clock.shift(-2 * 3600)
    now = timezone.now()
    for hours, number in ((-3, 1), (+3, 2)):
        clock.shift(-days * 86_400 + hours * 3600)
        start(service, number)
        clock.shift(days * 86_400 - hours * 3600)
    assert timezone.now() == now
    start(service, 3)
    found = {str(n["name"]): n for n in page(boss, period=period).context["numbers"]}
    # One start costs as much as the other; that of three hours later does not count yet.
    assert found["Spend"]["note"] == f"before: {found['Spend']['text']}"
