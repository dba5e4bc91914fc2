"""How many SQL statements a request costs, authentication included.

BEGIN and COMMIT are counted apart: they frame the one short transaction of a start, where a
database needs one.
"""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from django_verify import fraud, verifications
from django_verify.crypto import codes
from django_verify.db import config_cache
from django_verify.fraud import bars, places
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

# PostgreSQL takes as one statement what others take as several, in a transaction or one by one.
AT_ONCE = connection.vendor == "postgresql"
NEW = ["WITH"] if AT_ONCE else ["INSERT", "INSERT"]
RESEND = ["WITH"] if AT_ONCE else ["UPDATE", "INSERT"]
CHARGE = ["UPDATE"] if AT_ONCE else ["SELECT", "UPDATE"]
#: How many statements frame the transaction of what is one statement there.
AROUND = 0 if AT_ONCE else 2


@pytest.fixture
def statements(api, clock):
    """`statements(call)` returns the request's statements and how many frame a transaction.

    The clock stands still: on a busy machine the guard would read anew in between.
    """

    def count(call, answers=frozenset({200, 201})):
        fraud.refresh()
        with CaptureQueriesContext(
            connection,
        ) as captured:
            answer = call()
        assert answer.status in answers
        kinds = [query["sql"].split()[0].upper() for query in captured]
        frame = [kind for kind in kinds if kind in FRAME]
        return [kind for kind in kinds if kind not in FRAME], len(frame)

    return count


def test_a_start_reads_the_guards_lists_where_that_is_due(api, service):
    path = f"Services/{service.sid}/Verifications"
    fraud.forget()
    with CaptureQueriesContext(connection) as captured:
        assert api.post(path, {"To": PHONE, "Channel": "sms"}).status == 201
    # A union begins with a bracket on some databases.
    kinds = [query["sql"].lstrip("(").split()[0].upper() for query in captured]
    assert kinds.count("SELECT") == 4


def test_start(api, service, statements):
    start = {"To": PHONE, "Channel": "sms"}
    path = f"Services/{service.sid}/Verifications"
    # The process does not know the account and the service yet.
    first = ["SELECT", "SELECT", "SELECT", *NEW, "UPDATE"]
    assert statements(lambda: api.post(path, start)) == (first, AROUND)
    other = {"To": OTHER_PHONE, "Channel": "sms"}
    assert statements(lambda: api.post(path, other)) == (["SELECT", *NEW, "UPDATE"], AROUND)
    assert statements(lambda: api.post(path, start)) == (["SELECT", *RESEND, "UPDATE"], AROUND)


def test_an_api_key_costs_no_more(account, api, service, statements):
    key = make_key(account)
    keyed = Api(key.sid, key.secret)
    path = f"Services/{service.sid}/Verifications"
    keyed.post(path, {"To": PHONE, "Channel": "sms"})
    start = lambda: keyed.post(path, {"To": OTHER_PHONE, "Channel": "sms"})  # noqa: E731
    assert statements(start) == (["SELECT", *NEW, "UPDATE"], AROUND)
    check = lambda: keyed.post(  # noqa: E731
        f"Services/{service.sid}/VerificationCheck", {"To": PHONE, "Code": "none"}
    )
    assert statements(check) == (CHARGE, 0)


@pytest.mark.parametrize("record_only", [False, True])
@pytest.mark.parametrize("proved", [False, True])
def test_the_guard_costs_a_start_nothing_but_the_count_of_a_new_country(
    account, api, statements, outbox, clock, monkeypatch, proved, record_only
):
    guarded = make_service(account, guard_level="standard", guard_record_only=record_only)
    root = f"Services/{guarded.sid}"
    api.post(f"{root}/Verifications", {"To": PHONE, "Channel": "sms"})
    api.post(f"{root}/VerificationCheck", {"To": PHONE, "Code": code_in(outbox[-1])})
    clock.shift(60)
    if proved:
        monkeypatch.setattr(bars, "PROVED", 0.5)
    verifications.start(guarded, "+12015550123")  # reads that the code was entered
    start = {"To": OTHER_PHONE, "Channel": "sms"}
    # A count stands and falls with its start.
    count, around = ([], AROUND) if proved else (["INSERT"], 2)
    new = ["SELECT", *count, *NEW, "UPDATE"]
    assert statements(lambda: api.post(f"{root}/Verifications", start)) == (new, around)
    clock.shift(1)
    again = ["SELECT", *count, *RESEND, "UPDATE"]
    assert statements(lambda: api.post(f"{root}/Verifications", start)) == (again, around)
    check = {"To": OTHER_PHONE, "Code": code_in(outbox[-1])}
    right = [*CHARGE, "UPDATE"]
    assert statements(lambda: api.post(f"{root}/VerificationCheck", check)) == (right, 0)


def test_a_start_that_its_block_has_no_room_for_writes_its_decision_alone(
    account, api, statements, clock, monkeypatch
):
    monkeypatch.setattr(places, "AT_ONCE", 1)
    guarded = make_service(account, guard_level="standard")
    path = f"Services/{guarded.sid}/Verifications"
    assert api.post(path, {"To": "+4915112345670", "Channel": "sms"}).status == 201
    other = {"To": "+4915112345671", "Channel": "sms"}
    # Its history with the latest place, whether it was verified before, the safe list.
    refused = ["SELECT", "SELECT", "SELECT", "INSERT"]
    assert statements(lambda: api.post(path, other), answers={403})[0] == refused


@pytest.mark.parametrize("by", ["To", "VerificationSid"])
def test_check(api, service, statements, outbox, by):
    row = api.post(f"Services/{service.sid}/Verifications", {"To": PHONE, "Channel": "sms"}).data
    code = code_in(outbox[0])
    path = f"Services/{service.sid}/VerificationCheck"
    target = {by: PHONE if by == "To" else row["sid"]}
    charge = CHARGE if by == "To" else ["SELECT", "UPDATE"]
    for number in range(1, 4):
        form = {**target, "Code": wrong(code, number)}
        assert statements(lambda form=form: api.post(path, form)) == (charge, 0)
    right = [*charge, "UPDATE"]
    assert statements(lambda: api.post(path, {**target, "Code": code})) == (right, 0)


def test_a_process_that_only_checks_learns_its_callers(api, service, statements, outbox):
    api.post(f"Services/{service.sid}/Verifications", {"To": PHONE, "Channel": "sms"})
    config_cache.forget()
    path, code = f"Services/{service.sid}/VerificationCheck", code_in(outbox[0])
    first, second = (
        statements(lambda n=n: api.post(path, {"To": PHONE, "Code": wrong(code, n)}))[0]
        for n in (1, 2)
    )
    assert (first, second) == (["SELECT", "SELECT", "UPDATE"], CHARGE)


def test_the_fifth_wrong_check_costs_no_more(api, service, statements, outbox):
    api.post(f"Services/{service.sid}/Verifications", {"To": PHONE, "Channel": "sms"})
    code, path = code_in(outbox[0]), f"Services/{service.sid}/VerificationCheck"
    sent = [
        statements(lambda n=n: api.post(path, {"To": PHONE, "Code": wrong(code, n)}))
        for n in range(1, 6)
    ]
    assert sent == [(CHARGE, 0)] * 5


def test_events_cost_no_savepoint(account, api, statements):
    service = make_service(account, verify_event_subscription_enabled=True)
    EventSink.objects.create(account=account, url="https://example.com/")
    path = f"Services/{service.sid}"
    warm = api.post(f"{path}/Verifications", {"To": OTHER_PHONE, "Channel": "sms"}).data
    api.post(f"{path}/VerificationCheck", {"VerificationSid": warm["sid"], "Code": "000000"})
    start = {"To": PHONE, "Channel": "sms"}
    # PostgreSQL writes a change and its event by one statement; others need a transaction.
    new = NEW if AT_ONCE else [*NEW, "INSERT"]
    change = ["WITH"] if AT_ONCE else ["UPDATE", "INSERT"]
    started = (["SELECT", *new, *change], 2 * AROUND)
    assert statements(lambda: api.post(f"{path}/Verifications", start)) == started
    row = Verification.objects.get(to=PHONE)
    code = {"To": PHONE, "Code": codes.reveal(row)}
    checked = ([*CHARGE, *change], AROUND)
    assert statements(lambda: api.post(f"{path}/VerificationCheck", code)) == checked


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
    first = ["SELECT", "SELECT", "SELECT", *NEW, "UPDATE"]
    again = ["SELECT", *RESEND, "UPDATE"]
    other = make_service(account)
    make_pair(other, PHONE)
    settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "TEST_NUMBERS": True}
    assert statements(lambda: api.post(path, start)) == (first, AROUND)
    make_pair(service, PHONE)
    # The first look finds the service outdated, and reads account, service and history again.
    outdated = ["SELECT", "SELECT", "SELECT", "SELECT", "SELECT", *again[1:]]
    assert statements(lambda: api.post(path, start)) == (outdated, AROUND)
    assert statements(lambda: api.post(path, start)) == (["SELECT", *again], AROUND)
    settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "TEST_NUMBERS": False}
    assert statements(lambda: api.post(path, start)) == (again, AROUND)


def test_a_named_limit(api, service, statements):
    """One statement counts in all buckets, that of the start where it is one.

    The limits are read again where they have changed.
    """
    limit = RateLimit.objects.create(service=service, unique_name="ip")
    for interval in (60, 3600):
        Bucket.objects.create(rate_limit=limit, max=9, interval=interval)
    path = f"Services/{service.sid}/Verifications"
    form = {"To": PHONE, "Channel": "sms", "RateLimits": '{"ip": "203.0.113.9"}'}
    # Account, service, history, limits.
    read, count = ["SELECT"] * 4, ["INSERT"]
    first = [*([] if AT_ONCE else count), *NEW, "UPDATE"]
    assert statements(lambda: api.post(path, form)) == (read + first, AROUND)
    again = [*RESEND, "UPDATE"]
    assert statements(lambda: api.post(path, form)) == (["SELECT", *count, *again], AROUND)
    Bucket.objects.update(max=8)
    outdated = ["SELECT"] * 5
    assert statements(lambda: api.post(path, form)) == (outdated + count + again, AROUND)
    # The Python API goes by the same copies, for a service of its own.
    with CaptureQueriesContext(connection) as captured:
        verifications.start(service, PHONE, rate_limits={"ip": "203.0.113.9"})
    assert not any(RateLimit._meta.db_table in query["sql"] for query in captured)
