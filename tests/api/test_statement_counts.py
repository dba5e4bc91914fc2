"""How many SQL statements a request costs, authentication included.

BEGIN and COMMIT are counted apart: they frame the one short transaction of a start.
"""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from django_verify.crypto import codes
from django_verify.db import config_cache
from django_verify.models import Bucket, EventSink, RateLimit, Verification
from tests.conftest import (
    OTHER_PHONE,
    PHONE,
    Api,
    code_in,
    make_key,
    make_pair,
    make_service,
    wrong,
)

pytestmark = pytest.mark.django_db(transaction=True)

FRAME = ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE")


@pytest.fixture
def statements(api):
    """`statements(call)` returns the request's statements and how many frame a transaction."""

    def count(call):
        with CaptureQueriesContext(
            connection,
        ) as captured:
            answer = call()
        assert answer.status in {200, 201}
        kinds = [query["sql"].split()[0].upper() for query in captured]
        frame = [kind for kind in kinds if kind in FRAME]
        return [kind for kind in kinds if kind not in FRAME], len(frame)

    return count


def test_start(api, service, statements):
    start = {"To": PHONE, "Channel": "sms"}
    path = f"Services/{service.sid}/Verifications"
    # The process does not know the account and the service yet.
    first = ["SELECT", "SELECT", "SELECT", "INSERT", "INSERT", "UPDATE"]
    assert statements(lambda: api.post(path, start)) == (first, 2)
    other = {"To": OTHER_PHONE, "Channel": "sms"}
    new = ["SELECT", "INSERT", "INSERT", "UPDATE"]
    assert statements(lambda: api.post(path, other)) == (new, 2)
    again = ["SELECT", "UPDATE", "INSERT", "UPDATE"]
    assert statements(lambda: api.post(path, start)) == (again, 2)


def test_an_api_key_costs_no_more(account, api, service, statements):
    key = make_key(account)
    keyed = Api(key.sid, key.secret)
    path = f"Services/{service.sid}/Verifications"
    keyed.post(path, {"To": PHONE, "Channel": "sms"})
    start = lambda: keyed.post(path, {"To": OTHER_PHONE, "Channel": "sms"})  # noqa: E731
    assert statements(start) == (["SELECT", "INSERT", "INSERT", "UPDATE"], 2)


@pytest.mark.parametrize("by", ["To", "VerificationSid"])
def test_check(api, service, statements, outbox, by):
    row = api.post(f"Services/{service.sid}/Verifications", {"To": PHONE, "Channel": "sms"}).data
    code = code_in(outbox[0])
    path = f"Services/{service.sid}/VerificationCheck"
    target = {by: PHONE if by == "To" else row["sid"]}
    for number in range(1, 5):
        form = {**target, "Code": wrong(code, number)}
        made = statements(lambda form=form: api.post(path, form))
        assert made == (["SELECT", "UPDATE"], 0)
    right = ["SELECT", "UPDATE", "UPDATE"]
    assert statements(lambda: api.post(path, {**target, "Code": code})) == (right, 0)


def test_a_process_that_only_checks_learns_its_callers(api, service, statements, outbox):
    api.post(f"Services/{service.sid}/Verifications", {"To": PHONE, "Channel": "sms"})
    config_cache.forget()
    path, code = f"Services/{service.sid}/VerificationCheck", code_in(outbox[0])
    first, second = (
        statements(lambda n=n: api.post(path, {"To": PHONE, "Code": wrong(code, n)}))[0]
        for n in (1, 2)
    )
    assert (first, second) == (["SELECT", "SELECT", "UPDATE"], ["SELECT", "UPDATE"])


def test_the_fifth_wrong_check_costs_no_more(api, service, statements, outbox):
    api.post(f"Services/{service.sid}/Verifications", {"To": PHONE, "Channel": "sms"})
    code, path = code_in(outbox[0]), f"Services/{service.sid}/VerificationCheck"
    counts = {
        len(statements(lambda n=n: api.post(path, {"To": PHONE, "Code": wrong(code, n)}))[0])
        for n in range(1, 6)
    }
    assert counts == {2}


def test_events_cost_no_savepoint(account, api, statements):
    service = make_service(account, verify_event_subscription_enabled=True)
    EventSink.objects.create(account=account, url="https://example.com/")
    path = f"Services/{service.sid}"
    warm = api.post(f"{path}/Verifications", {"To": OTHER_PHONE, "Channel": "sms"}).data
    api.post(f"{path}/VerificationCheck", {"VerificationSid": warm["sid"], "Code": "000000"})
    start = {"To": PHONE, "Channel": "sms"}
    # Of the start and of the message, each with its change: who is to hear, and the delivery.
    event = ["SELECT", "INSERT"]
    started = ["SELECT", "INSERT", "INSERT", *event, "UPDATE", *event]
    assert statements(lambda: api.post(f"{path}/Verifications", start)) == (started, 4)
    row = Verification.objects.get(to=PHONE)
    code = {"To": PHONE, "Code": codes.reveal(row)}
    # The approval's names the messages, too.
    checked = ["SELECT", "UPDATE", "UPDATE", "SELECT", "SELECT", "INSERT"]
    assert statements(lambda: api.post(f"{path}/VerificationCheck", code)) == (checked, 2)


def test_reads_and_api_keys(account, api, service, statements):
    row = api.post(f"Services/{service.sid}/Verifications", {"To": PHONE, "Channel": "sms"}).data
    key = make_key(account)
    keyed = Api(key.sid, key.secret)
    path = f"Services/{service.sid}/Verifications/{row['sid']}"
    # The first status read finds no count: an update of nothing, a look, and the insert.
    first = ["SELECT", "SELECT", "UPDATE", "SELECT", "INSERT"]
    assert statements(lambda: api.get(path)) == (first, 2)
    for caller in (api, keyed):
        for path in (f"Services/{service.sid}", "Services"):
            assert statements(lambda c=caller, p=path: c.get(p)) == (["SELECT", "SELECT"], 0)
        for key in (row["sid"], PHONE):
            path = f"Services/{service.sid}/Verifications/{key}"
            read = ["SELECT", "SELECT", "UPDATE"]
            assert statements(lambda c=caller, p=path: c.get(p)) == (read, 0)


def test_status_reads_are_free_in_development(api, service, statements, settings):
    row = api.post(f"Services/{service.sid}/Verifications", {"To": PHONE, "Channel": "sms"}).data
    settings.DEBUG = True
    path = f"Services/{service.sid}/Verifications/{row['sid']}"
    assert statements(lambda: api.get(path)) == (["SELECT", "SELECT"], 0)


@pytest.mark.parametrize("to", [PHONE, OTHER_PHONE])
def test_a_test_number_costs_a_select_where_the_service_has_one(
    account, api, service, statements, settings, to
):
    start = {"To": to, "Channel": "sms"}
    path = f"Services/{service.sid}/Verifications"
    first = ["SELECT", "SELECT", "SELECT", "INSERT", "INSERT", "UPDATE"]
    again = ["SELECT", "UPDATE", "INSERT", "UPDATE"]
    other = make_service(account)
    make_pair(other, PHONE)
    settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "TEST_NUMBERS": True}
    assert statements(lambda: api.post(path, start)) == (first, 2)
    make_pair(service, PHONE)
    # The first look finds the service outdated, and reads account, service and history again.
    outdated = ["SELECT", "SELECT", "SELECT", "SELECT", "SELECT", *again[1:]]
    assert statements(lambda: api.post(path, start)) == (outdated, 2)
    assert statements(lambda: api.post(path, start)) == (["SELECT", *again], 2)
    settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "TEST_NUMBERS": False}
    assert statements(lambda: api.post(path, start)) == (again, 2)


def test_a_named_limit(api, service, statements):
    """The limits, their counts, rows for new ones, and an update for each bucket."""
    limit = RateLimit.objects.create(service=service, unique_name="ip")
    for interval in (60, 3600):
        Bucket.objects.create(rate_limit=limit, max=9, interval=interval)
    path = f"Services/{service.sid}/Verifications"
    form = {"To": PHONE, "Channel": "sms", "RateLimits": '{"ip": "203.0.113.9"}'}
    new = ["SELECT", "SELECT", "SELECT", "SELECT", "SELECT", "INSERT", "INSERT"]
    first = ["UPDATE", "UPDATE", "INSERT", "INSERT", "UPDATE"]
    assert statements(lambda: api.post(path, form)) == (new + first, 4)
    known = ["SELECT", "SELECT", "SELECT", "UPDATE", "UPDATE"]
    again = ["UPDATE", "INSERT", "UPDATE"]
    assert statements(lambda: api.post(path, form)) == (known + again, 4)
