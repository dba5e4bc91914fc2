"""The channels: who may be addressed, in which language, and the words of each message."""

import re

import pytest

from django_verify import exceptions
from django_verify.messages import channels
from django_verify.messages.channels import CHANNELS, SPEECH_LOCALES, TEXT_LOCALES, Draft
from django_verify.senders import Message

PHONE, MAIL = "+14155552671", "jane.doe@example.com"
CODE = "047162"
APP_HASH = "FA+9qCX9VSu"
# §16.2 of the contract.
TEXT_TAGS = (
    "af ar ca cs da de el en es et fi fr he hi hr hu id it ja kn ko lt mr ms nb nl pl pt pt-BR ro"
    " ru sk sv te th tl tr uk vi zh zh-HK"
)
SPEECH_TAGS = "ca da de en en-GB es fi fr it ja ko nb nl pl pt pt-BR ru sv zh zh-HK"
# §16.4 of the contract, row by row; Romania's printed 226 is Burkina Faso's, so 40.
CALLING_CODES = {
    "es": "54 AR, 591 BO, 56 CL, 57 CO, 506 CR, 53 CU, 1809 DO, 593 EC, 503 SV, 502 GT, 504 HN,"
    " 52 MX, 505 NI, 507 PA, 595 PY, 51 PE, 34 ES, 598 UY, 58 VE",
    "de": "43 AT, 49 DE, 352 LU, 41 CH",
    "fr": "32 BE, 33 FR, 377 MC",
    "it": "39 IT, 378 SM, 379 VA",
    "pt": "55 BR, 351 PT",
    "ar": "20 EG, 965 KW, 968 OM, 966 SA, 971 AE",
    "zh": "86 CN",
    "el": "357 CY",
    "et": "372 EE",
    "lt": "370 LT",
    "pl": "48 PL",
    "sk": "421 SK",
    "uk": "380 UA",
    "vi": "84 VN",
    "ja": "81 JP",
    "id": "62 ID",
    "af": "27 ZA",
    "en-GB": "44 GB",
    "en": "91 IN",
    "ro": "40 RO",
}
BY_CODE = {entry.split()[0]: tag for tag, row in CALLING_CODES.items() for entry in row.split(", ")}
# Countries that the contract does not list, however widely their languages are spoken.
ENGLISH = "1 30 31 46 90 7 82 972 226 1829 1849 1808 180 45 47 358 36 385 60 66 63".split()


def draft(channel="sms", **values):
    defaults = {
        "attempt_sid": "VL" + "0" * 32,
        "to": MAIL if channel == "email" else PHONE,
        "code": CODE,
        "friendly_name": "Acme",
        "locale": "en",
        "minutes": 10,
    }
    return Draft(**defaults | values)


def compose(channel="sms", **values) -> Message:
    return CHANNELS[channel].compose(draft(channel, **values))


def body(channel="sms", **values):
    return compose(channel, **values).body


@pytest.mark.parametrize("channel", ["sms", "call", "whatsapp"])
def test_a_phone_channel_takes_a_phone_number(channel):
    recipient = channels.get(channel).parse("+5215512345678")
    assert (recipient.to, recipient.key, recipient.country) == (
        "+525512345678",
        "+525512345678",
        "MX",
    )


@pytest.mark.parametrize("channel", ["sms", "call", "whatsapp", "sna", "auto"])
@pytest.mark.parametrize("to", ["", MAIL, "4155552671", "+19995552671", "+14155552671;ext=7"])
def test_a_phone_channel_takes_nothing_else(channel, to):
    with pytest.raises(exceptions.InvalidParameter, match="Invalid parameter `to`"):
        CHANNELS[channel].parse(to)


def test_the_email_channel_takes_a_recipient():
    recipient = channels.get("email").parse("Jane+tag@example.com")
    assert recipient.to == "Jane+tag@example.com"
    assert recipient.key == "jane@example.com"
    assert recipient.country == ""


@pytest.mark.parametrize("to", ["", PHONE, "jane@", f"{MAIL},{MAIL}", MAIL + "\n"], ids=ascii)
def test_the_email_channel_takes_nothing_else(to):
    with pytest.raises(exceptions.InvalidParameter, match="Invalid parameter `to`"):
        channels.get("email").parse(to)


@pytest.mark.parametrize("to", [PHONE, MAIL])
def test_a_recipient_reports_its_kind_by_itself(to):
    assert channels.parse_recipient(to).to == to


@pytest.mark.parametrize("to", ["", "jane", "@", "14155552671", "+1@", "VE" + "0" * 32])
def test_a_recipient_of_no_kind_is_refused(to):
    with pytest.raises(exceptions.InvalidParameter):
        channels.parse_recipient(to)


@pytest.mark.parametrize(
    "name", ["sna", "auto", "rcs", "rbm", "", "SMS", "pigeon", "sms\n"], ids=ascii
)
def test_a_channel_that_is_not_offered(name):
    with pytest.raises(exceptions.InvalidParameter) as caught:
        channels.get(name)
    assert caught.value.parameter == "channel"


@pytest.mark.parametrize(
    ("channel", "error"),
    [
        ("sms", exceptions.ChannelDisabled),
        ("call", exceptions.ChannelDisabled),
        ("whatsapp", exceptions.WhatsappNotConfigured),
        ("email", exceptions.EmailNotConfigured),
    ],
)
def test_a_channel_without_a_sender_has_its_own_error(channel, error):
    assert channels.get(channel).unrouted is error


def test_the_table_is_keyed_by_the_channels_names():
    assert {name: channel.name for name, channel in CHANNELS.items()} == {
        name: name
        for name in ("sms", "call", "whatsapp", "telegram", "rcs", "email", "sna", "auto")
    }


@pytest.mark.parametrize(
    ("to", "masked"), [(PHONE, "+141******71"), (MAIL, "j***@example.com"), ("", "")]
)
def test_the_mask_follows_the_kind(to, masked):
    assert channels.mask(to) == masked


@pytest.mark.parametrize(
    ("one", "other", "answer"),
    [
        (PHONE, PHONE, True),
        (PHONE, "+15017122661", False),
        ("+5215512345678", "+525512345678", True),
        ("+541123450001", "+5491123450001", True),
        ("+541123450001", "+5491123450002", False),
        ("j.ane@gmail.com", "jane@googlemail.com", True),
        (MAIL, MAIL.replace("example", "EXAMPLE"), True),
        (MAIL, MAIL.title(), False),
        (MAIL, PHONE, False),
    ],
)
def test_two_recipients_are_one_destination(one, other, answer):
    assert channels.same_recipient(one, other) is answer


def test_sms():
    message = compose(locale="en")
    assert message.body == "Your Acme verification code is: 047162"
    assert (message.channel, message.to, message.locale) == ("sms", PHONE, "en")
    assert message.attempt_sid == draft().attempt_sid
    assert (message.subject, message.prompt) == ("", "")


def test_sms_with_a_warning():
    assert body(warn=True) == (
        "Your Acme verification code is: 047162. Don't share this code with anyone."
        " Our staff will never ask for it."
    )


def test_sms_with_an_app_hash():
    assert body(app_hash=APP_HASH) == f"<#> Your Acme verification code is: 047162\n{APP_HASH}"


def test_sms_with_an_app_hash_and_a_warning():
    first, last = body(app_hash=APP_HASH, warn=True).split("\n")
    assert first.startswith("<#> Your Acme verification code is: 047162. Don't share")
    assert last == APP_HASH


@pytest.mark.parametrize("channel", ["sms", "whatsapp", "email"])
def test_a_payment_names_amount_and_payee(channel):
    text = body(channel, amount="€39.99", payee="Shop & Sons")
    assert text.startswith(
        "047162 is your Acme code to approve the payment of €39.99 to Shop & Sons."
    )
    assert "verification code" not in text


@pytest.mark.parametrize("half", [{"amount": "€39.99"}, {"payee": "Shop"}], ids=str)
def test_half_a_payment_is_none(half):
    assert body(**half) == body()


@pytest.mark.parametrize("warn", [False, True])
@pytest.mark.parametrize("locale", TEXT_LOCALES)
def test_rcs_has_the_text_of_an_sms(locale, warn):
    message = compose(
        "rcs", locale=locale, warn=warn, app_hash=APP_HASH, autofill_domain="a.example"
    )
    assert message.body == body(locale=locale, warn=warn)
    assert (message.channel, message.to, message.code) == ("rcs", PHONE, CODE)


def test_whatsapp():
    message = compose("whatsapp")
    assert message.body == body(warn=True)
    assert message.channel == "whatsapp"


def test_email():
    message = compose("email", minutes=3)
    assert message.subject == "Your Acme verification code"
    assert message.body == (
        "Your Acme verification code is: 047162\n\n"
        "This code is valid for 3 min.\n\n"
        "If you did not ask for it, you can ignore this message.\n"
    )
    assert (message.channel, message.to) == ("email", MAIL)


def test_call():
    message = compose("call", send_digits="wwww9", tts_name="Ackmee")
    assert message.body == (
        "Hello. This is a call from Acme."
        " Your verification code is: 0, 4, 7, 1, 6, 2."
        " Once more, your code is: 0, 4, 7, 1, 6, 2. Goodbye."
    )
    assert message.prompt == ""
    assert (message.send_digits, message.tts_name) == ("wwww9", "Ackmee")


def test_call_that_waits_for_a_key():
    message = compose("call", ask_for_key=True)
    assert message.prompt == (
        "Hello. This is a call from Acme. Press any key to hear your verification code."
    )
    assert message.body == (
        "Your verification code is: 0, 4, 7, 1, 6, 2."
        " Once more, your code is: 0, 4, 7, 1, 6, 2. Goodbye."
    )


def test_call_reads_letters_one_by_one():
    assert "A, 0, b, 0." in body("call", code="A0b0")


@pytest.mark.parametrize("channel", ["sms", "whatsapp", "email", "call"])
@pytest.mark.parametrize("name", ["%(code)s", "%s", "100%", "{code}", "{0.__class__}"])
def test_a_brand_is_data(channel, name):
    text = body(channel, friendly_name=name)
    spoken = ", ".join(CODE)
    assert name in text or channel == "email"
    assert text.count(CODE) + text.count(spoken) == (2 if channel == "call" else 1)


@pytest.mark.parametrize("value", ["%(code)s", "%(amount)s", "%d", "{code}"])
def test_amount_and_payee_are_data(value):
    assert body(amount=value, payee=value) == (
        f"047162 is your Acme code to approve the payment of {value} to {value}."
    )


def test_the_locales_are_those_of_the_contract():
    assert TEXT_TAGS.split() == list(TEXT_LOCALES)
    assert SPEECH_TAGS.split() == list(SPEECH_LOCALES)
    assert (len(TEXT_LOCALES), len(SPEECH_LOCALES)) == (41, 20)
    for channel in CHANNELS.values():
        assert channel.locales == (SPEECH_LOCALES if channel.name == "call" else TEXT_LOCALES)


SHAPES = [
    {},
    {"warn": True},
    {"amount": "€39.99", "payee": "Shop"},
    {"amount": "€39.99", "payee": "Shop", "warn": True},
    {"code": "0123456789"},
    {"code": "0000"},
    {"code": "a1B2c3"},
]


@pytest.mark.parametrize("channel", ["sms", "whatsapp", "email"])
@pytest.mark.parametrize("locale", TEXT_LOCALES)
def test_the_code_stands_once_and_alone_in_every_text(locale, channel):
    for shape in SHAPES:
        text = body(channel, locale=locale, **shape)
        code = shape.get("code", CODE)
        assert text.count(code) == 1, text
        assert re.search(rf"(?<![0-9A-Za-z]){code}(?![0-9A-Za-z])", text)
        assert re.findall(r"\d{4,}", text) == ([code] if code.isdigit() else []), text
        assert "Acme" in text
        assert "%" not in text
        for name in ("amount", "payee"):
            assert name not in shape or text.count(shape[name]) == 1, text


@pytest.mark.parametrize("locale", TEXT_LOCALES)
def test_no_text_gains_a_line(locale):
    for shape in SHAPES:
        for channel in ("sms", "whatsapp"):
            assert len(body(channel, locale=locale, **shape).splitlines()) == 1
        first, last = body(locale=locale, app_hash=APP_HASH, **shape).splitlines()
        assert first.startswith("<#> ")
        assert last == APP_HASH
        mail = compose("email", locale=locale, **shape)
        assert len(mail.subject.splitlines()) == 1
        assert [bool(line) for line in mail.body.splitlines()] == [True, False, True, False, True]
        assert mail.body.endswith("\n")


@pytest.mark.parametrize(
    "warn",
    [
        False,
        pytest.param(
            True,
        ),
    ],
)
def test_sms_retriever_reads_140_bytes_at_most(warn):
    for locale in TEXT_LOCALES:
        for brand in ("Acme", "A" * 30):
            text = body(locale=locale, friendly_name=brand, app_hash=APP_HASH, warn=warn)
            assert len(text.encode()) <= 140, locale


@pytest.mark.parametrize("locale", TEXT_LOCALES)
def test_every_mail_reports_brand_and_minutes_and_hides_the_code_from_its_subject(locale):
    message = compose("email", locale=locale, minutes=7)
    assert "Acme" in message.subject
    assert CODE not in message.subject
    assert message.body.splitlines()[2].count("7") == 1


@pytest.mark.parametrize("locale", TEXT_LOCALES)
def test_every_warning_stands_after_the_code(locale):
    plain, warned = body(locale=locale), body(locale=locale, warn=True)
    assert warned.startswith(plain)
    assert len(warned) > len(plain) + 20
    assert not re.search("[.。।]{2}", warned)
    assert "  " not in warned


@pytest.mark.parametrize("ask", [False, True])
@pytest.mark.parametrize("locale", SPEECH_LOCALES)
def test_every_call_speaks_the_code_twice(locale, ask):
    message = compose("call", locale=locale, ask_for_key=ask)
    assert message.body.count("0, 4, 7, 1, 6, 2") == 2
    assert re.findall(r"\d", message.body) == list(CODE * 2)
    assert not re.search(r"\d", message.prompt)
    assert bool(message.prompt) is ask
    assert "Acme" in (message.prompt if ask else message.body)
    assert len(message.body.splitlines()) == 1
    assert "%" not in message.body + message.prompt


@pytest.mark.parametrize(
    ("name", "locales"), [("sms", TEXT_LOCALES), ("call", SPEECH_LOCALES)], ids=["sms", "call"]
)
def test_every_language_has_words_of_its_own(name, locales):
    texts = {body(name, locale=locale) for locale in locales}
    assert len(texts) == len(set(locales) - {"en-GB"})


def chosen(channel, requested="", to=PHONE):
    return channels.choose_locale(CHANNELS[channel], requested, to)


def test_the_table_of_calling_codes_is_the_contracts():
    assert BY_CODE == channels.CALLING_CODE_LOCALES
    assert len(BY_CODE) == 50


@pytest.mark.parametrize(("calling_code", "tag"), BY_CODE.items())
def test_the_calling_code_chooses(calling_code, tag):
    to = f"+{calling_code}5551234"
    assert chosen("sms", to=to) == chosen("whatsapp", to=to) == ("en" if tag == "en-GB" else tag)
    assert chosen("call", to=to) == (tag if tag in SPEECH_TAGS.split() else "en")


@pytest.mark.parametrize("calling_code", ENGLISH)
def test_every_other_calling_code_is_english(calling_code):
    to = f"+{calling_code}5551234"
    assert chosen("sms", to=to) == chosen("call", to=to) == "en"


def test_the_longest_calling_code_wins():
    for number in range(1, 10_000):
        prefixes = [str(number)[:length] for length in range(4, 0, -1)]
        tag = next((BY_CODE[prefix] for prefix in prefixes if prefix in BY_CODE), "en")
        assert chosen("sms", to=f"+{number}") == ("en" if tag == "en-GB" else tag)


def test_notable_countries():
    assert chosen("sms", to="+40712034567") == "ro"
    assert chosen("call", to="+40712034567") == "en"
    assert chosen("sms", to="+18095551234") == "es"
    assert chosen("sms", to="+447400123456") == "en"
    assert chosen("call", to="+447400123456") == "en-GB"
    assert chosen("sms", to="+306912345678") == "en"
    assert chosen("sms", to="+31612345678") == "en"
    assert chosen("sms", to="+5511912345678") == "pt"


def test_mail_is_english_unless_reported():
    assert chosen("email", to=MAIL) == "en"
    assert chosen("email", "de", to=MAIL) == "de"


@pytest.mark.parametrize(
    ("requested", "tag"),
    [
        *[(tag, tag) for tag in TEXT_TAGS.split()],
        ("PT-br", "pt-BR"),
        ("pt_BR", "pt-BR"),
        ("PT_BR", "pt-BR"),
        ("pt-PT", "pt"),
        ("zh-CN", "zh"),
        ("zh_cn", "zh"),
        ("zh-Hans", "zh"),
        ("zh-TW", "zh-HK"),
        ("ZH_tw", "zh-HK"),
        ("zh-hk", "zh-HK"),
        ("zh-Hant", "zh-HK"),
        ("zh-SG", "zh"),
        ("en-GB", "en"),
        ("en-US", "en"),
        ("de-AT", "de"),
        ("ES_419", "es"),
        ("HE", "he"),
    ],
)
def test_a_requested_text_locale(requested, tag):
    assert chosen("sms", requested, to="+393471234567") == tag
    assert chosen("email", requested, to=MAIL) == tag


@pytest.mark.parametrize(
    ("requested", "tag"),
    [
        *[(tag, tag) for tag in SPEECH_TAGS.split()],
        ("en_gb", "en-GB"),
        ("EN-AU", "en"),
        ("zh-TW", "zh-HK"),
        ("pt_br", "pt-BR"),
    ],
)
def test_a_requested_speech_locale(requested, tag):
    assert chosen("call", requested) == tag


UNKNOWN = [
    "xx",
    "xx-DE",
    " de",
    "de\n",
    "-",
    "_",
    "d",
    "deu",
    "日本",
    "%s",
    "../de",
    "\0",
    "x" * 9999,
]


@pytest.mark.parametrize("requested", UNKNOWN, ids=lambda value: ascii(value)[:16])
@pytest.mark.parametrize("channel", ["sms", "whatsapp", "email"])
def test_a_text_locale_that_nobody_wrote_is_refused(channel, requested):
    with pytest.raises(exceptions.InvalidParameter) as caught:
        chosen(channel, requested)
    assert caught.value.parameter == "locale"


@pytest.mark.parametrize("requested", [*UNKNOWN, "ar", "cs", "he", "th", "uk-UA"], ids=ascii)
def test_a_speech_locale_that_nobody_speaks_is_refused(requested):
    with pytest.raises(exceptions.LocaleNotSpoken):
        chosen("call", requested)


def test_no_repr_shows_code_recipient_or_payment():
    values = {"amount": "€39.99", "payee": "Shop & Sons", "ask_for_key": True}
    for channel in ("sms", "call", "whatsapp", "email"):
        made = draft(channel, **values)
        shown = repr(made) + repr(channels.get(channel).compose(made))
        for secret in (CODE, "0, 4, 7", PHONE, PHONE[5:], MAIL, "jane", "39.99", "Sons"):
            assert secret not in shown


@pytest.mark.parametrize("to", [PHONE, MAIL])
def test_the_repr_of_a_recipient_shows_no_recipient(to):
    shown = repr(channels.parse_recipient(to))
    assert to not in shown
    assert to[2:8] not in shown
