"""Lists without end: a bounded stretch, and links to the others."""

import re

import pytest

from django_verify import verifications
from django_verify.admin import records, stretches
from django_verify.models import DeviceKey, Verification
from tests.conftest import PHONE

pytestmark = pytest.mark.django_db(transaction=True)

LIST = "/admin/django_verify/verification/"
DEVICES = "/admin/django_verify/devicekey/"


@pytest.fixture
def rows(service, monkeypatch, clock):
    """Seven verifications, of which a stretch has three; the newest last."""
    monkeypatch.setattr(stretches, "REACH", 3)
    made = []
    for number in range(7):
        made.append(verifications.start(service, f"{PHONE[:-1]}{number}"))
        clock.shift(0.01)  # keys of one millisecond are in no order
    return made


def shown(response):
    assert response.status_code == 200
    return [row.to[-1] for row in response.context["cl"].result_list]


def links(response):
    text = response.content.decode()
    found = re.findall(r'<a href="([^"]*)">(Newest|Earlier) rows</a>', text)
    return {name: url.replace("&amp;", "&") for url, name in found}


def test_a_list_shows_the_newest_rows_and_links_to_those_before(boss, rows):
    answer = boss.get(LIST)
    assert shown(answer) == ["6", "5", "4"]
    assert answer.context["cl"].result_count == 3
    assert list(links(answer)) == ["Earlier"]
    answer = boss.get(LIST + links(answer)["Earlier"])
    assert shown(answer) == ["3", "2", "1"]
    answer = boss.get(LIST + links(answer)["Earlier"])
    assert shown(answer) == ["0"]
    assert list(links(answer)) == ["Newest"]
    assert shown(boss.get(LIST + links(answer)["Newest"])) == ["6", "5", "4"]


def test_filters_and_the_order_are_of_the_stretch(boss, rows):
    Verification.objects.filter(pk__in=[rows[0].pk, rows[4].pk]).update(status="canceled")
    answer = boss.get(LIST, {"status": "canceled"})
    assert shown(answer) == ["4"]
    earlier = links(answer)["Earlier"]
    assert "status=canceled" in earlier
    assert shown(boss.get(LIST + earlier)) == []
    assert shown(boss.get(LIST, {"o": "-1"})) == ["6", "5", "4"]


def test_a_whole_recipient_or_sid_is_found_among_all_rows(boss, rows):
    for term in (rows[0].to, rows[0].sid, rows[0].attempts.get().sid):
        assert shown(boss.get(LIST, {"q": term})) == ["0"]


def test_a_part_of_a_recipient_is_found_among_the_latest_rows(boss, rows, monkeypatch):
    monkeypatch.setattr(records, "SEARCHED", 4)
    for term in (PHONE[:-1], rows[4].to[-4:]):
        answer = boss.get(LIST, {"q": term})
        expected = ["6", "5", "4", "3"] if term == PHONE[:-1] else ["4"]
        assert shown(answer) == expected
        assert "among the latest rows alone, back to March 1, 2026" in answer.content.decode()
        assert list(links(answer)) == ["Earlier"]
    assert shown(boss.get(LIST, {"q": rows[0].to[-4:]})) == []
    earlier = links(boss.get(LIST, {"q": rows[0].to[-4:]}))["Earlier"]
    answer = boss.get(LIST + earlier)
    assert shown(answer) == ["0"]
    assert "among the latest rows" not in answer.content.decode()


def test_a_time_is_cut_into_stretches_of_its_own(boss, rows):
    assert shown(boss.get(LIST, {"date_created__lt": str(rows[2].date_created)})) in (
        ["1", "0"],
        ["0"],
        [],
    )  # rows of one millisecond share a time


@pytest.mark.parametrize("before", ["x", "\0", "", "VE" + "0" * 32, "VA" + "f" * 32])
def test_a_row_that_there_is_not(boss, rows, before):
    assert set(shown(boss.get(LIST, {"before": before}))) <= {"6", "5", "4"}
    assert boss.get(DEVICES, {"before": before}).status_code == 200


def test_a_list_in_the_order_of_a_date(boss, clock, monkeypatch):
    monkeypatch.setattr(stretches, "REACH", 2)
    for number in range(5):
        DeviceKey.objects.create(key=str(number) * 64, public_key=b"0")
        clock.shift(1)
    answer, seen = boss.get(DEVICES), []
    while True:
        seen += [row.key[0] for row in answer.context["cl"].result_list]
        if "Earlier" not in links(answer):
            break
        answer = boss.get(DEVICES + links(answer)["Earlier"])
    assert "".join(seen) == "43210"


def test_no_list_counts_its_table(boss, rows, django_assert_max_num_queries):
    with django_assert_max_num_queries(12) as asked:
        boss.get(LIST, {"status": "pending"})
    counts = [query["sql"] for query in asked if "COUNT(" in query["sql"]]
    assert len(counts) == 1
    assert ">=" in counts[0]
