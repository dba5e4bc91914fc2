"""A provider that fails: found, understood, paused and tested by what the pages say alone."""

import pytest
from django.contrib.auth.models import User

from django_verify.delivery import circuit_breakers
from django_verify.models import SenderState
from tests.conftest import PHONE
from tests.example_project.conftest import (
    SIZES,
    browse,  # noqa: F401 - a fixture
    chromium,  # noqa: F401 - a fixture
    nothing_is_cut_off,
    policy,  # noqa: F401 - a fixture
)
from tests.scripted import Scripted, configured

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
expect = playwright.expect


@pytest.fixture
def size():
    """A phone's alone: what these pages do is the same at each, and both are looked at."""
    return SIZES["phone"]


@pytest.fixture(autouse=True)
def site(settings, service, monkeypatch, policy):  # noqa: F811
    monkeypatch.setattr(Scripted, "script", {})
    monkeypatch.setattr(Scripted, "asked", [])
    settings.DJANGO_VERIFY = configured(
        aliases=("telco", "backup"), reporting=("telco",), BASE_URL="https://shop.example"
    )
    User.objects.create_superuser("boss", password="boss")
    circuit_breakers.failed("telco", "the provider did not accept the account", "401")


def opened(page, live_server):
    """Log in, and open the provider."""
    page.goto(f"{live_server.url}/admin/")
    page.get_by_label("Username").fill("boss")
    page.get_by_label("Password").fill("boss")
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("link", name="Providers", exact=True).first.click()
    expect(page.get_by_text("Wrong credentials")).to_be_visible()
    nothing_is_cut_off(page)
    page.get_by_role("link", name="telco", exact=True).click()
    expect(page.get_by_text("telco refuses our credentials.")).to_be_visible()
    nothing_is_cut_off(page)


def test_a_failing_provider_is_paused(browse, live_server):  # noqa: F811
    def walk(page):
        opened(page, live_server)
        page.get_by_role("link", name="Pause").click()
        page.get_by_label("until somebody resumes it").check()
        nothing_is_cut_off(page)
        page.get_by_role("button", name="Yes, pause it").click()
        expect(page.get_by_text("It gets no messages.")).to_be_visible()
        expect(page.get_by_role("button", name="Copy")).to_be_hidden()
        expect(page.get_by_label("Address")).to_have_value(
            "https://shop.example/verify/callbacks/telco"
        )

    browse(walk)
    assert SenderState.objects.get().paused_at is not None


def test_a_test_message_shows_its_outcome(browse, live_server, service):  # noqa: F811
    def walk(page):
        opened(page, live_server)
        page.get_by_role("link", name="Providers", exact=True).first.click()
        page.get_by_role("link", name="backup", exact=True).click()
        page.get_by_role("link", name="Send a test message").click()
        page.get_by_label("Service").select_option(label=str(service.friendly_name))
        page.get_by_label("Recipient").fill(PHONE)
        page.get_by_role("button", name="Send", exact=True).click()
        expect(page.get_by_role("status")).to_contain_text("accepted the message")
        nothing_is_cut_off(page)

    browse(walk)
    assert Scripted.asked == ["backup"]


def test_the_address_is_copied(browse, live_server):  # noqa: F811
    def walk(page):
        # Which a browser with windows does by itself.
        page.context.grant_permissions(["clipboard-write"])
        opened(page, live_server)
        errors = []
        page.on("console", lambda message: errors.append(message.text))
        button = page.get_by_role("button", name="Copy")
        button.click()
        expect(page.get_by_role("button", name="Copied")).to_be_visible()
        assert errors == []

    browse(walk, scripts=True)
