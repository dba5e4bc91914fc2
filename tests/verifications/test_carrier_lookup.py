"""The carrier look-up, and what a service makes of it."""

import pytest

from django_verify import exceptions, verifications
from django_verify.contact import phones
from django_verify.exceptions import Noted
from django_verify.verifications import carrier_lookup
from django_verify.verifications.carrier_lookup import Carrier, CarrierLookup
from tests.conftest import PHONE, make_service

LANDLINE, MOBILE, VOIP = "+442071838750", "+447911123456", "+33949123456"


class Refuses(CarrierLookup):
    def carrier(self, number):
        raise ConnectionError(f"cannot look up {number}")


class Finds(CarrierLookup):
    def __init__(self, *, name="Example Mobile"):
        self.name = name

    def carrier(self, number):
        return Carrier("310", "150", self.name, "mobile")


class Forgets(CarrierLookup):
    def carrier(self, number):
        return None


@pytest.mark.parametrize(
    ("number", "kind"), [(LANDLINE, "landline"), (MOBILE, "mobile"), (VOIP, "voip"), (PHONE, None)]
)
def test_the_offline_answer(number, kind):
    carrier = carrier_lookup.look_up(number)
    assert (carrier.type, carrier.error_code) == (kind, None)
    assert set(carrier.as_lookup()["carrier"]) == {
        "mobile_country_code", "mobile_network_code", "name", "type", "error_code",
    }  # fmt: skip


def test_the_carriers_name_needs_the_extra():
    pytest.importorskip("phonenumbers.carrier")
    assert phones.carrier_name("+447106123456") in {"O2", None}


def test_a_provider_of_the_host(settings):
    settings.DJANGO_VERIFY = {
        "CARRIER_LOOKUP": {"BACKEND": f"{__name__}.Finds", "OPTIONS": {"name": "Other Mobile"}}
    }
    assert carrier_lookup.look_up(PHONE).name == "Other Mobile"


@pytest.mark.parametrize(
    "path",
    [f"{__name__}.Refuses", f"{__name__}.Forgets", f"{__name__}.CarrierLookup", "nowhere.Lookup"],
)
def test_a_failure_is_an_answer(settings, caplog, path):
    settings.DJANGO_VERIFY = {"CARRIER_LOOKUP": {"BACKEND": path}}
    assert carrier_lookup.look_up(PHONE) == Carrier(error_code=Noted.LOOKUP_FAILED)
    assert PHONE not in caplog.text


@pytest.mark.django_db(transaction=True)
def test_the_lookup_of_a_verification(account, outbox):
    service = make_service(account, lookup_enabled=True)
    assert verifications.start(service, MOBILE).lookup["carrier"]["type"] == "mobile"
    again = verifications.start(service, MOBILE)
    assert verifications.fetch(service, again.sid).lookup["carrier"]["type"] == "mobile"
    assert verifications.start(service, "jo@example.com", "email").lookup == {}
    assert verifications.start(make_service(account), MOBILE).lookup == {}


@pytest.mark.django_db(transaction=True)
def test_no_sms_to_landlines(account, outbox):
    options = {"skip_sms_to_landlines": True, "allowed_number_types": ["landline"]}
    service = make_service(account, lookup_enabled=True, **options)
    with pytest.raises(exceptions.LandlineRefused):
        verifications.start(service, LANDLINE)
    assert not outbox
    assert verifications.start(service, LANDLINE, "call").channel == "call"
    unasked = make_service(account, **options)
    assert verifications.start(unasked, LANDLINE).channel == "sms"
