"""A start with a template: the choice, the refusals, and that another process renders the same."""

import importlib

import pytest
from django.apps import apps
from django.db import connection
from django.test.utils import CaptureQueriesContext

from django_verify import delivery, exceptions, verifications
from django_verify.delivery import attempts
from django_verify.models import Template, Verification, VerificationAttempt
from django_verify.text import placeholders
from tests.conftest import PHONE, code_in, make_account, make_service

pytestmark = pytest.mark.django_db(transaction=True)

MIGRATION = importlib.import_module("django_verify.migrations.0001_initial")
TEXTS = {
    "en": "Hi {{name}}, {{code}} is your {{friendly_name}} code ({{ttl}} min).",
    "de": "{{name}}: {{code}} von {{friendly_name}}",
    "bg": "Здравей {{name}}, {{code}}",
}


def make_template(account=None, texts=TEXTS, channels=("sms", "voice"), default="en", **values):
    template = Template.objects.create(
        account=account, friendly_name="Ours", channels=list(channels)
    )
    for locale, text in texts.items():
        template.translations.create(
            locale=locale, text=text, is_default=locale == default, **values
        )
    return template


def start(service, template=None, channel="sms", name="Ann", **options):
    options.setdefault("template_custom_substitutions", {"name": name})
    sid = template.sid if template else ""
    return verifications.start(service, PHONE, channel, template_sid=sid, **options)


def test_the_text_of_the_template_is_sent(account, service, outbox):
    start(service, make_template(account))
    code = code_in(outbox[0])
    assert outbox[0].body == f"Hi Ann, {code} is your Acme code (10 min)."
    assert verifications.check(service, code, to=PHONE).valid


@pytest.mark.parametrize(
    ("locale", "used"),
    [("", "en"), ("de", "de"), ("de_AT", "de"), ("BG", "bg"), ("fr", "en"), ("zh-CN", "en")],
)
def test_the_locale_its_language_or_the_default(account, service, outbox, locale, used):
    start(service, make_template(account), locale=locale)
    assert outbox[0].locale == used
    assert VerificationAttempt.objects.get().template["locale"] == used


def test_the_calling_code_chooses_the_locale(account, service, outbox):
    verifications.start(
        service, "+4915123456789", template_sid=make_template(account).sid,
        template_custom_substitutions={"name": "Ann"},
    )  # fmt: skip
    assert outbox[0].locale == "de"


def test_a_call_speaks_the_template(account, service, outbox):
    start(service, make_template(account), "call")
    code = code_in(outbox[0])
    assert f"Hi Ann, {', '.join(code)} is your" in outbox[0].body
    assert outbox[0].prompt


def test_the_warning_and_the_app_hash_still_apply(account, outbox):
    service = make_service(account, do_not_share_warning_enabled=True)
    start(service, make_template(account, {"en": "{{code}} ({{name}})!"}), app_hash="FA+9qCX9VSu")
    first, last = outbox[0].body.split("\n")
    assert first.startswith("<#> ")
    assert "(Ann)! Don't share" in first
    assert last == "FA+9qCX9VSu"


def test_a_brand_and_a_value_are_data(account, service, outbox):
    template = make_template(account, {"en": "{{friendly_name}} - {{name}} - {{code}}"})
    start(service, template, name="Ann Inc.", custom_friendly_name="Shop 2024")
    assert outbox[0].body.startswith("Shop 20 24 - Ann Inc - ")


def test_the_order_of_choice(account, outbox):
    ours, other = make_template(account), make_template(account, {"en": "{{code}} other"})
    service = make_service(account, default_template_sid=ours.sid)
    start(service)
    assert outbox[-1].body.startswith("Hi Ann")
    start(service, other, template_custom_substitutions={})
    assert outbox[-1].body.endswith(" other")
    start(service, channel="call")
    assert "Hi Ann" not in outbox[-1].body
    service.default_template_sid = ""
    start(service)
    assert outbox[-1].body.startswith("Your Acme verification code is")


@pytest.mark.parametrize("channels", [["voice"], None])
def test_a_default_that_cannot_be_used_is_skipped(account, outbox, channels):
    sid = make_template(account, channels=channels).sid if channels else "HJ" + "9" * 32
    start(make_service(account, default_template_sid=sid))
    assert outbox[0].body.startswith("Your Acme verification code is")


def test_a_payment_is_reported_in_the_text_of_the_law(account, outbox):
    service = make_service(account, psd2_enabled=True)
    start(service, make_template(account), amount="€1.00", payee="Shop")
    assert "€1.00 to Shop" in outbox[0].body


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({}, exceptions.InvalidSubstitutions),
        ({"name": "Ann", "other": "x"}, exceptions.InvalidSubstitutions),
        ({"name": "Ann", "code": "1"}, exceptions.InvalidParameter),
        ({"friendly_name": "Ann"}, exceptions.InvalidParameter),
        ({"ttl": "Ann"}, exceptions.InvalidParameter),
        ({"name": "evil.com"}, exceptions.InvalidParameter),
        ({"name": "1234"}, exceptions.InvalidParameter),
        ({"name": "a\nb"}, exceptions.InvalidParameter),
        ({"name": "{{code}}"}, exceptions.InvalidParameter),
        ({"name": "x" * 65}, exceptions.InvalidParameter),
        ({"name": 7}, exceptions.InvalidParameter),
        ({"name": None}, exceptions.InvalidParameter),
    ],
    ids=str,
)
def test_values_that_are_refused(account, service, outbox, given, error):
    with pytest.raises(error) as caught:
        start(service, make_template(account), template_custom_substitutions=given)
    if error is exceptions.InvalidParameter:
        assert caught.value.parameter == "template_custom_substitutions"
    assert not outbox
    assert not Verification.objects.exists()


def test_the_template_must_be_ours_and_fit(account, service):
    stranger = make_template(make_account())
    spoken = make_template(account, channels=["voice"])
    bare = make_template(account, {})
    waiting = make_template(account, status="pending")
    unset = make_template(account, {"de": "{{code}}"}, default="")
    for template, channel, error in (
        (stranger, "sms", exceptions.TemplateNotFound),
        (Template(sid="HJ" + "0" * 31 + "9"), "sms", exceptions.TemplateNotFound),
        (Template(sid="nonsense"), "sms", exceptions.TemplateNotFound),
        (spoken, "sms", exceptions.TemplateWithoutChannel),
        (spoken, "whatsapp", exceptions.TemplateNeedsText),
        (bare, "sms", exceptions.TranslationNotFound),
        (unset, "sms", exceptions.TranslationNotFound),
        (waiting, "sms", exceptions.TemplateNotApproved),
    ):
        with pytest.raises(error):
            start(service, template, channel)
    with pytest.raises(exceptions.TemplateNeedsText):
        verifications.start(service, "jo@example.com", "email", template_sid=spoken.sid)
    with pytest.raises(exceptions.InvalidParameter, match="locale"):
        start(service, make_template(account), locale="x\n")


def test_only_approved_texts_are_sent(account, service, outbox):
    template = make_template(account)
    template.translations.filter(locale="de").update(status="rejected")
    start(service, template, locale="de")
    assert outbox[0].locale == "en"


@pytest.mark.parametrize(("channel", "fits"), [("sms", 43), ("call", 33)])
def test_five_hundred_characters(account, service, outbox, channel, fits):
    template = make_template(account, {"en": "{{code}} {{name}}" + " x" * 225})
    with pytest.raises(exceptions.MessageTooLong):
        start(service, template, channel, name="a" * (fits + 1))
    start(service, template, channel, name="a" * fits)
    assert len(outbox[0].body) == 500


def test_another_process_sends_what_was_validated(account, service, outbox, clock):
    template = make_template(account)
    start(service, template)
    row = VerificationAttempt.objects.get()
    assert row.template == {
        "sid": template.sid, "locale": "en", "text": TEXTS["en"], "substitutions": {"name": "Ann"},
    }  # fmt: skip
    assert code_in(outbox[0]) not in str(row.template)
    template.delete()
    VerificationAttempt.objects.update(message_status="sending")
    row.refresh_from_db()
    VerificationAttempt.objects.update(**attempts.LEASES.leased(row.date_created))
    clock.shift(120)
    assert delivery.deliver_due() == 1
    assert outbox[1].body == outbox[0].body.replace("(10 min)", "(8 min)")


def test_a_start_without_a_template_reads_none(service):
    with CaptureQueriesContext(connection) as captured:
        verifications.start(service, PHONE)
    assert not [query for query in captured if "django_verify_template" in query["sql"]]


def test_the_ready_made_templates_come_and_go(account, service, outbox):
    MIGRATION.write_templates(apps, _Editor)
    rows = Template.objects.filter(sid__in=MIGRATION.READY_MADE)
    assert len(rows) == len(MIGRATION.READY_MADE) >= 4
    for row in rows:
        row.full_clean(exclude=["account"])
        assert row.account is None
        assert [t.locale for t in row.translations.filter(is_default=True)] == ["en"]
        for translation in row.translations.all():
            translation.full_clean()
            assert placeholders.custom_placeholders(translation.text) == []
    verifications.start(service, PHONE, template_sid=rows[0].sid)
    assert code_in(outbox[0])
    MIGRATION.remove_templates(apps, _Editor)
    assert not Template.objects.exists()


class _Editor:
    connection = connection


def test_a_default_that_wants_values_is_skipped(account, service, outbox, caplog):
    service.default_template_sid = make_template(account).sid
    service.save()
    verifications.start(service, PHONE)
    assert outbox[0].body == f"Your Acme verification code is: {code_in(outbox[0])}"
    assert "wants values" in caplog.text


def test_what_is_added_to_a_template_counts(account, service, outbox):
    text = "x" * 440 + " {{code}}"
    template = make_template(account)
    template.translations.filter(locale="en").update(text=text)
    options = {"template_sid": template.sid, "locale": "en"}
    assert verifications.start(service, PHONE, **options).status == "pending"
    service.do_not_share_warning_enabled = True
    service.save()
    with pytest.raises(exceptions.MessageTooLong):
        verifications.start(service, PHONE, **options)
