"""allauth's own flows by phone, in Django's client: every message leaves by the service."""

import pytest
from django.contrib.auth import SESSION_KEY, get_user_model
from django.core.cache import cache
from django.test import Client

from django_verify import exceptions
from django_verify.models import Verification, VerifyService
from django_verify.users import verified_phones
from tests.conftest import OTHER_PHONE, PHONE, code_in, wrong

pytest.importorskip("allauth")

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.once]


@pytest.fixture(scope="module", autouse=True)
def site(installed):
    from django.conf import settings

    with installed(
        "allauth",
        "allauth.account",
        MIDDLEWARE=[*settings.MIDDLEWARE, "allauth.account.middleware.AccountMiddleware"],
        AUTHENTICATION_BACKENDS=["allauth.account.auth_backends.AuthenticationBackend"],
        ROOT_URLCONF="tests.integrations.allauth_urls",
        LOGIN_REDIRECT_URL="/home/",
        ACCOUNT_ADAPTER="django_verify.integrations.allauth.VerifyAccountAdapter",
        ACCOUNT_LOGIN_METHODS={"phone"},
        ACCOUNT_SIGNUP_FIELDS=["phone*", "password1*"],
        ACCOUNT_LOGIN_BY_CODE_ENABLED=True,
        ACCOUNT_PHONE_VERIFICATION_SUPPORTS_RESEND=True,
        ACCOUNT_RATE_LIMITS=False,
        ACCOUNT_REAUTHENTICATION_REQUIRED=False,
    ):
        yield


@pytest.fixture(autouse=True)
def fresh():
    cache.clear()


@pytest.fixture
def client():
    return Client()


def sign_up(client, phone=PHONE):
    return client.post(
        "/accounts/signup/", {"phone": phone, "password1": "a long phrase 9"}, follow=True
    )


def notices(response):
    return [str(message) for message in response.context["messages"]]


def user_of(client):
    return get_user_model().objects.filter(pk=client.session.get(SESSION_KEY)).first()


def confirm(client, code):
    return client.post("/accounts/phone/verify/", {"action": "verify", "code": code}, follow=True)


def test_sign_up_by_phone(client, service, outbox):
    answer = sign_up(client, "+1 (415) 555-2671")
    assert answer.request["PATH_INFO"] == "/accounts/phone/verify/"
    row = Verification.objects.get()
    assert (row.to, row.status, len(outbox)) == (PHONE, "pending", 1)
    assert len(code_in(outbox[-1])) == service.code_length
    assert user_of(client) is None
    confirm(client, wrong(code_in(outbox[-1])))
    assert user_of(client) is None
    assert confirm(client, code_in(outbox[-1])).content == b"home"
    user = user_of(client)
    assert verified_phones.primary(user).e164 == PHONE
    row.refresh_from_db()
    assert row.status == "approved"


def test_a_number_that_was_merely_claimed_keeps_nobody_out(client, service, outbox):
    sign_up(Client())
    sign_up(client)
    confirm(client, code_in(outbox[-1]))
    assert verified_phones.primary(user_of(client)).e164 == PHONE


def test_who_has_the_number_already_is_sent_nothing_more(client, service, outbox):
    verified_phones.confirm(get_user_model().objects.create_user("ann"), PHONE)
    sign_up(client)
    assert not outbox
    assert get_user_model().objects.count() == 1


def test_log_in_by_code(client, service, outbox):
    ann = get_user_model().objects.create_user("ann")
    verified_phones.confirm(ann, PHONE)
    client.post("/accounts/login/code/", {"phone": PHONE})
    client.post("/accounts/login/code/confirm/", {"code": code_in(outbox[-1])})
    assert user_of(client) == ann
    assert Verification.objects.get().status == "approved"


def test_log_in_by_a_number_of_nobody_sends_nothing(client, service, outbox):
    client.post("/accounts/login/code/", {"phone": OTHER_PHONE})
    assert not outbox


def test_change_of_number(client, service, outbox):
    ann = get_user_model().objects.create_user("ann")
    verified_phones.confirm(ann, PHONE)
    client.force_login(ann)
    client.post("/accounts/phone/change/", {"phone": OTHER_PHONE})
    assert verified_phones.primary(ann).e164 == PHONE
    confirm(client, code_in(outbox[-1]))
    assert [row.e164 for row in verified_phones.verified(ann)] == [OTHER_PHONE]


@pytest.mark.parametrize("typed", ["12", "+1415555\x002671", "+" * 5000, "9" * 5000, "٣", "ann"])
def test_a_number_that_is_none_is_an_error_of_the_field(client, service, outbox, typed):
    answer = sign_up(client, typed)
    assert answer.context["form"].errors["phone"]
    assert not outbox


def test_a_refused_message_is_said_instead_of_sent(client, service, outbox):
    VerifyService.objects.update(custom_code_enabled=False)
    answer = sign_up(client)
    assert answer.status_code == 200
    assert notices(answer) == ["The code could not be sent. Please try again later."]
    assert not outbox
    VerifyService.objects.update(custom_code_enabled=True)
    answer = client.post("/accounts/phone/verify/", {"action": "resend"}, follow=True)
    assert PHONE in notices(answer)[-1]
    assert len(outbox) == 1


def test_the_budget_of_the_service_holds(client, service, outbox):
    """Each resend is one of the verification's five."""
    sign_up(client)
    service.refresh_from_db()
    for _ in range(6):
        answer = client.post("/accounts/phone/verify/", {"action": "resend"}, follow=True)
    assert len(outbox) <= service.max_sends
    assert answer.status_code == 200


def ask_by_code(phone):
    answer = Client().post("/accounts/login/code/", {"phone": phone}, follow=True)
    said = [text.replace(phone, "…") for text in notices(answer)]
    return answer.status_code, answer.request["PATH_INFO"], said


def test_a_refusal_does_not_show_whose_number_it_is(service, outbox, settings):
    """A number of an account is answered as one of nobody, to which nothing is ever sent."""
    verified_phones.confirm(get_user_model().objects.create_user("ann"), PHONE)
    VerifyService.objects.update(custom_code_enabled=False)
    assert ask_by_code(PHONE) == ask_by_code(OTHER_PHONE)
    assert not outbox
    settings.ACCOUNT_PREVENT_ENUMERATION = False
    assert ask_by_code(PHONE)[-1] == ["The code could not be sent. Please try again later."]


def test_used_up_messages_do_not_show_it_either(service, outbox):
    verified_phones.confirm(get_user_model().objects.create_user("ann"), PHONE)
    for phone in (PHONE, OTHER_PHONE):
        said = [notices(sign_up(Client(), phone))[-1].replace(phone, "…") for _ in range(7)]
        assert len(set(said)) == 1
    assert len(outbox) == service.max_sends


def test_a_headless_client_gets_the_status(rf, service, monkeypatch):
    from allauth.core import context
    from allauth.core.exceptions import ImmediateHttpResponse

    from django_verify.integrations import allauth, sending

    def refuse(*args, **kwargs):
        raise exceptions.MaxSendsReached(retry_after=60)

    monkeypatch.setattr(sending, "send", refuse)
    monkeypatch.setattr(allauth, "is_headless_request", lambda request: "app")
    request = rf.post("/")
    request.user = get_user_model().objects.create_user("ann")
    with context.request_context(request), pytest.raises(ImmediateHttpResponse) as caught:
        allauth.VerifyAccountAdapter().send_verification_code_sms(None, PHONE, "123456")
    answer = caught.value.response
    assert (answer.status_code, answer["Retry-After"]) == (429, "60")
    assert PHONE.encode() not in answer.content


def test_a_number_that_another_user_verified_meanwhile(rf, service, monkeypatch):
    from allauth.core import context
    from allauth.core.exceptions import ImmediateHttpResponse

    from django_verify.integrations import allauth

    ann, bob = (get_user_model().objects.create_user(name) for name in ("ann", "bob"))
    verified_phones.confirm(ann, PHONE)
    monkeypatch.setattr(allauth, "is_headless_request", lambda request: "app")
    with context.request_context(rf.post("/")), pytest.raises(ImmediateHttpResponse) as caught:
        allauth.VerifyAccountAdapter().set_phone_verified(bob, PHONE)
    assert caught.value.response.status_code == 409
    assert verified_phones.primary(bob) is None


@pytest.mark.browser
def test_in_a_browser(walk, service, outbox):
    """Sign-up with a wrong code first, log-out, log-in by code, change of number."""

    def steps(page, url):
        def submit(**values):
            for name, value in values.items():
                page.fill(f"[name={name}]", value)
            page.locator("form", has=page.locator(f"[name={next(iter(values))}]")).locator(
                "button"
            ).first.click()

        page.goto(f"{url}/accounts/signup/")
        submit(phone=PHONE, password1="a long phrase 9")
        page.wait_for_url("**/phone/verify/**")
        submit(code=wrong(code_in(outbox[-1])))
        assert page.url.endswith("/phone/verify/")
        submit(code=code_in(outbox[-1]))
        page.wait_for_url("**/home/")
        page.goto(f"{url}/accounts/logout/")
        page.locator("main button, body button").first.click()
        page.goto(f"{url}/accounts/login/code/")
        submit(phone=PHONE)
        page.wait_for_url("**/login/code/confirm/**")
        submit(code=code_in(outbox[-1]))
        page.wait_for_url("**/home/")
        page.goto(f"{url}/accounts/phone/change/")
        submit(phone=OTHER_PHONE)
        page.wait_for_url("**/phone/verify/**")
        submit(code=code_in(outbox[-1]))
        page.wait_for_function("!location.pathname.includes('verify')")

    walk(steps)
    assert [row.e164 for row in verified_phones.verified(get_user_model().objects.get())] == [
        OTHER_PHONE
    ]
    assert [row.status for row in Verification.objects.all()] == ["approved"] * 3
