"""Tags of languages: what devices and systems write, and which of ours answers."""

import pytest

from django_verify import exceptions
from django_verify.messages import channels, locales
from django_verify.messages.channels import CHANNELS, SPEECH_LOCALES, TEXT_LOCALES

PHONE, GERMAN, TURKISH, MAIL = "+14155552671", "+4915123456789", "+905321234567", "jane@example.com"
READ = [
    ("iw-IL", "he"),
    ("iw", "he"),
    ("iw_IL", "he"),
    ("in_ID", "id"),
    ("in", "id"),
    ("fil-PH", "tl"),
    ("fil", "tl"),
    ("tl-PH", "tl"),
    ("no", "nb"),
    ("no-NO", "nb"),
    ("nn-NO", "nb"),
    ("nb_NO", "nb"),
    ("mo-MD", "ro"),
    ("cmn-Hans-CN", "zh"),
    ("zh-cmn-Hans-CN", "zh"),
    ("yue-HK", "zh-HK"),
    ("zh-yue", "zh-HK"),
    ("zh-yue-HK", "zh-HK"),
    ("zsm-MY", "ms"),
    ("arz-EG", "ar"),
    ("ar-arz", "ar"),
    ("en_US@calendar=buddhist", "en"),
    ("th-TH-u-ca-buddhist", "th"),
    ("th_TH_TH_#u-nu-thai", "th"),
    ("ja_JP_JP_#u-ca-japanese", "ja"),
    ("ar-EG-u-nu-arab", "ar"),
    ("de-DE-x-goethe", "de"),
    ("de-1996", "de"),
    ("de-CH-1996", "de"),
    ("ca_ES@valencia", "ca"),
    ("ca-valencia", "ca"),
    ("de_DE.UTF-8", "de"),
    ("de_DE.UTF-8@euro", "de"),
    ("de_DE@euro", "de"),
    ("zh-Hant", "zh-HK"),
    ("zh-Hant-TW", "zh-HK"),
    ("zh-Hant-CN", "zh-HK"),
    ("zh-Hans-HK", "zh"),
    ("zh_TW_#Hant", "zh-HK"),
    ("zh__#Hans", "zh"),
    ("zh_CN_#Hans", "zh"),
    ("b+zh+Hant+TW", "zh-HK"),
    ("zh-rTW", "zh-HK"),
    ("zh-MO", "zh-HK"),
    ("zh-SG", "zh"),
    ("pt-rBR", "pt-BR"),
    ("pt-BR-u-hc-h24", "pt-BR"),
    ("pt_BR.UTF-8", "pt-BR"),
    ("pt-Latn-BR", "pt-BR"),
    ("pt-AO", "pt"),
    ("es-419", "es"),
    ("en-Latn-US", "en"),
    ("ru-Cyrl-RU", "ru"),
    ("hi-Latn", "hi"),
    ("EN-us", "en"),
    ("deu-DE", "de"),
    ("ger", "de"),
    ("nor-NO", "nb"),
]
UNREADABLE = [
    "",
    "x",
    "xx",
    "C",
    "POSIX",
    "i-default",
    "x-klingon",
    "@",
    "_",
    "é",
    "日本",
    "\0",
    "12",
    "d" * 9999,
]


def chosen(requested, to=PHONE, channel="sms", **options):
    return channels.choose_locale(CHANNELS[channel], requested, to, **options)


@pytest.mark.parametrize(("requested", "tag"), READ)
def test_a_hint_is_read_in_every_form(requested, tag):
    assert locales.match(TEXT_LOCALES, requested) == tag
    assert chosen(requested, hint=True) == tag
    assert chosen(locales.hint(f" {requested}\n"), hint=True) == tag


@pytest.mark.parametrize(
    ("requested", "tag"), [row for row in READ if row[0][:3] not in {"deu", "ger", "nor"}]
)
def test_an_account_may_write_aliases_too(requested, tag):
    assert chosen(requested) == tag


@pytest.mark.parametrize("requested", ["deu-DE", "ger", "nor-NO", "xx", "sr-RS", " de"])
def test_an_account_is_reported_what_no_catalogue_answers(requested):
    with pytest.raises(exceptions.InvalidParameter):
        chosen(requested)
    with pytest.raises(exceptions.LocaleNotSpoken):
        chosen(requested, channel="call")


@pytest.mark.parametrize("requested", [*UNREADABLE, "sr_RS@latin", "fa-IR", "sw", "zu-ZA"])
@pytest.mark.parametrize("channel", ["sms", "call", "whatsapp"])
def test_a_hint_that_nothing_answers_leaves_it_to_the_country(requested, channel, settings):
    settings.LANGUAGE_CODE = "fr-ca"
    assert chosen(requested, GERMAN, channel, hint=True) == "de"
    assert chosen(requested, TURKISH, channel, hint=True) == "fr"
    assert chosen(requested, MAIL, hint=True) == "fr"
    settings.LANGUAGE_CODE = "sw"
    assert chosen(requested, TURKISH, channel, hint=True) == "en"


def test_the_language_that_is_spoken_goes_before_the_country():
    assert chosen("he", GERMAN, "call", hint=True) == "de"
    assert chosen("it-CH", GERMAN, "call", hint=True) == "it"


@pytest.mark.parametrize("tag", [*TEXT_LOCALES, *SPEECH_LOCALES])
def test_every_tag_of_ours_answers_for_itself(tag):
    assert locales.match((tag,), tag) == tag
    assert locales.match((tag,), tag.replace("-", "_").upper()) == tag


def test_a_template_answers_in_its_own_languages():
    assert locales.match(("sr", "pt-PT"), "sr_RS@latin") == "sr"
    assert locales.match(("sr-Latn", "sr"), "sr_RS@latin") == "sr-Latn"
    assert locales.match(("zh",), "zh-Hant-TW") == "zh"
    assert locales.match(("pt-PT",), "pt") is None
