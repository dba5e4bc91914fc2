"""The providers' own SDKs as verifies: what we believe they believe, and what they sign we believe.

They come with the extra `oracles`; a test whose SDK is not installed is skipped.
"""

import dataclasses
import time
from urllib.parse import parse_qsl, urlencode

import pytest

from django_verify.senders import Callback, CallbackRefused
from tests.senders import providers
from tests.senders.apis import SECRET, jwt, sha256
from tests.senders.providers import FORM
from tests.senders.test_senders_over_http import twilio

URL = "https://verify.example.org/verify/r/AAAAAAAAAAAAAAAAAAAAAA"
# Longer than the digest, as PyJWT wants it.
LONG = SECRET * 4
UUID = "db3ce55a-7f1d-11e1-8ea7-1231380bc196"
URLS = [URL, f"{URL}?b=2&a=1", f"{URL}?text=a+%26%3D", "https://verify.example.org:8443/r/x"]
FORMS = [
    {"MessageUUID": UUID, "Status": "delivered"},
    {"MessageUUID": UUID, "Status": "delivered", "To": "+1 415", "ErrorCode": "000"},
    {"Status": "sent", "MessageUUID": UUID, "From": "Acme & Co", "Empty": ""},
]


def believed(sender, callback):
    try:
        sender.reports(callback)
    except CallbackRefused:
        return False
    return True


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("form", FORMS, ids=len)
@pytest.mark.parametrize("method", ["POST", "GET"])
def test_plivos_third_signature(url, form, method, sender_of, network):
    plivo = pytest.importorskip("plivo.utils.signature_v3")
    nonce = "05429567804466091622"
    posted = form if method == "POST" else {}
    if method == "GET":
        url = f"{url}{'&' if '?' in url else '?'}{urlencode(form)}"
        signed_text = plivo.construct_get_url(url, {}).decode()
    else:
        signed_text = plivo.construct_post_url(url, dict(posted)).decode()
    signature = plivo.get_signature_v3(SECRET.encode(), signed_text, nonce).decode()
    headers = {"x-plivo-signature-v3": signature, "x-plivo-signature-v3-nonce": nonce}
    callback = Callback(url, method, headers, urlencode(posted).encode())
    assert believed(sender_of("plivo"), callback)
    other = dataclasses.replace(callback, headers=headers | {"x-plivo-signature-v3": signature[1:]})
    assert not believed(sender_of("plivo"), other)


@pytest.mark.parametrize("url", URLS)
def test_plivos_second_signature(url, sender_of, network):
    plivo = pytest.importorskip("plivo.utils")
    callback = providers.sign_plivo_v2(FORMS[0], time.time(), url=url)
    nonce = callback.headers["x-plivo-signature-v2-nonce"]
    signature = callback.headers["x-plivo-signature-v2"]
    assert plivo.validate_signature(url, nonce, signature, SECRET)
    assert believed(sender_of("plivo"), callback)
    elsewhere = url.replace("verify.example.org", "verify.example.com")
    assert not plivo.validate_signature(elsewhere, nonce, signature, SECRET)
    assert not believed(sender_of("plivo"), dataclasses.replace(callback, url=elsewhere))


@pytest.mark.parametrize("change", [{}, {"iss": "Other"}, {"exp": 1}, {"url_hash": "0"}], ids=str)
def test_messagebirds_token(change, sender_of):
    sdk = pytest.importorskip("messagebird.request_validator")
    now = int(time.time())
    url = f"{URL}?{urlencode({'id': 'e8', 'status': 'delivered'})}"
    claims = {"iss": "MessageBird", "nbf": now, "exp": now + 60, "url_hash": sha256(url)}
    token = jwt(claims | change, LONG)
    callback = Callback(url, "GET", {"messagebird-signature-jwt": token})
    validator = sdk.RequestValidator(LONG)
    try:
        validator.validate_signature(token, url, b"")
    except sdk.ValidationError:
        theirs = False
    else:
        theirs = True
    ours = believed(sender_of("messagebird", signing_key=LONG), callback)
    assert ours == theirs == (not change)


@pytest.mark.parametrize("secret", [LONG, "another" * 8])
def test_vonages_token(secret, sender_of):
    sdk = pytest.importorskip("vonage_jwt.verify_jwt")
    data = {"uuid": "63f6", "status": "completed"}
    callback = providers.sign_vonage_call(data, time.time(), secret, url=URL)
    token = callback.headers["authorization"].removeprefix("Bearer ")
    theirs = sdk.verify_signature(token, LONG)
    ours = believed(sender_of("vonage", signature_secret=LONG), callback)
    assert ours == theirs == (secret == LONG)


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("form", FORMS, ids=len)
def test_twilios_signature(url, form):
    sdk = pytest.importorskip("twilio.request_validator")
    body = urlencode({"MessageSid": "SM1", "MessageStatus": "delivered", **form})
    values = dict(parse_qsl(body, keep_blank_values=True))
    validator = sdk.RequestValidator(SECRET)
    signature = validator.compute_signature(url, values)
    headers = {"x-twilio-signature": signature, "content-type": FORM}
    callback = Callback(url, "POST", headers, body.encode())
    assert validator.validate(url, values, signature)
    assert believed(twilio(), callback)
    for sender_url in (url + "x", url.replace("https", "http")):
        assert believed(twilio(), dataclasses.replace(callback, url=sender_url)) == bool(
            validator.validate(sender_url, values, signature)
        )
