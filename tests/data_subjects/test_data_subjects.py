"""One person's rows: planted in every table, given out, erased, and looked for in all of the database."""

import datetime as dt
import json
from io import StringIO

import pytest
from django.apps import apps
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.contrib.contenttypes.models import ContentType
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from django_verify import data_subjects, sids, verifications
from django_verify.data_subjects import tables
from django_verify.exceptions import NotFound
from django_verify.factors import entities
from django_verify.models import (
    AccessToken,
    Challenge,
    ClientVerification,
    Factor,
    GuardDecision,
    Notification,
    PrefixRule,
    SafeListNumber,
    SendOutcome,
    StatusReadCount,
    TestNumber,
    Verification,
    VerificationAttempt,
    Webhook,
    WebhookDelivery,
)
from django_verify.users import verified_phones
from django_verify.users.models import VerifiedPhone
from tests.conftest import OTHER_PHONE, PHONE, code_in, make_account, make_pair, make_service, wrong

pytestmark = pytest.mark.django_db(transaction=True)

MAIL, TAGGED = "Some.One@example.com", "some.one+shop@example.com"
IDENTITY = "Customer-4711"
SEED = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
MODELS = [
    model
    for label in ("django_verify", "django_verify_users")
    for model in apps.get_app_config(label).get_models()
    if not model._meta.proxy
]


def scan(*texts):
    """The tables and columns that hold one of these texts in any of their cells."""
    found = set()
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            names = [column[0] for column in cursor.description]
            for row in cursor.fetchall():
                for name, cell in zip(names, row, strict=True):
                    if any(text.lower() in str(cell).lower() for text in texts):
                        found.add(f"{table}.{name}")
    return found


def plant(service, to=PHONE, mail=MAIL, identity=IDENTITY):
    """Give every table that has persons a row of this one."""
    now, account = timezone.now(), service.account
    for recipient, channel in ((to, "sms"), (mail, "email")):
        verifications.start(service, recipient, channel, tags={"order": recipient})
    row = Verification.objects.get(to=to)
    attempt = row.attempts.get()
    ClientVerification.objects.create(
        service=service, verification=row, purpose="verify", secret_hash="x", user_key=to
    )
    SendOutcome.objects.create(
        account_sid=account.sid, verification_sid=row.sid, kind="c", happened_at=now.timestamp()
    )
    counts = dict.fromkeys(("minute", "in_minute", "hour", "in_hour", "day", "in_day"), 1)
    StatusReadCount.objects.create(verification_sid=row.sid, ends_at=now, **counts)
    GuardDecision.objects.create(
        account=account, service=service, attempt_sid=attempt.sid, recipient_key=row.recipient_key,
        country="US", channel="sms", cause="policy", outcome="recorded", reason=f"{to} is odd",
    )  # fmt: skip
    SafeListNumber.objects.create(account=account, phone_number=to)
    make_pair(service, to, note=f"of {to}")
    make_pair(service, mail)
    PrefixRule.objects.create(prefix=to, action="block", account=account, note=f"of {to}")
    factor = entities.enrol(service, identity, "totp", f"Of {to}", params={"binding_secret": SEED})
    challenge = Challenge.objects.create(
        account=account, service=service, entity=factor.entity, factor=factor, factor_type="totp",
        serial=1, details={"message": to}, hidden_details={"mail": mail}, expiration_date=now,
    )  # fmt: skip
    Notification.objects.create(challenge=challenge, ttl=60, expires_at=now, provider_id=to)
    AccessToken.objects.create(
        account=account, service=service, identity=identity, factor_type="push", ttl=60,
        expires_at=now,
    )  # fmt: skip
    hook = Webhook.objects.create(
        service=service, friendly_name="Shop", webhook_url="https://example.com/", event_types=["*"]
    )
    for payload in (
        [["uuid", "1"], ["entity_identity", identity]],
        [["challenge_sid", challenge.sid], ["challenge_details", f'{{"message": "{to}"}}']],
        {"data": {"to": to}},
        {"data": {"to": mail}},
        {"data": {"attempts": [{"attempt_sid": attempt.sid}]}},
    ):
        WebhookDelivery.objects.create(webhook=hook, event_type="x", payload=payload)
    user = get_user_model().objects.create_user(f"user-{VerifiedPhone.objects.count()}")
    verified_phones.confirm(user, to)
    LogEntry.objects.create(
        user=user, object_id=factor.entity.sid, object_repr=identity, action_flag=2,
        content_type=ContentType.objects.get_for_model(factor.entity),
    )  # fmt: skip
    return row


@pytest.fixture
def planted(service):
    return plant(service)


def person(**values):
    return data_subjects.read((PHONE, MAIL), (IDENTITY,), **values)


def counts():
    return {model.__name__: model.objects.count() for model in MODELS}


def test_every_table_is_known():
    ours = {table.model for table in tables.TABLES} | {VerifiedPhone}
    assert {model.__name__ for model in MODELS} == {m.__name__ for m in ours} | set(tables.WITHOUT)
    assert not set(tables.WITHOUT) & {model.__name__ for model in ours}
    assert all(tables.WITHOUT.values())
    for table in tables.TABLES:
        assert set(table.secrets) <= {field.name for field in table.model._meta.fields}


def test_nothing_is_left_anywhere(planted, service):
    empty = {table.model.__name__ for table in tables.TABLES if not table.model.objects.exists()}
    assert not empty
    names = (PHONE, MAIL, IDENTITY)
    assert len(scan(*names)) > 20
    receipt = data_subjects.erase(person(), release=True, rules=True)
    assert scan(*names) == set()
    assert receipt.is_complete
    assert all(not table.model.objects.exists() for table in tables.TABLES)
    assert not VerifiedPhone.objects.exists()
    assert receipt.deleted["verification"] == 2
    assert receipt.apps == {"django_verify_users": 1}
    assert receipt.log_entries == 1
    text = json.dumps(receipt.as_json())
    for secret in (*names, PHONE[2:], planted.sid):
        assert secret not in text
    again = data_subjects.erase(person())
    assert (again.deleted, again.is_complete) == ({}, True)
    assert verifications.start(service, PHONE).serial == 1


def test_others_keep_theirs(planted, service):
    before = counts()
    plant(make_service(service.account), OTHER_PHONE, "another@example.com", "Customer-4712")
    data_subjects.erase(person(), release=True, rules=True)
    after = counts()
    for table in tables.TABLES:
        assert after[table.model.__name__] == before[table.model.__name__], table.model
    assert after["VerifiedPhone"] == 1
    assert len(scan(OTHER_PHONE)) > 10


def test_a_dry_run_counts_the_same_and_changes_nothing(planted):
    before = counts()
    shown = data_subjects.erase(person(), dry_run=True, release=True, rules=True).as_json()
    assert counts() == before
    done = data_subjects.erase(person(), release=True, rules=True).as_json()
    for name in ("deleted", "apps", "log_entries", "complete"):
        assert shown[name] == done[name]


def test_every_spelling_is_the_same_person(service):
    old, new = "+22997123456", "+2290197123456"
    for to, channel in ((new, "sms"), (TAGGED, "email"), (MAIL, "email")):
        row = verifications.start(service, to, channel)
        verifications.cancel(service, row.sid)
    make_pair(service, TAGGED)
    receipt = data_subjects.erase(data_subjects.read([" 00229 97 12 34 56 ", MAIL.upper()]))
    assert scan(old, new, MAIL, TAGGED) == set()
    assert receipt.deleted["verification"] == 3
    assert data_subjects.read(["030 901820"], region="de").keys >= {"+4930901820"}
    assert data_subjects.read(["+999123456789"]).keys == {"+999123456789"}


def test_wrong_guesses_of_the_last_day_stay_counted(service, outbox, clock):
    verifications.start(service, PHONE, tags={"order": PHONE})
    verifications.check(service, wrong(code_in(outbox[0])), to=PHONE)
    receipt = data_subjects.erase(person())
    assert scan(PHONE) == {"django_verify_verification.recipient_key"}
    assert (receipt.held, receipt.is_complete) == (1, False)
    (row,) = Verification.objects.all()
    assert (row.checks, row.status, row.to, row.nonce) == (1, "canceled", "", "")
    with pytest.raises(NotFound):
        verifications.check(service, code_in(outbox[0]), to=PHONE)
    assert receipt.held_until == row.expires_at + data_subjects.erasing.HELD
    clock.shift(25 * 3600)
    assert data_subjects.erase(person()).is_complete
    assert scan(PHONE) == set()


def test_right_and_released_guesses_are_not_held(service, outbox):
    verifications.start(service, PHONE)
    verifications.check(service, code_in(outbox[0]), to=PHONE)
    assert data_subjects.erase(person()).is_complete
    verifications.start(service, PHONE)
    verifications.check(service, wrong(code_in(outbox[-1])), to=PHONE)
    assert data_subjects.erase(person(), release=True).is_complete
    assert scan(PHONE) == set()


def test_a_rule_for_the_number_stays_until_an_operator_decides(service):
    PrefixRule.objects.create(prefix=PHONE, action="block")
    receipt = data_subjects.erase(person())
    assert receipt.kept == {"prefixrule": 1}
    assert PrefixRule.objects.exists()
    assert data_subjects.erase(person(), rules=True).is_complete
    assert not PrefixRule.objects.exists()


def test_one_account_only(service):
    other = make_service(make_account("Other"))
    for each in (service, other):
        plant(each, mail=f"{each.sid.lower()[:9]}@example.com") if each is service else (
            verifications.start(each, PHONE)
        )
    receipt = data_subjects.erase(person(account=other.account_id))
    assert receipt.deleted == {"verificationattempt": 1, "verification": 1}
    assert receipt.apps == {"django_verify_users": 0}
    assert Verification.objects.filter(to=PHONE, account=service.account).exists()


def test_an_export_has_every_column_but_secrets(planted, service):
    found = data_subjects.export(person())
    text = json.dumps(found)
    for table in tables.TABLES:
        (first, *_) = found["tables"][table.model._meta.model_name]
        columns = {
            f.attname for f in table.model._meta.concrete_fields if f.name not in table.secrets
        }
        assert set(first) == columns
    factor, pair = Factor.objects.get(), TestNumber.objects.first()
    for secret in (factor.sealed_secret, pair.sealed_code, planted.nonce, SEED):
        assert secret
        assert secret not in text
    assert found["tables"]["challenge"][0]["hidden_details"] == {"mail": MAIL}
    assert found["apps"]["django_verify_users"][0]["number"] == PHONE
    assert found["tables"]["safelistnumber"][0]["phone_number"] == PHONE
    assert VerificationAttempt.objects.count() == len(found["tables"]["verificationattempt"])


def test_no_column_that_hides_something_is_given_out():
    telling = ("secret", "sealed", "nonce", "lease", "token_hash", "key_id", "sna_url")
    public = {"nonce"}  # of a client: what its own form is called
    for table in tables.TABLES:
        names = {field.name for field in table.model._meta.concrete_fields}
        hidden = {name for name in names if any(part in name for part in telling)}
        hidden -= public if table.model is ClientVerification else set()
        assert hidden <= set(table.secrets), table.model


def run(command, *arguments):
    out, status = StringIO(), 0
    try:
        call_command(command, *arguments, stdout=out)
    except SystemExit as error:
        status = error.code
    return status, json.loads(out.getvalue())


def test_the_commands(planted):
    status, found = run("verifyexport", "+1 (415) 555-2671", "--identity", IDENTITY.lower())
    assert status == 0
    assert len(found["tables"]["verification"]) == 1
    assert found["asked_for"]["recipients"] == [PHONE]
    status, shown = run("verifyerase", PHONE, MAIL, "--identity", IDENTITY, "--dry-run")
    assert (status, shown["dry_run"], shown["complete"]) == (0, True, False)
    status, shown = run("verifyerase", PHONE, MAIL, "--identity", IDENTITY, "--reference", "T-1")
    assert (status, shown["reference"], shown["kept"]) == (3, "T-1", {"prefixrule": 1})
    assert shown["receipt"]
    status, shown = run("verifyerase", PHONE, "--rules", "--account", planted.account_id)
    assert (status, shown["deleted"]) == (0, {"prefixrule": 1})


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "a number, an e-mail address or an identity is needed"),
        (("415 555 2671",), "a region is needed"),
        (("nobody@",), "not an e-mail address"),
        ((PHONE, "--account", "AC1"), "--account is the SID of no account"),
        ((PHONE, "--account", sids.account()), "--account is the SID of no account"),
    ],
)
def test_a_command_that_names_nobody(arguments, sentence):
    for command in ("verifyexport", "verifyerase"):
        with pytest.raises(CommandError, match=sentence) as caught:
            call_command(command, *arguments)
        assert "2671" not in str(caught.value).replace("+14155552671", "")


def test_apps_of_the_site_are_asked(service, monkeypatch):
    config = apps.get_app_config("sites" if apps.is_installed("django.contrib.sites") else "auth")
    seen = []
    monkeypatch.setattr(config, "export_person", lambda asked: [{"order": 7}], raising=False)
    monkeypatch.setattr(
        config, "erase_person", lambda asked, *, dry_run: seen.append(dry_run) or 4, raising=False
    )
    assert data_subjects.export(person())["apps"][config.label] == [{"order": 7}]
    assert data_subjects.erase(person(), dry_run=True).apps[config.label] == 4
    assert seen == [True]
    assert dt.datetime.fromisoformat(data_subjects.export(person())["exported_at"]).tzinfo


def test_a_site_without_the_admin(planted, monkeypatch):
    installed = apps.is_installed
    monkeypatch.setattr(
        apps, "is_installed", lambda name: name != "django.contrib.admin" and installed(name)
    )
    receipt = data_subjects.erase(person(), release=True, rules=True)
    assert (receipt.log_entries, receipt.is_complete) == (0, True)
