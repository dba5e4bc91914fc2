"""Our pages of the admin in a browser: nothing scrolls sideways, and axe-core finds nothing."""

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from django_verify.models import GeoPermission, PrefixRule, Template, VerifyService, Webhook
from tests.admin.samples import one_of_each
from tests.example_project.conftest import chromium  # noqa: F401 - a fixture

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

# Of the page, and of the table of a list.
WIDTHS = """[document.documentElement, ...document.querySelectorAll(".results")]
    .map((element) => [element.scrollWidth, element.clientWidth])"""
# What a mouse reaches in the page's own part; of several radio buttons the keyboard reaches one.
REACHABLE = """(window.wanted = [...document.querySelectorAll(
    "main a[href], main button, main input:not([type=hidden]), main select, main summary"
)].filter((e) => e.checkVisibility() && !(e.type === "radio" && !e.checked))).length"""
# Django's own tables of inlines have headings without text above what has none.
RULES = {"resultTypes": ["violations"], "rules": {"empty-table-header": {"enabled": False}}}
APPS = ("django_verify", "django_verify_users")


@pytest.fixture
def cookie():
    client = Client()
    client.force_login(User.objects.create_superuser("boss"))
    return client.cookies["sessionid"].value


def lists():
    """The model of each of our lists."""
    return [model for model in admin.site._registry if model._meta.app_label in APPS]


def url_of(model, page, *args):
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


def visit(chromium, live_server, cookie, size, look):  # noqa: F811
    """Call `look` with a page of this size, logged in."""

    def run(browser):
        context = browser.new_context(viewport=dict(zip(("width", "height"), size, strict=True)))
        context.add_cookies([{"name": "sessionid", "value": cookie, "url": live_server.url}])
        try:
            look(context.new_page())
        finally:
            context.close()

    chromium(run)


def test_lists_fit_a_desk_and_axe_finds_nothing(chromium, live_server, cookie, account):  # noqa: F811
    row = one_of_each(account)
    urls = ["/admin/django_verify/", url_of(type(row), "change", row.pk)]
    urls += [url_of(type(row), "range", row.pk), url_of(VerifyService, "change", row.service_id)]
    urls += [url_of(model, "add") for model in (GeoPermission, PrefixRule, Template, Webhook)]
    urls += [url_of(model, "changelist") for model in lists()]
    wide, found = {}, {}

    def look(page):
        for url in urls:
            page.goto(f"{live_server.url}{url}")
            sizes = page.evaluate(WIDTHS)
            if any(inner > outer for inner, outer in sizes):
                wide[url] = sizes
            for violation in axe.Axe().run(page, options=RULES).response["violations"]:
                nodes = [node["html"][:160] for node in violation["nodes"]]
                found.setdefault(violation["id"], {}).setdefault(str(nodes[:3]), []).append(url)

    visit(chromium, live_server, cookie, (1280, 800), look)
    assert not wide
    assert not found, str(found)


def test_the_keyboard_reaches_everything(chromium, live_server, cookie, account):  # noqa: F811
    row = one_of_each(account)
    urls = [url_of(type(row), "change", row.pk), url_of(type(row), "range", row.pk)]
    urls += ["/admin/django_verify/", url_of(type(row), "changelist")]
    missed = {}

    def look(page):
        for url in urls:
            page.goto(f"{live_server.url}{url}")
            wanted = page.evaluate(REACHABLE)
            assert wanted
            for _ in range(page.evaluate("document.querySelectorAll('*').length")):
                page.keyboard.press("Tab")
                if page.evaluate("document.activeElement === document.body"):
                    break
                page.evaluate("document.activeElement.reached = true")
            left = page.evaluate("window.wanted.filter((e) => !e.reached).map((e) => e.outerHTML)")
            if left:
                missed[url] = left

    visit(chromium, live_server, cookie, (1280, 800), look)
    assert not missed
