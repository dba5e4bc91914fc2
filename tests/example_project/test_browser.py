"""The page that verifies a number, in a real browser, at the size of a phone and of a desk."""

import pytest

from django_verify import phones
from django_verify.models import Verification
from tests.conftest import PHONE, code_in, wrong

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_a_person_verifies_a_number(browse, live_server, service, outbox):
    expect = playwright.expect
    requested = []

    def walk(page):
        page.on("request", lambda request: requested.append(request.url))
        page.goto(live_server.url)
        number = page.get_by_label("Phone number")
        number.fill("415")
        page.get_by_role("button", name="Send the code").click()
        expect(page.get_by_role("alert")).to_contain_text("complete phone number")
        expect(number).to_have_value("415")

        number.fill("+1 415 555 2671")
        page.get_by_label("Text message").check()
        number.press("Enter")
        code = page.get_by_label("Code")
        expect(code).to_be_focused()
        expect(page.get_by_text(phones.mask(PHONE).replace("*", "•"))).to_be_visible()

        page.get_by_role("button", name="Send again").click()
        expect(page.get_by_role("status")).to_have_text("We sent the code again.")
        sent = code_in(outbox[-1])
        code.fill(wrong(sent))
        page.get_by_role("button", name="Verify").click()
        expect(page.get_by_role("alert")).to_contain_text("not the code we sent")

        code.fill(sent)
        code.press("Enter")
        expect(page.get_by_role("heading")).to_have_text("Your number is verified")
        assert PHONE not in page.content()

        page.get_by_role("button", name="Verify another number").click()
        expect(number).to_have_value("")

    browse(walk)
    assert requested
    assert all(url.startswith((live_server.url, "data:")) for url in requested)
    assert Verification.objects.get().status == "approved"


def test_nothing_is_cut_off(browse, live_server, service):
    def walk(page):
        page.goto(live_server.url)
        page.get_by_label("Phone number").fill(PHONE)
        page.get_by_role("button", name="Send the code").click()
        playwright.expect(page.get_by_label("Code")).to_be_visible()
        for button in page.get_by_role("button").all():
            box = button.bounding_box()
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= page.viewport_size["width"]
            assert box["height"] >= 44

    browse(walk)
