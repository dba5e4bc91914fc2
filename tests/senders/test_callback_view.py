"""Every sender's reports through the view, by a request as its provider makes it.

A sender that reports needs an entry in `REPORTS`: what its provider asks us for a message.
"""

import json
import re
import time
from itertools import product
from urllib.parse import urlencode, urlsplit

import pytest
from django.test import Client

from django_verify import senders, verifications
from django_verify.models import VerificationAttempt
from django_verify.senders import Callback
from tests.conftest import PHONE
from tests.senders import fakes, providers
from tests.senders.providers import FORM, PROVIDERS
from tests.senders.test_contract import SENDERS, case_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.portable]

BASE = "https://verify.example.org"
FIXED = f"{BASE}/verify/callbacks/it"


def vonage(sid, url, now):
    data = {"messageId": sid, "status": "delivered", "err-code": "0"}
    return providers.sign_vonage(data, now, url=url)


def vonage_by_query(sid, url, now):
    values = json.loads(vonage(sid, url, now).body)
    return Callback(f"{url}?{urlencode(values)}", "GET")


def vonage_by_form(sid, url, now):
    body = urlencode(json.loads(vonage(sid, url, now).body)).encode()
    return Callback(url, headers={"content-type": f"{FORM}; charset=utf-8"}, body=body)


def messagebird(sid, url, now):
    data = {"id": sid, "reference": "VL1", "status": "delivered", "statusErrorCode": "0"}
    return providers.sign_messagebird(data | {"recipient": PHONE[1:]}, now, url=url)


def bird(sid, url, now):
    payload = {"id": sid, "status": "delivered"}
    data = {"service": "channels", "event": "sms.outbound", "payload": payload}
    return providers.sign_bird(data, now, url=FIXED)


def plivo(sid, url, now):
    data = {"MessageUUID": sid, "Status": "delivered", "To": PHONE[1:], "ErrorCode": "000"}
    return providers.sign_plivo(data, now, url=url)


def plivo_v2(sid, url, now):
    return providers.sign_plivo_v2({"MessageUUID": sid, "Status": "sent"}, now, url=url)


def sinch(sid, url, now):
    data = {"type": "recipient_delivery_report_sms", "batch_id": sid, "code": 0}
    return providers.sign_sinch(data | {"status": "Delivered"}, now, url=url)


def telnyx(sid, url, now):
    payload = {"id": sid, "to": [{"phone_number": PHONE, "status": "delivered"}]}
    data = {"data": {"event_type": "message.finalized", "payload": payload}}
    return providers.sign_telnyx(data, now, url=url)


def africastalking(sid, url, now):
    data = {"id": sid, "status": "Success", "phoneNumber": PHONE}
    return providers.sign_africastalking(data, now, url=FIXED)


def twilio(sid, url, now):
    form = {"MessageSid": sid, "MessageStatus": "delivered", "To": PHONE}
    headers = {"x-twilio-signature": fakes.Twilio.sign(fakes.Twilio, url, form)}
    return Callback(url, headers=headers | {"content-type": FORM}, body=urlencode(form).encode())


def whatsapp(sid, url, now):
    change = {"field": "messages", "value": {"statuses": [{"id": sid, "status": "delivered"}]}}
    data = {"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": [change]}]}
    body = json.dumps(data).encode()
    return fakes.signed(FIXED, body, "x-hub-signature-256", "sha256=", f"app-{fakes.SECRET}")


def http(sid, url, now):
    body = json.dumps({"id": sid, "event": "DELIVRD"}).encode()
    return fakes.signed(url, body, "x-signature", "v1=", fakes.SECRET)


def telegram(sid, url, now):
    data = {"request_id": sid, "phone_number": PHONE, "delivery_status": {"status": "delivered"}}
    return providers.sign_telegram(data, now, url=url)


def aliyun(sid, url, now):
    return providers.sign_list({"biz_id": sid, "success": True}, now, url=FIXED)


def tencent(sid, url, now):
    return providers.sign_list({"sid": sid, "report_status": "SUCCESS"}, now, url=FIXED)


def azure(sid, url, now):
    data = {"MessageId": sid, "DeliveryStatus": "Delivered", "To": PHONE}
    return providers.sign_events(data, now, url=FIXED)


REPORTS = {
    "vonage": (vonage, vonage_by_query, vonage_by_form),
    "messagebird": (messagebird,),
    "bird": (bird,),
    "plivo": (plivo, plivo_v2),
    "sinch": (sinch,),
    "telnyx": (telnyx,),
    "africastalking": (africastalking,),
    "telegram": (telegram,),
    "aliyun": (aliyun,),
    "tencent": (tencent,),
    "azure": (azure,),
    "twilio": (twilio,),
    "whatsapp": (whatsapp,),
    "http": (http,),
}
every_report = pytest.mark.parametrize(
    ("name", "report"), [(name, one) for name, reports in REPORTS.items() for one in reports]
)


def configure(settings, name, tmp_path, **more):
    (kind,) = SENDERS[name]
    if case_of(name).needs:
        pytest.importorskip(case_of(name).needs)
    backend = f"{kind.__module__}.{kind.__qualname__}"
    options = case_of(name).options(tmp_path)
    settings.DJANGO_VERIFY = {
        "SENDERS": {"it": {"BACKEND": backend, "OPTIONS": options}},
        "BASE_URL": BASE,
        **more,
    }
    return senders.get("it")


def ask(callback):
    """Make the request of a provider."""
    url = urlsplit(callback.url)
    headers = dict(callback.headers)
    kind = headers.pop("content-type", "application/json")
    return Client(enforce_csrf_checks=True).generic(
        callback.method,
        url.path + (f"?{url.query}" if url.query else ""),
        callback.body,
        content_type=kind,
        headers=headers,
    )


@pytest.fixture
def sent(service, settings, tmp_path, monkeypatch):
    """`sent(name)` has a sender send one message; returns its attempt and the URL for reports."""

    def send(name, **more):
        sender = configure(settings, name, tmp_path, **more)
        urls = []
        real = type(sender).send

        def spy(self, message):
            urls.append(message.callback_url)
            return real(self, message)

        monkeypatch.setattr(type(sender), "send", spy)
        # The message of a template needs its code; WhatsApp's is one.
        channel = min(sender.channels - {"call"})
        verifications.start(service, PHONE, channel)
        attempt = VerificationAttempt.objects.get()
        assert (attempt.message_status, attempt.sender) == ("sent", "it")
        return attempt, urls[0]

    return send


@pytest.mark.parametrize("name", SENDERS)
def test_a_sender_that_reports_has_a_request_here(name, settings, tmp_path):
    sender = configure(settings, name, tmp_path)
    if sender.reporting and name not in REPORTS:
        pytest.fail(f"tests/senders/test_callback_view.py: how does the provider of {name} report?")
    assert sender.reporting == (name in REPORTS)
    if not sender.reporting:
        assert Client().post("/verify/callbacks/it").status_code == 404


@every_report
def test_a_report_moves_the_attempt(name, report, sent, clock):
    attempt, url = sent(name)
    callback = report(attempt.provider_sid, url, time.time())
    answer = ask(callback)
    assert (answer.status_code, answer.content) == (200, b"")
    attempt.refresh_from_db()
    assert attempt.message_status == "delivered"


@every_report
def test_a_report_in_time_costs_no_second_message(name, report, sent, clock, settings):
    attempt, url = sent(name, DELIVERY_REPORT_TIMEOUT=45)
    assert attempt.due_at is not None
    assert ask(report(attempt.provider_sid, url, time.time())).status_code == 200
    attempt.refresh_from_db()
    assert attempt.due_at is None


@every_report
def test_a_report_without_its_proof_is_refused(name, report, sent, clock):
    attempt, url = sent(name)
    callback = report(attempt.provider_sid, url, time.time())
    bare = re.sub(r"([?&])(sig|token)=[^&]*", r"\1", callback.url)
    body = re.sub(rb'("sig":"|sig=)[^"&]*', rb"\1", callback.body)
    kind = {"content-type": callback.headers.get("content-type", "application/json")}
    for forged in (
        Callback(bare, callback.method, kind, body),
        Callback(bare, "GET", kind, b""),
        Callback(bare, "POST", kind, b""),
    ):
        assert ask(forged).status_code == 403
    attempt.refresh_from_db()
    assert attempt.message_status == "sent"


def test_plivo_that_cannot_be_asked_comes_again(sent, clock, network):
    attempt, url = sent("plivo")
    network.say(500)
    assert ask(plivo_v2(attempt.provider_sid, url, time.time())).status_code == 503
    attempt.refresh_from_db()
    assert attempt.message_status == "sent"


@pytest.mark.parametrize("name", REPORTS)
@pytest.mark.parametrize("base", [BASE, "https://" + "v" * 56 + ".org"])
def test_the_url_is_short_and_names_nothing(name, base, sent):
    attempt, url = sent(name, BASE_URL=base)
    assert re.fullmatch(re.escape(base) + r"/verify/r/[A-Za-z0-9_-]{22}", url)
    assert attempt.sid[2:] not in url
    assert len(url) <= 100


def test_a_text_of_vonage_whose_url_is_too_long_is_sent_and_not_waited_for(sent, network):
    attempt, url = sent(
        "vonage", BASE_URL="https://" + "v" * 70 + ".org", DELIVERY_REPORT_TIMEOUT=45
    )
    assert "callback" not in network.asked[0].form
    assert (url, attempt.due_at) == ("", None)


def test_a_text_of_vonage_reports_where_to_report(sent, network):
    _, url = sent("vonage")
    assert network.asked[0].form["callback"] == url
    assert set(PROVIDERS) <= set(REPORTS)


HEADERS = (
    *("authorization", "telnyx-timestamp", "telnyx-signature-ed25519", "x-hub-signature-256"),
    *("x-twilio-signature", "x-plivo-signature-v2", "x-plivo-signature-v3", "x-signature"),
    *("x-plivo-signature-v3-nonce", "messagebird-signature", "messagebird-signature-jwt"),
    *("messagebird-request-timestamp", "x-request-timestamp", "x-request-signature"),
    *("x-sinch-webhook-signature", "x-sinch-webhook-signature-timestamp"),
)
JUNK_BODIES = (
    *(b"", b" ", b"\0", b"\xff\xfe", b"null", b"[]", b"{}", b"[null]", b'"x"', b"1e999", b"NaN"),
    *(b"[" * 50_000, b'{"a":' * 50_000, b"9" * 5000, b"sig=&sig=", b"status=delivered" * 500),
    *(b'{"messageId": {}, "status": []}', b'[{"eventType": [], "data": 7}]', b"\xed\xa0\x80=1"),
    b'[{"eventType": "Microsoft.EventGrid.SubscriptionValidationEvent", "data": null}]',
)
JUNK_QUERIES = (
    *(
        "",
        "token",
        "token=",
        "token=a&token=b",
        "sig=%FF",
        "speak=",
        "speak=%00",
        "speak=a&speak=b",
    ),
    *("hub.mode=subscribe", "hub.mode=subscribe&hub.verify_token=&hub.challenge=1", "%", "&&==;"),
    "a=" + "b" * 5000,
)
JUNK_HEADERS = ("", "x", "Bearer ", "Bearer a.b.c", "e30.e30.e30", "sha256=", "\xe9", "1" * 400)


@pytest.mark.parametrize("name", REPORTS)
def test_junk_is_refused_and_never_an_error(name, settings, tmp_path, network, caplog):
    configure(settings, name, tmp_path)
    requests = [
        (method, body, query, "")
        for method in ("GET", "POST")
        for body, query in {
            *product(JUNK_BODIES, ("", "token=a&token=b")),
            *product((b"", b"{}"), JUNK_QUERIES),
        }
    ] + [(method, b"{}", "", value) for method in ("GET", "POST") for value in JUNK_HEADERS]
    for method, body, query, value in requests:
        for kind in ("application/json", FORM):
            headers = {"content-type": kind} | dict.fromkeys(HEADERS, value)
            answer = ask(Callback(f"{FIXED}?{query}", method, headers, body))
            assert answer.status_code == 403, (method, body[:60], query[:60], value[:20])
            assert answer.content == b""
    for method in ("HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"):
        assert ask(Callback(FIXED, method, {}, b"")).status_code == 405
    assert not network.asked
    assert not [one for one in caplog.records if one.levelname == "ERROR"]
