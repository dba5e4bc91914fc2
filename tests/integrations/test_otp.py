"""django-otp's device and its forms, and two-factor-auth's pages, against the real packages."""

import datetime as dt
import json

import pytest
from django.contrib.auth import SESSION_KEY, get_user_model
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.core.management import call_command
from django.db import connection, transaction
from django.test import Client

from django_verify import exceptions, verifications
from django_verify.crypto import codes
from django_verify.models import Verification, VerificationAttempt
from tests.conftest import OTHER_PHONE, PHONE, code_in, make_pair, make_service, wrong
from tests.error_reports.pages import assert_nothing_shown

pytest.importorskip("django_otp")
pytest.importorskip("two_factor")

pytestmark = pytest.mark.django_db(transaction=True)

GATEWAY = "django_verify.integrations.two_factor.gateway.VerifyGateway"
PASSWORD = "a long phrase 9"


@pytest.fixture(scope="module", autouse=True)
def site(installed):
    from django.conf import settings

    with installed(
        "django_otp",
        "django_otp.plugins.otp_static",
        "django_otp.plugins.otp_totp",
        "two_factor",
        "two_factor.plugins.phonenumber",
        "django_verify.integrations.otp",
        "django_verify.integrations.two_factor",
        MIDDLEWARE=[*settings.MIDDLEWARE, "django_otp.middleware.OTPMiddleware"],
        ROOT_URLCONF="tests.integrations.two_factor_urls",
        LOGIN_URL="two_factor:login",
        LOGIN_REDIRECT_URL="/home/",
        TWO_FACTOR_SMS_GATEWAY=GATEWAY,
        TWO_FACTOR_CALL_GATEWAY=GATEWAY,
        TWO_FACTOR_PATCH_ADMIN=False,
    ):
        yield


@pytest.fixture
def user():
    return get_user_model().objects.create_user("ann", password=PASSWORD)


@pytest.fixture
def device(user, service):
    from django_verify.integrations.otp.models import VerifyDevice

    return VerifyDevice.objects.create(user=user, name="phone", recipient=PHONE)


def otp_form(user, device, **values):
    """django-otp's form for the token, sent."""
    from django_otp.forms import OTPTokenForm

    form = OTPTokenForm(user, None, {"otp_device": device.persistent_id, **values})
    form.is_valid()
    return form


def errors(form):
    return [str(error) for error in form.non_field_errors()]


def test_a_challenge_is_a_verification(device, user, outbox):
    from django_otp import verify_token

    assert device.is_interactive()
    assert device.generate_challenge() == "We sent a code to +141******71."
    row = Verification.objects.get()
    assert (row.to, row.channel, device.verification_sid) == (PHONE, "sms", row.sid)
    code = code_in(outbox[-1])
    assert verify_token(user, device.persistent_id, wrong(code)) is None
    row.refresh_from_db()
    assert (row.checks, row.status) == (1, "pending")
    assert verify_token(user, device.persistent_id, code) == device
    row.refresh_from_db()
    assert row.status == "approved"
    assert verify_token(user, device.persistent_id, code) is None


def test_the_form_of_django_otp(device, user, outbox):
    form = otp_form(user, device, otp_challenge="1")
    assert "We sent a code to +141******71." in errors(form)[0]
    code = code_in(outbox[-1])
    assert errors(otp_form(user, device, otp_token=wrong(code)))
    assert otp_form(user, device, otp_token=f"{code[:3]} {code[3:]}").is_valid()


def test_five_guesses_and_no_more(device, user, outbox):
    device.generate_challenge()
    code = code_in(outbox[-1])
    for number in range(5):
        assert errors(otp_form(user, device, otp_token=wrong(code, number + 1)))
    device.refresh_from_db()
    allowed, why = device.verify_is_allowed()
    assert (allowed, why["failure_count"]) == (False, 5)
    assert "5 failed attempts" in errors(otp_form(user, device, otp_token=code))[0]
    assert Verification.objects.get().status == "max_attempts_reached"


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has one writer at a time")
def test_a_guess_outlives_the_callers_rollback(device, outbox):
    device.generate_challenge()
    code = code_in(outbox[-1])
    with pytest.raises(RuntimeError), transaction.atomic():
        assert not device.verify_token(wrong(code))
        raise RuntimeError
    assert Verification.objects.get().checks == 1
    with pytest.raises(RuntimeError), transaction.atomic():
        assert device.verify_token(code)
        raise RuntimeError
    assert not device.verify_token(code)


def test_an_error_report_shows_no_code(device, outbox, monkeypatch):
    """django-otp has the token in frames of its own; ours have it in none."""
    device.generate_challenge()

    def boom(*args, **kwargs):
        raise ZeroDivisionError

    monkeypatch.setattr(codes, "matches", boom)
    code = code_in(outbox[-1])
    with pytest.raises(ZeroDivisionError) as caught, transaction.atomic():
        device.verify_token(code)
    assert_nothing_shown(caught.value, code, PHONE)


@pytest.mark.django_db(transaction=False)
def test_in_a_test_of_the_site_too(device, user, outbox, django_capture_on_commit_callbacks):
    """Within a TestCase's transaction another connection would not see its rows."""
    with django_capture_on_commit_callbacks(execute=True):
        device.generate_challenge()
    assert otp_form(user, device, otp_token=code_in(outbox[-1])).is_valid()


def test_a_second_challenge_has_to_wait(device, outbox, clock):
    device.generate_challenge()
    clock.shift(5)
    device.refresh_from_db()
    allowed, why = device.generate_is_allowed()
    assert not allowed
    assert why["next_generation_at"] == device.challenged_at + dt.timedelta(seconds=30)
    assert "We sent" in device.generate_challenge()
    assert len(outbox) == 1
    clock.shift(30)
    device.generate_challenge()
    assert len(outbox) == 2


def test_a_refusal_is_a_sentence_of_the_form(device, user, service):
    service.channels = ["call"]
    service.save()
    (error,) = errors(otp_form(user, device, otp_challenge="1"))
    assert error.endswith("This way of sending is not available. Please choose another.")


def test_zeros_in_front_that_a_form_of_numbers_has_lost(device, service):
    row = verifications.start(service, PHONE, custom_code="001234")
    device.remember(row.sid, None)
    assert device.verify_token(1234)


@pytest.mark.parametrize(
    "token", ["", " ", None, "abc", "1" * 40, "12\x0034", "\ud800234", "-12345", -12345, 3.5]
)
def test_what_is_no_token_is_wrong(device, token):
    assert not device.verify_token(token)
    device.generate_challenge()
    assert not device.verify_token(token)
    assert Verification.objects.get().status == "pending"


def test_a_code_for_another_recipient_is_wrong(device, outbox):
    device.generate_challenge()
    device.recipient = OTHER_PHONE
    assert not device.verify_token(code_in(outbox[-1]))


def test_a_test_number_never_verifies(device, service, settings):
    settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "TEST_NUMBERS": True}
    make_pair(service)
    device.generate_challenge()
    assert not device.verify_token("482913")


def test_a_recipient_is_read_as_it_is_typed(user):
    from django_verify.integrations.otp.models import VerifyDevice

    device = VerifyDevice(user=user, name="phone", recipient="+1 (415) 555-2671")
    device.full_clean()
    assert device.recipient == PHONE
    for recipient, channel in [("12", "sms"), ("ann@example.com", "sms"), (PHONE, "email")]:
        with pytest.raises(ValidationError):
            VerifyDevice(user=user, name="x", recipient=recipient, channel=channel).full_clean()
    mail = VerifyDevice(user=user, name="mail", recipient="ann@example.com", channel="email")
    mail.full_clean()
    assert "ann@" not in mail.masked


def test_the_service_is_named_where_there_are_several(service, settings):
    from django_verify.integrations import sending

    assert sending.service() == service
    other = make_service(service.account)
    with pytest.raises(ImproperlyConfigured, match="name the SID"):
        sending.service()
    settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "INTEGRATIONS_SERVICE": other.sid}
    assert sending.service() == other
    other.delete()
    with pytest.raises(ImproperlyConfigured, match="no service"):
        sending.service()


@pytest.mark.once
def test_the_admin_masks_the_recipient(device, admin_client):
    admin_client.logout()
    staff = get_user_model().objects.create_user("staff", is_staff=True)
    from django.contrib.auth.models import Permission
    from django.contrib.contenttypes.models import ContentType

    kind = ContentType.objects.get_for_model(type(device))
    allowed = Permission.objects.create(
        content_type=kind, codename="change_verifydevice", name="change"
    )
    staff.user_permissions.add(allowed)
    admin_client.force_login(staff)
    page = f"/admin/django_verify_otp/verifydevice/{device.pk}/change/"
    for path in ("/admin/django_verify_otp/verifydevice/", page):
        html = admin_client.get(path).text
        assert "+141******71" in html
        assert PHONE not in html
    staff.is_superuser = True
    staff.save()
    assert PHONE in admin_client.get(page).text
    kind.delete()


@pytest.mark.once
def test_the_migration_is_complete(capsys):
    call_command("makemigrations", "django_verify_otp", "--check", "--dry-run")


# two-factor-auth's own pages


def set_up(client, method, number=PHONE):
    """The wizard up to the code, as a user steps through it."""
    url = "/account/two_factor/setup/"
    step = {"setup_view-current_step": "welcome"}
    client.post(url, step)
    client.post(url, {"setup_view-current_step": "method", "method-method": method})
    return client.post(url, {"setup_view-current_step": method, f"{method}-number": number})


def answer(client, code):
    return client.post(
        "/account/two_factor/setup/",
        {"setup_view-current_step": "validation", "validation-token": code},
    )


@pytest.mark.once
@pytest.mark.parametrize("method", ["sms", "call"])
def test_set_up_and_log_in(method, user, service, outbox):
    client = Client()
    client.force_login(user)
    set_up(client, method)
    assert [message.channel for message in outbox] == [method]
    row = Verification.objects.get()
    assert (row.to, row.status) == (PHONE, "pending")
    assert answer(client, wrong(code_in(outbox[-1]))).status_code == 200
    assert answer(client, code_in(outbox[-1])).status_code == 302
    row.refresh_from_db()
    assert row.status == "approved"
    assert client.get("/home/").content == b"verified: True"

    other = Client()
    url = "/account/login/"
    values = {"auth-username": "ann", "auth-password": PASSWORD}
    other.post(url, {"login_view-current_step": "auth", **values})
    assert len(outbox) == 2
    assert SESSION_KEY not in other.session
    token = {"login_view-current_step": "token", "token-otp_token": code_in(outbox[-1])}
    assert other.post(url, token)["Location"] == "/home/"
    assert other.get("/home/").content == b"verified: True"
    assert not Verification.objects.exclude(status="approved").exists()
    assert VerificationAttempt.objects.filter(message_status="sent").count() == 2


@pytest.mark.once
def test_a_refusal_at_the_set_up_and_at_the_log_in(user, outbox, caplog):
    service = make_service(custom_code_enabled=False)
    client = Client()
    client.force_login(user)
    page = set_up(client, "sms")
    assert page.context["challenge_succeeded"] is False
    service.custom_code_enabled = True
    service.save()
    set_up(client, "sms")
    answer(client, code_in(outbox[-1]))
    service.custom_code_enabled = False
    service.save()
    values = {"auth-username": "ann", "auth-password": PASSWORD}
    page = Client().post(
        "/account/login/", {"login_view-current_step": "auth", **values}, follow=True
    )
    assert page.status_code == 200
    assert "two-factor-auth's code was not sent" in caplog.text
    assert PHONE not in caplog.text


def test_the_gateway_raises_where_it_is_caught(service):
    from two_factor.plugins.phonenumber.models import PhoneDevice

    service.custom_code_enabled = False
    service.save()
    with pytest.raises(exceptions.FeatureDisabled):
        PhoneDevice(number=PHONE, method="sms").generate_challenge()


@pytest.mark.browser
@pytest.mark.once
def test_in_a_browser(walk, user, service, outbox):
    """Log-in, set-up by text message, log-out, and log-in with both factors."""

    def steps(page, url):
        def submit(**values):
            for name, value in values.items():
                page.fill(f"[name={name}]", value)
            page.locator("button[type=submit].btn-primary").click()

        password = {"auth-username": "ann", "auth-password": PASSWORD}
        page.goto(f"{url}/account/login/")
        submit(**password)
        page.wait_for_url("**/home/")
        page.goto(f"{url}/account/two_factor/setup/")
        submit()
        page.check("[name=method-method][value=sms]")
        submit()
        submit(**{"sms-number": PHONE})
        page.wait_for_selector("[name=validation-token]")
        submit(**{"validation-token": code_in(outbox[-1])})
        page.wait_for_url("**/setup/complete/")
        page.context.clear_cookies()
        page.goto(f"{url}/account/login/")
        submit(**password)
        page.wait_for_selector("[name=token-otp_token]")
        assert len(outbox) == 2
        submit(**{"token-otp_token": code_in(outbox[-1])})
        page.wait_for_url("**/home/")
        assert page.content().count("verified: True") == 1

    walk(steps)
    assert [row.status for row in Verification.objects.all()] == ["approved"] * 2


def test_a_person_s_devices_are_given_out_and_erased(user, device, capsys):
    from django_verify.integrations.otp.models import VerifyDevice

    of = {"user": user, "channel": "email"}
    VerifyDevice.objects.create(name="mail", recipient="ann+shop@example.com", **of)
    other = VerifyDevice.objects.create(name="other", recipient="bob@example.com", **of)
    person = [PHONE, "ann@example.com"]
    call_command("verifyexport", *person)
    exported = json.loads(capsys.readouterr().out)
    assert PHONE in str(exported)
    assert "ann+shop@example.com" in str(exported)
    assert "bob@example.com" not in str(exported)
    call_command("verifyerase", *person, "--dry-run")
    assert VerifyDevice.objects.count() == 3
    call_command("verifyerase", *person)
    assert list(VerifyDevice.objects.all()) == [other]
