"""The safe list on the wire: one entry for every spelling of a number."""

import threading
from urllib.parse import quote

import pytest
from django.core.exceptions import ValidationError
from django.db import connection

from django_verify.contact import phones
from django_verify.models import SafeListNumber
from django_verify.models.safelist import is_safe_listed
from tests.conftest import PHONE, Api, make_account

pytestmark = pytest.mark.django_db(transaction=True)

NUMBERS = "SafeList/Numbers"


def refused(answer, status, code):
    assert (answer.status, answer.data["code"]) == (status, code), answer.data
    return answer.data["message"]


def test_a_number_comes_and_goes(api, account):
    made = api.post(NUMBERS, {"PhoneNumber": PHONE})
    assert made.status == 201
    assert made.data == {
        "sid": made.data["sid"],
        "phone_number": PHONE,
        "url": f"http://testserver/v2/SafeList/Numbers/{PHONE}",
    }
    assert made.data["sid"].startswith("GN")
    assert is_safe_listed(account.sid, PHONE)
    for path in (PHONE, quote(PHONE, safe="")):
        assert api.get(f"{NUMBERS}/{path}").data == made.data
    gone = api.delete(f"{NUMBERS}/{PHONE}")
    assert (gone.status, gone.data) == (204, None)
    assert not is_safe_listed(account.sid, PHONE)
    refused(api.get(f"{NUMBERS}/{PHONE}"), 404, 20404)
    refused(api.delete(f"{NUMBERS}/{PHONE}"), 404, 20404)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (PHONE, PHONE),
        ("+5491123456789", "+541123456789"),
        ("+525512345678", "+5215512345678"),
        ("+5215512345678", "+525512345678"),
        ("+5511961234567", "+551161234567"),
        ("+390549886377", "+3780549886377"),
        ("+22997123456", "+2290197123456"),
    ],
)
def test_every_spelling_is_one_entry(api, account, one, other):
    one = api.post(NUMBERS, {"PhoneNumber": one}).data["phone_number"]
    assert one == phones.parse(one).number
    assert "safe list" in refused(api.post(NUMBERS, {"PhoneNumber": other}), 409, 60411)
    assert api.get(f"{NUMBERS}/{other}").data["phone_number"] == one
    assert is_safe_listed(account.sid, phones.parse(other).key)
    assert api.delete(f"{NUMBERS}/{other}").status == 204
    assert not SafeListNumber.objects.exists()


# The vendor's own example, and others that no plan has: too short, too long, no calling code.
UNASSIGNED = ["+18001234567", "+1234567", "+449999999999", "+9991234567", "+999123456789012"]


@pytest.mark.parametrize("number", UNASSIGNED)
def test_a_number_of_no_plan_is_listed_too(api, account, number):
    made = api.post(NUMBERS, {"PhoneNumber": number})
    assert (made.status, made.data["phone_number"]) == (201, number)
    assert made.data["url"].endswith(number)
    refused(api.post(NUMBERS, {"PhoneNumber": number}), 409, 60411)
    assert is_safe_listed(account.sid, phones.fold(number))
    entry = SafeListNumber.objects.get()
    assert (entry.number, entry.key) == (number, phones.fold(number))
    entry.full_clean()
    assert api.get(f"{NUMBERS}/{number}").data == made.data
    assert api.delete(f"{NUMBERS}/{number}").status == 204


@pytest.mark.parametrize("text", ["+123456", "+0123456789", "+1234567890123456", "18001234567"])
def test_no_list_takes_what_is_not_e164(api, account, text):
    refused(api.post(NUMBERS, {"PhoneNumber": text}), 400, 60200)
    with pytest.raises(ValidationError):
        SafeListNumber(account=account, phone_number=text).full_clean()


@pytest.mark.parametrize("region", ["DE", "US", "GB"])
@pytest.mark.parametrize("form", ["E164", "NATIONAL", "INTERNATIONAL", "RFC3966"])
def test_a_number_of_no_plan_is_kept_as_it_is_by_every_host(api, settings, region, form):
    settings.PHONENUMBER_DEFAULT_FORMAT = settings.PHONENUMBER_DB_FORMAT = form
    settings.PHONENUMBER_DEFAULT_REGION = region
    for number in UNASSIGNED:
        assert api.post(NUMBERS, {"PhoneNumber": number}).status == 201
        assert api.get(f"{NUMBERS}/{number}").data["phone_number"] == number


def test_the_host_may_format_numbers_as_it_likes(api, settings):
    settings.PHONENUMBER_DEFAULT_FORMAT = "NATIONAL"
    settings.PHONENUMBER_DB_FORMAT = "INTERNATIONAL"
    settings.PHONENUMBER_DEFAULT_REGION = "DE"
    api.post(NUMBERS, {"PhoneNumber": PHONE})
    assert api.get(f"{NUMBERS}/{PHONE}").data["phone_number"] == PHONE


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"PhoneNumber": ""},
        {"PhoneNumber": "4155552671"},
        {"PhoneNumber": "+1 415 555 2671"},
        {"PhoneNumber": "+14155552671;ext=7"},
        {"PhoneNumber": "+1800FLOWERS"},
        {"PhoneNumber": "+1415555267١"},
        {"PhoneNumber": "+14155552671\n"},
        {"PhoneNumber": "jo@example.com"},
        {"PhoneNumber": [PHONE, PHONE]},
    ],
)
def test_other_texts_are_no_numbers(api, form):
    message = refused(api.post(NUMBERS, form), 400, 60200)
    assert message.startswith("Invalid parameter `PhoneNumber`: ")
    assert not SafeListNumber.objects.exists()


@pytest.mark.parametrize("number", ["x", "14155552671", "GN" + "0" * 32, "+1", "%00"])
def test_what_is_no_number_is_not_listed(api, number):
    refused(api.get(f"{NUMBERS}/{number}"), 404, 20404)


def test_there_is_no_list_and_no_update(api):
    api.post(NUMBERS, {"PhoneNumber": PHONE})
    refused(api.get(NUMBERS), 405, 20004)
    refused(api.post(f"{NUMBERS}/{PHONE}", {}), 405, 20004)


def test_each_account_has_a_list_of_its_own(api, account):
    api.post(NUMBERS, {"PhoneNumber": PHONE})
    stranger = make_account("Stranger")
    other = Api(stranger.sid, stranger.token)
    refused(other.get(f"{NUMBERS}/{PHONE}"), 404, 20404)
    refused(other.delete(f"{NUMBERS}/{PHONE}"), 404, 20404)
    assert not is_safe_listed(stranger.sid, PHONE)
    assert other.post(NUMBERS, {"PhoneNumber": PHONE}).status == 201
    assert api.get(f"{NUMBERS}/{PHONE}").status == 200


@pytest.mark.postgres
@pytest.mark.skipif(connection.vendor == "sqlite", reason="needs several writers")
def test_of_many_additions_at_once_one_wins(account):
    barrier, statuses = threading.Barrier(8), []

    def add():
        api = Api(account.sid, account.token)
        barrier.wait()
        statuses.append(api.post(NUMBERS, {"PhoneNumber": PHONE}).status)
        connection.close()

    threads = [threading.Thread(target=add) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [201] + [409] * 7


def test_neither_text_nor_repr_shows_the_number(api):
    api.post(NUMBERS, {"PhoneNumber": PHONE})
    entry = SafeListNumber.objects.get()
    assert PHONE not in f"{entry} {entry!r}"
