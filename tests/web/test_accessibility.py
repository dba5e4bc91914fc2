"""The pages for people in a browser: axe-core finds nothing, on a phone and on a desk."""

import pytest

from tests.conftest import PHONE, make_service
from tests.example_project.conftest import browse, chromium  # noqa: F401 - fixtures

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def violations(page):
    found = axe.Axe().run(page).response["violations"]
    return {each["id"]: [node["html"][:200] for node in each["nodes"]] for each in found}


def test_axe_finds_nothing(browse, live_server, account, outbox):  # noqa: F811
    make_service(account, client_enabled=True)
    found = {}

    def walk(page):
        page.goto(live_server.url)
        found["start"] = violations(page)
        page.get_by_label("Phone number").fill("415")
        page.get_by_role("button", name="Send the code").click()
        found["refused number"] = violations(page)
        page.get_by_label("Phone number").fill(PHONE)
        page.get_by_role("button", name="Send the code").click()
        page.get_by_label("Code").first.wait_for()
        found["code"] = violations(page)
        page.get_by_label("Code").first.fill("000000")
        page.get_by_role("button", name="Check").or_(
            page.get_by_role("button", name="Verify")
        ).first.click()
        page.wait_for_load_state()
        found["wrong code"] = violations(page)

    browse(walk, scripts=True)
    assert not {name: each for name, each in found.items() if each}
    assert len(found) == 4
