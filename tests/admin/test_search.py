"""The search box: what people have of a person finds the row, and tells nobody more."""

from urllib.parse import quote

import pytest

from django_verify import sids, verifications
from django_verify.models import (
    GeoPermission,
    SenderState,
    Verification,
    VerificationAttempt,
    Webhook,
)
from django_verify.verifications import clients, search
from tests.conftest import OTHER_PHONE, PHONE, make_account, make_service

pytestmark = pytest.mark.django_db

ROWS = "/admin/django_verify/verification/"
ATTEMPTS = "/admin/django_verify/verificationattempt/"
LISTS = pytest.mark.parametrize("rows", [ROWS, ATTEMPTS])


def found(client, term, rows=ROWS, **headers):
    response = client.get(f"{rows}?q={quote(term)}", headers=headers)
    assert response.status_code == 200
    return [getattr(row, "verification", row).pk for row in response.context["cl"].result_list]


@pytest.fixture
def row(service):
    verifications.start(service, "someone@example.com", "email")
    return verifications.start(service, PHONE)


@pytest.fixture
def viewer(clerk):
    return clerk("view_verification", "view_verificationattempt")


@pytest.fixture
def trusted(clerk):
    return clerk("view_verification", "view_verificationattempt", "see_full_recipients")


@LISTS
@pytest.mark.parametrize("spelling", ["(415) 555-2671", "415.555.2671", "1 415 555 2671"])
def test_a_national_number_is_tried_in_the_countries_of_the_latest_starts(
    viewer, row, rows, spelling
):
    assert found(viewer, spelling, rows) == [row.pk]


def test_a_national_number_is_tried_in_the_viewers_country(viewer, row, monkeypatch):
    monkeypatch.setattr(search, "regions_in_use", list)
    assert found(viewer, "(415) 555-2671") == []
    assert found(viewer, "(415) 555-2671", accept_language="de-AT,en-us;q=0.5") == [row.pk]


def test_a_national_number_is_tried_in_the_countries_that_are_allowed(viewer, account, row):
    start = verifications.start(row.service, "+436641234567")
    Verification.objects.filter(pk=start.pk).update(country="")
    assert found(viewer, "0664 1234567") == []
    GeoPermission.objects.create(account=account, country="AT", action="allow")
    assert found(viewer, "0664 1234567") == [start.pk]


@LISTS
def test_the_last_four_digits_find_a_number(viewer, trusted, service, row, rows):
    verifications.start(service, OTHER_PHONE)
    for client in (viewer, trusted):
        for spelling in ("2671", " 26 71", "٢٦٧١"):
            assert found(client, spelling, rows) == [row.pk]
        assert found(client, "2670", rows) == []


@LISTS
@pytest.mark.parametrize("part", ["671", "52671", "552671", "5552671", "55552671", "155552671"])
def test_no_other_end_is_answered_to_viewers_of_masked_numbers(viewer, trusted, row, rows, part):
    assert found(viewer, part, rows) == []
    assert found(trusted, part, rows) == ([row.pk] if len(part) > 3 else [])


def test_a_row_that_is_found_by_its_end_is_masked(viewer, row):
    page = viewer.get(f"{ROWS}?q=2671").content.decode()
    assert "+141******71" in page
    assert PHONE[1:] not in page


@LISTS
@pytest.mark.parametrize("due", [True, False])
def test_a_providers_message_id_finds_its_message(viewer, row, rows, due):
    ours = VerificationAttempt.objects.filter(verification=row)
    ours.update(provider_sid="SM-17 x", sender="memory", due_at=row.expires_at if due else None)
    assert found(viewer, "SM-17 x", rows) == [row.pk]
    assert found(viewer, "SM-17", rows) == []


def test_a_message_of_a_sender_that_has_gone_is_found_while_its_state_is_there(viewer, row):
    ours = VerificationAttempt.objects.filter(verification=row)
    ours.update(provider_sid="0100018c-7", sender="former")
    assert found(viewer, "0100018c-7") == []
    SenderState.objects.create(alias="former")
    assert found(viewer, "0100018c-7") == [row.pk]


@LISTS
def test_sids_of_what_a_verification_belongs_to(viewer, account, service, rows):
    service.client_enabled = True
    service.save()
    other = make_service(make_account("Other"))
    verifications.start(other, PHONE)
    state = clients.start(service, PHONE, caller=clients.Caller(ip="192.0.2.1"))
    mine = [Verification.objects.get(client=state.sid).pk]
    for sid in (state.sid, service.sid, account.sid, account.sid.lower()):
        assert found(viewer, sid, rows) == mine
    assert found(viewer, sids.service(), rows) == []


def test_a_service_that_has_a_page_of_its_own_lists_its_rows_all_the_same(boss, row):
    for sid in (row.service_id, row.account_id):
        assert len(found(boss, sid)) == 2
    assert boss.get(f"{ROWS}?q=%00{'0' * 33}").status_code == 200


def test_the_sid_of_anything_else_leads_to_its_page(viewer, clerk, boss, service):
    hook = Webhook.objects.create(
        service=service, friendly_name="Hook", event_types=["*"], webhook_url="https://example.com/"
    )
    answer = boss.get(f"{ROWS}?q={hook.sid.lower()}")
    assert answer.url == f"/admin/django_verify/webhook/{hook.sid}/change/"
    assert viewer.get(f"{ROWS}?q={hook.sid}").status_code == 200  # who may not see it
    assert boss.get(f"{ROWS}?q={sids.webhook()}").status_code == 200


def test_few_digits_that_are_a_number_somewhere_are_an_end_as_well(trusted, service, row):
    """Seven digits are a whole number in Iceland."""
    iceland = verifications.start(service, "+3546111234")
    assert found(trusted, "6111234") == [iceland.pk]
    assert found(trusted, "5552671") == [row.pk]


@pytest.mark.parametrize(
    ("term", "most"), [("+14155552671", 8), ("(415) 555-2671", 11), ("2671", 11), ("SM-17", 11)]
)
def test_a_search_costs_few_statements(boss, row, term, most, django_assert_max_num_queries):
    with django_assert_max_num_queries(most):
        boss.get(f"{ROWS}?q={quote(term)}")


def test_nothing_typed_is_no_search(db):
    assert search.find(" \u200e ", may_see=True) is None
    for term in ("nobody", "ann@", "@", "+", "VE", "\u0664"):
        assert not search.find(term, may_see=False).is_whole
