"""The web flow on the example site, in a real browser, at the size of a phone and of a desk."""

import pytest

from django_verify.models import Verification
from tests.conftest import PHONE, code_in, make_service, wrong
from tests.example_project.conftest import POLICY

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("policy"),
]

# A browser that reads messages, and gets one as soon as it is received to.
READS_MESSAGES = """
window.OTPCredential = class {};
navigator.credentials.get = (options) => new Promise((resolve, reject) => {
  window.asked = options.otp.transport;
  options.signal.addEventListener("abort", () => reject(new DOMException("", "AbortError")));
  window.deliver = (code) => resolve({ code });
});
"""


@pytest.fixture
def service(account):
    return make_service(account, client_enabled=True)


@pytest.fixture
def said():
    """What the browser's console says, which of a policy is where its complaints are."""
    texts = []
    yield texts
    assert not [text for text in texts if "Content Security" in text]
    assert not [text for text in texts if "Uncaught" in text]


def press(page, name):
    page.get_by_role("button", name=name).click()


def send(page, live_server, number=PHONE):
    page.goto(live_server.url)
    page.get_by_label("Phone number").fill(number)
    press(page, "Send the code")
    playwright.expect(page.get_by_role("heading")).to_have_text("Enter the code")


@pytest.mark.parametrize("scripts", [False, True], ids=["bare", "scripts"])
def test_a_person_verifies_a_number(browse, live_server, service, outbox, said, scripts):
    expect = playwright.expect
    requested = []

    def walk(page):
        page.on("request", lambda request: requested.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        answer = page.goto(live_server.url)
        assert answer.headers["content-security-policy"] == POLICY
        number = page.get_by_label("Phone number")
        expect(number).to_be_focused()
        number.fill("415")
        press(page, "Send the code")
        expect(page.get_by_role("alert")).to_contain_text("complete phone number")
        expect(number).to_have_value("415")
        expect(number).to_be_focused()

        number.fill("415 555 2671")
        page.get_by_label("Country").select_option("US")
        page.get_by_label("Text message").check()
        number.press("Enter")
        code = page.get_by_label("Code")
        expect(code).to_be_focused()
        expect(page.get_by_text("+1 415-555-2671")).to_be_visible()

        sent = code_in(outbox[-1])
        code.fill(wrong(sent))
        press(page, "Verify")
        expect(page.get_by_role("alert")).to_contain_text("You have 4 more tries.")
        expect(code).to_be_focused()
        page.reload()
        expect(page.get_by_role("alert")).to_have_count(0)

        code.fill(sent)
        code.press("Enter")
        expect(page.get_by_role("heading")).to_have_text("Your number is verified")
        page.go_back()
        expect(page.get_by_role("heading")).to_have_text("Your number is verified")
        page.get_by_role("link", name="Verify another number").click()
        expect(number).to_have_value("")

    browse(walk, scripts=scripts)
    assert all(url.startswith(live_server.url) for url in requested)
    row = Verification.objects.get()
    assert (row.status, row.checks) == ("approved", 2)


def test_nothing_is_cut_off(browse, live_server, service, outbox, clock):
    def look(page):
        page.wait_for_load_state("load")  # of the stylesheet too
        for thing in page.locator("button, a.button, input:visible, select").all():
            box = thing.bounding_box()
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= page.viewport_size["width"]
            assert box["height"] >= 44 or thing.get_attribute("type") == "radio"

    def walk(page):
        page.goto(live_server.url)
        look(page)
        send(page, live_server)
        look(page)
        press(page, "Send again")
        playwright.expect(page.get_by_role("alert")).to_contain_text("Please wait")
        look(page)
        clock.shift(601)
        page.reload()
        playwright.expect(page.get_by_role("heading")).to_have_text("The code has expired")
        look(page)
        page.get_by_role("link", name="Request a new code").click()
        playwright.expect(page.get_by_label("Phone number")).to_be_visible()

    browse(walk)


def test_the_wait_is_counted_down(browse, live_server, service, outbox, settings, said):
    settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "RESEND_COOLDOWNS": [3, 1]}
    expect = playwright.expect

    def walk(page):
        page.on("console", lambda message: said.append(message.text))
        send(page, live_server)
        again = page.get_by_role("button", name="Send again")
        expect(again).to_have_attribute("aria-disabled", "true")
        again.click(force=True)  # nothing is sent, and the focus stays where it is
        expect(again).to_be_focused()
        expect(page.locator("[data-verify-left]")).to_have_text("1 second")
        expect(page.get_by_role("status")).to_have_text("You can request another code now.")
        expect(again).to_be_focused()
        expect(page.locator("[data-verify-wait]")).to_be_hidden()
        assert len(outbox) == 1
        press(page, "Call me instead")
        expect(page.get_by_role("status").first).to_have_text("We are calling you now.")
        expect(page.get_by_text("We are calling +1 415-555-2671")).to_be_visible()

    browse(walk, scripts=True)
    assert [message.channel for message in outbox] == ["sms", "call"]


def test_the_message_is_read_by_the_browser(browse, live_server, service, outbox, said):
    expect = playwright.expect

    def walk(page):
        page.on("console", lambda message: said.append(message.text))
        page.add_init_script(READS_MESSAGES)
        send(page, live_server)
        assert page.evaluate("window.asked") == ["sms"]
        page.evaluate(f"window.deliver('{code_in(outbox[0])}')")
        expect(page.get_by_role("heading")).to_have_text("Your number is verified")
        # Typed before the message is read: the browser stops waiting, and nothing is sent twice.
        send(page, live_server)
        page.get_by_label("Code").fill(wrong(code_in(outbox[1])))
        press(page, "Verify")
        expect(page.get_by_role("alert")).to_contain_text("4 more tries")

    browse(walk, scripts=True)
    assert sorted(Verification.objects.values_list("checks", flat=True)) == [1, 1]


def test_a_double_click_checks_once(browse, live_server, service, outbox):
    posted = []

    def walk(page):
        send(page, live_server)
        page.on("request", lambda request: request.method == "POST" and posted.append(request.url))
        page.get_by_label("Code").fill(wrong(code_in(outbox[0])))
        page.get_by_role("button", name="Verify").dblclick()
        playwright.expect(page.get_by_role("alert")).to_contain_text("You have 4 more tries.")

    browse(walk, scripts=True)
    assert len(posted) == 1
    assert Verification.objects.get().checks == 1


def test_the_field_follows_the_channel(browse, live_server, service, outbox, said):
    expect = playwright.expect

    def walk(page):
        page.on("console", lambda message: said.append(message.text))
        page.goto(live_server.url)
        recipient, number = page.get_by_label("E-mail address"), page.get_by_label("Phone number")
        expect(recipient).to_be_hidden()
        page.get_by_label("E-mail", exact=True).check()
        expect(number).to_be_hidden()
        recipient.fill("nonsense")
        press(page, "Send the code")
        expect(recipient).to_be_focused()
        expect(number).to_be_hidden()
        recipient.fill("anna@example.com")
        recipient.press("Enter")
        page.get_by_label("Code").fill(code_in(outbox[0]))
        press(page, "Verify")
        expect(page.get_by_role("heading")).to_have_text("Your e-mail address is verified")

    browse(walk, scripts=True)


@pytest.mark.parametrize("scripts", [False, True], ids=["bare", "scripts"])
def test_by_keyboard_alone(browse, live_server, service, outbox, scripts):
    expect = playwright.expect

    def walk(page):
        page.goto(live_server.url)
        page.keyboard.type("415")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_be_visible()
        page.keyboard.press("Control+A")
        page.keyboard.type("+14155552671")
        page.keyboard.press("Tab")
        if not scripts:
            page.keyboard.press("Tab")  # past the field for an e-mail address
        expect(page.get_by_label("Text message")).to_be_focused()
        page.keyboard.press("ArrowDown")
        expect(page.get_by_label("Phone call")).to_be_checked()
        page.keyboard.press("Tab")
        expect(page.get_by_role("button", name="Send the code")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.get_by_text("We are calling")).to_be_visible()
        page.keyboard.type(code_in(outbox[0]))
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading")).to_have_text("Your number is verified")

    browse(walk, scripts=scripts)


def test_the_gate_is_passed_before_a_code_is_sent(browse, live_server, service, outbox, settings):
    gate = {"BACKEND": "django_verify.gates.memory.MemoryGate"}
    settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "BOT_PROTECTION": gate}
    expect = playwright.expect

    def walk(page):
        page.goto(live_server.url)
        page.get_by_label("Phone number").fill(PHONE)
        press(page, "Send the code")
        expect(page.get_by_role("alert")).to_contain_text("confirm that you are human")
        expect(page.get_by_label("Phone number")).to_have_value(PHONE)
        assert not outbox
        page.get_by_label("Password of the development gate").fill("open")
        press(page, "Send the code")
        expect(page.get_by_role("heading")).to_have_text("Enter the code")

    browse(walk)
    assert len(outbox) == 1
