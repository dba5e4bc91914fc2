"""Chromium, at the size of a phone and of a desk."""

import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(params=[(390, 844), (1280, 800)], ids=["phone", "desk"])
def browse(request):
    """Call a function with a page of a browser, by default one without JavaScript.

    It runs in a thread of its own: in the thread of Playwright's event loop, Django would open
    further connections, and nobody would close them.
    """
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("there is no Chromium on the path")
    width, height = request.param

    def run(walk, scripts):
        with playwright.sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
            page = browser.new_page(
                viewport={"width": width, "height": height}, java_script_enabled=scripts
            )
            page.set_default_timeout(15_000)
            walk(page)
            browser.close()

    def browse(walk, *, scripts=False):
        with ThreadPoolExecutor(1) as pool:
            pool.submit(run, walk, scripts).result()

    return browse
