"""Chromium, or its headless shell, at the size of a phone and of a desk."""

import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest

# The shell has no window to draw, and takes a quarter of the time.
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--accept-lang=en-US,en",  # the shell itself has no language
]


POLICY = "default-src 'self'"
SIZES = {"phone": (390, 844), "desk": (1280, 800)}


@pytest.fixture
def policy(live_server):
    """The strictest content policy that a site may have, of the server, which knows no setting."""
    server = live_server.thread.httpd
    application = server.get_app()

    def with_policy(environ, start_response):
        def start(status, headers, *more):
            return start_response(status, [*headers, ("Content-Security-Policy", POLICY)], *more)

        return application(environ, start)

    server.set_app(with_policy)
    yield
    server.set_app(application)


@pytest.fixture(scope="session")
def chromium():
    """`chromium(call)` runs a call of the browser, in the one thread that may drive it.

    In the thread of Playwright's event loop Django would open further connections, and nobody
    would close them.
    """
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("there is no Chromium on the path")
    with ThreadPoolExecutor(1) as pool:
        driver = pool.submit(playwright.sync_playwright().start).result()
        browser = pool.submit(
            driver.chromium.launch, executable_path=CHROMIUM, args=ARGUMENTS
        ).result()
        yield lambda call: pool.submit(call, browser).result()
        pool.submit(browser.close).result()
        pool.submit(driver.stop).result()


def nothing_is_cut_off(page):
    """Assert that the page does not scroll sideways, on a phone and on a desk."""
    page.wait_for_load_state()
    kept = page.viewport_size
    for width, height in SIZES.values():
        page.set_viewport_size({"width": width, "height": height})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.set_viewport_size(kept)


@pytest.fixture(params=SIZES.values(), ids=SIZES)
def size(request):
    return request.param


@pytest.fixture
def browse(size, chromium):
    """Call a function with a page of a fresh profile, by default one without JavaScript."""
    width, height = size

    def browse(walk, *, scripts=False):
        def run(browser):
            context = browser.new_context(
                viewport={"width": width, "height": height}, java_script_enabled=scripts
            )
            try:
                page = context.new_page()
                page.set_default_timeout(15_000)
                walk(page)
            finally:
                context.close()

        chromium(run)

    return browse
