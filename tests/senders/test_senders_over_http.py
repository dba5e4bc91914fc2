"""Twilio, WhatsApp, SNS, apprise and any gateway: what they ask, and whose reports they believe."""

import contextlib
import hashlib
import hmac
import json
from urllib.parse import urlencode
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from django_verify.messages import channels
from django_verify.senders import (
    UNSUITED,
    Callback,
    CallbackRefused,
    Message,
    Receipt,
    Report,
    SendError,
    TemporarySendError,
)
from django_verify.senders.apprise import AppriseSender
from django_verify.senders.http import HttpSender
from django_verify.senders.sns import SnsSender
from django_verify.senders.twilio import TwilioSender
from django_verify.senders.whatsapp import WhatsAppSender
from tests.senders import fakes
from tests.senders.fakes import CODE, PHONE, SECRET, fake  # noqa: F401 - a fixture

CALLBACK = "https://verify.example.org/verify/callbacks/it?attempt=VL1"


def message(channel="sms", **values):
    defaults = {"to": PHONE, "body": f"Your code is: {CODE}", "code": CODE, "locale": "en"}
    return Message(
        channel, **{**defaults, "attempt_sid": "VL1", "callback_url": CALLBACK, **values}
    )


def twilio(url="https://api.twilio.com", **options):
    return TwilioSender("it", **fakes.Twilio.options | {"base_url": url} | options)


def whatsapp(url="https://graph.facebook.com", **options):
    return WhatsAppSender("it", **fakes.WhatsApp.options | {"base_url": url} | options)


def gateway(url="https://gateway.example.com", **options):
    return HttpSender("it", **fakes.Gateway.options | {"url": url} | options)


def test_twilio_text(fake):  # noqa: F811
    server = fake(fakes.Twilio)
    assert twilio(server.url).send(message()) == Receipt("SM" + "3" * 32)
    text = {"To": PHONE, "From": "+12024561111", "Body": f"Your code is: {CODE}"}
    assert server.asked[0].form == text | {"StatusCallback": CALLBACK}
    service = twilio(server.url, from_="", messaging_service_sid="MG1")
    service.send(message(callback_url=""))
    text = {"To": PHONE, "MessagingServiceSid": "MG1", "Body": f"Your code is: {CODE}"}
    assert server.asked[1].form == text


def test_twilio_price(fake):  # noqa: F811
    server = fake(fakes.Twilio)
    server.fault = 201, {"sid": "SM1", "price": "-0.00750", "price_unit": "usd"}
    assert twilio(server.url).send(message()) == Receipt("SM1", "0.00750", "USD")


def test_twilio_whatsapp(fake):  # noqa: F811
    server = fake(fakes.Twilio)
    twilio(server.url).send(message("whatsapp", callback_url=""))
    template = {"ContentSid": "HX" + "2" * 32, "ContentVariables": '{"1": "904716"}'}
    addresses = {"To": f"whatsapp:{PHONE}", "From": "whatsapp:+15005550008"}
    assert server.asked[0].form == addresses | template
    by_locale = twilio(server.url, content_sid={"de": "HX1"})
    by_locale.send(message("whatsapp", locale="de"))
    assert server.asked[1].form["ContentSid"] == "HX1"
    with pytest.raises(TemporarySendError):
        by_locale.send(message("whatsapp"))


def test_twilio_call_without_a_key(fake):  # noqa: F811
    server = fake(fakes.Twilio)
    spoken = message("call", body='9 & <1> "x"', locale="pt-BR", send_digits="ww1#")
    twilio(server.url).send(spoken)
    form = server.asked[0].form
    assert (form["From"], form["SendDigits"]) == ("+15005550007", "ww1#")
    (say,) = ET.fromstring(form["Twiml"])
    assert (say.tag, say.text, say.attrib) == ("Say", '9 & <1> "x"', {"language": "pt-BR"})
    twilio(server.url).send(message("call", tts_name="Polly.Amy"))
    assert ET.fromstring(server.asked[1].form["Twiml"])[0].get("voice") == "Polly.Amy"
    for bad in ({"locale": "tlh"}, {"prompt": "Press", "callback_url": ""}):
        with pytest.raises(TemporarySendError):
            twilio(server.url).send(message("call", **bad))
    with pytest.raises(TemporarySendError) as caught:
        twilio(server.url).send(message("call", body="x" * 4000))
    assert caught.value.fault == UNSUITED


def test_twilio_speaks_the_code_once_a_key_was_pressed(fake):  # noqa: F811
    server = fake(fakes.Twilio)
    sender = twilio(server.url)
    sender.send(message("call", prompt="Press any key & wait"))
    document = server.asked[0].form["Twiml"]
    assert CODE not in document
    (gather,) = ET.fromstring(document)
    assert gather[0].text == "Press any key & wait"
    assert (gather.get("numDigits"), gather.get("method")) == ("1", "GET")
    url = gather.get("action") + "&" + urlencode({"CallSid": "CA1", "Digits": "5"})
    signed = Callback(url, "GET", {"x-twilio-signature": server.sign(url)})
    (say,) = ET.fromstring(sender.handshake(signed))
    assert say.text == f"Your code is: {CODE}"
    forged = url.replace("speak=", "speak=x")
    for bad in (
        Callback(url, "GET"),
        Callback(forged, "GET", signed.headers),
        Callback(forged, "GET", {"x-twilio-signature": server.sign(forged)}),
    ):
        with pytest.raises(CallbackRefused):
            sender.handshake(bad)
    assert sender.handshake(Callback(CALLBACK, "GET")) is None


def test_what_is_uncertain_and_when_to_come_again(fake):  # noqa: F811
    server = fake(fakes.Twilio)
    for fault, uncertain, pause in (
        ((429, b"", {"Retry-After": "7"}), False, 7),
        ((503, b""), False, None),
        ((500, b""), True, None),
        ((200, b"<html>"), True, None),
        (fakes.reset, True, None),
    ):
        server.fault = fault
        with pytest.raises(TemporarySendError) as caught:
            twilio(server.url).send(message())
        assert (caught.value.uncertain, caught.value.retry_after) == (uncertain, pause)
    with pytest.raises(TemporarySendError) as caught:
        twilio("http://127.0.0.1:1").send(message())
    assert not caught.value.uncertain


def twilio_callback(**form):
    sign = fakes.Twilio.sign(fakes.Twilio, CALLBACK, form)
    headers = {"x-twilio-signature": sign}
    return Callback(CALLBACK, headers=headers, body=urlencode(form).encode())


def meta_callback(data):
    body = data if isinstance(data, bytes) else json.dumps(data).encode()
    mac = hmac.new(("app-" + SECRET).encode(), body, hashlib.sha256).hexdigest()
    return Callback(CALLBACK, headers={"x-hub-signature-256": f"sha256={mac}"}, body=body)


def gateway_callback(data):
    body = data if isinstance(data, bytes) else json.dumps(data).encode()
    mac = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    return Callback(CALLBACK, headers={"x-signature": f"v1={mac}"}, body=body)


def meta(*statuses):
    change = {"field": "messages", "value": {"statuses": list(statuses)}}
    return {"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": [change]}]}


BLOCKED = {"id": "wamid.2", "status": "failed", "errors": [{"code": 131026, "title": PHONE}]}
REPORTS = [
    (
        twilio,
        twilio_callback(MessageSid="SM1", MessageStatus="delivered", To=PHONE),
        [Report("SM1", "delivered")],
    ),
    (
        twilio,
        twilio_callback(MessageSid="SM1", MessageStatus="undelivered", ErrorCode="30003"),
        [Report("SM1", "undelivered", "30003")],
    ),
    (twilio, twilio_callback(MessageSid="SM1", MessageStatus="queued"), []),
    (
        twilio,
        twilio_callback(CallSid="CA1", CallStatus="no-answer"),
        [Report("CA1", "undelivered")],
    ),
    (
        whatsapp,
        meta_callback(meta({"id": "wamid.1", "status": "read"}, BLOCKED)),
        [Report("wamid.1", "read"), Report("wamid.2", "failed", "131026")],
    ),
    (whatsapp, meta_callback({"entry": [{"changes": [{"value": {"messages": [{}]}}]}]}), []),
    (
        gateway,
        gateway_callback({"id": 7, "event": "UNDELIV", "reason": "ABSENT"}),
        [Report("7", "undelivered", "ABSENT")],
    ),
]
every_report = pytest.mark.parametrize(("kind", "callback", "received"), REPORTS)


@every_report
def test_reports_that_are_signed(kind, callback, received):
    assert kind().reporting
    assert list(kind().reports(callback)) == received


@every_report
def test_reports_with_one_byte_changed(kind, callback, received):
    sender = kind()
    ((name, signature),) = callback.headers.items()
    for index in range(len(callback.body)):
        body = bytearray(callback.body)
        body[index] ^= 1
        with pytest.raises(CallbackRefused):
            sender.reports(Callback(CALLBACK, headers=callback.headers, body=bytes(body)))
    flipped = [
        signature[:index] + chr(ord(letter) ^ 1) + signature[index + 1 :]
        for index, letter in enumerate(signature)
    ]
    for other in (*flipped, "", "é", signature + "=", signature[:-1]):
        with pytest.raises(CallbackRefused):
            sender.reports(Callback(CALLBACK, headers={name: other}, body=callback.body))
    with pytest.raises(CallbackRefused):
        sender.reports(Callback(CALLBACK, body=callback.body))


def test_twilio_signs_the_recipient_with_or_without_its_port():
    form = {"MessageSid": "SM1", "MessageStatus": "sent"}
    explicit = CALLBACK.replace("example.org", "example.org:443")
    for given_url, signed in ((CALLBACK, explicit), (explicit, CALLBACK)):
        headers = {"x-twilio-signature": fakes.Twilio.sign(fakes.Twilio, signed, form)}
        callback = Callback(given_url, headers=headers, body=urlencode(form).encode())
        assert twilio().reports(callback) == [Report("SM1", "sent")]
    elsewhere = Callback(CALLBACK + "0", headers=headers, body=callback.body)
    with pytest.raises(CallbackRefused):
        twilio().reports(elsewhere)


NONSENSE = st.one_of(
    st.binary(max_size=40),
    st.recursive(
        st.none() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["entry", "changes", "value", "statuses", "id", "status", "errors"]), inner),
        max_leaves=12,
    ).map(lambda data: json.dumps(data).encode()),
)  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(NONSENSE)
def test_signed_nonsense_is_no_other_error(body):
    for sender, callback in ((whatsapp(), meta_callback), (gateway(), gateway_callback)):
        with contextlib.suppress(CallbackRefused):
            sender.reports(callback(body))
    raw = Callback(CALLBACK, headers={"x-twilio-signature": "x"}, body=body)
    with pytest.raises(CallbackRefused):
        twilio().reports(raw)


@pytest.mark.parametrize("body", [b"[" * 100_000, b"\xff", b""])
def test_signed_bodies_that_cannot_be_read(body):
    for sender, callback in ((whatsapp(), meta_callback), (gateway(), gateway_callback)):
        with pytest.raises(CallbackRefused):
            sender.reports(callback(body))


def test_senders_without_a_secret_take_no_reports():
    keyed = {"auth_token": "", "api_key": "SK1", "api_secret": SECRET}
    for sender in (
        twilio(**keyed),
        whatsapp(app_secret="", verify_token=""),
        gateway(callback=None),
    ):
        assert not sender.reporting
        with pytest.raises(CallbackRefused):
            sender.reports(REPORTS[0][1])


def test_whatsapp_sends_the_template(fake):  # noqa: F811
    server = fake(fakes.WhatsApp)
    sent = whatsapp(server.url).send(message("whatsapp"))
    assert sent == Receipt("wamid.HBgLMTY0NjcwNDM1OTUVAgARGBI1")
    value = [{"type": "text", "text": CODE}]
    assert server.asked[0].json == {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": PHONE,
        "type": "template",
        "template": {
            "name": "verification_code",
            "language": {"code": "en_US"},
            "components": [
                {"type": "body", "parameters": value},
                {"type": "button", "sub_type": "url", "index": "0", "parameters": value},
            ],
        },
    }
    whatsapp(server.url).send(message("whatsapp", locale="pt-BR"))
    assert server.asked[1].json["template"]["language"] == {"code": "pt_BR"}
    with pytest.raises(TemporarySendError) as caught:
        whatsapp(server.url).send(message("whatsapp", code="x" * 16))
    assert caught.value.fault == UNSUITED


# What Meta's documentation lists as the languages of templates.
META = set(
    "af sq ar az bn bg ca zh_CN zh_HK zh_TW hr cs da nl en en_GB en_US et fil fi fr ka de el gu ha"
    " he hi hu id ga it ja kn kk ko lo lv lt mk ms ml mr nb fa pl pt_BR pt_PT pa ro ru sr sk sl es"
    " es_AR es_ES es_MX sw sv ta te th tr uk ur uz vi zu".split()
)


@pytest.mark.parametrize("locale", channels.CHANNELS["whatsapp"].locales)
def test_every_locale_is_a_language_that_meta_knows(locale):
    language = whatsapp(languages={}).request(message("whatsapp", locale=locale))
    assert language.json["template"]["language"]["code"] in META


@pytest.mark.parametrize(
    ("locale", "code"), [("pt", "pt_PT"), ("zh", "zh_CN"), ("tl", "fil"), ("zh-HK", "zh_HK")]
)
def test_some_languages_have_another_name_at_meta(locale, code):
    asked = whatsapp(languages={}).request(message("whatsapp", locale=locale))
    assert asked.json["template"]["language"] == {"code": code}
    ours = whatsapp(languages={locale: "xx"}).request(message("whatsapp", locale=locale))
    assert ours.json["template"]["language"] == {"code": "xx"}


def test_whatsapp_shakes_hands():
    def ask(**query):
        named = {f"hub.{name}": value for name, value in query.items()}
        return whatsapp().handshake(Callback(f"{CALLBACK}&{urlencode(named)}", "GET"))

    token = "verify-" + SECRET
    assert ask(mode="subscribe", verify_token=token, challenge="1158201444") == "1158201444"
    assert ask(mode="subscribe", verify_token=token, challenge="<script>") is None
    assert ask() is None
    with pytest.raises(CallbackRefused):
        ask(mode="subscribe", verify_token="wrong", challenge="1")


def test_a_gateway_is_asked_as_it_was_described(fake):  # noqa: F811
    server = fake(fakes.Gateway)
    sent = gateway(server.url).send(message(body="{code} {0.x} %s"))
    assert sent == Receipt("12345678901", "0.0075", "EUR")
    text = {"to": "14155552671", "text": "{code} {0.x} %s", "meta": {"ref": "VL1"}}
    assert server.asked[0].json == text
    flat = {"fields": {"to": "{to}", "ref": "{attempt_sid}"}, "auth": ("me", SECRET)}
    gateway(server.url, encoding="form", **flat).send(message())
    assert server.asked[1].form == {"to": PHONE, "ref": "VL1"}
    assert server.asked[1].authorization == fakes.basic("me", SECRET)
    gateway(server.url + "/{to}?k=1", method="GET", **flat).send(message())
    assert (server.asked[2].method, server.asked[2].path) == ("GET", "/%2B14155552671")
    assert server.asked[2].query == {"k": "1", "to": PHONE, "ref": "VL1"}


def test_a_gateway_that_names_no_id(fake):  # noqa: F811
    server = fake(fakes.Gateway)
    server.fault = 200, b"OK"
    plain = gateway(server.url, id_path="", success=None)
    assert plain.send(message()) == Receipt()


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (gateway, {"url": "gateway.example.com"}),
        (gateway, {"method": "DELETE"}),
        (gateway, {"encoding": "xml"}),
        (gateway, {"encoding": "form"}),  # its fields are nested
        (gateway, {"fields": {"to": "{phone}"}}),
        (gateway, {"auth": SECRET}),
        (gateway, {"channels": "sms"}),
        (gateway, {"callback": {"secret": SECRET}}),
        (gateway, {"callback": fakes.Gateway.options["callback"] | {"encoding": "x"}}),
        (gateway, {"callback": fakes.Gateway.options["callback"] | {"statuses": {"a": "b"}}}),
        (gateway, {"callback": fakes.Gateway.options["callback"] | {"algorithm": "md5"}}),
        (twilio, {"auth_token": ""}),
        (twilio, {"api_key": "SK1"}),
        (twilio, {"messaging_service_sid": "MG1"}),
        (twilio, {"from_": "", "voice_from": "", "whatsapp_from": ""}),
        (whatsapp, {"api_version": "latest"}),
        (whatsapp, {"template": ""}),
        (whatsapp, {"app_secret": ""}),
    ],
)
def test_options_that_make_no_sense(kind, options):
    with pytest.raises((ValueError, TypeError)) as caught:
        kind(**options)
    assert SECRET not in str(caught.value)


def test_sns_publishes_a_transactional_text(fake):  # noqa: F811
    pytest.importorskip("boto3")
    server = fake(fakes.Sns)
    options = fakes.Sns.options | {"endpoint_url": server.url}
    sent = SnsSender("it", **options, sender_id="ACME", max_price="0.5").send(message())
    assert sent == Receipt("567910cd-659e")
    form = server.asked[0].form
    assert (form["PhoneNumber"], form["Message"]) == (PHONE, f"Your code is: {CODE}")
    names = [form[f"MessageAttributes.entry.{n}.Name"] for n in (1, 2, 3)]
    values = [form[f"MessageAttributes.entry.{n}.Value.StringValue"] for n in (1, 2, 3)]
    assert dict(zip(names, values, strict=True)) == {
        "AWS.SNS.SMS.SMSType": "Transactional",
        "AWS.SNS.SMS.SenderID": "ACME",
        "AWS.SNS.SMS.MaxPrice": "0.5",
    }
    server.fault = fakes.Sns.error(500, "InternalError")
    with pytest.raises(TemporarySendError) as caught:
        SnsSender("it", **options).send(message())
    assert (caught.value.uncertain, len(server.asked)) == (True, 2)


@pytest.mark.parametrize("opted_out", [True, False])
def test_sns_may_be_asked_whether_a_number_has_opted_out(opted_out, fake):  # noqa: F811
    pytest.importorskip("boto3")
    server = fake(fakes.Sns)
    server.opted_out = opted_out
    sender = SnsSender("it", **fakes.Sns.options, endpoint_url=server.url, ask_opt_out=True)
    if opted_out:
        with pytest.raises(SendError) as caught:
            sender.send(message())
        assert (type(caught.value), caught.value.code) == (SendError, "OptedOut")
    else:
        assert sender.send(message()) == Receipt("567910cd-659e")
    assert server.asked[0].form["phoneNumber"] == PHONE
    assert len(server.asked) == 2 - opted_out


def test_sns_that_does_not_answer_the_question_has_sent_nothing(fake):  # noqa: F811
    pytest.importorskip("boto3")
    server = fake(fakes.Sns)
    sender = SnsSender("it", **fakes.Sns.options, endpoint_url=server.url, ask_opt_out=True)
    for fault in (fakes.Sns.error(500, "InternalError"), fakes.reset):
        server.fault = fault
        with pytest.raises(TemporarySendError) as caught:
            sender.send(message())
        assert not caught.value.uncertain


@pytest.mark.parametrize("status", ["failed", "undelivered", "canceled"])
def test_twilio_knows_at_once_that_a_message_has_failed(status, fake):  # noqa: F811
    server = fake(fakes.Twilio)
    for code, shown in ((30007, "30007"), (None, "failed")):
        server.fault = 201, {"sid": "SM1", "status": status, "error_code": code}
        with pytest.raises(TemporarySendError) as caught:
            twilio(server.url).send(message())
        assert caught.value.code == shown


def test_sns_out_of_reach_is_certain():
    pytest.importorskip("boto3")
    options = fakes.Sns.options | {"endpoint_url": "http://127.0.0.1:1"}
    with pytest.raises(TemporarySendError) as caught:
        SnsSender("it", **options).send(message())
    assert not caught.value.uncertain


@pytest.mark.parametrize("options", [{"secret_access_key": ""}, {"region": ""}])
def test_sns_options(options):
    pytest.importorskip("boto3")
    with pytest.raises(ValueError):
        SnsSender("it", **fakes.Sns.options | options)


def test_apprise_fills_the_target(fake):  # noqa: F811
    pytest.importorskip("apprise")
    server = fake(fakes.Hook)
    url = server.url.replace("http", "json") + "/sms/{to_digits}"
    assert AppriseSender("it", url=url).send(message()) == Receipt()
    assert server.asked[0].path == "/sms/14155552671"
    assert json.loads(server.asked[0].body)["message"] == f"Your code is: {CODE}"
    server.fault = fakes.slow
    with pytest.raises(TemporarySendError) as caught:
        AppriseSender("it", url=url, timeout=0.2).send(message())
    assert caught.value.uncertain


@pytest.mark.parametrize(
    "url",
    [
        f"twilio://AC{'1' * 32}:{SECRET}@15005550006",
        f"nosuchthing://{SECRET}@host/{{to}}",
        f"json://user:{SECRET}@127.0.0.1/sms#{{to}}",
    ],
)
def test_apprise_without_a_target_would_text_its_sender(url):
    pytest.importorskip("apprise")
    with pytest.raises(ValueError) as caught:
        AppriseSender("it", url=url)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        f"{schema}://key:{SECRET}@15005550006/{{to_digits}}"
        for schema in ("vonage", "nexmo", "Vonage", "atalk", "msg91", "clicksend", "clickatell")
    ],
)
def test_apprise_believes_no_service_that_refuses_under_a_success(url):
    pytest.importorskip("apprise")
    with pytest.raises(ValueError, match="refuses under a status of success") as caught:
        AppriseSender("it", url=url)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("name", ["boto3", "apprise"])
def test_an_extra_that_is_not_installed_is_named(name, monkeypatch):
    kinds = {
        "boto3": lambda: SnsSender("it", region="eu-west-1"),
        "apprise": lambda: AppriseSender("it", url="json://host/{to}"),
    }
    module, extra = {"boto3": ("aws", "sns"), "apprise": ("apprise", "apprise")}[name]
    monkeypatch.setattr(f"django_verify.senders.{module}.installed", lambda *names: False)
    with pytest.raises(ValueError, match=rf"install django-verify\[{extra}\]"):
        kinds[name]()
