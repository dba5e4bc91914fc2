"""The recipe for Sentry, tried with Sentry; and its names, held against every parameter there is."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from rest_framework import serializers

from django_verify.api import urls as api
from django_verify.error_reports import DENYLIST, FILTERED, before_send, filtered
from django_verify.mobile import serializers as mobile
from django_verify.web import forms
from tests.conftest import PATIENCE

ROOT = Path(__file__).resolve().parents[2]
PLANTED = {
    "number": "+14155552671",
    "mail": "someone@example.com",
    "code": "482913",
    "secret": "Kq7Zp3WvPlantedSecret",
}
# Also as a path or a form spells them, and the number without its plus.
SPELLINGS = [*PLANTED.values(), "14155552671", "someone%40example.com"]
needs_sentry = pytest.mark.skipif(not find_spec("sentry_sdk"), reason="sentry-sdk is not installed")


def reports(recipe):
    done = subprocess.run(
        [sys.executable, "-m", "tests.error_reports.site", recipe],
        input=json.dumps(PLANTED),
        cwd=ROOT,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@needs_sentry
@pytest.mark.once
def test_by_the_recipe_no_report_holds_what_was_sent():
    found = reports("recipe")
    paths = {report["transaction"] for report in found}
    assert {"/mobile/verifications", "/v2/Services/{service_sid}/Verifications", "/own/"} <= paths
    text = json.dumps(found)
    assert not [value for value in SPELLINGS if value in text]
    # What helps stays.
    urls = [report["request"].get("url", "") for report in found]
    assert any(url.startswith("http://testserver/mobile/verifications") for url in urls)
    errors = [report for report in found if report.get("type") != "transaction"]
    assert len(errors) >= 9
    assert len(found) > len(errors)
    (own,) = (report for report in errors if report["transaction"] == "/own/")
    frames = own["exception"]["values"][0]["stacktrace"]["frames"]
    assert frames[-1]["vars"]["code"] == FILTERED
    assert "WSGIRequest" in frames[-1]["vars"]["request"]


@needs_sentry
@pytest.mark.once
def test_without_it_they_do():
    text = json.dumps(reports("none"))
    assert PLANTED["code"] in text
    assert PLANTED["secret"] in text
    assert PLANTED["number"] in text


# What may stand in a report: what is asked for, and of which kind.
HARMLESS = """
    ApnCredentialSid AppHash Channel ChannelConfiguration CodeLength Country CustomCodeEnabled
    CustomFriendlyName DateCreatedAfter DateCreatedBefore DefaultTemplateSid Description
    DestinationPrefix DoNotShareWarningEnabled DtmfInputRequired EnableSnaClientToken EventTypes
    ExpirationDate FactorFriendlyName FactorSid FactorType FriendlyName Identity Interval Locale
    LookupEnabled Max MessagingServiceSid Order Page PageSize PageToken Psd2Enabled RiskCheck
    SendDigits SkipSmsToLandlines Status TemplateSid Ttl TtsName UniqueName VerificationSid
    VerifyEventSubscriptionEnabled VerifyServiceSid Version WebhookUrl app_hash autofill_domain
    channel country locale purpose region friendly_name identity factor_sid type transports
    authenticatorAttachment authenticator_attachment discoverable_credentials user_verification
    relying_party origins name id Binding_Alg Binding_PublicKey Config_Alg Config_AppId
    Config_CodeLength Config_NotificationPlatform Config_SdkVersion Config_Skew Config_TimeStep
    Passkeys_AuthenticatorAttachment Passkeys_DiscoverableCredentials Passkeys_RelyingParty_Id
    Passkeys_RelyingParty_Name Passkeys_RelyingParty_Origins Passkeys_UserVerification
    Push_ApnCredentialSid Push_FcmCredentialSid Push_IncludeDate Totp_CodeLength Totp_Issuer
    Totp_Skew Totp_TimeStep Whatsapp_From Whatsapp_MsgServiceSid
""".split()


def fields(serializer):
    for name, field in serializer._declared_fields.items():
        yield name
        inner = getattr(field, "child", field)
        if isinstance(inner, serializers.Serializer):
            yield from fields(type(inner))


def parameters():
    """The name of every parameter of the API, the endpoints for apps and the pages."""
    for resource in api.RESOURCES:
        for asked in ("parameters", "update_parameters", "filters"):
            if isinstance(kind := getattr(resource, asked, None), type):
                yield from fields(kind)
    for kind in (mobile.StartBody, mobile.CheckBody, mobile.ResendBody):
        yield from fields(kind)
    for kind in (forms.StartForm, forms.CodeForm):
        yield from kind.base_fields
    yield from ("Client-Secret", "Verify-Proof-Token", "Authorization", "proof")


@pytest.mark.parametrize("name", sorted(set(parameters())))
def test_every_parameter_is_filtered_or_harmless(name):
    spelled = name.replace("_", ".") if name[0].isupper() else name
    for spelling in {name, spelled, name.upper(), name.lower()}:
        shown = filtered({spelling: ["value"]})[spelling] != FILTERED
        assert shown == (name in HARMLESS), spelling


def test_the_denylist_has_the_names_as_sentry_compares_them():
    assert {"code", "client_secret", "client-secret", "clientsecret", "binding.secret"} <= set(
        DENYLIST
    )
    assert all(name == name.lower() for name in DENYLIST)


def test_a_transaction_and_its_spans():
    event = {
        "type": "transaction",
        "transaction": "/v2/Services/VA1/Verifications/+14155552671",
        "request": {"url": "http://x/v2/%2B14155552671", "query_string": "To=1", "data": "To=%2B1"},
        "spans": [
            {
                "description": "GET https://gateway.example.com/send/someone@example.com",
                "data": {"http.query": "to=14155552671&text=482913", "http.method": "GET"},
            }
        ],
        "breadcrumbs": {"values": [{"message": "to +14155552671", "data": {"code": "482913"}}]},
        "extra": {"job": [{"recipient": "14155552671", "sid": "VL1"}]},
    }
    text = json.dumps(before_send(event))
    assert "4155552671" not in text
    assert "someone" not in text
    assert "482913" not in text
    assert '"http.method": "GET"' in text
    assert '"sid": "VL1"' in text


@pytest.mark.parametrize(
    "event", [{}, {"request": None}, {"breadcrumbs": []}, {"exception": {"values": [{}]}}]
)
def test_a_report_without_the_parts(event):
    assert before_send(dict(event)) is not None


def test_a_stack_that_passes_through_us_has_no_variables():
    frames = [{"module": "shop.views", "vars": {"x": "482913"}}, {"module": "django_verify.codes"}]
    trace = {"value": "code 482913", "stacktrace": {"frames": frames}}
    event = before_send({"exception": {"values": [trace]}})
    assert "482913" not in json.dumps(event)
    theirs = [{"module": "shop.views", "vars": {"x": "order 7", "code": "482913"}}]
    event = before_send({"threads": {"values": [{"stacktrace": {"frames": theirs}}]}})
    assert theirs[0]["vars"] == {"x": "order 7", "code": FILTERED}
