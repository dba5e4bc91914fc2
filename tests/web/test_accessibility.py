"""The pages in a browser: axe-core finds nothing, on phone and desk, in five scripts, light and dark."""

import pytest

from tests.conftest import PHONE, make_service
from tests.example_project.conftest import browse, chromium, size  # noqa: F401 - fixtures

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


#: A language of each script, beside English.
SCRIPTS = {"ar": "rtl", "he": "rtl", "hi": "ltr", "zh-hant": "ltr"}
STYLES = """() => ({
  over: document.documentElement.scrollWidth - innerWidth,
  page: getComputedStyle(document.querySelector(".verify")).direction,
  fields: [...document.querySelectorAll("input[type=text], input[type=tel], input[type=email]")]
    .map((field) => getComputedStyle(field).direction),
  button: document.querySelector(".verify button").getBoundingClientRect().height,
})"""


def test_axe_finds_nothing_in_five_scripts(chromium, live_server, account, outbox, settings):  # noqa: F811
    """In the frame of the package, which the example site does not use."""
    make_service(account, client_enabled=True)
    apps = [app for app in settings.INSTALLED_APPS if app != "example_project"]
    settings.INSTALLED_APPS = [*apps, "example_project"]
    found, complaints = {}, []

    def look(page, path):
        for language, direction in SCRIPTS.items():
            settings.LANGUAGE_CODE = language
            page.emulate_media(color_scheme="dark" if language in {"he", "hi"} else "light")
            page.goto(live_server.url + path)
            assert page.locator("html").get_attribute("lang") == language
            styles = page.evaluate(STYLES)
            assert styles["page"] == direction
            assert set(styles["fields"]) == {"ltr"}
            assert styles["button"] >= 44
            assert styles["over"] <= 0
            found[path, language] = violations(page)

    def walk(browser):
        context = browser.new_context(viewport={"width": 390, "height": 844})
        try:
            page = context.new_page()
            page.set_default_timeout(15_000)
            page.on("console", lambda message: complaints.append(message.text))
            look(page, "/")
            page.locator("[name=number]").fill(PHONE)
            page.locator(".verify button").first.click()
            page.locator("[name=code]").wait_for()
            look(page, "/code/")
        finally:
            context.close()

    chromium(walk)
    assert not {name: each for name, each in found.items() if each}
    assert len(found) == 2 * len(SCRIPTS)
    assert not [text for text in complaints if "verify" in text]
