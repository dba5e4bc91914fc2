"""The two forms by themselves."""

import pytest
from django.utils import translation

from django_verify.web import callers, captchas
from django_verify.web.forms import CodeForm, StartForm

EVERY = ["sms", "call", "whatsapp", "email"]


def start(channels=EVERY, **data):
    return StartForm({"channel": "sms", **data}, channels=channels)


@pytest.mark.parametrize(
    ("number", "country", "wanted"),
    [
        ("(415) 555-2671", "US", "+14155552671"),
        ("  415.555.2671 ", "US", "+14155552671"),
        ("030 23125 000", "DE", "+493023125000"),
        ("06 12 34 56 78", "FR", "+33612345678"),
        # In international form, which wins over the picker.
        ("+33 6 12 34 56 78", "US", "+33612345678"),
        ("+33 6 12 34 56 78", "", "+33612345678"),
        ("tel:+33-6-12-34-56-78", "", "+33612345678"),
        ("\u202a+33 6 12 34 56 78\u202c", "", "+33612345678"),
        ("0033 6 12 34 56 78", "DE", "+33612345678"),
        ("０９０ー１２３４ー５６７８", "JP", "+819012345678"),
        ("[415] 555-2671", "US", "+14155552671"),
        ("٠٦ ١٢ ٣٤ ٥٦ ٧٨", "FR", "+33612345678"),
        ("0690 33 59 41", "FR", "+590690335941"),
        ("+5215512340001", "", "+525512340001"),
    ],
)
def test_numbers_as_people_write_them(number, country, wanted):
    form = start(number=number, country=country)
    assert form.is_valid(), form.errors
    assert form.cleaned_data["to"] == wanted


@pytest.mark.parametrize("country", ["XX", "us", "\0", "U" * 999])
def test_a_complete_number_needs_no_country_of_the_list(country):
    form = start(number="+1 415 555 2671", country=country)
    assert form.is_valid()
    assert form.cleaned_data["to"] == "+14155552671"


def test_a_country_that_is_none():
    form = start(number="4155552671", country="XX")
    assert "country" in form.errors


def test_a_recipient():
    form = start(channel="email", email=" a@example.com")
    assert form.is_valid()
    assert form.cleaned_data["to"] == "a@example.com"
    for typed in ("\u200fa@example.com\u200e", "ａ＠example.com", "a@example。com"):
        assert start(channel="email", email=typed).is_valid()
    for wrong in ("", "a", "a@b", "a@example.com, b@example.com", "a" * 300):
        form = start(channel="email", email=wrong, number="+14155552671")
        assert list(form.errors) == ["email"]


def test_only_the_chosen_way_is_looked_at():
    form = start(channel="sms", number="+14155552671", email="nonsense")
    assert form.is_valid()


def test_a_channel_of_those_on_offer():
    assert list(start(channel="rcs", number="+14155552671").errors) == ["channel"]
    assert list(start([], number="+14155552671").errors) == ["channel"]
    assert list(start(channel="", number="+14155552671").errors) == ["channel"]


@pytest.mark.parametrize(
    "code",
    ["123456", " 123 456 ", "123-456", "12\u00a034\u200b56", "123–456", "\u2068123456\u2069"],
)
def test_spacing_in_a_code_does_no_harm(code):
    form = CodeForm({"code": code})
    assert form.is_valid()
    assert form.cleaned_data["code"] == "123456"


def test_a_code_s_field_is_what_phones_fill():
    html = CodeForm().as_p()
    assert 'autocomplete="one-time-code"' in html
    assert 'inputmode="numeric"' in html


def test_a_problem_of_before_is_an_error_of_the_field():
    form = CodeForm(problem="Wrong.")
    assert form.errors == {"code": ["Wrong."]}
    assert 'aria-invalid="true"' in form.as_p()


def test_countries_are_in_the_page_s_language():
    with translation.override("de"):
        choices = dict(start().fields["country"].choices)
    assert choices["DE"] == "Deutschland (+49)"
    assert len(choices) > 200


@pytest.mark.parametrize(("language", "germany"), [("he", "גרמניה"), ("ar", "ألمانيا")])
def test_a_calling_code_keeps_its_plus_in_front(language, germany):
    with translation.override(language):
        choices = dict(start().fields["country"].choices)
    assert choices["DE"] == f"{germany} (\u2066+49\u2069)"


@pytest.mark.parametrize(
    "name", ["gate_token", "h-captcha-response", "cf-turnstile-response", "g-recaptcha-response"]
)
def test_the_fields_of_captchas(rf, name):
    assert captchas.token(rf.post("/", {name: "proof"})) == "proof"
    assert captchas.token(rf.post("/")) == ""


def test_who_asks(rf, settings):
    asked = rf.get("/", REMOTE_ADDR="192.0.2.9", HTTP_X_FORWARDED_FOR="198.51.100.1")
    assert callers.caller(asked).ip == "192.0.2.9"
    settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "TRUSTED_PROXIES": 1}
    assert callers.caller(asked).ip == "198.51.100.1"
