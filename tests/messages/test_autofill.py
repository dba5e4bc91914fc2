"""The last line of an SMS that binds its code to a site; read back by the standard's own steps."""

import re

import pytest

from django_verify import delivery, exceptions, verifications
from django_verify.messages import channels
from django_verify.messages import compose as message_compose
from django_verify.messages.channels import TEXT_LOCALES, Draft
from django_verify.models import Template, VerificationAttempt, VerifyService
from django_verify.models.services import AUTOFILL_DOMAIN_LENGTH
from django_verify.text import confusables, placeholders
from django_verify.text.placeholders import TemplateText
from tests.conftest import OTHER_PHONE, PHONE, code_in, make_account, make_service

HOST, CODE, HASH = "example.com", "047162", "FA+9qCX9VSu"
PSD2 = {"amount": "€39.99", "payee": "Shop & Sons"}


def marked(line, position, marker):
    """Extract a marked token (WICG sms-one-time-codes, §3.2): the token, and where it ends."""
    if line[position : position + 1] != marker:
        return None, position
    token = re.match(r"[^\t\n\f\r ]*", line[position + 1 :])[0]
    return token or None, position + 1 + len(token)


def bound(message):
    """Parse an origin-bound one-time code message: host, code and embedded host, or None."""
    line = message.replace("\r\n", "\n").replace("\r", "\n").split("\n")[-1]
    host, position = marked(line, 0, "@")
    if host is None or line[position : position + 1] != " ":
        return None
    code, position = marked(line, position + 1, "#")
    if code is None:
        return None
    embedded = marked(line, position + 1, "%")[0] if line[position : position + 1] == " " else None
    return host, code, embedded


def bound_anywhere(message):
    """What a lenient reader may find: some take the form from any place of a message."""
    return re.findall(r"@(\S+)\s+#(\S+)", message)


def compose(channel="sms", **values):
    defaults = {
        "attempt_sid": "VL" + "0" * 32, "to": PHONE, "code": CODE, "friendly_name": "Acme",
        "locale": "en", "minutes": 10, "autofill_domain": HOST,
    }  # fmt: skip
    return channels.get(channel).compose(Draft(**defaults | values)).body


@pytest.mark.parametrize(
    ("message", "read"),
    [
        ("747723 is your code.\n\n@example.com #747723", ("example.com", "747723", None)),
        ("@a.example #1 %b.example $future", ("a.example", "1", "b.example")),
        ("something @example.com #747723", None),
        ("#747723 %b.example @a.example", None),
        ("@example.com code #747723", None),
        ("@example.com  #747723", None),
        ("@example.com #747723\n", None),
        ("@ #1", None),
    ],
)
def test_the_reader_agrees_with_the_standards_examples(message, read):
    assert bound(message) == read


def test_the_last_line():
    assert compose() == "Your Acme verification code is: 047162\n@example.com #047162"
    assert compose(warn=True) == (
        "Your Acme verification code is: 047162. Don't share this code with anyone."
        " Our staff will never ask for it.\n@example.com #047162"
    )
    assert compose(**PSD2) == (
        "047162 is your Acme code to approve the payment of €39.99 to Shop & Sons."
        "\n@example.com #047162"
    )
    assert compose(autofill_domain="") == "Your Acme verification code is: 047162"


@pytest.mark.parametrize("locale", TEXT_LOCALES)
def test_every_language_is_read_by_the_standards_steps(locale):
    for shape in ({}, {"warn": True}, PSD2, PSD2 | {"warn": True}, {"friendly_name": "أكمي"}):
        for code in ("0000", "0123456789", "a1B2c3"):
            text = compose(locale=locale, code=code, **shape)
            assert bound(text) == (HOST, code, None)
            first, last = text.split("\n")
            assert last == f"@{HOST} #{code}"
            assert first == compose(locale=locale, code=code, autofill_domain="", **shape)
            assert bound(first) is None


@pytest.mark.parametrize("channel", ["call", "whatsapp", "email"])
def test_only_sms_has_the_line(channel):
    assert compose(channel) == compose(channel, autofill_domain="")


@pytest.mark.parametrize("warn", [False, True])
@pytest.mark.parametrize("locale", TEXT_LOCALES)
def test_an_app_hash_has_the_last_line_to_itself(locale, warn):
    text = compose(locale=locale, app_hash=HASH, warn=warn)
    assert text == compose(locale=locale, app_hash=HASH, warn=warn, autofill_domain="")
    assert bound(text) is None
    assert text.endswith(f"\n{HASH}")
    assert len(text.encode()) <= 140


@pytest.mark.parametrize("locale", TEXT_LOCALES)
def test_the_longest_line_leaves_the_message_two_segments(locale):
    text = compose(
        locale=locale, friendly_name="A" * 30, code="0" * 10,
        autofill_domain="a" * AUTOFILL_DOMAIN_LENGTH,
    )  # fmt: skip
    assert placeholders.size(text).segments <= 2


@pytest.mark.parametrize("name", ["@evil.example #666666", "A\n@evil.example #666666", "＠evil #1"])
def test_no_brand_and_no_substitution_poses_as_the_line(name):
    assert confusables.fault_of_brand(name)
    assert confusables.fault_of_substitution(name)


@pytest.mark.parametrize(
    ("text", "poses"),
    [
        ("@evil.example #12 {{code}}", True),
        ("{{code}} @evil.example #12", True),
        ("{{code}} @evil.example  #12", True),
        ("{{code}} from @acme, box #12", False),
        ("{{code}} no 5 @ acme", False),
    ],
)
def test_a_template_that_poses_as_the_line_is_refused(text, poses):
    assert any("@host #code" in fault for fault in placeholders.faults(text)) is poses


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["amount", "payee"])
@pytest.mark.parametrize("value", ["@evil.example #666666", "x @evil.example #6", "@e\u00a0#6"])
def test_a_payment_that_poses_as_the_line_is_refused(service, outbox, name, value):
    service.psd2_enabled = True
    for locale in ("hi", "mr", "en"):  # in two of them the payee stands first
        with pytest.raises(exceptions.InvalidParameter, match=name):
            verifications.start(service, PHONE, locale=locale, **PSD2 | {name: value})
    assert outbox == []


@pytest.mark.parametrize("locale", TEXT_LOCALES)
def test_no_payment_without_the_form_makes_one_with_the_text_around_it(locale):
    for payee in ("@evil.example", "#666666", "@"):
        for amount in ("@evil.example", "#666666", "#"):
            text = compose(locale=locale, amount=amount, payee=payee, autofill_domain="")
            assert bound(text) is None
            assert bound_anywhere(text) == []


@pytest.mark.django_db(transaction=True)
class TestStarts:
    @pytest.fixture
    def service(self, account):
        return make_service(account, autofill_domain=HOST)

    def test_the_services_domain(self, service, outbox):
        verifications.start(service, PHONE)
        assert bound(outbox[0].body) == (HOST, code_in(outbox[0]), None)
        assert VerificationAttempt.objects.get().autofill_domain == HOST
        assert verifications.check(service, bound(outbox[0].body)[1], to=PHONE).valid

    def test_the_wire_follows_the_service_and_no_header(self, api, service, outbox):
        path = f"Services/{service.sid}/Verifications"
        form = {"To": PHONE, "Channel": "sms", "AutofillDomain": "evil.example"}
        api.post(path, form, Host="testserver", **{"X-Forwarded-Host": "evil.example"})
        assert [bound(message.body)[0] for message in outbox] == [HOST]

    @pytest.mark.parametrize(
        ("wanted", "host"),
        [
            (None, HOST),
            (HOST, HOST),
            ("Login.Example.COM", "login.example.com"),
            ("bücher.example.com", "xn--bcher-kva.example.com"),
            ("", None),
        ],
    )
    def test_a_start_names_a_domain_of_the_services(self, service, outbox, wanted, host):
        verifications.start(service, PHONE, autofill_domain=wanted)
        read = bound(outbox[0].body)
        assert (read and read[0]) == host

    @pytest.mark.parametrize(
        "wanted",
        [
            "com", "evil.example", "example.com.evil.example", "notexample.com", "example.org",
            "https://example.com", "example.com:443", "example.com #1\n@evil.example", " ", "@",
            "example.com\n", "." + HOST, "a" * AUTOFILL_DOMAIN_LENGTH + "." + HOST, "\0",
        ],
        ids=ascii,
    )  # fmt: skip
    def test_a_start_names_no_other(self, service, outbox, wanted):
        with pytest.raises(exceptions.InvalidParameter, match="autofill_domain"):
            verifications.start(service, PHONE, autofill_domain=wanted)
        assert outbox == []

    def test_a_service_without_one_has_none_below_it(self, account, outbox):
        service = make_service(account)
        for wanted in (HOST, "com"):
            with pytest.raises(exceptions.InvalidParameter):
                verifications.start(service, PHONE, autofill_domain=wanted)
        verifications.start(service, PHONE, autofill_domain="")
        assert bound(outbox[0].body) is None

    def test_a_resend_states_for_itself(self, service, outbox, clock):
        for wanted in (f"a.{HOST}", None, "", f"b.{HOST}"):
            verifications.start(service, PHONE, autofill_domain=wanted)
            clock.shift(60)
        read = [bound(message.body) for message in outbox]
        assert [r and r[0] for r in read] == [f"a.{HOST}", HOST, None, f"b.{HOST}"]
        assert len({code_in(message) for message in outbox}) == 1

    def test_another_process_writes_the_same_line(self, service, outbox, settings):
        settings.DJANGO_VERIFY = {
            **settings.DJANGO_VERIFY,
            "DISPATCH": "tests.messages.test_autofill.wake",
        }
        verifications.start(service, PHONE, autofill_domain=f"a.{HOST}")
        assert outbox == []
        VerifyService.objects.update(autofill_domain="other.example")
        assert delivery.take(VerificationAttempt.objects.get().sid, woken=True)
        assert bound(outbox[0].body)[0] == f"a.{HOST}"

    def test_an_app_hash_wins(self, service, outbox):
        verifications.start(service, PHONE, app_hash=HASH, autofill_domain=HOST)
        assert outbox[0].body.endswith(f"\n{HASH}")
        assert bound(outbox[0].body) is None

    def test_a_template_and_a_payment_have_the_line(self, account, outbox):
        service = make_service(account, autofill_domain=HOST, psd2_enabled=True)
        verifications.start(service, PHONE, **PSD2)
        service = make_service(account, autofill_domain=HOST)
        template = Template.objects.create(account=account, friendly_name="T", channels=["sms"])
        text = "{{code}} von {{friendly_name}}"
        template.translations.create(locale="de", text=text, is_default=True)
        verifications.start(service, OTHER_PHONE, template_sid=template.sid)
        assert [bound(message.body)[0] for message in outbox] == [HOST, HOST]
        code = code_in(outbox[1])
        assert outbox[1].body == f"{code} von Acme\n@{HOST} #{code}"

    def test_the_line_counts_where_a_template_is_measured(self, service, account):
        template = Template.objects.create(account=account, friendly_name="T", channels=["sms"])
        text = "{{code}} " + "x" * (placeholders.TEXT_LENGTH - 8 - len(HOST))
        template.translations.create(locale="en", text=text, is_default=True)
        verifications.start(service, PHONE, template_sid=template.sid, autofill_domain="")
        with pytest.raises(exceptions.MessageTooLong):
            verifications.start(service, OTHER_PHONE, template_sid=template.sid)

    def test_the_sms_behind_a_whatsapp_message_has_it(self, service, outbox):
        verifications.start(service, PHONE, "whatsapp")
        attempt = VerificationAttempt.objects.select_related("verification__service").get()
        assert bound(outbox[0].body) is None
        assert bound(message_compose.message(attempt, "sms").body)[0] == HOST


def wake(sid):
    """A queue whose worker comes later."""


@pytest.mark.parametrize(
    "locale", [tag for tag in TEXT_LOCALES if tag in {"en", "ar", "he", "ja", "hi", "th"}]
)
@pytest.mark.parametrize(
    "text", ["{{code}}", "{{friendly_name}}: {{code}}. {{x}}", "{{x}} {{code}}"]
)
def test_templates_are_read_by_the_standards_steps(locale, text):
    for value in ("A", "x" * 64, "Ann & Bob (Ltd)", "مرحبا"):
        assert confusables.fault_of_substitution(value) == ""
        template = TemplateText("HJ", locale, text, {"x": value})
        body = compose(locale=locale, template_text=template)
        assert bound(body) == (HOST, CODE, None)
        assert bound(compose(locale=locale, template_text=template, autofill_domain="")) is None


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("typed", "kept"),
    [("", ""), ("Example.COM", "example.com"), ("bücher.example", "xn--bcher-kva.example")],
)
def test_the_field_keeps_the_name_as_browsers_compare_it(typed, kept):
    service = VerifyService(account=make_account(), friendly_name="Acme", autofill_domain=typed)
    service.full_clean()
    assert service.autofill_domain == kept


@pytest.mark.django_db
@pytest.mark.parametrize(
    "typed",
    ["https://example.com", "example.com:443", "example.com/", "example", "a@b.example", "1.2.3.4",
     "example.com #1", "a" * 40 + ".example"],
)  # fmt: skip
def test_the_field_takes_nothing_else(typed):
    from django.core.exceptions import ValidationError

    service = VerifyService(account=make_account(), friendly_name="Acme", autofill_domain=typed)
    with pytest.raises(ValidationError) as caught:
        service.full_clean()
    assert set(caught.value.error_dict) == {"autofill_domain"}
