"""Numbers of other packages: their tables as their migrations make them, and the documented ones."""

import datetime as dt
import importlib.util
import os
import re
import subprocess
import sys
import uuid
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.contrib.auth import get_user_model
from django.db import connection, models
from django.db.migrations.state import ModelState, ProjectState
from django.utils import timezone
from phonenumber_field.modelfields import PhoneNumberField

from django_verify.users import adoption, verified_phones
from django_verify.users.models import VerifiedPhone
from tests.conftest import OTHER_PHONE, PHONE

THIRD, FOURTH = "+4915123456789", "+390549886377"
PAGE = (Path(__file__).parent.parent.parent / "docs/moving-from-others.md").read_text()
MOMENT = dt.datetime(2025, 5, 1, 12, tzinfo=dt.UTC)

PHONE_DEVICE = ModelState(
    "phonenumber",
    "PhoneDevice",
    [
        ("id", models.AutoField(primary_key=True)),
        ("user", models.ForeignKey("auth.User", models.CASCADE)),
        ("name", models.CharField(max_length=64)),
        ("confirmed", models.BooleanField(default=True)),
        ("throttling_failure_timestamp", models.DateTimeField(null=True)),
        ("throttling_failure_count", models.PositiveIntegerField(default=0)),
        ("number", PhoneNumberField()),
        ("key", models.CharField(max_length=40)),
        ("method", models.CharField(max_length=4)),
    ],
    {"db_table": "two_factor_phonedevice"},
)
SMS_VERIFICATION = ModelState(
    "phone_verify",
    "SMSVerification",
    [
        ("id", models.UUIDField(primary_key=True, default=uuid.uuid4)),
        ("created_at", models.DateTimeField(default=timezone.now)),
        ("modified_at", models.DateTimeField()),
        ("security_code", models.CharField(max_length=120)),
        ("phone_number", PhoneNumberField()),
        ("session_token", models.CharField(max_length=500)),
        ("is_verified", models.BooleanField(default=False)),
        ("failed_attempts", models.PositiveIntegerField(default=0)),
    ],
    {"db_table": "sms_verification"},
)
# A site's own user model, as drfpasswordless wants it. The table is one of its own, so that the
# tests' users stay as they are.
USER = ModelState(
    "auth",
    "User",
    [
        ("id", models.AutoField(primary_key=True)),
        ("mobile", models.CharField(max_length=17, null=True)),
        ("mobile_verified", models.BooleanField(default=False)),
    ],
    {"db_table": "adoption_user"},
)
PROFILE = ModelState(
    "accounts",
    "Profile",
    [
        ("id", models.AutoField(primary_key=True)),
        (
            "user",
            models.OneToOneField("auth.User", models.SET_NULL, null=True, db_constraint=False),
        ),
        ("phone", PhoneNumberField(null=True)),
    ],
    {"db_table": "adoption_profile"},
)


@pytest.fixture
def tables(transactional_db):
    """A migration's view of the tables, made as the packages make them: `create(model, …)`."""
    state = ProjectState()
    for model in (
        USER,
        PROFILE,
        PHONE_DEVICE,
        SMS_VERIFICATION,
        ModelState.from_model(VerifiedPhone),
    ):
        state.add_model(model.clone())
    made = [
        state.apps.get_model(model.app_label, model.name)
        for model in (USER, PROFILE, PHONE_DEVICE, SMS_VERIFICATION)
    ]
    # The devices refer to the users that there are.
    made[2]._meta.get_field("user").db_constraint = False
    with connection.schema_editor() as editor:
        for model in made:
            editor.create_model(model)
    yield SimpleNamespace(
        apps=state.apps, users=made[0], profiles=made[1], devices=made[2], checked=made[3]
    )
    with connection.schema_editor() as editor:
        for model in reversed(made):
            editor.delete_model(model)


@pytest.fixture
def people(tables):
    """Five users, in the tests' table and as the migration sees them."""
    users = [
        get_user_model().objects.create_user(name) for name in ("ann", "bob", "cid", "dan", "eve")
    ]
    for user in users:
        tables.users.objects.create(id=user.pk)
    return users


def run(function, tables, **options):
    return function(tables.apps, SimpleNamespace(connection=connection), **options)


def documented(package):
    """The migration that the page prints for a package, executed as it stands there."""
    (text,) = re.findall(rf"^## {package}$.*?^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    names = {}
    exec(compile(text, package, "exec"), names)
    (operation,) = names["Migration"].operations
    assert operation.reversible
    return lambda tables: operation.code(tables.apps, SimpleNamespace(connection=connection))


def kept():
    """Every row of the table: user, number, whether it is verified, whether it is primary."""
    rows = VerifiedPhone.objects.select_related("user").order_by("user__username", "pk")
    return [(row.user.username, row.e164, row.is_verified, bool(row.is_primary)) for row in rows]


def device(tables, user, number, **values):
    values = {"name": "default", "confirmed": True, "method": "sms", "key": "00", **values}
    return tables.devices.objects.create(user_id=user.pk, number=number, **values)


def test_django_two_factor_auth(tables, people):
    ann, bob, cid, *_ = people
    device(tables, ann, OTHER_PHONE, name="backup", method="call")
    device(tables, ann, PHONE)
    device(tables, ann, PHONE, name="again", method="call")
    device(tables, bob, THIRD, confirmed=False)
    device(tables, cid, "+1555")
    adopted = documented("django-two-factor-auth")(tables)
    assert adopted == adoption.Adopted(verified=2, pending=0, unreadable=1)
    assert kept() == [("ann", PHONE, True, True), ("ann", OTHER_PHONE, True, False)]
    assert verified_phones.primary(ann).channel == "sms"
    assert verified_phones.verified(ann)[1].channel == "call"
    assert verified_phones.has_verified(ann)
    # When it was verified, the package has not noted.
    assert not verified_phones.has_verified(ann, within=dt.timedelta(days=999))
    # What was adopted is a number like any other.
    assert verified_phones.confirm(ann, PHONE).is_primary
    with pytest.raises(verified_phones.NumberTaken):
        verified_phones.confirm(bob, PHONE)


def test_drfpasswordless(tables, people):
    ann, bob, cid, dan, eve = people
    for user, mobile, verified in (
        (ann, PHONE, True), (bob, OTHER_PHONE, False), (cid, None, False), (dan, "", True),
        (eve, "nonsense", True),
    ):  # fmt: skip
        tables.users.objects.filter(id=user.pk).update(mobile=mobile, mobile_verified=verified)
    migrate = documented("drfpasswordless")
    assert migrate(tables) == adoption.Adopted(verified=1, pending=1, unreadable=1)
    assert kept() == [("ann", PHONE, True, True), ("bob", OTHER_PHONE, False, False)]
    # Marked by now: a second run verifies what was pending and leaves the rest alone.
    tables.users.objects.filter(id=bob.pk).update(mobile_verified=True)
    assert migrate(tables) == adoption.Adopted(verified=1, pending=0, unreadable=1)
    assert kept() == [("ann", PHONE, True, True), ("bob", OTHER_PHONE, True, True)]
    assert migrate(tables) == adoption.Adopted(unreadable=1)


def test_drfpasswordless_that_marks_nobody(tables, people):
    tables.users.objects.filter(id=people[0].pk).update(mobile=PHONE, mobile_verified=True)
    run(adoption.from_drfpasswordless, tables, verified="")
    assert kept() == [("ann", PHONE, False, False)]


def test_django_phone_verify(tables, people):
    ann, bob, cid, *_ = people
    for number, verified, moment in (
        (PHONE, True, MOMENT), (PHONE, True, MOMENT - dt.timedelta(days=9)), (PHONE, False, timezone.now()),
        (OTHER_PHONE, False, MOMENT), ("+1555", True, MOMENT),
    ):  # fmt: skip
        tables.checked.objects.create(
            phone_number=number,
            is_verified=verified,
            modified_at=moment,
            session_token=uuid.uuid4(),
        )
    for user, phone in ((ann, PHONE), (bob, OTHER_PHONE), (cid, None)):
        tables.profiles.objects.create(user_id=user.pk, phone=phone)
    assert documented("django-phone-verify")(tables) == adoption.Adopted(verified=1, pending=1)
    assert kept() == [("ann", PHONE, True, True), ("bob", OTHER_PHONE, False, False)]
    assert verified_phones.primary(ann).verified_at == MOMENT


def test_a_number_that_several_have_is_nobodys_until_it_is_verified_again(tables, people):
    ann, bob, cid, *_ = people
    device(tables, ann, PHONE)
    device(tables, bob, PHONE)
    device(tables, cid, OTHER_PHONE)
    assert run(adoption.from_two_factor, tables) == adoption.Adopted(verified=1, pending=2)
    assert kept() == [
        ("ann", PHONE, False, False), ("bob", PHONE, False, False), ("cid", OTHER_PHONE, True, True),
    ]  # fmt: skip
    assert verified_phones.confirm(bob, PHONE).is_verified


def test_all_spellings_of_a_number_are_one(tables, people):
    # Mexican mobile numbers had a 1 behind the calling code.
    device(tables, people[0], "+5215512345678")
    device(tables, people[1], "+525512345678")
    assert run(adoption.from_two_factor, tables).pending == 2


def test_what_is_verified_here_stays(tables, people):
    ann, bob, *_ = people
    verified_phones.confirm(ann, PHONE)
    verified_phones.confirm(bob, THIRD)
    verified_phones.claim(bob, FOURTH)
    device(tables, bob, PHONE)
    device(tables, bob, FOURTH, name="backup")
    assert run(adoption.from_two_factor, tables) == adoption.Adopted(verified=1, pending=1)
    assert kept() == [
        ("ann", PHONE, True, True),
        ("bob", THIRD, True, True), ("bob", FOURTH, True, False), ("bob", PHONE, False, False),
    ]  # fmt: skip


def test_a_number_that_was_to_replace_another_leaves_that_one(tables, people):
    ann = people[0]
    old = verified_phones.confirm(ann, PHONE)
    verified_phones.claim(ann, OTHER_PHONE, replaces=old)
    device(tables, ann, OTHER_PHONE)
    run(adoption.from_two_factor, tables)
    verified_phones.confirm(ann, OTHER_PHONE)
    assert kept() == [("ann", PHONE, True, True), ("ann", OTHER_PHONE, True, False)]


def test_no_user_gets_more_than_the_site_allows(tables, people, settings):
    settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "USERS_PHONES": 1}
    device(tables, people[0], OTHER_PHONE, name="backup")
    device(tables, people[0], PHONE)
    assert run(adoption.from_two_factor, tables) == adoption.Adopted(verified=1, pending=1)
    assert kept() == [("ann", PHONE, True, True), ("ann", OTHER_PHONE, False, False)]


def test_many_users_take_several_transactions(tables, people, monkeypatch):
    monkeypatch.setattr(adoption, "BATCH", 2)
    for index, user in enumerate(people):
        device(tables, user, f"+1415555267{index}")
    assert run(adoption.from_two_factor, tables).verified == 5


def test_numbers_are_not_in_the_log(tables, people, caplog):
    device(tables, people[0], PHONE)
    with caplog.at_level("INFO", "django_verify"):
        run(adoption.from_two_factor, tables)
    assert "1 verified, 0 pending, 0 unreadable" in caplog.text
    assert PHONE not in caplog.text


def test_another_database_of_the_site_is_left_alone(tables, people, settings):
    class Elsewhere:
        def allow_migrate(self, db, app_label, **hints):
            return app_label != "django_verify_users"

    device(tables, people[0], PHONE)
    settings.DATABASE_ROUTERS = [Elsewhere()]
    assert run(adoption.from_two_factor, tables) == adoption.Adopted()
    assert kept() == []
    # Nothing is read there either: the tables may be missing.
    elsewhere = SimpleNamespace(connection=SimpleNamespace(alias="elsewhere"))
    assert adoption.from_phone_verify(tables.apps, elsewhere) == adoption.Adopted()


def test_numbers_of_nobody_are_left_out_and_counted(tables, people, caplog):
    ann = people[0]
    gone = max(user.pk for user in people) + 1
    for user_id, phone in ((ann.pk, PHONE), (None, OTHER_PHONE), (gone, THIRD)):
        tables.profiles.objects.create(user_id=user_id, phone=phone)
    adopted = documented("django-phone-verify")(tables)
    assert adopted == adoption.Adopted(pending=1, without_user=2)
    assert kept() == [("ann", PHONE, False, False)]
    assert "2 without a user" in caplog.text  # as a warning, which sites see without settings


def test_a_number_that_is_confirmed_meanwhile_makes_it_read_again(tables, people, monkeypatch):
    ann, bob, *_ = people
    device(tables, ann, PHONE)
    device(tables, ann, OTHER_PHONE, name="backup")
    real = adoption._of_user

    def confirmed_meanwhile(*args):
        monkeypatch.setattr(adoption, "_of_user", real)
        yield from real(*args)
        # Undone with the savepoint, but until then the number is taken.
        verified_phones.confirm(bob, PHONE)

    monkeypatch.setattr(adoption, "_of_user", confirmed_meanwhile)
    assert run(adoption.from_two_factor, tables) == adoption.Adopted(verified=2)
    assert kept() == [("ann", PHONE, True, True), ("ann", OTHER_PHONE, True, False)]


@pytest.mark.once
@pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("phone_verify", "drfpasswordless", "two_factor"))),
    reason="the packages are not installed (the extra `oracles`)",
)
def test_the_packages_themselves():
    """Their own migrations and models, in a site of their own, and ours behind them."""
    script = Path(__file__).parent / "other_packages.py"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, script], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.split()) == (0, ["ok"]), done.stderr
