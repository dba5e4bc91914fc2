"""Silent network authentication with the simulator, the auto channel, and fallbacks."""

from urllib.parse import parse_qs

import pytest
from django.test import Client

from django_verify import exceptions, fraud, signals, verifications
from django_verify.models import GeoPermission, Verification, VerificationAttempt
from django_verify.senders import SendError, locmem
from django_verify.verifications import sna
from tests.conftest import OTHER_PHONE, PHONE, Api, code_in, make_account, make_service

pytestmark = pytest.mark.django_db(transaction=True)

SIMULATOR = "django_verify.verifications.sna.Simulator"
IP = "203.0.113.9"


class Broken(sna.Provider):
    """A gateway that is down."""

    def supports(self, number, device_ip):
        return True

    def url(self, attempt_sid, token, number):
        raise ConnectionError(number)


class Polled(sna.Provider):
    """A gateway with URLs of its own, asked for its result at the check."""

    results: dict = {}

    def supports(self, number, device_ip):
        return True

    def url(self, attempt_sid, token, number):
        return f"https://gateway.example.com/{token}"

    def result(self, attempt_sid, number):
        return self.results.get(number)


def use(settings, backend=SIMULATOR, **options):
    settings.DJANGO_VERIFY = {
        **settings.DJANGO_VERIFY,
        "SNA": {"BACKEND": backend, "OPTIONS": options},
    }


@pytest.fixture
def simulator(settings):
    use(settings, errors={OTHER_PHONE: sna.MISMATCH})


@pytest.fixture
def root(service):
    return f"Services/{service.sid}"


def open_url(url):
    response = Client().get(url.removeprefix("http://testserver"))
    assert response.status_code == 200
    assert response["Content-Type"] == "text/plain"
    return {name: values[0] for name, values in parse_qs(response.content.decode()).items()}


def start(api, root, to=PHONE, **form):
    return api.post(f"{root}/Verifications", {"To": to, "Channel": "sna", **form})


def check(api, root, to=PHONE, **form):
    return api.post(f"{root}/VerificationCheck", {"To": to, **form})


def test_a_match(api, root, simulator, outbox):
    approved = []
    signals.verification_approved.connect(
        lambda **kwargs: approved.append(1), weak=False, dispatch_uid="t"
    )
    started = start(api, root).data
    assert (started["channel"], started["status"]) == ("sna", "pending")
    attempt = started["send_code_attempts"][0]["attempt_sid"]
    assert started["sna"]["url"].startswith(f"http://testserver/v2/Sna/{attempt}/")
    assert api.get(f"{root}/Verifications/{PHONE}").data["sna"] == started["sna"]
    waiting = check(api, root).data
    assert waiting["status"] == "pending"
    assert waiting["sna_attempts_error_codes"] == [{"attempt_sid": attempt, "code": 60519}]
    answer = open_url(started["sna"]["url"])
    assert answer == {
        "ErrorCode": "0",
        "ErrorDescription": "Success",
        "Carrier": "Simulated Mobile",
    }
    done = check(api, root).data
    signals.verification_approved.disconnect(dispatch_uid="t")
    assert (done["status"], done["valid"], done["sna_attempts_error_codes"]) == (
        "approved",
        True,
        [],
    )
    assert check(api, root).status == 404
    assert approved == [1]
    assert not outbox
    assert Verification.objects.get().checks == 0


def test_a_mismatch_and_then_a_code(api, root, simulator, outbox):
    started = start(api, root, OTHER_PHONE).data
    assert open_url(started["sna"]["url"])["ErrorCode"] == "60500"
    failed = check(api, root, OTHER_PHONE).data
    assert failed["status"] == "pending"
    assert [e["code"] for e in failed["sna_attempts_error_codes"]] == [60500]
    texted = start(api, root, OTHER_PHONE, Channel="sms").data
    assert (texted["sid"], texted["sna"]) == (started["sid"], None)
    assert check(api, root, OTHER_PHONE).data["code"] == 60200
    done = check(api, root, OTHER_PHONE, Code=code_in(outbox[0])).data
    assert (done["status"], done["sna_attempts_error_codes"]) == ("approved", None)


def test_a_url_works_once_and_for_ten_minutes(api, root, simulator, clock):
    url = start(api, root).data["sna"]["url"]
    assert open_url(url + "x")["ErrorCode"] == "60520"
    assert open_url(url)["ErrorCode"] == "0"
    assert open_url(url)["ErrorCode"] == "60520"
    late = start(api, root, "+447911123456").data["sna"]["url"]
    clock.shift(600)
    assert open_url(late)["ErrorCode"] == "60520"
    assert open_url("/v2/Sna/VL0/x")["ErrorCode"] == "60520"


def test_only_the_newest_attempt_counts(api, root, simulator, clock):
    first = start(api, root).data["sna"]["url"]
    clock.shift(1)
    second = start(api, root).data
    assert second["sna"]["url"] != first
    open_url(first)
    assert check(api, root).data["status"] == "pending"
    open_url(second["sna"]["url"])
    assert check(api, root).data["status"] == "approved"


def test_the_client_token(api, root, simulator):
    started = start(api, root, EnableSnaClientToken="true").data
    token = open_url(started["sna"]["url"])["SnaClientToken"]
    assert token not in VerificationAttempt.objects.get().sna_client_token_hash
    assert check(api, root).data["status"] == "pending"
    assert check(api, root, SnaClientToken="demanded").data["status"] == "pending"
    assert check(api, root, SnaClientToken=token[:-1]).data["status"] == "pending"
    assert check(api, root, SnaClientToken=token).data["status"] == "approved"


def test_a_token_before_the_url_was_opened(api, root, simulator):
    start(api, root, EnableSnaClientToken="true")
    assert check(api, root, SnaClientToken="demanded").data["status"] == "pending"


def test_a_gateway_that_is_asked(api, root, settings, monkeypatch):
    monkeypatch.setattr(Polled, "results", {})
    use(settings, f"{__name__}.Polled")
    started = start(api, root).data
    assert started["sna"]["url"].startswith("https://gateway.example.com/")
    assert check(api, root).data["status"] == "pending"
    Polled.results[PHONE] = 0
    assert check(api, root).data["status"] == "approved"
    assert open_url("/v2/Sna/VL0/x")["ErrorCode"] == "60520"


def test_a_gateway_that_is_down(api, root, settings, caplog):
    use(settings, f"{__name__}.Broken")
    answer = start(api, root)
    assert (answer.status, answer.data["code"]) == (503, 60510)
    assert not Verification.objects.exists()
    assert PHONE not in caplog.text


def test_refusals(api, root, account, simulator):
    paid = make_service(account, psd2_enabled=True)
    money = {"Amount": "1", "Payee": "x"}
    assert start(api, f"Services/{paid.sid}", **money).data["code"] == 60329
    assert start(api, root, "x").data["code"] == 60200
    assert start(api, root, AppHash="FA+9qCX9VSu").data["code"] == 60602
    assert check(api, root).status == 404
    row = start(api, root).data
    assert api.post(f"{root}/Verifications/{row['sid']}", {"Status": "canceled"}).status == 200
    assert check(api, root, VerificationSid=row["sid"]).status == 404


def test_strangers_find_nothing(api, root, simulator):
    stranger = make_account("Stranger")
    open_url(start(api, root).data["sna"]["url"])
    other = Api(stranger.sid, stranger.token)
    assert check(other, root).status == 404
    assert Verification.objects.get().status == "pending"


class Faulty(Polled):
    """A gateway that fails whenever it is asked."""

    def supports(self, number, device_ip):
        raise ConnectionError(number)

    def result(self, attempt_sid, number):
        raise ConnectionError(number)


class Tokens(Polled):
    """A gateway whose URL answers with a client token."""

    client_tokens = True

    def token_matches(self, attempt_sid, token):
        return token == "right"


def test_a_faulty_gateway_stops_nothing(api, root, settings, caplog):
    use(settings, f"{__name__}.Faulty")
    started = start(api, root).data
    waiting = check(api, root).data
    assert (waiting["status"], waiting["sna_attempts_error_codes"][0]["code"]) == ("pending", 60519)
    assert start(api, root, OTHER_PHONE, Channel="auto", DeviceIp=IP).data["channel"] == "sms"
    assert PHONE not in caplog.text
    assert started["status"] == "pending"


def test_client_tokens_of_another_gateway(api, root, settings, monkeypatch):
    monkeypatch.setattr(Polled, "results", {PHONE: 0})
    use(settings, f"{__name__}.Polled")
    refused = start(api, root, EnableSnaClientToken="true")
    assert (refused.status, refused.data["code"]) == (403, 60204)
    use(settings, f"{__name__}.Tokens")
    start(api, root, EnableSnaClientToken="true")
    assert check(api, root, SnaClientToken="wrong").data["status"] == "pending"
    assert check(api, root, SnaClientToken="right").data["status"] == "approved"


def test_the_url_of_the_simulator_takes_no_head_and_no_nul(api, root, simulator):
    url = start(api, root).data["sna"]["url"].removeprefix("http://testserver")
    assert Client().head(url).status_code == 405
    assert open_url("/v2/Sna/%00/x")["ErrorCode"] == "60520"
    assert open_url(url)["ErrorCode"] == "0"


def test_attempts_of_sna_and_of_a_deleted_service(api, root, simulator):
    start(api, root)
    start(api, root, OTHER_PHONE, Channel="sms")
    assert api.delete(root).status == 204
    listed = api.get("Attempts").data["attempts"]
    assert all(row["service_sid"] is None for row in listed)
    assert [row["channel"] for row in listed] == ["sms"]


# Auto.


@pytest.mark.parametrize("form", [{"AppHash": "FA+9qCX9VSu"}])
def test_auto_takes_a_channel_that_fits_the_request(api, root, simulator, form):
    answer = start(api, root, Channel="auto", DeviceIp=IP, **form).data
    assert answer["channel"] == "sms"


def test_a_service_without_sna(api, account, simulator):
    service = make_service(account, channels=["sms"])
    root = f"Services/{service.sid}"
    assert start(api, root).data["code"] == 60223
    assert start(api, root, Channel="auto", DeviceIp=IP).data["channel"] == "sms"


def test_no_fallback_to_a_landline(api, account, outbox, whatsapp_fails):
    service = make_service(account, lookup_enabled=True, skip_sms_to_landlines=True)
    form = {"Channel": "whatsapp", "ChannelConfiguration": BOTH}
    assert start(api, f"Services/{service.sid}", "+442071838750", **form).status == 201
    assert not outbox


def test_auto_needs_a_provider_or_a_configuration(api, root):
    assert start(api, root, Channel="auto").data["code"] == 60200


def test_auto_tries_sna_where_the_device_is_known(api, root, simulator, outbox):
    assert start(api, root, Channel="auto", DeviceIp=IP).data["channel"] == "sna"
    other = start(api, root, OTHER_PHONE, Channel="auto").data
    assert (other["channel"], len(outbox)) == ("sms", 1)
    landline = start(api, root, "+442071838750", Channel="auto").data
    assert landline["channel"] == "call"


def test_auto_tries_no_sna_where_the_country_gets_none(api, account, root, simulator):
    GeoPermission.objects.create(account=account, country="US", channel="sna", action="block")
    fraud.forget()
    answer = api.post(f"{root}/Verifications", {"To": PHONE, "Channel": "auto", "DeviceIp": IP})
    assert (answer.status, answer.data["channel"]) == (201, "sms")


def test_auto_without_a_usable_channel(api, account, simulator):
    service = make_service(account, channels=["email"])
    answer = start(api, f"Services/{service.sid}", Channel="auto")
    assert (answer.status, answer.data["code"]) == (400, 60550)


BOTH = '{"whatsapp": {"enabled": true}, "sms": {"enabled": true}}'


@pytest.fixture
def whatsapp_fails(monkeypatch):
    real = locmem.LocmemSender.send

    def send(self, message):
        if message.channel == "whatsapp":
            raise SendError("not on WhatsApp")
        return real(self, message)

    monkeypatch.setattr(locmem.LocmemSender, "send", send)


@pytest.mark.parametrize("channel", ["auto", "whatsapp"])
def test_whatsapp_with_sms_behind_it(api, root, outbox, whatsapp_fails, channel):
    answer = start(api, root, Channel=channel, ChannelConfiguration=BOTH).data
    assert (answer["channel"], len(answer["send_code_attempts"])) == ("whatsapp", 1)
    attempt = VerificationAttempt.objects.get()
    assert (attempt.message_status, attempt.fallback_channel) == ("sent", "sms")
    assert [message.channel for message in outbox] == ["sms"]
    assert check(api, root, Code=code_in(outbox[0])).data["status"] == "approved"


def test_no_fallback_that_was_not_asked_for(api, root, outbox, whatsapp_fails):
    start(api, root, Channel="whatsapp")
    assert VerificationAttempt.objects.get().message_status == "failed"
    only = '{"whatsapp": {"enabled": true}, "sms": {"enabled": false}}'
    start(api, root, OTHER_PHONE, Channel="auto", ChannelConfiguration=only)
    assert not outbox


@pytest.mark.parametrize(
    "given",
    [
        '{"pigeon": {"enabled": true}}',
        '{"sms": true}',
        '{"sms": {"enabled": 1}}',
        '{"email": {"enabled": true}}',
    ],
)
def test_malformed_configurations(api, root, given):
    answer = start(api, root, Channel="sms", ChannelConfiguration=given)
    assert (answer.status, answer.data["code"]) == (400, 60200)
    assert "`ChannelConfiguration`" in answer.data["message"]


# E-mail.

MAIL = "jo@example.com"


@pytest.fixture
def mailing(account):
    return make_service(account, email_from_addresses="verify@shop.example\nhelp@shop.example")


def test_the_configuration_of_an_email(mailing, outbox):
    given = {
        "from": "Verify@SHOP.example".replace("V", "v"),
        "from_name": "Shop",
        "template_id": "d-1",
        "substitutions": {"name": "Jo"},
    }
    verifications.start(mailing, MAIL, "email", channel_configuration=given)
    message = outbox[0]
    assert (message.from_email, message.from_name) == ("verify@SHOP.example", "Shop")
    assert (message.template_id, message.substitutions) == ("d-1", {"name": "Jo"})
    assert message.code in message.body


@pytest.mark.parametrize(
    ("given", "refusal"),
    [
        ({"from": "other@shop.example"}, exceptions.EmailSenderNotAllowed),
        ({"from": "verify@shop.example\nBcc: x@y.example"}, exceptions.InvalidParameter),
        ({"from_name": "a\r\nb"}, exceptions.InvalidParameter),
        ({"from_name": "PayPal <security@paypal.com>"}, exceptions.InvalidParameter),
        ({"from_name": 1}, exceptions.InvalidParameter),
        ({"reply_to": "x@y.example"}, exceptions.InvalidParameter),
        ({"substitutions": {"a": 1}}, exceptions.InvalidParameter),
        ({"substitutions": ["a"]}, exceptions.InvalidParameter),
        ({"substitutions": {str(n): "x" for n in range(21)}}, exceptions.InvalidParameter),
    ],
)
def test_configurations_that_are_refused(mailing, outbox, given, refusal):
    with pytest.raises(refusal):
        verifications.start(mailing, MAIL, "email", channel_configuration=given)
    assert not outbox


def test_the_mail_itself(mailing, settings, mailoutbox, tmp_path):
    (tmp_path / "code.txt").write_text("Dear {{ name }}, {{ twilio_code }}! {{ twilio_message }}")
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [tmp_path]}]
    settings.DJANGO_VERIFY = {
        "SENDERS": {
            "mail": {
                "BACKEND": "django_verify.senders.email.EmailSender",
                "OPTIONS": {"templates": {"d-1": "code.txt"}},
            }
        }
    }
    given = {
        "from": "verify@shop.example",
        "from_name": "The Shop",
        "template_id": "d-1",
        "substitutions": {"name": "Jo", "twilio_code": "000000"},
    }
    verifications.start(mailing, MAIL, "email", channel_configuration=given)
    mail = mailoutbox[0]
    assert mail.from_email == "The Shop <verify@shop.example>"
    assert mail.body.startswith("Dear Jo, ")
    assert "000000" not in mail.body
    with pytest.raises(exceptions.EmailTemplateUnknown):
        verifications.start(mailing, MAIL, "email", channel_configuration={"template_id": "d-2"})
    assert len(mailoutbox) == 1


def test_the_sender_of_a_mail(account, settings, mailoutbox):
    service = make_service(
        account, friendly_name="R&D", email_from_addresses="no-reply@bücher.example"
    )
    settings.DJANGO_VERIFY = {
        "SENDERS": {
            "mail": {
                "BACKEND": "django_verify.senders.email.EmailSender",
                "OPTIONS": {"from_email": "Shop <shop@example.com>"},
            }
        }
    }
    for given in (
        {"from_name": "Help"},
        {"from": "no-reply@bücher.example", "from_name": "Help"},
        {},
    ):
        verifications.start(service, MAIL, "email", channel_configuration=given)
    assert [mail.from_email for mail in mailoutbox] == [
        "Help <shop@example.com>",
        "Help <no-reply@xn--bcher-kva.example>",
        "Shop <shop@example.com>",
    ]
    assert "R&D" in mailoutbox[0].body
