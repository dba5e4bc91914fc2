"""How many SQL statements a request costs, authentication included.

BEGIN and COMMIT are counted apart: they frame the one short transaction of a start.
"""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.conftest import PHONE, Api, code_in, make_key, wrong

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
    first = ["SELECT", "SELECT", "SELECT", "INSERT", "INSERT", "UPDATE"]
    assert statements(lambda: api.post(path, start)) == (first, 2)
    again = ["SELECT", "SELECT", "SELECT", "UPDATE", "INSERT", "UPDATE"]
    assert statements(lambda: api.post(path, start)) == (again, 2)


@pytest.mark.parametrize("by", ["To", "VerificationSid"])
def test_check(api, service, statements, outbox, by):
    row = api.post(f"Services/{service.sid}/Verifications", {"To": PHONE, "Channel": "sms"}).data
    code = code_in(outbox[0])
    path = f"Services/{service.sid}/VerificationCheck"
    target = {by: PHONE if by == "To" else row["sid"]}
    for number in range(1, 5):
        form = {**target, "Code": wrong(code, number)}
        assert statements(lambda form=form: api.post(path, form)) == (
            ["SELECT", "SELECT", "UPDATE"],
            0,
        )
    right = ["SELECT", "SELECT", "UPDATE", "UPDATE"]
    assert statements(lambda: api.post(path, {**target, "Code": code})) == (right, 0)


def test_the_fifth_wrong_check_costs_no_more(api, service, statements, outbox):
    api.post(f"Services/{service.sid}/Verifications", {"To": PHONE, "Channel": "sms"})
    code, path = code_in(outbox[0]), f"Services/{service.sid}/VerificationCheck"
    counts = {
        len(statements(lambda n=n: api.post(path, {"To": PHONE, "Code": wrong(code, n)}))[0])
        for n in range(1, 6)
    }
    assert counts == {3}


def test_reads_and_api_keys(account, api, service, statements):
    row = api.post(f"Services/{service.sid}/Verifications", {"To": PHONE, "Channel": "sms"}).data
    key = make_key(account)
    keyed = Api(key.sid, key.secret)
    for caller in (api, keyed):
        for path in (
            f"Services/{service.sid}",
            f"Services/{service.sid}/Verifications/{row['sid']}",
            f"Services/{service.sid}/Verifications/{PHONE}",
            "Services",
        ):
            assert statements(lambda c=caller, p=path: c.get(p)) == (["SELECT", "SELECT"], 0)
