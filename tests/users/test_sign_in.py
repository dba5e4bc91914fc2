"""Signing in by a verified number: the backend, and the pages."""

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import SESSION_KEY, aauthenticate, authenticate, get_user_model
from django.http import HttpResponse
from django.urls import include, path

from django_verify import verifications
from django_verify.users import verified_phones
from django_verify.users.backends import FRESH, VerifiedPhoneBackend
from django_verify.verifications import clients
from tests.conftest import OTHER_PHONE, PHONE, code_in, make_pair, make_service, wrong
from tests.web.conftest import Visitor

pytestmark = pytest.mark.django_db(transaction=True)

urlpatterns = [
    path("sign-in/", include("django_verify.users.sign_in_urls")),
    path("", include("example_project.urls")),
    path("home/", lambda request: HttpResponse(f"<p>home of {request.user}</p>")),
    path("orders/", lambda request: HttpResponse(f"<p>orders of {request.user}</p>")),
]


class StaffToo(VerifiedPhoneBackend):
    signs_in_staff = True


@pytest.fixture
def service(account):
    return make_service(account, client_enabled=True)


@pytest.fixture
def user():
    user = get_user_model().objects.create_user("ann")
    verified_phones.confirm(user, PHONE)
    return user


@pytest.fixture(autouse=True)
def site(settings):
    settings.ROOT_URLCONF = __name__
    settings.LOGIN_REDIRECT_URL = "/home/"
    settings.AUTHENTICATION_BACKENDS = [
        "django.contrib.auth.backends.ModelBackend",
        "django_verify.users.backends.VerifiedPhoneBackend",
    ]


@pytest.fixture
def visitor():
    return Visitor("/sign-in/")


def signed_in(visitor):
    return visitor.client.session.get(SESSION_KEY)


def test_the_right_code_signs_in(service, user, visitor, outbox):
    page = visitor.get()
    assert page.heading == "Sign in by phone"
    assert not page.all("input", name="email")
    visitor.start()
    before = visitor.client.session.session_key
    page = visitor.check(code_in(outbox[-1]))
    assert page.html == "<p>home of ann</p>"
    assert signed_in(visitor) == str(user.pk)
    assert visitor.client.session.session_key != before


def test_a_wrong_code_does_not(service, user, visitor, outbox):
    visitor.start()
    visitor.check(wrong(code_in(outbox[-1])))
    assert signed_in(visitor) is None


def test_next_leads_to_this_site_alone(service, user, visitor, outbox):
    visitor.start(next="/orders/")
    assert visitor.check(code_in(outbox[-1])).html == "<p>orders of ann</p>"
    assert visitor.get(next="/orders/").html == "<p>orders of ann</p>"
    assert visitor.get(next="https://evil.example/").html == "<p>home of ann</p>"
    other = Visitor("/sign-in/")
    other.start(next="//evil.example/")
    assert other.check(code_in(outbox[-1])).html == "<p>home of ann</p>"


def test_a_number_of_nobody_is_reported_after_it_is_proved(service, user, visitor, outbox):
    page = visitor.start(OTHER_PHONE, next="/orders/")
    assert page.heading == "Enter the code"
    page = visitor.check(code_in(outbox[-1]))
    assert page.one("input", name="next")["value"] == "/orders/"
    assert "You cannot sign in by this number." in page.html
    assert signed_in(visitor) is None


def test_a_claim_is_no_verified_number(service, visitor, outbox):
    verified_phones.claim(get_user_model().objects.create_user("bob"), PHONE)
    visitor.start()
    assert "You cannot sign in by this number." in visitor.check(code_in(outbox[-1])).html


def test_a_user_who_is_not_active_stays_out(service, user, visitor, outbox):
    user.is_active = False
    user.save()
    visitor.start()
    assert "You cannot sign in by this number." in visitor.check(code_in(outbox[-1])).html


def test_the_time_of_verification_is_renewed(clock, service, user, visitor, outbox):
    before = verified_phones.primary(user).verified_at
    clock.shift(86_400)
    visitor.start()
    visitor.check(code_in(outbox[-1]))
    assert verified_phones.primary(user).verified_at > before


def test_the_backend_takes_a_fresh_approval_alone(service, user, outbox, clock):
    pending = verifications.start(service, PHONE)
    assert authenticate(None, verification=pending) is None
    approved = verifications.check(service, code_in(outbox[-1]), to=PHONE)
    assert authenticate(None, verification=approved) == user
    clock.shift(FRESH.total_seconds() + 1)
    assert authenticate(None, verification=approved) is None
    for nothing in (None, "", approved.sid, {"status": "approved"}):
        assert authenticate(None, verification=nothing) is None


def test_a_test_number_signs_nobody_in(service, user, settings):
    settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "TEST_NUMBERS": True}
    make_pair(service)
    verifications.start(service, PHONE)
    approved = verifications.check(service, "482913", to=PHONE)
    assert approved.status == "approved"
    assert authenticate(None, verification=approved) is None
    state = clients.start(service, PHONE, "sms", caller=clients.Caller(ip="192.0.2.1"))
    state = clients.check(state.sid, state.secret, "482913", caller=clients.Caller(ip="192.0.2.1"))
    assert state.valid
    assert authenticate(None, verification=state) is None


def test_a_site_that_wants_a_log_in_everywhere_has_it_here(service, user, settings, outbox):
    name = "django.contrib.auth.middleware.LoginRequiredMiddleware"
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, name]
    visitor = Visitor("/sign-in/")
    visitor.start()
    assert visitor.resend().heading == "Enter the code"
    assert visitor.check(code_in(outbox[-1])).html == "<p>home of ann</p>"


def test_a_state_signs_in_while_it_is_fresh(service, user, outbox, clock):
    """An approval can be fetched for as long as the row is kept."""
    caller = clients.Caller(ip="192.0.2.1")
    started = clients.start(service, PHONE, "sms", caller=caller)
    clients.check(started.sid, started.secret, code_in(outbox[-1]), caller=caller)
    fetched = clients.fetch(started.sid, started.secret, caller=caller)
    assert authenticate(None, verification=fetched) == user
    clock.shift(FRESH.total_seconds() + 1)
    fetched = clients.fetch(started.sid, started.secret, caller=caller)
    assert fetched.valid
    assert authenticate(None, verification=fetched) is None


def test_the_backend_in_asynchronous_code(service, user, settings, outbox):
    """It takes a verification there too, and no password."""
    settings.AUTHENTICATION_BACKENDS = ["django_verify.users.backends.VerifiedPhoneBackend"]
    user.set_password("a long phrase 9")
    user.save()
    signed_in = async_to_sync(aauthenticate)
    assert signed_in(None, username="ann", password="a long phrase 9") is None
    verifications.start(service, PHONE)
    row = verifications.check(service, code_in(outbox[-1]), to=PHONE)
    assert signed_in(None, verification=row) == user


def test_staff_sign_in_by_number_alone_where_the_site_says_so(service, user, settings, outbox):
    user.is_staff = True
    user.save()
    verifications.start(service, PHONE)
    row = verifications.check(service, code_in(outbox[-1]), to=PHONE)
    assert authenticate(None, verification=row) is None
    settings.AUTHENTICATION_BACKENDS = [f"{__name__}.StaffToo"]
    assert authenticate(None, verification=row) == user


def test_what_is_proved_here_is_kept_for_nobody_else(service, user, visitor, outbox):
    """Somebody was signed in, in another tab, while the code was on its way."""
    bob = get_user_model().objects.create_user("bob")
    visitor.start(OTHER_PHONE)
    visitor.client.force_login(bob)
    visitor.check(code_in(outbox[-1]))
    assert verified_phones.holder(OTHER_PHONE) is None
    assert not verified_phones.verified(bob)


def test_who_is_signed_in_already_starts_nothing(service, user, visitor, outbox):
    visitor.get()
    visitor.client.force_login(user)
    assert visitor.start(OTHER_PHONE).html == "<p>home of ann</p>"
    assert not outbox


def test_a_number_that_is_taken_away_at_that_moment(service, user, visitor, outbox, monkeypatch):
    def lose(*args, **kwargs):
        raise verified_phones.NumberTaken

    visitor.start()
    monkeypatch.setattr(verified_phones, "confirm", lose)
    assert "You cannot sign in by this number." in visitor.check(code_in(outbox[-1])).html
    assert signed_in(visitor) is None
