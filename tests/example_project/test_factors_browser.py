"""An authenticator app and passkeys on the example site, in a real browser."""

import json
import time

import pyotp
import pytest

from django_verify.models import Challenge, Factor
from example_project.management.commands.serve import allow_passkeys

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
}


def press(page, name):
    page.get_by_role("button", name=name).click()


def nothing_is_cut_off(page):
    width = page.viewport_size["width"]
    for thing in page.locator("button:visible, a:visible, svg:visible, code:visible").all():
        box = thing.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width


def with_another_signature(route):
    sent = route.request.post_data_json
    sent["response"]["signature"] = "MEUCIQ" + sent["response"]["signature"][6:][::-1]
    route.continue_(post_data=json.dumps(sent))


def test_an_app_is_enrolled_and_signs_in(browse, live_server, service):
    expect = playwright.expect

    def walk(page):
        page.goto(f"{live_server.url}/authenticator/")
        press(page, "Enrol an authenticator app")
        expect(page.get_by_role("img", name="QR code")).to_be_visible()
        nothing_is_cut_off(page)
        app = pyotp.TOTP(page.locator("#secret").inner_text().replace(" ", ""))
        now = int(time.time())
        code = page.get_by_label("The code that the app shows")
        code.fill(app.at(now - 3600))
        press(page, "Confirm")
        expect(page.get_by_role("alert")).to_contain_text("That is not the code")
        code.fill(app.at(now)[:3] + " " + app.at(now)[3:])
        code.press("Enter")
        expect(page.get_by_role("heading")).to_have_text("Your app is set up")
        assert app.secret not in page.content()
        nothing_is_cut_off(page)

        page.get_by_role("link", name="Sign in with it").click()
        code = page.get_by_label("Code of your authenticator app")
        for used, received in (
            (app.at(now), "Each code works once"),
            ("12", "as the app shows it"),
        ):
            code.fill(used)
            press(page, "Sign in with the code")
            expect(page.get_by_role("alert")).to_contain_text(received)
        nothing_is_cut_off(page)
        code.fill(app.at(now + 30))
        press(page, "Sign in with the code")
        expect(page.get_by_role("heading", name="You are signed in")).to_be_visible()
        name = page.locator(".number").inner_text()
        press(page, "Sign out")
        expect(page.get_by_label("Name")).to_have_value(name)

    browse(walk)
    statuses = Challenge.objects.order_by("serial").values_list("status", flat=True)
    assert list(statuses) == ["pending", "approved"]


def test_a_passkey_is_registered_and_signs_in(browse, live_server, service):
    expect = playwright.expect
    allow_passkeys(service, live_server.url)
    said = []

    def walk(page):
        page.on("console", lambda message: said.append(message.text))
        devtools = page.context.new_cdp_session(page)
        devtools.send("WebAuthn.enable")
        devtools.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
        page.goto(f"{live_server.url}/sign-in/")
        press(page, "Passkey of this name")
        expect(page.get_by_role("alert")).to_have_text("Enter your name first.")
        press(page, "Any passkey")
        expect(page.get_by_role("alert")).to_contain_text("found no passkey")

        page.get_by_role("link", name="Passkey").click()
        press(page, "Register a passkey")
        expect(page.get_by_role("status")).to_have_text("Your passkey is registered.")
        nothing_is_cut_off(page)
        press(page, "Register another passkey")
        expect(page.get_by_role("alert")).to_contain_text("has a passkey for you already")

        page.goto(f"{live_server.url}/sign-in/")
        for button in ("Any passkey", "Passkey of this name"):
            press(page, button)
            expect(page.get_by_role("heading", name="You are signed in")).to_be_visible()
            expect(page.get_by_text("your passkey proved it")).to_be_visible()
            press(page, "Sign out")
            expect(page.get_by_role("heading", name="Sign in")).to_be_visible()

        page.route("**/approve/", with_another_signature)
        press(page, "Any passkey")
        expect(page.get_by_role("alert")).to_have_text("That is not a passkey of this site.")

    browse(walk, scripts=True)
    statuses = Challenge.objects.order_by("date_created").values_list("status", flat=True)
    assert list(statuses) == ["pending", "approved", "approved", "pending"]
    assert Factor.objects.filter(status="verified").count() == 1
    assert not [text for text in said if "Content Security" in text]
