"""What a source may answer and hardly ever does: each ends in a row, a sentence or a clear error."""

from io import BytesIO, TextIOWrapper

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from django_verify.models import (
    Account,
    ApiKey,
    Bucket,
    MessagingConfiguration,
    RateLimit,
    Template,
    VerifyService,
    Webhook,
)
from django_verify.moving import source
from tests.conftest import PHONE, Api, make_account, make_service
from tests.moving.vendor import (
    ACCOUNT,
    TOKEN,
    bucket,
    configuration,
    error,
    rate_limit,
    service,
    sid,
    template,
    webhook,
)

pytestmark = pytest.mark.django_db

HJ = sid("HJ", 1 << 16)
UNDER = f"Services/{sid('VA')}"


@pytest.mark.parametrize(
    ("members", "sentence"),
    [
        ({"code_length": float("inf")}, "code_length is refused here (a whole number is required)"),
        ({"code_length": 6.5}, "code_length is refused here"),
        ({"tts_name": "a\0b"}, "tts_name is refused here (it holds characters that are no text)"),
        ({"tts_name": "\ud800"}, "tts_name is refused here"),
        ({"push": {"apn_credential_sid": []}}, "push_apn_credential_sid is refused here"),
        ({"whatsapp": {"msg_service_sid": []}}, "whatsapp_msg_service_sid is refused here"),
        ({"lookup_enabled": "yes"}, "lookup_enabled is refused here (true or false is required)"),
    ],
    ids=ascii,
)
def test_a_value_of_another_kind_is_left_out_and_said(vendor, run, members, sentence):
    vendor.add(service(**members))
    assert sentence in run()
    row = VerifyService.objects.get()
    assert (row.code_length, row.tts_name, row.push_apn_credential_sid) == (6, "", "")
    assert "nothing has changed" in run()


@pytest.mark.parametrize("name", [5, ["x"], {"a": 1}], ids=repr)
def test_a_name_of_another_kind(vendor, run, name):
    vendor.add(service(friendly_name=name))
    with pytest.raises(CommandError, match="Not made"):
        run()


@pytest.mark.parametrize(
    "moment",
    ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00Z", "soon", 5],
)
def test_a_moment_that_cannot_be(vendor, run, moment):
    vendor.add(service(date_created=moment))
    run()
    assert 2020 < VerifyService.objects.get().date_created.year < 9000


@pytest.mark.parametrize("odd", [-1, [], {"a": [1]}, "\ud800", float("inf")], ids=ascii)
def test_rows_below_a_service_of_another_kind(vendor, run, odd):
    vendor.lists["Templates"][1].append(template(en="{{code}}"))
    translation = vendor.lists["Templates"][1][0]["translations"]["en"]
    translation |= {"locale": odd, "text": odd, "is_default_translation": odd, "status": odd}
    vendor.add(
        service(default_template_sid=HJ),
        limits=[(rate_limit(unique_name=odd, description=odd), []),
                (rate_limit(2), [bucket(1, odd, odd)])],
        configurations=[{"country": odd, "messaging_service_sid": odd}],
        webhooks=[webhook(status=odd, event_types=odd)],
    )  # fmt: skip
    printed = run()
    assert printed.count("so it was not made") >= 5
    assert "Status.ENABLED" not in printed
    assert RateLimit.objects.get().sid == sid("RK", 2)
    for model in (Bucket, MessagingConfiguration, Webhook):
        assert not model.objects.exists()


def test_nothing_that_the_source_writes_steers_the_terminal(vendor, run):
    vendor.add(service(1, friendly_name="\x1b[2J\nNot made: none", **{"\x1b[8m": 1}))
    vendor.add(service(2), limits=[(rate_limit(unique_name="\u202ename"), [])])
    vendor.lists["Services"][1].reverse()
    with pytest.raises(CommandError) as caught:
        run()
    assert "\\x1b" in str(caught.value)
    assert not {"\x1b", "\n"} & set(str(caught.value))
    del vendor.lists["Services"][1][1]
    assert r"\u202ename" in run()


def test_a_terminal_that_has_no_such_letters_ends_nothing(vendor, environment):
    shown = vendor.add(service(friendly_name="Bäckerei"))
    for length in (6, 8):
        shown["code_length"] = length
        out = TextIOWrapper(BytesIO(), encoding="ascii")
        call_command("importtwilio", "--base-url", vendor.url, stdout=out)
    assert VerifyService.objects.get().code_length == 8
    out.seek(0)
    assert "B\\xe4ckerei" in out.read()


def test_a_setting_however_deep_has_no_counterpart(vendor, run):
    deep = 1
    for _ in range(900):
        deep = {"a": deep}
    vendor.add(service(strange=deep))
    assert "its setting strange.a.a has no counterpart" in run()


@pytest.mark.parametrize("row", [None, 5, []], ids=repr)
def test_a_row_that_is_no_object_is_an_error(vendor, run, row):
    vendor.refusals = [(200, {}, {"services": [row], "meta": {}})]
    with pytest.raises(CommandError, match="one of the services is no object"):
        run()


def test_pages_without_end(vendor, run, monkeypatch):
    monkeypatch.setattr(source, "MAX_PAGES", 3)
    vendor.page_size = 1
    for number in range(1, 6):
        vendor.add(service(number))
    with pytest.raises(CommandError, match="more than 3 pages"):
        run()
    assert VerifyService.objects.count() == 3


def test_buckets_that_may_not_be_read_do_not_stop_the_rest(vendor, run):
    vendor.add(service(1), limits=[(rate_limit(), [bucket()])])
    vendor.add(service(2))
    run()
    vendor.refused = {f"{UNDER}/RateLimits/{sid('RK')}/Buckets": error(404, 20404)}
    vendor.lists["Services"][1][1]["code_length"] = 8
    printed = run()
    assert "its buckets (Services/" in printed
    # Nobody knows whether it is there.
    assert "is here and not at the source" not in printed
    assert VerifyService.objects.get(sid=sid("VA", 2)).code_length == 8


def test_lists_that_may_not_be_read_name_no_row_as_missing_there(vendor, run):
    vendor.add(
        service(), limits=[(rate_limit(), [])], configurations=[configuration()],
        webhooks=[webhook()],
    )  # fmt: skip
    run()
    vendor.refused = {
        f"{UNDER}/{name}": error(403, 60204)
        for name in ("RateLimits", "MessagingConfigurations", "Webhooks")
    }
    printed = run()
    assert printed.count("error 60204") == 3
    assert "is here and not at the source" not in printed


def test_a_method_of_webhooks_that_we_do_not_have_is_said(vendor, run):
    vendor.add(service(), webhooks=[webhook(1, webhook_method="GET"), webhook(2)])
    printed = run()
    assert f"the method GET of its webhook {sid('YW', 1)}" in printed
    assert "the method POST" not in printed


def test_all_templates_that_may_not_be_listed_are_an_error(vendor, run):
    vendor.refused = {"Templates": error(403, 20403)}
    vendor.add(service())
    with pytest.raises(CommandError, match="Templates: HTTP 403"):
        run("--all-templates")
    assert not Account.objects.exists()


def test_all_templates_are_written_once(vendor, run):
    vendor.lists["Templates"][1].append(template(en="{{code}}"))
    vendor.add(service(1))
    vendor.add(service(2))
    # Rolled back after each service, another one would find it missing again.
    for arguments in (["--all-templates", "--dry-run"], ["--all-templates"]):
        assert run(*arguments).count(f"template {HJ} Base: made") == 1


def test_what_was_made_beside_a_refused_service_is_said(vendor, run, capsys):
    vendor.lists["Templates"][1].append(template(en="{{code}}"))
    vendor.add(service(friendly_name="https://x.example", default_template_sid=HJ))
    with pytest.raises(CommandError):
        call_command("importtwilio", "--base-url", vendor.url)
    assert f"template {HJ} Base: made" in capsys.readouterr().out
    assert Template.objects.filter(sid=HJ).exists()


def test_a_locale_in_another_spelling_is_the_same(vendor, run):
    vendor.lists["Templates"][1].append(template(en="{{code}}", pt_br="Código: {{code}}"))
    vendor.add(service(default_template_sid=HJ))
    run()
    printed = run()
    assert "nothing has changed" in printed
    assert "pt" not in printed.partition("What the API")[0].partition("nothing has changed")[2]


def test_channels_of_a_template_that_are_unknown_here_are_said(vendor, run):
    vendor.lists["Templates"][1].append(template(en="{{code}}") | {"channels": ["whatsapp"]})
    vendor.add(service(default_template_sid=HJ))
    assert "channels is refused here" in run()


def test_a_default_template_that_cannot_be_sent_here_is_not_chosen(vendor, run, outbox):
    # The text is refused for its digits; chosen all the same, it would stop every SMS.
    vendor.lists["Templates"][1].append(template(en="1234 {{code}}"))
    vendor.add(service(default_template_sid=HJ))
    printed = run("--keep-credentials")
    assert f"its default template {HJ}: it has no text here" in printed
    assert VerifyService.objects.get().default_template_sid == ""
    api = Api(ACCOUNT, TOKEN)
    assert api.post(f"{UNDER}/Verifications", {"To": PHONE, "Channel": "sms"}).status == 201
    Template.objects.get(sid=HJ).translations.create(locale="en", text="{{code}}", is_default=True)
    vendor.lists["Templates"][1][0]["translations"] = {}
    assert f"default_template_sid: '' → '{HJ}'" in run()


def test_a_default_template_of_another_account_here_is_not_chosen(vendor, run):
    theirs = Template.objects.create(sid=HJ, account=make_account(), friendly_name="Theirs")
    theirs.translations.create(locale="en", text="{{code}}", is_default=True)
    vendor.lists["Templates"][1].append(template(en="{{code}}"))
    vendor.add(service(default_template_sid=HJ))
    run()
    assert VerifyService.objects.get().default_template_sid == ""


def test_a_key_that_another_account_here_has(vendor, run, environment):
    other = make_service().account
    key = sid("SK")
    ApiKey.objects.create(sid=key, account=other, friendly_name="Theirs", secret_hash="x")
    environment.setenv("TWILIO_API_KEY", key)
    environment.setenv("TWILIO_API_KEY_SECRET", "s" * 32)
    vendor.add(service())
    printed = run("--keep-credentials")
    assert f"API key {key}: is here for the account {other.sid}, and does not open" in printed
