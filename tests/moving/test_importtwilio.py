"""`importtwilio` against a server that answers as the vendor's document says."""

import datetime as dt

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from django_verify.crypto import codes
from django_verify.models import (
    Account,
    ApiKey,
    Bucket,
    MessagingConfiguration,
    MessagingService,
    PushCredential,
    RateLimit,
    SafeListNumber,
    Template,
    VerifyService,
    Webhook,
)
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
MODELS = (
    Account, ApiKey, VerifyService, RateLimit, Bucket, MessagingConfiguration, Webhook,
    SafeListNumber,
)  # fmt: skip


def rows():
    """How many rows of each kind there are; of templates those with an account."""
    own = Template.objects.exclude(account=None)
    return {model.__name__: model.objects.count() for model in MODELS} | {"Template": own.count()}


def full(vendor, **values):
    """A service that has everything, and settings other than the defaults."""
    vendor.lists["Templates"][1].extend(
        [template(1, en="{{friendly_name}}: your code is {{code}}.", de="Ihr Code: {{code}}.")]
    )
    shown = service(
        code_length=8,
        lookup_enabled=True,
        psd2_enabled=True,
        skip_sms_to_landlines=True,
        dtmf_input_required=False,
        tts_name="polly",
        do_not_share_warning_enabled=True,
        custom_code_enabled=True,
        push={
            "include_date": True,
            "apn_credential_sid": sid("CR", 1),
            "fcm_credential_sid": sid("CR", 2),
        },
        totp={"issuer": "Shop Ltd", "time_step": 60, "code_length": 8, "skew": 2},
        whatsapp={"msg_service_sid": sid("MG", 9), "from": "whatsapp:+14155550100"},
        passkeys={
            "relying_party": {
                "id": "example.com",
                "name": "Example",
                "origins": ["https://example.com", "https://www.example.com"],
            },
            "authenticator_attachment": "platform",
            "discoverable_credentials": "required",
            "user_verification": "preferred",
        },
        default_template_sid=HJ,
        verify_event_subscription_enabled=True,
        **values,
    )
    limits = [
        (rate_limit(1, "ip", description="by IP"), [bucket(1), bucket(2, 50, 3600)]),
        (rate_limit(2, "user"), []),
    ]
    configurations = [configuration("US"), configuration("all", 2)]
    return vendor.add(
        shown,
        limits=limits,
        configurations=configurations,
        webhooks=[webhook()],
        entities=[{"sid": sid("YE")}],
    )


def test_a_service_with_everything(vendor, run):
    full(vendor)
    printed = run()
    row = VerifyService.objects.get()
    shown = Api(ACCOUNT, TOKEN)
    assert shown.get("Services").status == 401  # a token of its own, unless told otherwise
    assert (row.sid, row.account_id) == (sid("VA"), ACCOUNT)
    assert row.date_created == dt.datetime(2015, 7, 30, 20, tzinfo=dt.UTC)
    assert (row.totp_issuer, row.totp_time_step, row.totp_code_length, row.totp_skew) == (
        "Shop Ltd", 60, 8, 2,
    )  # fmt: skip
    assert row.passkeys_relying_party_origins == "https://example.com,https://www.example.com"
    assert (row.code_length, row.dtmf_input_required, row.tts_name) == (8, False, "polly")
    assert (row.push_apn_credential_sid, row.push_fcm_credential_sid) == (
        sid("CR", 1), sid("CR", 2),
    )  # fmt: skip
    assert row.default_template_sid == HJ
    limits = {limit.unique_name: limit for limit in RateLimit.objects.all()}
    assert {name: limit.sid for name, limit in limits.items()} == {
        "ip": sid("RK", 1), "user": sid("RK", 2),
    }  # fmt: skip
    buckets = limits["ip"].buckets.values_list("sid", "max", "interval")
    assert set(buckets) == {(sid("BL", 1), 5, 60), (sid("BL", 2), 50, 3600)}
    assert row.messaging_routes == {"sms": {"US": [], "all": []}}
    hook = Webhook.objects.get()
    assert (hook.sid, hook.event_types, hook.version) == (sid("YW"), ["factor.verified"], "v2")
    texts = Template.objects.get(sid=HJ).translations
    assert set(texts.values_list("locale", "is_default", "status")) == {
        ("en", True, "approved"), ("de", False, "approved"),
    }  # fmt: skip
    for sentence in (
        "factors of its entities (1)", f"APN credential {sid('CR', 1)}", f"senders of {sid('MG', 1)}",
        f"senders of {sid('MG', 9)}", "signing secret", "Running verifications",
        "Access tokens", "The safe list",
    ):  # fmt: skip
        assert sentence in printed
    assert "4711" not in printed
    assert TOKEN not in printed


def test_every_setting_is_answered_as_the_vendor_answers_it(vendor, run):
    shown = full(vendor)
    run("--keep-credentials")
    api = Api(ACCOUNT, TOKEN)
    answer = api.get(f"Services/{sid('VA')}").data
    ours = {"url", "links", "date_updated"}
    assert {k: v for k, v in answer.items() if k not in ours} == {
        k: v for k, v in shown.items() if k not in ours
    }


def test_a_second_run_changes_nothing_and_a_third_says_what_has_changed(vendor, run):
    shown = full(vendor)
    run()
    before = rows()
    assert f"{sid('VA')} Shop: nothing has changed" in run()
    shown["code_length"] = 4
    shown["tts_name"] = None
    under = f"Services/{sid('VA')}"
    vendor.lists[f"{under}/RateLimits/{sid('RK')}/Buckets"][1][0]["max"] = 9
    vendor.lists[f"{under}/Webhooks"][1][0] |= {
        "status": "disabled",
        "webhook_url": "https://new.example.com/",
    }
    vendor.lists[f"{under}/MessagingConfigurations"][1][0]["messaging_service_sid"] = sid("MG", 7)
    vendor.lists["Templates"][1][0]["translations"]["de"]["text"] = "Code: {{code}}"
    vendor.lists["Services"][1].append(vendor.add(service(2, friendly_name="New")))
    vendor.lists["Services"][1].pop()
    printed = run()
    assert rows() == before | {"VerifyService": 2}
    for line in (
        "code_length: 8 → 4", "tts_name: 'polly' → ''", f"bucket {sid('BL', 1)} 60: max: 5 → 9",
        "status: 'enabled' → 'disabled'", "webhook_url changed", "text changed",
        f"messaging_service_sid: '{sid('MG', 1)}' → '{sid('MG', 7)}'", "VA00000000000000000000000000000002 New:",
    ):  # fmt: skip
        assert line in printed
    assert "new.example.com" not in printed
    assert Bucket.objects.get(sid=sid("BL", 1)).max == 9
    assert VerifyService.objects.get(sid=sid("VA")).code_length == 4


def test_a_dry_run_says_the_same_and_writes_nothing(vendor, run, tmp_path):
    full(vendor)
    numbers = tmp_path / "numbers"
    numbers.write_text(PHONE)
    vendor.objects[f"SafeList/Numbers/{PHONE}"] = {"sid": sid("GN"), "phone_number": PHONE}
    arguments = ("--safe-list", str(numbers), "--keep-credentials")
    before = rows()
    rehearsed = run("--dry-run", *arguments)
    assert rows() == before
    done = run(*arguments)
    assert rows() != before

    def tail(text):
        return [line.removeprefix("[dry run] ") for line in text.splitlines()][1:]

    assert tail(rehearsed) == tail(done)
    assert (
        done.splitlines()[0]
        == f"Account {ACCOUNT}: made; its auth token, shown this once: as at the source"
    )


def test_one_service_alone(vendor, run):
    vendor.add(service(1))
    vendor.add(service(2))
    run("--service", sid("VA", 2))
    assert VerifyService.objects.get().sid == sid("VA", 2)
    with pytest.raises(CommandError, match=r"404, error 20404: there is no such thing"):
        run("--service", sid("VA", 3))
    with pytest.raises(CommandError, match="--service"):
        run("--service", "VA1")


def test_another_account_may_receive(vendor, run):
    vendor.add(service())
    mine = make_account()
    assert f"Account {mine.sid}: is here" in run("--account", mine.sid)
    assert VerifyService.objects.get().account_id == mine.sid
    assert Api(mine.sid, mine.token).get(f"Services/{sid('VA')}").status == 200
    with pytest.raises(CommandError, match="--account"):
        run("--account", "AC1")


def test_the_new_token_that_is_printed_opens_the_account(vendor, run):
    vendor.add(service())
    token = run().splitlines()[0].rpartition(" ")[2]
    assert Api(ACCOUNT, token).get("Services").status == 200


def test_a_token_that_does_not_open_the_account_that_is_here_is_said(vendor, run):
    vendor.add(service())
    run()
    sentence = "is here, and keeps its auth token, which is not the one in the environment"
    assert sentence in run("--keep-credentials")
    Account.objects.get().delete()
    run("--keep-credentials")
    assert sentence not in run("--keep-credentials")


def test_an_api_key_reads_and_may_stay(vendor, run, environment):
    key, secret = sid("SK"), "s" * 32
    environment.setenv("TWILIO_API_KEY", key)
    environment.setenv("TWILIO_API_SECRET", secret)
    vendor.add(service())
    assert f"API key {key}: opens it too" in run("--keep-credentials")
    assert f"API key {key}: is here, and keeps its secret" in run("--keep-credentials")
    assert {(name, given) for name, given, *_ in vendor.seen} == {(key, secret)}
    assert VerifyService.objects.get().account_id == ACCOUNT
    assert Api(key, secret).get(f"Services/{sid('VA')}").status == 200
    assert codes.secret_matches(ApiKey.objects.get().secret_hash, secret)


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        ({"TWILIO_AUTH_TOKEN": ""}, "TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN"),
        ({"TWILIO_ACCOUNT_SID": "me"}, "AC and 32"),
        ({"TWILIO_API_KEY": "me", "TWILIO_API_KEY_SECRET": "x"}, "SK and 32"),
    ],
)
def test_credentials_that_cannot_be(run, environment, names, sentence):
    for name, value in names.items():
        environment.setenv(name, value)
    with pytest.raises(CommandError, match=sentence):
        run()


def test_a_short_secret_is_not_kept(vendor, run, environment):
    environment.setenv("TWILIO_AUTH_TOKEN", "short")
    vendor.add(service())
    with pytest.raises(CommandError, match="--keep-credentials"):
        run("--keep-credentials")
    assert not Account.objects.exists()


def test_an_account_without_services(run):
    assert "no services" in run()
    assert not Account.objects.exists()


def test_what_our_rules_refuse_is_left_out_and_said(vendor, run):
    shown = service(
        friendly_name="Shop", code_length=12, mailer_sid="MD1", email={"from": "a@b.example"}
    )
    vendor.add(
        shown,
        limits=[(rate_limit(unique_name="a b"), []), (rate_limit(2), [bucket(interval=100_000)])],
        configurations=[configuration("XX")],
        webhooks=[webhook(webhook_url="http://10.0.0.1/")],
    )
    printed = run()
    row = VerifyService.objects.get()
    assert row.code_length == 6
    assert list(RateLimit.objects.values_list("sid", flat=True)) == [sid("RK", 2)]
    assert not Bucket.objects.exists()
    assert not MessagingConfiguration.objects.exists()
    assert not Webhook.objects.exists()
    for sentence in (
        "code_length is refused here", "it is 6", "mailer_sid", "setting email.from", "unique_name is refused here",
        "interval is refused here", "country is refused here", "webhook_url is refused here",
    ):  # fmt: skip
        assert sentence in printed
    assert "10.0.0.1" not in printed
    assert printed.count("so it was not made") == 4


def test_members_that_are_missing_or_of_another_kind(vendor, run):
    shown = {"sid": sid("VA"), "friendly_name": "Shop", "date_created": "yesterday", "totp": [1]}
    vendor.add(shown | {"lookup_enabled": "perhaps", "dtmf_input_required": None})
    printed = run("--account", ACCOUNT)
    row = VerifyService.objects.get()
    assert (row.code_length, row.totp_skew, row.lookup_enabled, row.dtmf_input_required) == (
        6,
        1,
        False,
        True,
    )
    assert row.date_created.year > 2020
    assert "lookup_enabled is refused here" in printed
    assert "its setting totp has no counterpart" in printed


def test_a_service_whose_name_is_refused_is_not_made(vendor, run):
    vendor.add(service(1, friendly_name="https://x.example"))
    vendor.add(service(2))
    with pytest.raises(CommandError, match=f"Not made: {sid('VA', 1)}"):
        run()
    assert VerifyService.objects.get().sid == sid("VA", 2)
    # Made by hand under a name of its own, it keeps that and gets the rest.
    call_command("createverifyservice", friendly_name="Mine", account=ACCOUNT, sid=sid("VA", 1))
    vendor.lists["Services"][1][0]["code_length"] = 8
    assert "it is 'Mine'" in run()
    row = VerifyService.objects.get(sid=sid("VA", 1))
    assert (row.friendly_name, row.code_length) == ("Mine", 8)


def test_sids_that_others_have_stay_theirs(vendor, run):
    other = make_service(sid=sid("VA"), friendly_name="Theirs")
    Template.objects.create(sid=HJ, account=other.account, friendly_name="Theirs")
    RateLimit.objects.create(sid=sid("RK"), service=other, unique_name="ip")
    vendor.lists["Templates"][1].append(template(en="{{code}}"))
    vendor.add(service(1))
    vendor.add(
        service(2, default_template_sid=HJ),
        limits=[(rate_limit(), [bucket()])],
    )
    with pytest.raises(CommandError, match="Not made"):
        run()
    other.refresh_from_db()
    assert other.friendly_name == "Theirs"
    assert Template.objects.get(sid=HJ).friendly_name == "Theirs"
    assert RateLimit.objects.get().service == other
    assert not Bucket.objects.exists()


def test_what_is_here_and_not_there_stays(vendor, run):
    vendor.add(service(), limits=[(rate_limit(), [])], configurations=[configuration()])
    run()
    row = VerifyService.objects.get()
    mine = RateLimit.objects.create(service=row, unique_name="mine")
    MessagingConfiguration.objects.create(
        service=row, country="DE", messaging_service_sid=sid("MG")
    )
    # A limit that was made anew at the source under the same name.
    vendor.lists[f"Services/{row.sid}/RateLimits"][1][0]["sid"] = sid("RK", 5)
    vendor.lists[f"Services/{row.sid}/RateLimits/{sid('RK', 5)}/Buckets"] = ("buckets", [])
    printed = run()
    assert f"the rate limit {mine.sid} is here and not at the source" in printed
    assert "the messaging configuration DE is here" in printed
    assert f"rate limit {sid('RK', 5)} ip: another row here has its name" in printed
    assert RateLimit.objects.count() == 2


def test_what_was_chosen_here_instead_stays_chosen(vendor, run):
    vendor.add(
        service(
            push={
                "include_date": False,
                "apn_credential_sid": sid("CR"),
                "fcm_credential_sid": None,
            },
            default_template_sid=sid("HJ", 8),
        )
    )
    assert f"default template {sid('HJ', 8)} is not on the source's list" in run()
    row = VerifyService.objects.get()
    assert row.default_template_sid == ""
    credential = PushCredential(account=row.account, friendly_name="APN", type="apn")
    credential.seal_secret("key")
    credential.save()
    own = Template.objects.create(account=row.account, friendly_name="Own")
    row.push_apn_credential_sid, row.default_template_sid = credential.sid, own.sid
    row.save()
    printed = run()
    assert "nothing has changed" in printed
    assert "APN credential" not in printed
    row.refresh_from_db()
    assert (row.push_apn_credential_sid, row.default_template_sid) == (credential.sid, own.sid)


def test_routes_that_are_here_are_used(vendor, run):
    mine = make_account()
    MessagingService.objects.create(
        sid=sid("MG"), account=mine, friendly_name="US", senders=["memory"]
    )
    vendor.add(service(), configurations=[configuration("us")])
    printed = run("--account", mine.sid)
    assert "senders of MG" not in printed
    assert VerifyService.objects.get().messaging_routes == {"sms": {"US": ["memory"]}}
    for unusable in ({"senders": []}, {"senders": ["memory"], "account": make_account()}):
        MessagingService.objects.update(**unusable)
        assert "senders of MG" in run("--account", mine.sid)


def test_a_webhook_that_is_enabled_again_begins_anew(vendor, run):
    vendor.add(service(), webhooks=[webhook()])
    run()
    Webhook.objects.update(status="disabled", disabled_reason="failing")
    run()
    hook = Webhook.objects.get()
    assert (hook.status, hook.disabled_reason) == ("enabled", "")


def test_all_templates(vendor, run):
    vendor.lists["Templates"][1].extend(
        [template(1, en="{{code}}"), template(2, en="1234 {{code}}")]
    )
    vendor.lists["Templates"][1][0]["translations"]["en"]["status"] = "in review"
    vendor.add(service())
    run()
    assert rows()["Template"] == 0
    printed = run("--all-templates")
    assert rows()["Template"] == 2
    assert Template.objects.get(sid=HJ).translations.get().status == "pending"
    assert "text is refused here" in printed
    assert "1234" not in printed


def test_ready_made_templates_of_another_site_are_here_already(vendor, run):
    ready = Template.objects.create(account=None, friendly_name="Ready-made")
    ready.translations.create(locale="en", text="{{code}}", is_default=True)
    vendor.lists["Templates"][1].append(template(en="{{code}}") | {"sid": ready.sid})
    vendor.add(service(default_template_sid=ready.sid))
    assert "template" not in run().partition("What the API")[0]
    assert VerifyService.objects.get().default_template_sid == ready.sid
    assert rows()["Template"] == 0


def test_lists_that_may_not_be_read_are_named(vendor, run):
    vendor.add(service(default_template_sid=HJ), webhooks=[webhook()])
    vendor.refused = {
        f"Services/{sid('VA')}/Webhooks": error(403, 60204),
        f"Services/{sid('VA')}/RateLimits": error(404, 20404),
        "Templates": error(403, 20403),
    }
    printed = run()
    assert VerifyService.objects.exists()
    for sentence in (
        "its webhooks (Services/",
        "error 60204",
        "its rate limits (",
        "default template",
    ):
        assert sentence in printed


def test_entities_that_may_not_be_counted(vendor, run):
    vendor.add(service())
    del vendor.lists[f"Services/{sid('VA')}/Entities"]
    assert "its entities, which could not be counted" in run()
    vendor.lists[f"Services/{sid('VA')}/Entities"] = ("entities", [{}] * 60)
    assert "50 or more" in run()
