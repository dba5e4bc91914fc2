"""The page that stands for an app, and the sign-up that takes its proof: in a browser and without."""

import json

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from django_verify.users import verified_phones
from tests.conftest import OTHER_PHONE, PHONE, code_in, make_pair, make_service, wrong
from tests.example_project.test_browser import press, said  # noqa: F401 - a fixture

pytestmark = pytest.mark.django_db(transaction=True)

User = get_user_model()


@pytest.fixture(autouse=True)
def service(account):
    return make_service(account, client_enabled=True, client_purposes="verify\nsign-up")


def post(path, body):
    response = Client().post(path, json.dumps(body), "application/json")
    return response.status_code, json.loads(response.content)


@pytest.fixture
def prove(outbox):
    """`prove(number)` returns a proof."""

    def prove(number=PHONE, purpose="sign-up"):
        _, begun = post("/mobile/verifications", {"to": number, "purpose": purpose})
        body = {"client_secret": begun["client_secret"], "code": code_in(outbox[-1])}
        return post(f"/mobile/verifications/{begun['id']}/check", body)[1]["proof"]

    return prove


def test_a_proof_makes_a_user_once(prove):
    proof = prove()
    assert post("/sign-up/", {"username": "anna", "proof": proof}) == (
        201,
        {"username": "anna", "number": PHONE},
    )
    assert str(verified_phones.primary(User.objects.get()).number) == PHONE
    status, received = post("/sign-up/", {"username": "bert", "proof": proof})
    assert (status, received) == (400, {"proof": ["The proof has been used."]})


def test_a_mistake_costs_no_proof(prove):
    User.objects.create_user("anna")
    proof = prove()
    for name in ("anna", "", "An na", "x" * 33):
        status, received = post("/sign-up/", {"username": name, "proof": proof})
        assert (status, list(received)) == (400, ["username"])
    assert post("/sign-up/", {"username": "bert", "proof": proof})[0] == 201


def test_a_number_of_another_user_gives_the_proof_back_and_makes_nobody(prove, settings):
    verified_phones.confirm(User.objects.create_user("anna"), PHONE)
    proof = prove()
    status, received = post("/sign-up/", {"username": "bert", "proof": proof})
    assert (status, received["proof"]) == (400, "This number belongs to another user.")
    assert not User.objects.filter(username="bert").exists()
    settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "PHONE_CONFLICT_POLICY": "transfer"}
    assert post("/sign-up/", {"username": "bert", "proof": proof})[0] == 201


@pytest.mark.parametrize("proof", [None, "", 5, "x.y.z", [], {"a": 1}])
def test_what_is_no_proof_makes_nobody(proof):
    status, received = post("/sign-up/", {"username": "anna", "proof": proof})
    assert (status, list(received)) == (400, ["proof"])
    assert not User.objects.exists()


def test_a_proof_of_another_purpose_makes_nobody(prove):
    status, received = post("/sign-up/", {"username": "anna", "proof": prove(purpose="verify")})
    assert (status, received) == (400, {"proof": ["The proof is for another purpose."]})


def test_a_test_number_makes_nobody(service, settings):
    settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "TEST_NUMBERS": True}
    make_pair(service, PHONE, "482913")
    _, begun = post("/mobile/verifications", {"to": PHONE, "purpose": "sign-up"})
    body = {"client_secret": begun["client_secret"], "code": "482913"}
    proof = post(f"/mobile/verifications/{begun['id']}/check", body)[1]["proof"]
    status, received = post("/sign-up/", {"username": "anna", "proof": proof})
    assert (status, received) == (400, {"proof": ["The proof is of a test number."]})
    assert not User.objects.exists()


def test_the_page_is_there_before_anything_else_is(service, account):
    service.delete()
    assert Client().get("/app/").status_code == 200
    assert Client().post("/app/").status_code == 405


@pytest.mark.browser
def test_an_app_signs_another_up(browse, policy, live_server, outbox, said):  # noqa: F811
    playwright = pytest.importorskip("playwright.sync_api")
    expect = playwright.expect

    def walk(page):
        page.on("console", lambda message: said.append(message.text))
        received = page.locator("#app-notice")
        page.goto(live_server.url + "/app/")
        page.get_by_label("Phone number").fill("415")
        press(page, "Send the code")
        expect(received).to_contain_text("Enter a complete number")
        page.get_by_label("Phone number").fill(OTHER_PHONE)
        press(page, "Send the code")
        expect(received).to_have_text(f"We sent a code to {OTHER_PHONE}.")
        code = page.get_by_label("Code")
        expect(code).to_be_focused()
        code.fill(wrong(code_in(outbox[0])))
        press(page, "Check the code")
        expect(received).to_contain_text("Tries left: 4")
        press(page, "Send it again")
        expect(received).to_contain_text("Try again in")
        code.fill(code_in(outbox[0]))
        press(page, "Check the code")
        expect(received).to_contain_text("Choose a name")
        page.get_by_label("User name").fill("anna")
        press(page, "Sign up")
        expect(received).to_have_text(f"anna has signed up with {OTHER_PHONE}.")
        heard = page.locator("#app-exchange").inner_text()
        assert outbox[0].code not in page.url
        assert page.context.cookies() == []
        assert '"proof": "' in heard
        assert "…" in heard
        width = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert width <= 0

    browse(walk, scripts=True)
    assert User.objects.get().username == "anna"
