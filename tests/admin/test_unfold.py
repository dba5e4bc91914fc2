"""Our pages in the frame of django-unfold, which has style sheets and templates of its own."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from django_verify.models import Verification, VerificationAttempt
from tests.admin.samples import one_of_each
from tests.example_project.conftest import chromium  # noqa: F401 - a fixture

pytest.importorskip("unfold", reason="django-unfold is not installed")
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
axe = pytest.importorskip("axe_playwright_python.base", reason="axe is not installed")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.once,
    pytest.mark.django_db(transaction=True),
]

# Each field and button of the page's own part can be told from what is around it.
BARE = """[...document.querySelectorAll(
    ":is(#content-main, .django-verify-find) :is(input[type=text], input[type=date], input[type=number], input[type=submit], select, .button)"
)].filter((e) => {
    const style = getComputedStyle(e);
    return e.checkVisibility() && style.borderTopWidth === "0px"
        && ["rgba(0, 0, 0, 0)", "transparent"].includes(style.backgroundColor);
}).map((e) => e.outerHTML.slice(0, 160))"""
# Of the rest the frame has findings of its own.
VIOLATIONS = """axe.run(
    {include: [[".dv-dashboard, [class^=django-verify], #changelist-search, .vIntegerField"]]},
    {runOnly: ["color-contrast", "label", "select-name"], resultTypes: ["violations"], preload: false}
).then(({violations}) => violations.flatMap(
    ({id, nodes}) => nodes.map((node) => [id, node.html.slice(0, 160)])
))"""
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_pages_are_readable_and_whole(chromium, live_server, account, settings, width, scheme):  # noqa: F811
    settings.INSTALLED_APPS = ["unfold.apps.BasicAppConfig", *settings.INSTALLED_APPS]
    settings.ROOT_URLCONF = "tests.admin.unfold_site"
    row = one_of_each(account)
    Verification.objects.update(status="max_attempts_reached")
    VerificationAttempt.objects.update(message_status="failed")
    client = Client()
    client.force_login(User.objects.create_superuser("boss"))
    cookie = {"name": "sessionid", "value": client.cookies["sessionid"].value}
    pages = ["", "dashboard/", f"verification/{row.pk}/change/", "verification/", "senderstate/"]
    pages += ["geopermission/", "ratelimit/add/"]
    found = {}

    def look(page):
        for name in pages:
            page.goto(f"{live_server.url}/admin/django_verify/{name}")
            assert page.locator("html[x-data]").count(), name
            found[name] = [page.evaluate(OVERFLOW), page.evaluate(BARE)]
            found[name] += page.evaluate(VIOLATIONS)
            if "change" in name:
                assert page.get_by_role("button", name="Unlock the recipient").is_visible()

    def run(browser):
        context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
        context.add_cookies([{**cookie, "url": live_server.url}])
        context.add_init_script(axe.AXE_SCRIPT)
        try:
            look(context.new_page())
        finally:
            context.close()

    chromium(run)
    assert found == {name: [0, []] for name in pages}
