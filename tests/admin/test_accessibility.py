"""Our pages of the admin in a browser: nothing scrolls sideways, and axe-core finds nothing."""

import pytest
from django.contrib import admin
from django.contrib.admin.utils import flatten_fieldsets
from django.contrib.auth.models import User
from django.test import Client, RequestFactory
from django.urls import reverse

from django_verify.models import (
    ApiKey,
    Dashboard,
    GeoPermission,
    PrefixRule,
    SenderState,
    VerifyService,
)
from tests.admin.samples import one_of_each
from tests.example_project.conftest import chromium  # noqa: F401 - a fixture

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
axe = pytest.importorskip("axe_playwright_python.base", reason="axe is not installed")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.once,
    pytest.mark.django_db(transaction=True),
]

# Of the page, and of the table of a list.
WIDTHS = """[document.documentElement, ...document.querySelectorAll(".results")]
    .map((element) => [element.scrollWidth, element.clientWidth])"""
# What a mouse reaches in the page's own part; of several radio buttons the keyboard reaches one.
REACHABLE = """(window.wanted = [...document.querySelectorAll(
    "main a[href], main button, main input:not([type=hidden]), main select, main summary"
)].filter((e) => e.checkVisibility() && !(e.type === "radio" && !e.checked))).length"""
LEFT = "window.wanted.filter((e) => !window.reached.has(e)).map((e) => e.outerHTML)"
REACHED = """window.reached = new Set();
document.addEventListener("focusin", (event) => window.reached.add(event.target));"""
# The head and the menu are those of every page, and looked at once; colours are those of a kind of
# pages, and take as long as all other rules.
VIOLATIONS = """async ([whole, colours]) => {
    const found = await axe.run(
        whole ? document : {exclude: ["#header", "#nav-sidebar", "#footer"]},
        {
            resultTypes: ["violations"],
            preload: false,  // no rule asks for the text of style sheets
            rules: {
                // Django's own tables of inlines have headings without text above what has none.
                "empty-table-header": {enabled: false},
                "color-contrast": {enabled: colours},
            },
        }
    );
    return found.violations.map(
        ({id, nodes}) => [id, nodes.slice(0, 3).map((node) => node.html.slice(0, 160))]
    );
}"""
DESK, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 800}
APPS = ("django_verify", "django_verify_users")


@pytest.fixture
def cookie():
    client = Client()
    client.force_login(User.objects.create_superuser("boss"))
    return client.cookies["sessionid"].value


def models():
    """The models that the admin has pages of."""
    return [model for model in admin.site._registry if model._meta.app_label in APPS]


def url_of(model, page, *args):
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


def asked_for(page, request, obj):
    """The fields of a form that can be filled in."""
    fields = flatten_fieldsets(page.get_fieldsets(request, obj))
    return set(fields) - set(page.get_readonly_fields(request, obj))


def forms():
    """The form of a row of each model, and that of a new one where it asks for more."""
    request = RequestFactory().get("/")
    request.user = User.objects.get(username="boss")
    for model in models():
        page, row = admin.site.get_model_admin(model), model._default_manager.first()
        if model is Dashboard:
            continue
        # The row of a sender that left the settings has no page.
        yield url_of(model, "change", "memory" if model is SenderState else row.pk)
        more = asked_for(page, request, None) - asked_for(page, request, row)
        if page.has_add_permission(request) and (more or page.get_inlines(request, None)):
            yield url_of(model, "add")


def own_pages(row):
    """What no form and no list is."""
    yield url_of(type(row), "range", row.pk)
    yield url_of(VerifyService, "test", row.service_id)
    yield url_of(GeoPermission, "set")
    yield url_of(PrefixRule, "import")
    yield url_of(ApiKey, "rotate", ApiKey.objects.get().pk)
    for page in ("pause", "close", "test"):
        yield url_of(SenderState, page, "memory")


def visit(chromium, live_server, cookie, look, script):  # noqa: F811
    """Call `look` with a page of a desk's size, logged in, in which a script has run."""

    def run(browser):
        context = browser.new_context(viewport=DESK)
        context.add_cookies([{"name": "sessionid", "value": cookie, "url": live_server.url}])
        context.add_init_script(script)
        try:
            look(context.new_page())
        finally:
            context.close()

    chromium(run)


def test_pages_fit_and_axe_finds_nothing(chromium, live_server, cookie, account):  # noqa: F811
    row = one_of_each(account)
    index, story = "/admin/django_verify/", url_of(type(row), "change", row.pk)
    lists = [url_of(model, "changelist") for model in models()]
    coloured = [url_of(model, "changelist") for model in (Dashboard, SenderState, type(row))]
    coloured += [index, story, url_of(VerifyService, "change", row.service_id), *own_pages(row)]
    urls = dict.fromkeys((*coloured, *lists, *forms()))
    wide, found = {}, {}

    def look(page):
        for url in urls:
            assert page.goto(f"{live_server.url}{url}").status == 200, url
            sizes = page.evaluate(WIDTHS)
            if url in lists:
                page.set_viewport_size(PHONE)
                sizes += page.evaluate(WIDTHS)
                page.set_viewport_size(DESK)
            if any(inner > outer for inner, outer in sizes):
                wide[url] = sizes
            for name, nodes in page.evaluate(VIOLATIONS, [url == index, url in coloured]):
                found.setdefault(name, {}).setdefault(str(nodes), []).append(url)

    visit(chromium, live_server, cookie, look, axe.AXE_SCRIPT)
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
            assert page.evaluate(REACHABLE)
            for _ in range(page.evaluate("document.querySelectorAll('*').length") // 20):
                for _ in range(20):
                    page.keyboard.press("Tab")
                if not (left := page.evaluate(LEFT)):
                    break
            if left:
                missed[url] = left

    visit(chromium, live_server, cookie, look, REACHED)
    assert not missed
