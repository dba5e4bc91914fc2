"""The pages without a browser: every way through them, and every refusal as a sentence."""

import re
import sys

import pytest
from django.contrib.auth import get_user_model
from django.contrib.sessions.backends.db import SessionStore
from django.core.signals import got_request_exception
from django.db import OperationalError, connection, connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import translation
from django.views.debug import ExceptionReporter, SafeExceptionReporterFilter

from django_verify import exceptions, verifications
from django_verify.contact import phones
from django_verify.crypto import codes
from django_verify.models import ClientVerification, Verification, VerifyService
from django_verify.senders import SendError
from django_verify.users import verified_phones
from django_verify.verifications import clients, offers
from django_verify.web import cookies
from django_verify.web.sentences import duration
from tests.conftest import OTHER_PHONE, PHONE, code_in, make_service, wrong
from tests.scripted import Scripted, configured
from tests.web.conftest import Visitor

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.portable]


@pytest.fixture(autouse=True)
def _open(service):
    """Every test has a service that is open to pages."""


def test_from_number_to_done(visitor, outbox):
    page = visitor.get()
    assert (page.status, page.focused) == (200, "number")
    assert page.heading == "Verify your number or e-mail address"
    page = visitor.start("(415) 555-2671", country="US")
    assert visitor.redirects == ["/code/"]
    assert (page.heading, page.focused) == ("Enter the code", "code")
    assert "We sent a code to +1 415-555-2671." in page.texts("p")[0]
    code = code_in(outbox[0])
    page = visitor.check(f"{code[:3]} {code[3:]}")
    assert visitor.redirects == ["/done/"]
    assert page.heading == "Your number is verified"
    assert page.said == ["You can be reached at +1 415-555-2671."]
    assert Verification.objects.get().status == "approved"


def test_without_its_database_a_page_states_so(visitor, monkeypatch, caplog):
    def away(*args, **kwargs):
        raise OperationalError("server at db.internal closed the connection")

    monkeypatch.setattr(offers, "offered", away)
    with translation.override("de"):
        answer = visitor.client.get("/", headers={"accept-language": "de"})
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert "<h1>" in answer.content.decode()
    assert "a page found no database: OperationalError" in caplog.text
    assert "db.internal" not in caplog.text + answer.content.decode()


def test_by_email(visitor, outbox):
    page = visitor.post("", email=" anna@example.com ", channel="email")
    assert "We sent a code to anna@example.com." in page.texts("p")[0]
    assert [button["text"] for button in page.all("button")] == ["Verify", "Send again"]
    page = visitor.check(code_in(outbox[0]))
    assert page.heading == "Your e-mail address is verified"


def test_the_page_by_itself_sends_nothing(visitor, outbox):
    visitor.start()
    for path in ("", "code/", "done/"):
        for method in ("get", "head"):
            assert getattr(visitor.client, method)("/" + path).status_code in {200, 302}
    for method in ("get", "head", "put", "delete"):
        assert getattr(visitor.client, method)("/resend/").status_code == 405
    row = Verification.objects.get()
    assert (row.checks, row.sends, row.status, len(outbox)) == (0, 1, "pending", 1)


def test_a_get_leaves_no_session_behind():
    client = Client()
    for path in ("/", "/code/", "/done/"):
        client.get(path)
    assert "sessionid" not in client.cookies


def test_pages_are_not_kept(visitor):
    visitor.start()
    for path in ("/", "/code/"):
        assert "no-store" in visitor.client.get(path).headers["Cache-Control"]


def test_forgeries_are_refused():
    strict = Client(enforce_csrf_checks=True)
    for path in ("/", "/code/", "/resend/"):
        assert strict.post(path, {"number": PHONE, "channel": "sms"}).status_code == 403
    assert not Verification.objects.exists()


def test_a_wrong_code(visitor, outbox):
    visitor.start()
    code = code_in(outbox[0])
    for number, left in enumerate(("4 more tries", "3 more tries", "2 more tries", "1 more try")):
        page = visitor.check(wrong(code, number + 1))
        assert page.status == 200
        assert page.alerts == [f"That is not the code we sent. You have {left}."]
        assert page.one("input", name="code")["aria-invalid"] == "true"
        assert page.texts("title")[0].startswith("Error:")
    assert visitor.redirects == ["/code/"]
    # Told once: a reload neither checks again nor says it again.
    assert not visitor.get("code/").alerts
    assert Verification.objects.get().checks == 4
    page = visitor.check(wrong(code, 5))
    assert page.heading == "Too many wrong codes"
    assert "Request a new code" in page.links
    assert visitor.check(code, sid=ClientVerification.objects.get().sid).heading == page.heading
    assert Verification.objects.get().checks == 5


@pytest.mark.parametrize("code", ["", " ", "12", "12345678901", "１２３４５", "12 34é", "1" * 70])
def test_what_cannot_be_a_code_costs_no_guess(visitor, code):
    visitor.start()
    page = visitor.check(code)
    assert page.status == 200
    assert page.alerts[0].startswith("Enter the code")
    assert Verification.objects.get().checks == 0


def test_expired(visitor, outbox, clock):
    visitor.start()
    sid = visitor.sid
    clock.shift(601)
    for page in (
        visitor.get("code/"),
        visitor.check(code_in(outbox[0]), sid),
        visitor.resend(sid=sid),
    ):
        assert (page.status, page.heading) == (200, "The code has expired")
        assert page.links["Request a new code"] == "/"
    assert len(outbox) == 1


def test_canceled(visitor, service, outbox):
    visitor.start()
    sid = visitor.sid
    verifications.cancel(service, Verification.objects.get().sid)
    for page in (visitor.get("code/"), visitor.check(code_in(outbox[0]), sid)):
        assert page.heading == "The code is no longer valid"


def test_resend(visitor, outbox, clock):
    page = visitor.start()
    assert "No code? You can request another one in 30 seconds." in page.texts("p")
    page = visitor.resend()
    assert page.alerts == [
        "Please wait before you request another code. You can try again in 30 seconds."
    ]
    for wait in (30, 40, 60, 90):
        clock.shift(wait)
        page = visitor.resend()
        assert page.said == ["We sent the code again."]
        assert visitor.redirects == ["/code/"]
    assert len({code_in(message) for message in outbox}) == 1
    assert len(outbox) == 5
    assert "No further codes can be sent to you for now." in page.texts("p")
    assert [button["text"] for button in page.all("button")] == ["Verify"]
    clock.shift(200)
    assert "Too many codes were requested." in visitor.resend().alerts[0]
    assert visitor.check(code_in(outbox[0])).heading == "Your number is verified"


def test_another_channel(visitor, outbox, clock):
    page = visitor.start()
    labels = [button["text"] for button in page.all("button")]
    others = ["Call me instead", "Send it by WhatsApp instead", "Send it by Telegram instead"]
    assert labels == ["Verify", "Send again", *others]
    clock.shift(31)
    page = visitor.resend("call")
    assert page.said == ["We are calling you now."]
    assert "We are calling +1 415-555-2671" in page.texts("p")[1]
    assert outbox[-1].channel == "call"
    clock.shift(41)
    assert "not available" in visitor.resend("carrier pigeon").alerts[0]
    assert len(outbox) == 2


@pytest.mark.parametrize("channel", ["sms", "call"])
def test_the_back_button_sends_no_second_code(visitor, outbox, clock, channel):
    visitor.start()
    page = visitor.get()
    assert page.links["I have a code already"] == "/code/"
    page = visitor.start(channel=channel)
    assert page.said == ["We have just sent a code there. Please enter it."]
    assert (Verification.objects.count(), len(outbox)) == (1, 1)
    clock.shift(31)
    assert visitor.start(channel=channel).heading == "Enter the code"
    assert (Verification.objects.count(), len(outbox)) == (1, 2)
    assert outbox[-1].channel == channel


def test_another_number(visitor, outbox):
    page = visitor.start()
    assert page.links["Change it"] == "/"
    page = visitor.start(OTHER_PHONE)
    assert "+1 501-712-2661" in page.texts("p")[0]
    assert visitor.check(code_in(outbox[1])).heading == "Your number is verified"


def test_after_the_end_the_back_button_leads_to_it(visitor, outbox):
    visitor.start()
    sid = visitor.sid
    visitor.check(code_in(outbox[0]))
    for page in (
        visitor.get("code/"),
        visitor.check(code_in(outbox[0]), sid),
        visitor.get("done/"),
    ):
        assert page.heading == "Your number is verified"
    assert Verification.objects.get().checks == 1


def test_two_tabs(visitor, outbox):
    visitor.start()
    first = visitor.sid
    visitor.start(OTHER_PHONE)
    second = visitor.sid
    for page in (visitor.check(code_in(outbox[0]), first), visitor.resend(sid=first)):
        assert "A newer code was requested" in page.alerts[0]
        assert page.one("form", data_verify_code="sms")
        assert visitor.sid == second
    assert set(Verification.objects.values_list("checks", flat=True)) == {0}
    assert visitor.check(code_in(outbox[1])).heading == "Your number is verified"


def test_the_session_is_lost(visitor, outbox):
    visitor.start()
    sid = visitor.sid
    del visitor.client.cookies["sessionid"]
    for page in (visitor.check(code_in(outbox[0]), sid), visitor.resend(sid=sid)):
        assert page.alerts == ["Your session has ended. Please start again."]
        assert page.url == "/"
    assert visitor.get("code/").url == "/"
    assert visitor.get("done/").url == "/"
    assert Verification.objects.get().checks == 0


def test_the_row_is_gone(visitor, outbox):
    visitor.start()
    sid = visitor.sid
    ClientVerification.objects.all().delete()
    assert visitor.get("code/").url == "/"
    page = visitor.check("123456", sid)
    assert page.alerts == ["Your session has ended. Please start again."]
    assert visitor.resend(sid=sid).alerts == page.alerts


def test_a_stranger_s_session_opens_nothing(visitor, outbox):
    visitor.start()
    page = Visitor().check(code_in(outbox[0]), visitor.sid)
    assert page.url == "/"
    assert Verification.objects.get().checks == 0


def test_the_session_has_neither_recipient_nor_code_nor_secret(visitor, outbox):
    visitor.start(next="/passkey/")
    kept = dict(visitor.client.session)["django_verify.under_way"]
    assert kept.keys() == {"sid", "sealed", "next", "code_length"}
    assert (kept["sid"], kept["next"], kept["code_length"]) == (visitor.sid, "/passkey/", 6)
    key_id, _, sealed = kept["sealed"].partition(".")
    secret = codes.unseal(sealed, bound_to=visitor.sid, key_id=key_id)
    assert codes.secret_matches(ClientVerification.objects.get().secret_hash, secret)
    before = visitor.client.session.session_key
    visitor.check(code_in(outbox[0]))
    assert visitor.client.session.session_key != before
    assert "sealed" not in str(dict(visitor.client.session))


def test_a_planted_session_does_not_see_what_it_becomes(visitor, outbox):
    """Its key changes when a verification begins: the code page shows the recipient."""
    session = SessionStore()
    session["planted"] = True
    session.save()
    planted = session.session_key
    visitor.client.cookies["sessionid"] = planted
    visitor.start()
    assert visitor.client.session.session_key != planted
    thief = Visitor()
    thief.client.cookies["sessionid"] = planted
    page = thief.get("code/")
    assert PHONE not in page.html
    assert page.url == "/"


def test_a_browser_that_was_approved_is_known(outbox, settings, clock):
    """By a cookie for these pages alone, which reports no script and no other site anything."""
    settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "KNOWN_DEVICE_DAYS": 90}
    visitor = Visitor()
    tokens = []
    for number in ("+14155552671", "+15017122661", "+447400123456", "+4915112345678", PHONE):
        visitor.start(number)
        visitor.check(code_in(outbox[-1]))
        cookie = visitor.client.cookies["verify_device_token"]
        tokens.insert(0, cookie.value.split("~")[0])
        clock.shift(1)
    assert cookie.value == "~".join(tokens[:4])
    assert number not in cookie.value
    wanted = {"path": "/", "httponly": True, "samesite": "Lax", "max-age": 90 * 86_400}
    assert {name: cookie[name] for name in wanted} == wanted
    assert not cookie["secure"]
    assert Verification.objects.filter(recognized=True).count() == 1
    settings.SESSION_COOKIE_SECURE = True
    clock.shift(1)
    visitor.start()
    visitor.check(code_in(outbox[-1]))
    assert visitor.client.cookies["verify_device_token"]["secure"]


def test_the_cookie_is_hidden_in_error_mail(visitor, outbox, rf):
    """Django hides a cookie there by its name."""
    visitor.start()
    visitor.check(code_in(outbox[-1]))
    request = rf.get("/")
    name = cookies.NAME
    request.COOKIES[name] = visitor.client.cookies[name].value
    shown = SafeExceptionReporterFilter().get_safe_cookies(request)
    assert shown == {name: SafeExceptionReporterFilter.cleansed_substitute}


@pytest.mark.parametrize("given", ["", "~", "x" * 5000, "k.0.0.0", "\u00e9", "~~~~~", 'a"b'])
def test_a_cookie_that_is_none_harms_nothing(visitor, outbox, given):
    visitor.client.cookies["verify_device_token"] = given
    visitor.start()
    assert not Verification.objects.get().recognized
    assert visitor.check(code_in(outbox[0])).heading == "Your number is verified"


def test_the_code_s_field_follows_its_length(service, outbox):
    for _ in range(2):
        Visitor().start()
    visitor = Visitor()
    page = visitor.start()
    field = page.one("input", name="code")
    assert (field["maxlength"], field["autocomplete"]) == ("16", "one-time-code")
    assert field["pattern"] == r"[\s\-]*(?:\p{Nd}[\s\-]*){8}"
    assert re.search(r"\b\d{4} \d{4}\b", outbox[-1].body)
    code = outbox[-1].code
    row = ClientVerification.objects.get(sid=visitor.sid).verification
    assert (len(code), row.code_length) == (8, 8)
    for typed in (code[:6], code + "1"):
        assert "Enter the code as it stands in the message." in visitor.check(typed).html
    row.refresh_from_db()
    assert row.checks == 0  # what has another length cannot be the code
    assert visitor.check(f"{code[:4]} {code[4:]}").heading == "Your number is verified"


@pytest.mark.parametrize("stored", [{"sid": "CV" + "0" * 32, "secret": "x", "next": ""}, {"a": 1}])
def test_a_session_of_another_release_begins_anew(visitor, stored):
    visitor.start()
    session = visitor.client.session
    session["django_verify.under_way"] = stored
    session.save()
    assert visitor.get("code/").url == "/"


def test_a_sealed_secret_of_another_row_or_key_opens_nothing(visitor, settings):
    visitor.start()
    session = visitor.client.session
    stored = session["django_verify.under_way"]
    for change in ({"sid": "CV" + "0" * 32}, {"sealed": "gone.x"}, {"sealed": "x"}, {"sealed": ""}):
        session["django_verify.under_way"] = stored | change
        session.save()
        assert visitor.get("code/").url == "/"


# The last three hold neither a slash nor a dot, and one of them is the name of a view.
GOOD = ["/passkey/?a=b", "http://testserver/passkey/", "?a=b", "here", "passkey"]
BAD = [
    "https://evil.example/", "//evil.example/", "///evil.example", "/\\evil.example", "http:evil",
    "javascript:alert(1)", "\x08//evil.example", "http://testserver@evil.example/", "/" + "a" * 2000,
]  # fmt: skip


@pytest.mark.parametrize("recipient", GOOD)
def test_next_is_followed(visitor, outbox, recipient):
    page = visitor.get(next=recipient)
    assert page.one("input", name="next")["value"] == recipient
    page = visitor.start(next=recipient)
    assert page.links["Change it"].startswith("/?next=")
    response = visitor.client.post(
        "/code/", {"code": code_in(outbox[0]), "verification": visitor.sid}
    )
    assert response.headers["Location"] == recipient


@pytest.mark.parametrize("recipient", BAD)
def test_an_open_redirect_is_refused(visitor, outbox, recipient):
    assert not visitor.get(next=recipient).all("input", name="next")
    visitor.start(next=recipient)
    session = visitor.client.session
    assert session["django_verify.under_way"]["next"] == ""
    # And once more on the way out, should the session have come from elsewhere.
    session["django_verify.under_way"] = session["django_verify.under_way"] | {"next": recipient}
    session.save()
    visitor.check(code_in(outbox[0]))
    assert visitor.redirects == ["/done/"]


def test_https_is_not_left(visitor, outbox):
    page = visitor.client.get("/", {"next": "http://testserver/"}, secure=True)
    assert 'name="next"' not in page.text


@pytest.fixture
def user():
    return get_user_model().objects.create_user("ann")


@pytest.fixture
def member(visitor, user):
    visitor.client.force_login(user)
    return visitor


def test_the_number_of_a_user_is_kept(member, user, outbox):
    member.start()
    member.check(code_in(outbox[0]))
    assert str(verified_phones.primary(user).number) == PHONE
    assert member.client.session["_auth_user_id"] == str(user.pk)


@pytest.mark.parametrize(
    ("policy", "sentence"),
    [
        ({"PHONE_CONFLICT_POLICY": "deny"}, "belongs to another account here, so it was not added"),
        ({"PHONE_CONFLICT_POLICY": "ask"}, "prove your identity in another way first"),
        (
            {"PHONE_CONFLICT_POLICY": "transfer", "USERS_PHONES": 1},
            "as many numbers as it may have",
        ),
    ],
)
def test_why_a_number_is_not_kept(member, user, outbox, settings, policy, sentence):
    settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, **policy}
    verified_phones.confirm(get_user_model().objects.create_user("bob"), PHONE)
    if "USERS_PHONES" in policy:
        verified_phones.confirm(user, OTHER_PHONE)
    member.start(next="/passkey/")
    page = member.check(code_in(outbox[0]))
    assert page.heading == "Your number was not added"
    assert sentence in page.alerts[0]
    assert page.links["Continue"] == "/passkey/"
    assert not verified_phones.verified(user).filter(number=PHONE).exists()


def test_who_logs_out_goes_on_with_nothing(member, outbox):
    member.start()
    sid = member.sid
    member.client.logout()
    assert member.check(code_in(outbox[0]), sid).url == "/"


def test_another_user_goes_on_with_nothing_either(member, outbox):
    member.start()
    sid, kept = member.sid, member.client.session["django_verify.under_way"]
    other = Visitor()
    other.client.force_login(get_user_model().objects.create_user("bob"))
    session = other.client.session
    session["django_verify.under_way"] = kept
    session.save()
    assert other.check(code_in(outbox[0]), sid).alerts == [
        "Your session has ended. Please start again."
    ]
    assert Verification.objects.get().checks == 0


def limits(settings, **windows):
    settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "CLIENT_LIMITS": windows}


def test_too_many_codes_from_one_network(visitor, settings, outbox, clock):
    limits(settings, network=[[1, 3600]])
    visitor.start()
    page = visitor.start(OTHER_PHONE)
    assert (page.status, page.url) == (200, "/")
    assert page.alerts == ["Too many codes were requested. You can try again in 60 minutes."]
    assert page.one("input", name="number")["value"] == OTHER_PHONE
    assert len(outbox) == 1


def test_too_many_checks_from_one_network(visitor, settings, outbox, clock):
    limits(settings, checks=[[1, 3600]])
    visitor.start()
    visitor.check(wrong(code_in(outbox[0])))
    page = visitor.check(code_in(outbox[0]))
    assert page.alerts == ["Too many attempts were made. You can try again in 60 minutes."]
    assert Verification.objects.get().checks == 1


def test_too_many_looks_at_one_page(visitor, clock):
    visitor.start()
    for _ in range(60):
        page = visitor.get("code/")
    assert page.status == 200
    assert "Too many attempts were made." in page.alerts[0]


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (exceptions.MaxChecksReached(retry_after=300), "Too many wrong codes were entered. You can try again in 5 minutes."),
        (exceptions.MaxSendsReached(), "Too many codes were requested. Please try again later."),
        (exceptions.TooManyRequests(retry_after=1, limit="number"), "Too many codes were requested. You can try again in 1 second."),
        (exceptions.TooManyRequests(retry_after=86_000), "Too many attempts were made. You can try again in 24 hours."),
        (exceptions.ConcurrentStarts(), "We have just sent a code there. Please enter it."),
        (exceptions.ChannelDisabled(), "This way of sending is not available. Please choose another."),
        (exceptions.LandlineRefused(), "This way of sending is not available. Please choose another."),
        (exceptions.InvalidParameter("channel", "x"), "This way of sending is not available. Please choose another."),
        (exceptions.InvalidParameter("to", "x"), "This number cannot receive a code. Please check it."),
        (exceptions.ServiceUnavailable(), "The code could not be sent. Please try again later."),
        (exceptions.Forbidden("internal words"), "The code could not be sent. Please try again later."),
    ],
)  # fmt: skip
def test_every_refusal_of_a_start_is_a_sentence(visitor, monkeypatch, error, sentence):
    def refuse(*args, **kwargs):
        raise error

    monkeypatch.setattr(clients, "start", refuse)
    page = visitor.start()
    assert (page.status, page.alerts) == (200, [sentence])


@pytest.mark.parametrize(
    "number", ["", "415", "+1415", "no number", "<script>", "+999999999999", "4" * 70]
)
def test_what_is_no_number(visitor, outbox, number):
    page = visitor.start(number, country="US")
    assert page.status == 200
    assert page.alerts[0].startswith("Enter ")
    assert page.focused == "number"
    assert "<script>" not in page.html
    assert not outbox


def test_a_national_number_needs_its_country(outbox):
    visitor = Visitor(HTTP_ACCEPT_LANGUAGE="de")
    assert visitor.get().focused == "country"
    page = visitor.start("01512 3456 780")
    assert page.alerts == ["Choose the country of this number."]
    assert page.focused == "country"
    page = visitor.start("01512 3456 780", country="DE")
    assert "+49 1512 3456780" in page.texts("p")[0]


def test_no_service_at_all(visitor, service, account):
    service.delete()
    page = visitor.get()
    assert page.status == 503
    assert "manage.py" not in page.html
    assert visitor.start().status == 503
    make_service(account)
    assert visitor.get().status == 503
    assert not ClientVerification.objects.exists()


def test_two_services_and_none_named(visitor, account, settings):
    second = make_service(account, client_enabled=True)
    assert visitor.get().status == 503
    settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "CLIENT_SERVICE": second.sid}
    assert visitor.get().status == 200


def test_channels_are_the_service_s(visitor, service):
    VerifyService.objects.update(client_channels=["call"])
    page = visitor.get()
    assert page.heading == "Verify your number"
    assert page.one("input", name="channel")["type"] == "hidden"
    assert not page.all("input", name="email")
    assert "We are calling" in visitor.start(channel="call").texts("p")[0]
    VerifyService.objects.update(client_channels=["email"])
    page = visitor.get()
    assert (page.heading, page.focused) == ("Verify your e-mail address", "email")
    assert not page.all(name="number") + page.all(name="country")
    VerifyService.objects.update(client_channels=["sna"])
    assert visitor.start().alerts == ["Choose one of these."]


def test_the_message_speaks_the_page_s_language(visitor, outbox, settings):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.middleware.locale.LocaleMiddleware"]
    with translation.override("en"):  # the middleware leaves its language in this thread
        page = Visitor(HTTP_ACCEPT_LANGUAGE="de-AT").start()
    assert outbox[0].locale == "de"
    assert page.one("html")["lang"] == "de"
    assert page.heading == "Code eingeben"


def test_so_does_the_message_that_is_sent_again(service, outbox, settings, clock):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.middleware.locale.LocaleMiddleware"]
    with translation.override("en"):
        german = Visitor(HTTP_ACCEPT_LANGUAGE="de-AT")
        german.start()
        clock.shift(31)
        german.resend()
        clock.shift(41)
        german.resend("call")
        clock.shift(61)
        german.resend()
    assert [message.channel for message in outbox] == ["sms", "sms", "call", "call"]
    assert {message.locale.partition("-")[0] for message in outbox} == {"de"}


def test_a_guess_stays_charged_under_atomic_requests(visitor, outbox, monkeypatch):
    monkeypatch.setitem(connections["default"].settings_dict, "ATOMIC_REQUESTS", True)
    visitor.start()
    assert len(outbox) == 1
    visitor.check(wrong(code_in(outbox[0])))
    assert Verification.objects.get().checks == 1
    assert visitor.check(code_in(outbox[0])).heading == "Your number is verified"


def test_no_secret_in_error_mail(visitor, outbox, monkeypatch):
    visitor.start()
    sid = visitor.sid
    code = code_in(outbox[0])
    key_id, _, sealed = visitor.client.session["django_verify.under_way"]["sealed"].partition(".")
    secret = codes.unseal(sealed, bound_to=sid, key_id=key_id)
    reports = []

    def fail(*args, **kwargs):
        raise RuntimeError("broken")

    def report(sender, request, **kwargs):
        reports.append(ExceptionReporter(request, *sys.exc_info()).get_traceback_text())

    got_request_exception.connect(report)
    visitor.client.raise_request_exception = False
    for name in ("start", "check", "resend"):
        monkeypatch.setattr(clients, name, fail)
    visitor.client.post("/", {"number": OTHER_PHONE, "channel": "sms"})
    visitor.client.post("/code/", {"code": code, "verification": sid})
    visitor.client.post("/resend/", {"verification": sid})
    monkeypatch.undo()
    visitor.check(code, sid)
    monkeypatch.setattr(phones, "display", fail)
    visitor.client.get("/done/")
    got_request_exception.disconnect(report)
    assert len(reports) == 4
    for text in reports:
        assert code not in text
        assert secret not in text
        assert PHONE not in text
        assert OTHER_PHONE not in text


@pytest.mark.parametrize(
    ("channels", "sentence"),
    [
        (["sms", "call"], "This way of sending is not available. Please choose another."),
        (["sms"], "The code could not be sent. Please try again later."),
    ],
)
def test_a_message_that_failed_is_stated(
    visitor, service, settings, monkeypatch, channels, sentence
):
    monkeypatch.setattr(Scripted, "script", {"a": SendError("no such number", code="no. 21211")})
    settings.DJANGO_VERIFY = configured(aliases="a")
    service.client_channels = channels
    service.save()
    page = visitor.start()
    assert page.alerts == [sentence]
    assert "no. 21211" not in page.html
    assert "no such number" not in page.html
    assert ("Call me instead" in page.texts("button")) == ("call" in channels)


def test_statements(visitor, outbox):
    """What the pages ask beside their verbs: for the session, and once for the service."""
    visitor.start()
    with CaptureQueriesContext(connection) as queries:
        visitor.client.get("/")
    assert len(queries) == 2
    sid = visitor.sid
    with CaptureQueriesContext(connection) as queries:
        visitor.client.post("/code/", {"code": "12", "verification": sid})
    assert len([q for q in queries if "django_verify_clientverification" in q["sql"]]) == 1


@pytest.mark.urls("tests.web.urls")
def test_a_site_s_own_views(outbox):
    visitor = Visitor("/signup/")
    visitor.start(OTHER_PHONE)
    assert visitor.redirects == ["/signup/code/"]
    assert ClientVerification.objects.get().purpose == "sign-up"
    answer = {"code": code_in(outbox[0]), "verification": visitor.sid}
    response = visitor.client.post("/signup/code/", answer)
    assert response.content == b"welcome +15017122661"


@pytest.mark.urls("tests.web.urls")
def test_a_success_url(outbox):
    visitor = Visitor("/shop/")
    visitor.start()
    answer = {"code": code_in(outbox[0]), "verification": visitor.sid}
    assert visitor.client.post("/shop/code/", answer).headers["Location"] == "/members/"


def test_times_are_reported_as_people_state_them():
    said = [duration(seconds) for seconds in (1, 25, 119, 120, 121, 7199, 7201, 90_000)]
    assert said == [
        "1 second", "25 seconds", "119 seconds", "2 minutes", "3 minutes", "2 hours", "3 hours", "25 hours",
    ]  # fmt: skip
