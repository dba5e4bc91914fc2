"""Operators' texts: placeholders, one pass, length; and that no value can break out of a text."""

import re
import unicodedata

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from django_verify.messages import channels
from django_verify.messages.channels import CHANNELS, SPEECH_LOCALES, TEXT_LOCALES, Draft
from django_verify.text import confusables, placeholders
from django_verify.text.placeholders import TemplateText

TEXT = "Hi {{name}}, your {{friendly_name}} code is {{code}} ({{ttl}} min)."
SID = "HJ" + "0" * 32
LINK = re.compile(r"\w[.．｡․﹒]\w|://|\bwww\b|[@#]", re.IGNORECASE)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("Your code.", "must hold {{code}}"),
        ("{{ code }} {{code}}", "without spaces"),
        ("{{code}} {{1a}}", "without spaces"),
        ("{{code}} {{" + "a" * 33 + "}}", "without spaces"),
        ("{code} {{code}}", "without spaces"),
        ("{{{code}}}", "touch"),
        ("{{code}}{{x}}", "touch"),
        ("1{{code}}", "touch"),
        ("{{code}}1", "touch"),
        ("www.{{x}} {{code}}", "touch"),
        ("{{x}}.com {{code}}", "touch"),
        ("@{{x}} #{{code}}", "touch"),
        ("Call 5550100. {{code}}", "mistaken"),
        ("{{code}}\n@example.com", "Line breaks"),
        ("{{code}} \u202e", "direction"),
        ("{{code}}" + "x" * 493, "500"),
    ],
)
def test_a_text_that_is_refused(text, part):
    assert part in " ".join(placeholders.faults(text))


@pytest.mark.parametrize(
    "text",
    [TEXT, "{{code}}", "確認コードは{{code}}です。", "Code: {{code}}!", "G-{{code}}.", "{{code}}: {{x}}",
     "می\u200cشود {{code}}"],
)  # fmt: skip
def test_a_text(text):
    assert placeholders.faults(text) == []


def test_placeholders():
    assert placeholders.placeholders("{{a}} {{code}} {{a}} {{b_2}}") == ["a", "code", "b_2"]
    assert placeholders.custom_placeholders(TEXT) == ["name"]


def test_values_that_do_not_fit():
    assert placeholders.fault_of_values(TEXT, {"name": "Ann"}) == ""
    assert "no value for name" in placeholders.fault_of_values(TEXT, {})
    assert "no placeholder x" in placeholders.fault_of_values(TEXT, {"name": "Ann", "x": "1"})


@pytest.mark.parametrize("value", ["{{code}}", "{{friendly_name}}", r"\1", r"\g<0>", "%s", "{0.__class__}"])  # fmt: skip
def test_a_value_is_data(value):
    text = placeholders.render("{{x}} {{code}}", {"x": value, "code": "047162"})
    assert text == f"{value} 047162"


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("a" * 160, ("GSM-7", 160, 1)),
        ("a" * 161, ("GSM-7", 161, 2)),
        ("a" * 306, ("GSM-7", 306, 2)),
        ("a" * 307, ("GSM-7", 307, 3)),
        ("€" * 80, ("GSM-7", 160, 1)),
        ("€" * 81, ("GSM-7", 162, 2)),
        ("€" * 153, ("GSM-7", 306, 3)),
        ("é\n[]{}^~|\\€", ("GSM-7", 20, 1)),
        ("ç", ("UCS-2", 1, 1)),
        ("я" * 70, ("UCS-2", 70, 1)),
        ("я" * 71, ("UCS-2", 71, 2)),
        ("я" * 135, ("UCS-2", 135, 3)),
        ("😀" * 35, ("UCS-2", 70, 1)),
        ("😀" * 67, ("UCS-2", 134, 3)),
        ("", ("GSM-7", 0, 1)),
    ],
)
def test_the_size_of_a_message(text, size):
    measured = placeholders.size(text)
    assert (measured.encoding, measured.length, measured.segments) == size


def test_the_alphabet_of_gsm():
    assert len(placeholders._GSM) == 127  # and the escape character, which is no letter
    assert len(placeholders._GSM_EXTENSION) == 10


def draft(channel, brand, locale, template=None):
    return Draft(
        "VL" + "0" * 32,
        "+14155552671",
        "047162",
        brand,
        locale,
        10,
        template_text=template,
        warn=True,
    )


def body(channel, *args):
    return CHANNELS[channel].compose(draft(channel, *args)).body


letters = st.sampled_from("aZéя東가ب0123456789 .-_&'")
hostile = st.sampled_from("。．＠,@#/:<>{}%\\\n\r\u2028\u202e\u200b€(!?\U000e0100\u0332\U00016fe4")
anything = st.one_of(hostile, st.characters(codec="utf-8"))
written = st.text(letters, min_size=1, max_size=12)
brands = (
    st.one_of(written, st.text(st.one_of(letters, anything), min_size=1, max_size=12))
    .map(confusables.normalize)
    .filter(lambda name: not confusables.fault_of_brand(name))
)
values = (
    st.one_of(written, st.text(st.one_of(letters, anything), min_size=1, max_size=12))
    .map(confusables.normalize)
    .filter(lambda value: not confusables.fault_of_substitution(value))
)
# Mostly what operators write between placeholders, and sometimes anything.
between = st.one_of(
    st.sampled_from([" ", ". ", ": ", "-", "は", " 77 ", "'s ", " (", ") ", ", ", "!", "e", "…"]),
    st.text(st.sampled_from("aé東7 .,:;-@/()!…"), max_size=6),
)
outside = st.one_of(st.just(""), between)
texts = st.builds(
    "{}{{{{friendly_name}}}}{}{{{{x}}}}{}{{{{code}}}}{}".format, outside, between, between, outside
)
relaxed = settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)


def bare(text):
    """What a person sees of a text: without marks."""
    return "".join(char for char in text if unicodedata.category(char)[0] != "M")


def links(text):
    return len(LINK.findall(text))


@relaxed
@pytest.mark.once
@given(brands, values, st.sampled_from([*TEXT_LOCALES, "xx"]), texts)
def test_nothing_breaks_out_of_a_template(brand, value, locale, text):
    assume(not placeholders.faults(text))
    catalogue = channels.match_locale(TEXT_LOCALES, locale) or "en"
    made = body("sms", brand, catalogue, TemplateText(SID, locale, text, {"x": value}))
    neutral = body("sms", "Q", catalogue, TemplateText(SID, locale, text, {"x": "Q"}))
    assert re.findall(r"\d{4,}", bare(made)) == ["047162"]
    assert len(made.splitlines()) == 1
    assert links(made) <= links(neutral)


@relaxed
@pytest.mark.once
@given(brands, st.sampled_from(TEXT_LOCALES), st.sampled_from(["sms", "whatsapp"]))
def test_nothing_breaks_out_of_a_default_text(brand, locale, channel):
    made = body(channel, brand, locale)
    assert re.findall(r"\d{4,}", bare(made)) == ["047162"]
    assert len(made.splitlines()) == 1
    assert not links(made)


@pytest.mark.parametrize("brand", ["1234", "Shop 2024", "Acme Inc.", "A.", "12 34", "東京."])
@pytest.mark.parametrize("locale", TEXT_LOCALES)
def test_odd_brands_in_every_language(brand, locale):
    made = body("sms", brand, locale)
    assert re.findall(r"\d{4,}", made) == ["047162"]
    assert not links(made)


@pytest.mark.parametrize("locale", SPEECH_LOCALES)
def test_a_call_spells_the_code_of_a_template(locale):
    made = body("call", "Acme", locale, TemplateText(SID, locale, "Code: {{code}}.", {}))
    assert made == "Code: 0, 4, 7, 1, 6, 2."
