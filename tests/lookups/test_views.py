"""Looking a number up: both versions, as people write numbers, and what is wrong with others."""

import pytest
from django.test import Client

from django_verify.contact import facts, phones
from django_verify.models import Account
from django_verify.verifications.carrier_lookup import Carrier, CarrierLookup
from tests.conftest import PHONE, Api, make_account, make_key, make_service

pytestmark = [pytest.mark.django_db, pytest.mark.portable]

LANDLINE, MOBILE, VOIP = "+442071838750", "+447911123456", "+33949123456"
UNKNOWN = ("caller_name", "sim_swap", "call_forwarding", "line_status", "identity_match")
UNKNOWN += ("reassigned_number", "sms_pumping_risk", "phone_number_quality_score", "pre_fill")


class Knows(CarrierLookup):
    """A provider of the host's."""

    asked: list = []

    def __init__(self, *, kind="mobile"):
        self.kind = kind

    def carrier(self, number):
        self.asked.append(number)
        if self.kind == "broken":
            raise ConnectionError(number)
        return Carrier("310", "150", "Example Mobile", self.kind)


@pytest.fixture
def account():
    return make_account()


@pytest.fixture
def v1(account):
    return Api(account.sid, account.token, root="/v1/PhoneNumbers/")


@pytest.fixture
def v2(account):
    return Api(account.sid, account.token, root="/v2/PhoneNumbers/")


@pytest.fixture
def provider(settings, monkeypatch):
    monkeypatch.setattr(Knows, "asked", [])

    def use(**options):
        backend = {"BACKEND": f"{__name__}.Knows", "OPTIONS": options}
        settings.DJANGO_VERIFY = {"CARRIER_LOOKUP": backend}
        return Knows.asked

    return use


def test_version_1(v1):
    answer = v1.get(PHONE)
    assert answer.status == 200
    assert answer.data == {
        "caller_name": None,
        "country_code": "US",
        "phone_number": PHONE,
        "national_format": "(415) 555-2671",
        "carrier": None,
        "add_ons": None,
        "url": f"http://testserver/v1/PhoneNumbers/{PHONE}",
    }
    assert answer.headers["Cache-Control"] == "no-store"


def test_version_2(v2):
    answer = v2.get(LANDLINE)
    assert answer.status == 200
    assert answer.data == {
        "calling_country_code": "44",
        "country_code": "GB",
        "phone_number": LANDLINE,
        "national_format": "020 7183 8750",
        "valid": True,
        "validation_errors": [],
        "line_type_intelligence": None,
        "url": f"http://testserver/v2/PhoneNumbers/{LANDLINE}",
    } | dict.fromkeys(UNKNOWN)


def test_the_carrier_is_asked_where_the_query_wants_it(v1, v2, provider):
    asked = provider()
    known = {"mobile_country_code": "310", "mobile_network_code": "150", "error_code": None}
    for version, query in ((v1, {}), (v1, {"Type": "caller-name"}), (v2, {"Fields": "validation"})):
        version.get(PHONE, **query)
    assert asked == []
    carrier = v1.get(PHONE, Type=["caller-name", "carrier"]).data["carrier"]
    assert carrier == known | {"name": "Example Mobile", "type": "mobile"}
    found = v2.get(PHONE, Fields="caller_name, line_type_intelligence").data
    expected = known | {"carrier_name": "Example Mobile", "type": "mobile"}
    assert found["line_type_intelligence"] == expected
    assert found["caller_name"] is None
    repeated = v2.get(PHONE, Fields=["validation", "line_type_intelligence"]).data
    assert repeated["line_type_intelligence"] == expected
    assert asked == [PHONE] * 3


def test_nobody_is_asked_about_what_is_no_number(v1, v2, provider):
    asked = provider()
    assert v1.get("+1415", Type="carrier").status == 404
    assert v2.get("+1415", Fields="line_type_intelligence").data["line_type_intelligence"] is None
    assert asked == []


@pytest.mark.parametrize(
    ("number", "first", "second"),
    [
        (MOBILE, "mobile", "mobile"),
        (LANDLINE, "landline", "landline"),
        (VOIP, "voip", "nonFixedVoip"),
        (PHONE, None, "unknown"),
        ("+18005550100", None, "tollFree"),
        ("+19005550123", None, "premium"),
    ],
)
def test_the_types_offline(v1, v2, number, first, second):
    assert v1.get(number, Type="carrier").data["carrier"]["type"] == first
    found = v2.get(number, Fields="line_type_intelligence").data["line_type_intelligence"]
    assert found["type"] == second


@pytest.mark.parametrize(
    ("kind", "first", "second"),
    [("voip", "voip", "nonFixedVoip"), ("fixedVoip", "voip", "fixedVoip")],
)
def test_a_providers_types(v1, v2, provider, kind, first, second):
    provider(kind=kind)
    assert v1.get(PHONE, Type="carrier").data["carrier"]["type"] == first
    found = v2.get(PHONE, Fields="line_type_intelligence").data["line_type_intelligence"]
    assert found["type"] == second


def test_a_provider_that_fails_is_an_error_code(v1, v2, provider, caplog):
    provider(kind="broken")
    assert v1.get(PHONE, Type="carrier").data["carrier"]["error_code"] == 60600
    found = v2.get(PHONE, Fields="line_type_intelligence").data["line_type_intelligence"]
    assert (found["error_code"], found["type"]) == (60600, "unknown")
    assert PHONE not in caplog.text


@pytest.mark.parametrize(
    ("path", "query", "number"),
    [
        ("4155552671", {}, PHONE),
        ("14155552671", {}, PHONE),
        ("(415) 555-2671", {}, PHONE),
        ("%2B14155552671", {}, PHONE),
        ("07911 123456", {"CountryCode": "GB"}, MOBILE),
        ("07911123456", {"CountryCode": "gb"}, MOBILE),
        ("00447911123456", {"CountryCode": "DE"}, MOBILE),
        (MOBILE, {"CountryCode": "US"}, MOBILE),
        ("٤١٥٥٥٥٢٦٧١", {}, PHONE),
    ],
)
def test_numbers_as_people_write_them(v1, v2, path, query, number):
    for version in (v1, v2):
        answer = version.get(path, **query)
        assert (answer.status, answer.data["phone_number"]) == (200, number)
        assert answer.data["url"].endswith(f"/PhoneNumbers/{number}")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("+1415", "TOO_SHORT"),
        ("5552671", "TOO_SHORT"),
        ("+1415555267111111", "TOO_LONG"),
        ("1" * 100, "TOO_LONG"),
        ("+499999999999999999999", "TOO_LONG"),
        ("+999123456789", "INVALID_COUNTRY_CODE"),
        ("+11234567890", "INVALID_BUT_POSSIBLE"),
        ("hello", "NOT_A_NUMBER"),
        ("+1-800-FLOWERS", "NOT_A_NUMBER"),
        ("+14155552671;ext=7", "NOT_A_NUMBER"),
        ("+", "NOT_A_NUMBER"),
        ("%00", "NOT_A_NUMBER"),
    ],
)
def test_what_is_no_number(v1, v2, text, fault):
    answer = v2.get(text)
    assert answer.status == 200
    assert (answer.data["valid"], answer.data["validation_errors"]) == (False, [fault])
    for name in ("country_code", "national_format", "calling_country_code"):
        assert answer.data[name] is None
    missing = v1.get(text)
    assert (missing.status, missing.data["code"]) == (404, 20404)
    assert missing.data["message"].startswith("The requested resource /PhoneNumbers/")


def test_the_url_of_what_is_no_number_can_be_asked_again(v2):
    answer = v2.get("x%20%3Fy%23%0A%C3%A9")
    assert answer.data["phone_number"] == "x ?y#\né"
    assert answer.data["url"] == "http://testserver/v2/PhoneNumbers/x%20%3Fy%23%0A%C3%A9"


@pytest.mark.parametrize(
    "rest", ["", "/", f"/{PHONE}/", f"/{PHONE}/Overrides/sim_swap", "/030/12345"]
)
@pytest.mark.parametrize("root", ["/v1/", "/v2/"])
def test_any_other_path_is_not_found_and_its_number_not_logged(account, root, rest, caplog):
    answer = Api(account.sid, account.token, root=root).get(f"PhoneNumbers{rest}")
    assert (answer.status, answer.data["code"]) == (404, 20404)
    assert PHONE not in caplog.text


def test_every_fault_that_phones_reads_has_a_word():
    for text in ("", "1", "+", "+0", "+1 415", "1" * 65, "+7 0", "٤", "+12", "\ud800"):
        assert facts.read(text, "US") is None
        (fault,) = facts.faults(text, "US")
        assert fault.isupper(), text


def test_a_number_of_no_country(v2):
    data = v2.get("+80012345678").data
    assert (data["country_code"], data["calling_country_code"], data["valid"]) == (
        None,
        "800",
        True,
    )


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("country", ["XX", "USA", "u", "é", "ß"])
def test_a_country_that_is_none(version, country, request):
    answer = request.getfixturevalue(version).get(PHONE, CountryCode=country)
    assert (answer.status, answer.data["code"]) == (400, 60200)
    assert "CountryCode" in answer.data["message"]


def test_a_package_that_does_not_exist(v2):
    answer = v2.get(PHONE, Fields="validation,horoscope")
    assert (answer.status, answer.data["code"]) == (400, 60200)
    assert "there is no package 'horoscope'" in answer.data["message"]
    assert v2.get(PHONE, Fields="").status == 200


def test_the_same_credentials(account):
    key = make_key(account)
    for root in ("/v1/PhoneNumbers/", "/v2/PhoneNumbers/"):
        assert Api(key.sid, key.secret, root=root).get(PHONE).status == 200
        answer = Api(account.sid, "wrong", root=root).get(PHONE)
        assert (answer.status, answer.data["code"]) == (401, 20003)
        assert Client().get(root + PHONE).status_code == 401


def test_an_app_that_may_create_one_factor_looks_nothing_up(account):
    form = {"Identity": "user-0001", "FactorType": "push"}
    issued = Api(account.sid, account.token).post(
        f"Services/{make_service(account).sid}/AccessTokens", form
    )
    token = issued.data["token"]
    answer = Api("token", token, root="/v2/PhoneNumbers/").get(PHONE)
    assert (answer.status, answer.data["code"]) == (401, 20003)


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_numbers_are_only_read(version, request):
    answer = request.getfixturevalue(version).post(PHONE, {})
    assert (answer.status, answer.data["code"]) == (405, 20004)


def test_the_api_itself_stays_where_it_is(account):
    api = Api(account.sid, account.token)
    assert api.get("Services").status == 200
    assert api.get("PhoneNumbers").status == 404
    assert Account.objects.count() == 1


def test_a_look_up_costs_the_credentials_alone(v2, django_assert_num_queries):
    v2.get(PHONE)
    with django_assert_num_queries(1):
        v2.get(PHONE)


def test_the_regions_are_those_that_have_numbers(v2):
    assert v2.get("22123456", CountryCode="CY").data["valid"]
    assert "AQ" not in phones.SUPPORTED
    assert v2.get(PHONE, CountryCode="AQ").status == 400
