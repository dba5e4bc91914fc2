"""Forms: the shape of the answer, and schemas that accept good requests and refuse bad ones."""

import pytest

pytestmark = pytest.mark.django_db


def test_push(api):
    answer = api.get("Forms/form-push")
    assert answer.status == 200
    assert answer.data["form_type"] == "form-push"
    assert set(answer.data["forms"]) == {"create_factor", "verify_factor", "create_challenge"}
    assert answer.data["form_meta"] == {"binding_separator": "."}
    assert answer.data["url"] == "http://testserver/v2/Forms/form-push"


@pytest.mark.parametrize("kind", ["form-totp", "FORM-PUSH", "x", "form-push%0a"])
def test_other_forms_do_not_exist(api, kind):
    answer = api.get(f"Forms/{kind}")
    assert (answer.status, answer.data["code"]) == (404, 20404)


@pytest.mark.parametrize("path", ["Forms/form-push", "Forms"])
def test_forms_are_only_read(api, path):
    assert api.post(path, {}).status == (405 if "/" in path else 404)


FACTOR = {
    "FriendlyName": "Phone", "FactorType": "push", "Binding.Alg": "ES256",
    "Binding.PublicKey": "MFkw", "Config.AppId": "com.example", "Config.SdkVersion": "1.0",
    "Config.NotificationPlatform": "fcm", "Config.NotificationToken": "t" * 32,
}  # fmt: skip
CHALLENGE = {"FactorSid": "YF" + "0" * 32, "Details.Message": "Log in?"}


@pytest.mark.parametrize(
    ("form", "data", "change", "valid"),
    [
        ("create_factor", FACTOR, {}, True),
        ("create_factor", FACTOR, {"Config.NotificationToken": None}, False),
        (
            "create_factor",
            FACTOR,
            {"Config.NotificationToken": None, "Config.NotificationPlatform": "none"},
            True,
        ),
        ("create_factor", FACTOR, {"FactorType": "totp"}, False),
        ("create_factor", FACTOR, {"FriendlyName": "x" * 65}, False),
        ("create_factor", FACTOR, {"Config.AppId": None}, False),
        ("verify_factor", {"AuthPayload": "MEUC"}, {}, True),
        ("verify_factor", {"AuthPayload": "MEUC"}, {"AuthPayload": None}, False),
        ("create_challenge", CHALLENGE, {}, True),
        ("create_challenge", CHALLENGE, {"Details.Message": "x" * 257}, False),
        ("create_challenge", CHALLENGE, {"Details.Fields": ["{}"] * 21}, False),
        ("create_challenge", CHALLENGE, {"FactorSid": "YF0"}, False),
    ],
)
def test_the_schemas(api, form, data, change, valid):
    jsonschema = pytest.importorskip("jsonschema")
    schema = api.get("Forms/form-push").data["forms"][form]
    jsonschema.Draft202012Validator.check_schema(schema)
    sent = {key: value for key, value in {**data, **change}.items() if value is not None}
    assert jsonschema.Draft202012Validator(schema).is_valid(sent) is valid
