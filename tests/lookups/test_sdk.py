"""The official Python client, and a published package that looks numbers up before it verifies them.

The package brings `phonenumbers` as a requirement, which shares its folder with the one of the
tests; where it is installed beside it (`pip install --no-deps django-twilio-2fa pycountry`), its
own client runs here, unmodified.
"""

from urllib.parse import urlsplit

import pytest
from django.contrib.sessions.backends.signed_cookies import SessionStore
from django.test import RequestFactory
from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

from django_verify.verifications.carrier_lookup import Carrier, CarrierLookup
from tests.conftest import PHONE, code_in, make_account, make_service, wrong

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.once]

MEMORY = {"BACKEND": "django_verify.senders.locmem.LocmemSender"}


class Mobile(CarrierLookup):
    """Knows a mobile where the numbering plan does not."""

    def carrier(self, number):
        return Carrier("310", "150", "Example Mobile", "mobile")


@pytest.fixture
def account():
    return make_account()


@pytest.fixture(autouse=True)
def carriers(settings):
    settings.DJANGO_VERIFY = {
        "SENDERS": {"memory": MEMORY},
        "CARRIER_LOOKUP": {"BACKEND": f"{__name__}.Mobile"},
    }


def test_the_official_client(account, live_server):
    client = Client(account.sid, account.token)
    client.lookups.base_url = live_server.url
    first = client.lookups.v1.phone_numbers(PHONE).fetch(type=["carrier", "caller-name"])
    assert (first.phone_number, first.country_code) == (PHONE, "US")
    assert first.national_format == "(415) 555-2671"
    assert first.carrier["type"] == "mobile"
    assert first.caller_name is None
    assert first.add_ons is None
    assert first.url == f"{live_server.url}/v1/PhoneNumbers/{PHONE}"
    second = client.lookups.v2.phone_numbers("07911 123456").fetch(
        country_code="GB", fields="line_type_intelligence,sim_swap"
    )
    assert (second.valid, second.validation_errors) == (True, [])
    assert (second.phone_number, second.calling_country_code) == ("+447911123456", "44")
    assert second.line_type_intelligence["carrier_name"] == "Example Mobile"
    assert second.sim_swap is None
    assert client.lookups.v2.phone_numbers("+1415").fetch().validation_errors == ["TOO_SHORT"]


def test_every_property_of_the_clients_objects_is_answered(account, live_server):
    client = Client(account.sid, account.token)
    client.lookups.base_url = live_server.url
    for version in (client.lookups.v1, client.lookups.v2):
        found = version.phone_numbers(PHONE).fetch()
        uri = f"{live_server.url}/{version.version}/PhoneNumbers/{PHONE}"
        answered = set(client.request("GET", uri).text.replace(" ", "").split('"')[1::2])
        assert {name for name in vars(found) if not name.startswith("_")} <= answered


def test_its_errors(account, live_server):
    client = Client(account.sid, account.token)
    client.lookups.base_url = live_server.url
    with pytest.raises(TwilioRestException) as caught:
        client.lookups.v1.phone_numbers("+1415555").fetch()
    assert (caught.value.status, caught.value.code) == (404, 20404)
    client = Client(account.sid, "wrong")
    client.lookups.base_url = live_server.url
    with pytest.raises(TwilioRestException) as caught:
        client.lookups.v2.phone_numbers(PHONE).fetch()
    assert (caught.value.status, caught.value.code) == (401, 20003)


def nothing(user):
    """A user of whom the site keeps neither number nor address."""


@pytest.fixture
def published(account, live_server, settings, monkeypatch):
    """The package's own client, whose requests to the vendor's hosts arrive here."""
    pytest.importorskip("django_twilio_2fa")
    settings.TWILIO_2FA_ACCOUNT_SID, settings.TWILIO_2FA_AUTH_TOKEN = account.sid, account.token
    settings.TWILIO_2FA_SERVICE_ID = make_service(account).sid
    settings.TWILIO_2FA_ALLOWED_METHODS = ["sms"]
    settings.TWILIO_2FA_USER_PHONE_NUMBER_CB = settings.TWILIO_2FA_USER_EMAIL_CB = nothing
    inner = TwilioHttpClient.request
    asked = []

    def request(self, method, uri, *args, **kwargs):
        url = urlsplit(uri)
        assert url.netloc in {"lookups.twilio.com", "verify.twilio.com"}
        asked.append(url.netloc)
        return inner(self, method, f"{live_server.url}{url.path}", *args, **kwargs)

    monkeypatch.setattr(TwilioHttpClient, "request", request)
    from django_twilio_2fa.client import TwoFAClient

    return TwoFAClient, asked


# It asks by former names of the client's.
@pytest.mark.filterwarnings(r"ignore:\w+ is deprecated\. Use v:DeprecationWarning")
def test_a_published_package_looks_up_then_verifies(published, django_user_model, outbox):
    client_class, asked = published
    number = client_class.check_phone_number("(415) 555-2671", "US")
    assert (number.e164_format, number.country_code, number.carrier_type) == (PHONE, "US", "mobile")
    assert asked == ["lookups.twilio.com"]
    request = RequestFactory().post("/")
    request.session = SessionStore()
    request.user = django_user_model.objects.create_user("jane", password="x")
    client = client_class(request=request, phone_number=number)
    sid = client.send_verification("sms")
    code = code_in(outbox[-1])
    assert client.check_verification(wrong(code), sid) is False
    assert client.check_verification(code, sid) is True
    assert set(asked) == {"lookups.twilio.com", "verify.twilio.com"}
