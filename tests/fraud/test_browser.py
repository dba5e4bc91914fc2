"""What an operator does with the guard's lists, by what the admin's pages say alone."""

import datetime as dt

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from django_verify import sids, verifications
from django_verify.models import (
    GeoPermission,
    GuardDecision,
    GuardTrip,
    PrefixRule,
    Price,
    SafeListNumber,
    SpendCap,
)
from tests.conftest import PHONE
from tests.example_project.conftest import (
    SIZES,
    browse,  # noqa: F401 - a fixture
    chromium,  # noqa: F401 - a fixture
    nothing_is_cut_off,
)

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def size():
    """A phone's alone: what these pages do is the same at each, and both are looked at."""
    return SIZES["phone"]


@pytest.fixture(autouse=True)
def boss(db):
    User.objects.create_superuser("boss", password="boss")


def opened(page, live_server, link):
    """Log in, and follow a link of the admin's index."""
    page.goto(f"{live_server.url}/admin/")
    page.get_by_label("Username").fill("boss")
    page.get_by_label("Password").fill("boss")
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("link", name=link, exact=True).first.click()
    page.wait_for_url("**/django_verify/*/")
    nothing_is_cut_off(page)


def test_a_country_is_blocked(browse, live_server, service):  # noqa: F811
    def walk(page):
        opened(page, live_server, "Countries")
        page.get_by_role("link", name="Add country").first.click()
        page.get_by_label("Country", exact=False).select_option("Nigeria (+234)")
        page.get_by_label("Block: no codes are sent").check()
        nothing_is_cut_off(page)
        page.get_by_role("button", name="Save", exact=True).click()
        playwright.expect(page.get_by_role("link", name="Nigeria", exact=True)).to_be_visible()

    browse(walk)
    row = GeoPermission.objects.get()
    assert (row.country, row.action, row.scope) == ("NG", "block", service.account_id)


def test_only_some_countries_are_left(browse, live_server, service, tmp_path):  # noqa: F811
    def walk(page):
        opened(page, live_server, "Countries")
        page.get_by_role("link", name="Set all countries").click()
        page.get_by_label("only the countries chosen below").check()
        page.get_by_label("Countries:").select_option(["Germany (+49)", "France (+33)"])
        nothing_is_cut_off(page)
        page.get_by_role("button", name="Replace").click()
        playwright.expect(page.get_by_text("3 rows saved.")).to_be_visible()
        with page.expect_download() as download:
            page.get_by_role("link", name="Export CSV").click()
        file = tmp_path / "countries.csv"
        download.value.save_as(file)
        text = file.read_text("utf-8-sig").replace(",DE,,allow", ",DE,,block")
        file.write_text(text, "utf-8")
        page.get_by_role("link", name="Import CSV").click()
        page.get_by_label("CSV file").set_input_files(file)
        page.get_by_role("button", name="Import").click()
        playwright.expect(page.get_by_text("3 rows imported.")).to_be_visible()

    browse(walk)
    found = dict(GeoPermission.objects.values_list("country", "action"))
    assert found == {"*": "block", "DE": "block", "FR": "allow"}


def test_a_prefix_is_allowed_and_a_number_safe_listed(browse, live_server, service):  # noqa: F811
    def walk(page):
        opened(page, live_server, "Prefix rules")
        page.get_by_role("link", name="Add prefix rule").first.click()
        page.get_by_label("Numbers that begin with").fill("+44 90 987")
        page.get_by_label("Allow: codes are sent", exact=False).check()
        page.get_by_label("Note").fill("Opened last week")
        page.get_by_role("button", name="Save", exact=True).click()
        playwright.expect(page.get_by_role("link", name="+4490987", exact=True)).to_be_visible()
        page.goto(f"{live_server.url}/admin/")
        page.get_by_role("link", name="Safe list", exact=True).first.click()
        page.get_by_role("link", name="Add safe-listed number").first.click()
        page.get_by_label("Account").select_option(index=1)
        page.get_by_label("Phone number").fill("+49 1511 2345678")
        page.get_by_role("button", name="Save", exact=True).click()
        playwright.expect(page.get_by_role("link", name="+4915112345678")).to_be_visible()

    browse(walk)
    assert PrefixRule.objects.get().prefix == "+4490987"
    assert SafeListNumber.objects.get().number == "+4915112345678"


def decide(service, attempt_sid="", **values):
    GuardDecision.objects.create(
        account_id=service.account_id,
        service=service,
        attempt_sid=attempt_sid or sids.attempt(),
        recipient_key=PHONE,
        country="US",
        channel="sms",
        cause="block",
        **values,
    )


def test_a_closed_range_is_opened(browse, live_server, service):  # noqa: F811
    now = timezone.now()
    trip = GuardTrip.objects.create(
        account_id=service.account_id,
        level="standard",
        state="closed",
        kind="block",
        key="US +1415555",
        reason="14 of 14 numbers new, none confirmed",
        started_at=now,
        ends_at=now + dt.timedelta(hours=12),
    )

    def walk(page):
        opened(page, live_server, "Closed ranges")
        playwright.expect(page.get_by_text("14 of 14 numbers new")).to_be_visible()
        page.get_by_role("checkbox").last.check()
        page.get_by_label("Action:").select_option("Open the selected now")
        page.get_by_role("button", name="Run", exact=True).or_(
            page.get_by_role("button", name="Go", exact=True)
        ).first.click()
        playwright.expect(page.get_by_text("1 was opened.")).to_be_visible()

    browse(walk)
    trip.refresh_from_db()
    assert trip.is_over(timezone.now())


def test_a_level_and_a_cap_are_set(browse, live_server, service):  # noqa: F811
    def walk(page):
        opened(page, live_server, "Verify services")
        page.get_by_role("link", name="Acme").first.click()
        page.get_by_label("Guard level").select_option("Standard")
        page.get_by_label("Record only").check()
        nothing_is_cut_off(page)
        page.get_by_role("button", name="Save", exact=True).click()
        playwright.expect(page.get_by_text("was changed successfully")).to_be_visible()
        page.goto(f"{live_server.url}/admin/")
        page.get_by_role("link", name="Spend caps", exact=True).first.click()
        page.get_by_role("link", name="Add spend cap").first.click()
        page.get_by_label("Account").select_option(index=1)
        page.get_by_label("Period").select_option("day")
        page.get_by_label("At most").fill("25")
        nothing_is_cut_off(page)
        page.get_by_role("button", name="Save", exact=True).click()
        playwright.expect(page.get_by_text("was added successfully")).to_be_visible()

    browse(walk)
    service.refresh_from_db()
    assert (service.guard_level, service.guard_record_only) == ("standard", True)
    cap = SpendCap.objects.get()
    assert (cap.scope, cap.period, cap.amount) == (service.account_id, "day", 25)


def test_prices_are_imported(browse, live_server, service, tmp_path):  # noqa: F811
    file = tmp_path / "prices.csv"
    file.write_text("country;channel;price;currency\nDE;sms;0.075;USD\n*;call;0.1;USD\n")

    def walk(page):
        opened(page, live_server, "Prices")
        page.get_by_role("link", name="Import CSV").click()
        page.get_by_label("CSV file").set_input_files(file)
        nothing_is_cut_off(page)
        page.get_by_role("button", name="Import").click()
        playwright.expect(page.get_by_text("2 rows imported.")).to_be_visible()

    browse(walk)
    assert {str(row) for row in Price.objects.all()} == {"Germany sms", "All other countries call"}


def test_why_a_start_was_refused_is_seen_and_exported(browse, live_server, service, tmp_path):  # noqa: F811
    verifications.start(service, PHONE)
    decide(service, outcome="refused", reason="14 of 14 numbers new")
    decide(service, outcome="recorded", reason="11 of 12 numbers new")
    file = tmp_path / "decisions.csv"

    def walk(page):
        opened(page, live_server, "Verifications")
        page.get_by_role("link", name=PHONE).first.click()
        playwright.expect(page.get_by_text("refused: 14 of 14 numbers new")).to_be_visible()
        nothing_is_cut_off(page)
        page.goto(f"{live_server.url}/admin/")
        page.get_by_role("link", name="Blocked starts", exact=True).first.click()
        page.get_by_role("link", name="recorded only", exact=True).click()
        playwright.expect(page.get_by_text("11 of 12 numbers new")).to_be_visible()
        playwright.expect(page.get_by_text("14 of 14 numbers new")).to_have_count(0)
        with page.expect_download() as download:
            page.get_by_role("link", name="Export CSV").click()
        download.value.save_as(file)

    browse(walk)
    text = file.read_text("utf-8-sig")
    assert "11 of 12 numbers new" in text
    assert PHONE not in text
