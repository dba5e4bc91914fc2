"""Errors that teach: what a programmer or a client has set up wrongly is said in one sentence."""

import pytest
from django.test import Client
from django.utils.translation import gettext_lazy
from phonenumber_field.phonenumber import PhoneNumber

from django_verify import verifications
from django_verify.exceptions import InvalidParameter, VerifyError, misuse
from django_verify.factors import challenges, entities
from django_verify.models import Verification, VerifyService
from django_verify.verifications import arguments
from tests.conftest import PHONE, Api, code_in

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.portable]


@pytest.mark.parametrize("to", ["4155552671", "(415) 555-2671", "030 901820", "٤١٥٥٥٥٢٦٧١"])
def test_a_number_without_its_country_code(service, to):
    for call in (verifications.start, lambda *a: verifications.check(a[0], "123456", to=a[1])):
        with pytest.raises(InvalidParameter, match=r"no country code.*phones\.read\(") as caught:
            call(service, to)
        assert caught.value.parameter == "to"
        assert "2671" not in str(caught.value).replace("+14155552671", "")


@pytest.mark.parametrize(
    "to",
    ["", "x", "not a number", "+1", "00", "1" * 400, "nobody@", "a1b2c3", "1-800-FLOWERS"]
    + [f"{before}{PHONE}" for before in ("sms:", "whatsapp:", "'")],
)
def test_what_is_no_number_either_way(service, to):
    with pytest.raises(InvalidParameter, match="parameter `to`: not a"):
        verifications.start(service, to)


def test_the_wire_names_no_function_of_python(service, api):
    answer = api.post(
        f"Services/{service.sid}/Verifications", {"To": "4155552671", "Channel": "sms"}
    )
    assert (answer.status, answer.data["code"]) == (400, 60200)
    assert "phones.read" not in answer.data["message"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("VA" + "0" * 32, r"VerifyService\.objects\.get\(sid=…\)"),
        (PHONE, "the service comes first"),
        (None, "not None"),
        (7, "not an int"),
    ],
)
def test_something_else_than_a_service(text, sentence):
    calls = (
        lambda: verifications.start(text, PHONE),
        lambda: verifications.check(text, "123456", to=PHONE),
        *(
            lambda verb=verb: getattr(verifications, verb)(text, PHONE)
            for verb in ("fetch", "approve", "cancel")
        ),
        lambda: entities.fetch(text, "user-0001"),
        lambda: entities.enrol(text, "user-0001", "totp", "Phone"),
    )
    for call in calls:
        with pytest.raises(TypeError, match=f"a VerifyService is expected, .*{sentence}") as caught:
            call()
        assert PHONE not in str(caught.value)


def test_an_account_or_an_unsaved_service(account):
    with pytest.raises(TypeError, match=r"an account has several.*filter\(account=…\)"):
        verifications.start(account, PHONE)
    with pytest.raises(ValueError, match="has not been saved"):
        verifications.start(VerifyService(account=account, friendly_name="Acme"), PHONE)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("channel", None, "`channel` as text is expected, not None"),
        ("channel", 1, "not an int"),
        ("amount", 12.5, "`amount` as text is expected, not a float"),
        ("custom_code", 12345, "lost its leading zeros"),
        ("device_ip", 5, "not an int"),
        ("template_sid", object(), "not an object"),
        ("locle", "de", "no option 'locle'. Did you mean 'locale'?"),
        ("tags", ["x"], "`tags` as a dictionary is expected, not a list"),
        ("rate_limits", ["ip"], "as a dictionary"),
        ("channel_configuration", "sms", "as a dictionary is expected, not a str"),
    ],
)
def test_an_option_of_another_type(service, name, value, sentence):
    with pytest.raises(TypeError) as caught:
        verifications.start(service, PHONE, **{name: value})
    assert sentence in str(caught.value)
    assert not Verification.objects.exists()


@pytest.mark.parametrize("channel", ["SMS", "smss", "Sms "])
def test_an_unknown_channel_with_the_one_that_was_meant(service, api, channel):
    with pytest.raises(InvalidParameter, match=r"not an available channel\. Did you mean 'sms'\?"):
        verifications.start(service, PHONE, channel)
    with pytest.raises(InvalidParameter, match=r"not an available channel$"):
        verifications.start(service, PHONE, "pigeon post")


def test_none_is_no_option(service):
    names = set(arguments._OPTIONS) - {"to", "channel"}
    row = verifications.start(service, PHONE, **dict.fromkeys(names))
    verifications.check(
        service, "000000", verification_sid=row.sid, to=None, amount=None, payee=None
    )


def test_a_recipient_of_another_type(service):
    for to, sentence in (
        (14155552671, "`to` as text is expected, not an int: a number in Python has lost"),
        (None, "not None"),
        (PHONE.encode(), "decode it first"),
    ):
        with pytest.raises(TypeError, match=sentence) as caught:
            verifications.start(service, to)
        assert "4155552671" not in str(caught.value)


def test_what_is_as_good_as_text_is_taken(service, outbox):
    service.custom_friendly_name_enabled = True
    service.save()
    number = PhoneNumber.from_string(PHONE)
    row = verifications.start(service, number, custom_friendly_name=gettext_lazy("Shop"))
    assert row.to == PHONE
    assert "Shop" in outbox[0].body
    assert verifications.fetch(service, number).sid == row.sid
    assert verifications.fetch(service, gettext_lazy(row.sid)).sid == row.sid
    # As a form has it whose field was left out.
    checked = verifications.check(
        service, gettext_lazy(code_in(outbox[0])), to=number, verification_sid=None
    )
    assert checked.valid
    row = verifications.start(service, number)
    assert verifications.cancel(service, number).sid == row.sid


def test_a_code_or_a_name_of_another_type(service):
    row = verifications.start(service, PHONE)
    with pytest.raises(TypeError, match="`code` as text is expected, not an int: a number in"):
        verifications.check(service, 123456, to=PHONE)
    with pytest.raises(TypeError, match="`amount` as text is expected, not a float"):
        verifications.check(service, "123456", to=PHONE, amount=12.5, payee="Shop")
    with pytest.raises(TypeError, match=r"`verification_sid` as text .*give its `sid`"):
        verifications.check(service, "123456", verification_sid=row)
    for verb in (verifications.fetch, verifications.approve, verifications.cancel):
        with pytest.raises(TypeError, match="give its `sid`"):
            verb(service, row)
    for verb in (verifications.release, verifications.unlock):
        with pytest.raises(TypeError, match="a Verification is expected, not a str"):
            verb(row.sid)
    assert Verification.objects.get().checks == 0


def test_an_identity_and_a_factor_of_another_type(service, account):
    for call in (
        lambda: entities.create(service, 12345678),
        lambda: entities.fetch(service, account),
        lambda: entities.enrol(service, 12345678, "totp", "Phone"),
    ):
        with pytest.raises(TypeError, match=r"`identity` as text .*8–64 letters"):
            call()
    with pytest.raises(TypeError, match=r"a Factor is expected, not a str: entities\.fetch_factor"):
        challenges.create("YF" + "0" * 32)


@pytest.mark.parametrize(
    ("root", "path", "hint"),
    [
        ("/v2/", "v2/Services", "base URL must not end in /v2"),
        ("/v2/", "v2/", "base URL must not end in /v2"),
        ("/v2/", "v2/Services/VA1/Verifications", "base URL must not end in /v2"),
        ("/v2/", "v22/Services", ""),
        ("/v2/", "Nothing", ""),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_a_base_url_that_ends_in_v2(api, account, root, path, hint, method):
    answer = Api(account.sid, account.token, root=root).request(method, path)
    assert (answer.status, answer.data["code"], answer.data["status"]) == (404, 20404, 404)
    assert hint in answer.data["message"]
    if not hint:
        assert answer.data["message"] == f"The requested resource /{path} was not found"


@pytest.mark.urls("tests.misplaced")
def test_an_api_at_another_path_than_v2(account):
    answer = Api(account.sid, account.token, root="/verify/").get("v2/Services")
    assert answer.status == 404
    assert "under a path that ends in v2/" in answer.data["message"]


def test_no_caller_without_credentials_is_taught(db):
    answer = Client().get("/v2/v2/Services")
    assert answer.status_code == 401
    assert "base URL" not in answer.text


def test_errors_are_of_types_that_python_has():
    assert not issubclass(type(misuse.expected("a", 1)), VerifyError)
    assert str(misuse.expected("a Factor", None)) == "a Factor is expected, not None"
