"""The fields that take a proof: used up when the whole serializer is valid, and never later."""

import json
import re
import traceback
from pathlib import Path
from types import ModuleType
from urllib.parse import urlencode

import django
import pytest
from django.contrib.auth import get_user_model
from django.db import OperationalError, connections
from django.test import Client
from django.urls import path
from hypothesis import HealthCheck, given
from hypothesis import settings as tuned
from hypothesis import strategies as st
from rest_framework import serializers
from rest_framework.exceptions import APIException

from django_verify import proofs
from django_verify.mobile.fields import VerifiedEmailField, VerifiedPhoneField
from django_verify.models import SpentToken
from django_verify.proofs import single_use
from django_verify.users import verified_phones
from django_verify.users.models import VerifiedPhone
from tests.conftest import PHONE, ROUNDS
from tests.proof import issue

pytestmark = pytest.mark.django_db(transaction=True)

PAGE = Path(__file__).parent.parent.parent / "docs/proofs.md"
MAIL = "Ann@example.com"
OTHER_SID = "CV" + "2" * 32
User = get_user_model()


class SignUp(serializers.Serializer):
    proof = VerifiedPhoneField(purpose="sign-up")
    age = serializers.IntegerField(min_value=18)  # after the proof, so that it fails later
    password = serializers.CharField()
    again = serializers.CharField()

    def validate(self, attrs):
        if attrs["password"] != attrs["again"]:
            raise serializers.ValidationError("The passwords differ.")
        return attrs


def form(proof, serializer=SignUp, **values):
    data = {"proof": proof, "age": 20, "password": "x", "again": "x", **values}
    return serializer(data={name: value for name, value in data.items() if value is not None})


def codes_of(form):
    assert not form.is_valid()
    return {name: [error.code for error in errors] for name, errors in form.errors.items()}


def is_spent():
    return SpentToken.objects.exists()


def test_it_gives_the_number_and_uses_the_proof_up():
    token = issue()
    good = form(token)
    assert good.is_valid()
    number = good.validated_data["proof"]
    assert number.as_e164 == PHONE
    assert number == PHONE
    assert good.fields["proof"].proof.channel == "sms"
    assert codes_of(form(token)) == {"proof": ["already_used"]}


def test_it_is_used_up_once_however_often_the_serializer_is_asked():
    good = form(issue())
    assert good.is_valid()
    assert good.is_valid(raise_exception=True)
    assert good.data == {"age": 20, "password": "x", "again": "x"}  # never shown again
    assert SpentToken.objects.count() == 1


@pytest.mark.parametrize(
    "mistake",
    [{"age": 3}, {"age": "x"}, {"password": None}, {"again": "y"}, {"again": ""}],
    ids=str,
)
def test_a_mistake_elsewhere_leaves_the_proof_unused(mistake):
    token = issue()
    assert "proof" not in codes_of(form(token, **mistake))
    assert not is_spent()
    assert form(token).is_valid()
    assert is_spent()


def refuse(attrs):
    raise serializers.ValidationError("no", code="odd")


def test_so_does_a_validator_of_the_whole_and_one_of_the_field():
    class Strict(SignUp):
        class Meta:
            validators = [refuse]

    class Picky(SignUp):
        proof = VerifiedPhoneField(purpose="sign-up", validators=[refuse])

    class Own(SignUp):
        def validate_proof(self, number):
            assert number.as_e164 == PHONE
            refuse(number)

    token = issue()
    for serializer in (Strict, Picky, Own):
        assert "odd" in str(codes_of(form(token, serializer)))
    assert not is_spent()


def test_one_that_replaces_the_values_does_not_keep_the_proof():
    class Renamed(SignUp):
        def validate(self, attrs):
            return {"number": str(attrs["proof"])}

    good = form(issue(), Renamed)
    assert good.is_valid()
    assert good.validated_data == {"number": PHONE}
    assert is_spent()


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"purpose": "login"}, "wrong_purpose"),
        ({"test": True}, "test_proof"),
        ({"subject": MAIL, "channel": "email"}, "wrong_subject"),
    ],
)
def test_a_refusal_has_its_reason_as_code(values, code):
    assert codes_of(form(issue(**values))) == {"proof": [code]}
    assert not is_spent()


@pytest.mark.parametrize(
    ("given_", "code"),
    [
        ("x", "malformed"),
        ("\ud800", "malformed"),
        (["x"], "malformed"),
        ({"x": 1}, "malformed"),
        (7, "malformed"),
        (True, "malformed"),
        ("", "blank"),
        ("  ", "blank"),
    ],
    ids=ascii,
)
def test_what_is_no_proof(given_, code):
    assert codes_of(form(given_)) == {"proof": [code]}


def test_a_proof_is_required():
    assert codes_of(form(None)) == {"proof": ["required"]}
    assert codes_of(SignUp(data={"proof": None, "age": 18, "password": "x", "again": "x"})) == {
        "proof": ["null"]
    }


def test_an_error_names_neither_token_nor_number():
    token = issue(purpose="login")
    bad = form(token)
    assert not bad.is_valid()
    assert not any(part in json.dumps(bad.errors) for part in (*token.split("."), PHONE))
    assert PHONE not in repr(bad.fields)


def test_expired(clock):
    token = issue()
    clock.shift(600)
    assert codes_of(form(token)) == {"proof": ["expired"]}


def test_an_email_address():
    class Subscribe(serializers.Serializer):
        proof = VerifiedEmailField(purpose="sign-up")

    good = Subscribe(data={"proof": issue(subject=MAIL, channel="email")})
    assert good.is_valid()
    assert good.validated_data == {"proof": MAIL}
    assert codes_of(Subscribe(data={"proof": issue(sid=OTHER_SID)})) == {"proof": ["wrong_subject"]}


class Both(serializers.Serializer):
    phone = VerifiedPhoneField(purpose="sign-up", required=False)
    email = VerifiedEmailField(purpose="sign-up", required=False)


def test_two_proofs_are_used_up_together_or_not_at_all():
    phone, email = issue(), issue(sid=OTHER_SID, subject=MAIL)
    proofs.redeem(email, purpose="sign-up")
    assert codes_of(Both(data={"phone": phone, "email": email})) == {"email": ["already_used"]}
    assert Both(data={"phone": phone}).is_valid()
    assert codes_of(Both(data={"phone": phone})) == {"phone": ["already_used"]}
    assert Both(data={}).is_valid()


def test_an_item_of_a_list_uses_up_its_own_proof():
    many = Both(data=[{"phone": issue()}, {}, {"phone": issue(sid=OTHER_SID)}], many=True)
    assert many.is_valid()
    assert SpentToken.objects.count() == 2
    # One proof is not good for two of a list.
    third = issue(sid="CV" + "3" * 32)
    assert not Both(data=[{"phone": third}, {"phone": third}], many=True).is_valid()


def test_a_nested_serializer_uses_it_up():
    class Order(serializers.Serializer):
        buyer = SignUp()

    token = issue()
    good = Order(data={"buyer": form(token).initial_data})
    assert good.is_valid()
    again = Order(data={"buyer": form(token).initial_data})
    assert not again.is_valid()
    assert again.errors["buyer"]["proof"][0].code == "already_used"


def test_outside_a_serializer_it_is_used_up_at_once():
    class Numbers(serializers.Serializer):
        proofs = serializers.ListField(child=VerifiedPhoneField(purpose="sign-up"))

    token = issue()
    assert VerifiedPhoneField(purpose="sign-up").run_validation(token).as_e164 == PHONE
    with pytest.raises(serializers.ValidationError) as caught:
        VerifiedPhoneField(purpose="sign-up").run_validation(token)
    assert caught.value.get_codes() == ["already_used"]
    other = issue(sid=OTHER_SID)
    assert not Numbers(data={"proofs": [other, other]}).is_valid()
    assert not Numbers(data={"proofs": [other]}).is_valid()


def with_nonce(nonce):
    class Bound(serializers.Serializer):
        proof = VerifiedPhoneField(purpose="sign-up", nonce=nonce)

    return lambda token, **context: Bound(data={"proof": token}, context=context)


def test_a_nonce_of_the_session():
    bound = with_nonce(lambda context: context["session"].get("form"))
    token = issue(nonce="7")
    assert codes_of(bound(token, session={"form": "8"})) == {"proof": ["wrong_nonce"]}
    # A session without one is no session with any.
    assert codes_of(bound(token, session={})) == {"proof": ["wrong_nonce"]}
    assert codes_of(bound(issue(), session={})) == {"proof": ["wrong_nonce"]}
    assert bound(token, session={"form": "7"}).is_valid()
    assert with_nonce("9")(issue(sid=OTHER_SID, nonce="9")).is_valid()


def test_options_reach_the_reading():
    class Lenient(serializers.Serializer):
        proof = VerifiedPhoneField(purpose="sign-up", audience="app", allow_test=True)

    token = issue(test=True)
    assert codes_of(Lenient(data={"proof": token})) == {"proof": ["wrong_audience"]}
    for_all = VerifiedPhoneField(purpose="sign-up", allow_test=True)
    assert for_all.run_validation(token) == PHONE


def test_a_field_must_name_its_purpose():
    with pytest.raises(TypeError):
        VerifiedPhoneField()


@pytest.mark.parametrize("round_", range(ROUNDS))
def test_of_twenty_sign_ups_at_one_moment_one_succeeds(aligned, round_):
    token = issue()
    valid = aligned([lambda: form(token).is_valid() for _ in range(20)])
    assert valid.count(True) == 1


@tuned(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
@given(
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.floats(), st.integers(), st.text()),
        lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
        max_leaves=5,
    )
)
def test_garbage_is_an_error_of_the_field(value):
    assert set(codes_of(SignUp(data={"proof": value, "age": 1}))) >= {"proof", "age"}


def gone(*args, **kwargs):
    raise OperationalError("server closed the connection")


def test_error_mail_shows_no_unused_proof(monkeypatch):
    """Where the database fails, the answer is 503, and no frame of a serializer is reported."""
    token = issue()
    monkeypatch.setattr(single_use, "consume", gone)
    with pytest.raises(APIException) as raised:
        form(token).is_valid()
    assert (raised.value.status_code, raised.value.wait) == (503, 5)
    with pytest.raises(APIException) as raised:
        VerifiedPhoneField(purpose="sign-up").run_validation(token)
    assert token not in "".join(traceback.format_exception(raised.value))
    monkeypatch.undo()
    assert form(token).is_valid()


@pytest.mark.parametrize("kind", ["application/json", "application/x-www-form-urlencoded"])
def test_the_endpoint_of_the_docs_answers_503_without_a_database(
    site, monkeypatch, mailoutbox, settings, kind
):
    # Pairs until Django 6.0, and texts alone from then on.
    settings.ADMINS = [("a", "ops@example.com")] if django.VERSION < (6,) else ["ops@example.com"]
    monkeypatch.setattr(single_use, "consume", gone)
    token, username = issue(), "ann"
    body = f"username={username}&proof={token}" if "form" in kind else None
    answer = site(username, token) if body is None else site.form(body)
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    mails = "".join(mail.body + str(mail.alternatives) for mail in mailoutbox)
    assert "/sign-up/" in mails
    assert token not in mails
    monkeypatch.undo()
    assert site(username, token).status_code == 201


# The endpoint of the docs, in a host project of which it is the only page.


def blocks():
    return re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)


@pytest.fixture
def site(settings):
    source = blocks()[0]
    host = ModuleType("host")
    exec(compile(source, str(PAGE), "exec"), host.__dict__)
    host.urlpatterns = [path("sign-up/", host.SignUpView.as_view())]
    settings.ROOT_URLCONF = host
    client = Client(raise_request_exception=False)

    def post(username, proof, content_type="application/json"):
        data = {"username": username, "proof": proof}
        return client.post("/sign-up/", data, content_type=content_type)

    post.form = lambda body: client.post(
        "/sign-up/", body, content_type="application/x-www-form-urlencoded"
    )
    return post


def test_the_endpoint_of_the_docs_is_short():
    lines = [line for line in blocks()[0].splitlines() if line.strip()]
    assert len([line for line in lines if not re.match(r"(from|import) ", line)]) <= 15


def test_the_endpoint_of_the_docs_signs_up(site):
    token = issue()
    answer = site("ann", token)
    assert answer.status_code == 201
    user = User.objects.get(pk=answer.json()["id"])
    assert verified_phones.primary(user).number == PHONE
    again = site("bob", token)
    assert (again.status_code, list(again.json())) == (400, ["proof"])
    assert not User.objects.filter(username="bob").exists()


def test_the_endpoint_of_the_docs_gives_the_proof_back(site):
    User.objects.create_user("ann")
    token = issue()
    taken = site("ann", token)
    assert (taken.status_code, list(taken.json())) == (400, ["username"])
    verified_phones.confirm(User.objects.get(), PHONE)
    number_in_use = site("bob", token)
    assert (number_in_use.status_code, list(number_in_use.json())) == (400, ["proof"])
    assert not User.objects.filter(username="bob").exists()
    VerifiedPhone.objects.all().delete()
    assert site("bob", token).status_code == 201


def test_the_endpoint_of_the_docs_under_attack(site, aligned):
    assert site("ann", issue(purpose="login")).status_code == 400
    assert site("ann", issue(subject=MAIL)).status_code == 400
    for garbage in (None, "", "x", 1, [], {}, "\ud800", "[" * 10_000):
        assert site("ann", garbage).status_code == 400
    token = issue()
    statuses = aligned([lambda n=n: site(f"user{n}", token).status_code for n in range(20)])
    assert sorted(statuses) == [201] + [400] * 19
    assert User.objects.count() == 1


def test_hostile_settings_of_rest_framework(settings):
    settings.REST_FRAMEWORK = {
        "NON_FIELD_ERRORS_KEY": "proof",
        "EXCEPTION_HANDLER": "nowhere.handler",
        "UNAUTHENTICATED_USER": None,
        "DEFAULT_PERMISSION_CLASSES": ["nowhere.Permission"],
        "UPLOADED_FILES_USE_URL": False,
    }
    settings.LANGUAGE_CODE = "de"
    settings.USE_TZ = False
    settings.PHONENUMBER_DEFAULT_REGION = "DE"
    settings.PHONENUMBER_DEFAULT_FORMAT = "NATIONAL"
    token = issue()
    good = form(token)
    assert good.is_valid()
    assert good.validated_data["proof"].as_e164 == PHONE
    assert codes_of(form(token)) == {"proof": ["already_used"]}


@pytest.mark.parametrize("atomic", [False, True])
def test_a_host_that_wraps_requests_in_transactions(site, atomic):
    options = connections.settings["default"]
    before, options["ATOMIC_REQUESTS"] = options["ATOMIC_REQUESTS"], atomic
    try:
        token = issue()
        assert site("ann", token).status_code == 201
        assert site("bob", token).status_code == 400
    finally:
        options["ATOMIC_REQUESTS"] = before


def test_a_form_may_bring_it_too(settings, site):
    body = urlencode({"username": "ann", "proof": issue()})
    answer = Client().post("/sign-up/", body, content_type="application/x-www-form-urlencoded")
    assert answer.status_code == 201
