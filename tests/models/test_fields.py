"""SIDs in 16 bytes and JSON in none: what a look-up finds, saves and refuses on every database."""

import datetime as dt
import uuid

import pytest
from django.core import serializers
from django.core.exceptions import ValidationError
from django.db import connection, models

from django_verify import sids
from django_verify.db import queries
from django_verify.models import Account, ApiKey, Verification, VerifyService
from django_verify.models.fields import SidField
from tests.conftest import make_account, make_key, make_service

pytestmark = pytest.mark.django_db

NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)

SID = "AC0123456789abcdef0123456789abcdef"
NO_SIDS = [
    "",
    "AC",
    "x",
    SID[2:],
    "VA" + SID[2:],
    SID + "0",
    SID[:-1] + "g",
    SID + "\n",
    "\0",
    "é",
    5,
]


def make_verification(account, serial=1, **values):
    given = {"to": "x", "recipient_key": "x", "channel": "sms", "expires_at": NOON}
    limits = {"code_length": 6, "max_checks": 5, "max_sends": 5}
    return Verification(account=account, serial=serial, **given, **limits, **values)


@pytest.fixture
def account():
    return Account.objects.create(sid=SID, friendly_name="Acme Inc.")


def test_the_column_is_as_narrow_as_it_can_be():
    field = Account._meta.pk
    kinds = {"postgresql": "uuid", "mysql": "binary(16)"}
    assert field.db_type(connection) == kinds.get(connection.vendor, "char(32)")
    service = VerifyService._meta.get_field("account")
    assert service.db_type(connection) == field.db_type(connection)


@pytest.mark.parametrize("spelling", [SID, SID[:2] + SID[2:].upper()], ids=["lower", "upper"])
def test_it_is_text_in_python(account, spelling):
    found = Account.objects.get(sid=spelling)
    assert (found.pk, type(found.pk)) == (SID, str)
    assert Account.objects.values_list("sid", flat=True).get(pk__in=[spelling, "x"]) == SID
    key = make_key(found)
    assert ApiKey.objects.get(account=found).account_id == SID
    assert ApiKey.objects.values_list("account_id", flat=True).get(account_id=spelling) == SID
    assert ApiKey.objects.select_related("account").get(account__sid=spelling).account == found
    assert ApiKey.objects.filter(account__in=Account.objects.filter(sid=spelling)).get() == key


@pytest.mark.parametrize("value", NO_SIDS, ids=ascii)
def test_what_is_no_sid_is_not_found_and_not_saved(account, value):
    make_key(account)
    for lookup in ("sid", "sid__iexact", "sid__gt", "sid__lte", "pk"):
        assert not Account.objects.filter(**{lookup: value}).exists()
    assert not Account.objects.filter(sid__in=[value]).exists()
    assert Account.objects.filter(sid__in=[value, SID]).get() == account
    for lookup in ("account", "account_id", "account__sid", "account__in"):
        asked = [value] if lookup == "account__in" else value
        assert not ApiKey.objects.filter(**{lookup: asked}).exists()
    assert queries.credential(str(value)) is None
    assert queries.service(str(value), SID) is None
    pointer = VerifyService(sid=str(value), account_id=str(value))
    assert queries.at_start(pointer, "+14155552671").rows == []
    assert queries.at_check(pointer, "+14155552671") == []
    with pytest.raises(ValidationError):
        Account(sid=value, friendly_name="x").full_clean()
    with pytest.raises(ValidationError):
        Account.objects.create(sid=value, friendly_name="x")
    with pytest.raises(ValidationError):
        ApiKey.objects.update(account_id=value)


def test_nothing_is_not_what_is_no_sid():
    """A row without a service is not found by a service's name that is none."""
    account = make_account()
    gone = make_verification(account)
    gone.save()
    assert Verification.objects.get(service=None) == gone
    assert Verification.objects.get(service__isnull=True) == gone
    assert not Verification.objects.filter(service_id="VA1").exists()
    assert Verification.objects.filter(service=make_service(account)).count() == 0


@pytest.mark.parametrize("lookup", ["startswith", "istartswith", "contains", "icontains"])
def test_a_search_goes_by_the_beginning(account, lookup):
    make_account()
    for beginning in (SID, SID[:2] + SID[2:].upper(), SID[:9], SID[:3]):
        assert account in Account.objects.filter(**{f"sid__{lookup}": beginning})
    assert Account.objects.filter(**{f"sid__{lookup}": SID[:14]}).get() == account
    for beginning in ("", "A", "ac"):
        assert Account.objects.filter(**{f"sid__{lookup}": beginning}).count() == 2
    for other in ("VA", SID[2:], SID + "0", "ACx", "AC0123%", "\0", "AC\0"):
        assert not Account.objects.filter(**{f"sid__{lookup}": other}).exists()
    assert not ApiKey.objects.filter(**{f"account__sid__{lookup}": "AC"}).exists()


def test_the_order_is_that_of_the_text():
    """Of every version of UUID, which MariaDB's own type orders each in its way."""
    digits = [
        f"{n:x}2345678{n:x}abc{v:x}def{15 - n:x}123456789abc{n:x}{v:x}"
        for n in range(16)
        for v in range(16)
    ]
    made = sorted("AC" + each.ljust(32, "7")[:32] for each in digits)
    Account.objects.bulk_create(Account(sid=sid, friendly_name="x") for sid in reversed(made))
    ordered = Account.objects.order_by("sid").values_list("sid", flat=True)
    assert list(ordered) == made
    assert list(ordered.filter(sid__gt=made[100])) == made[101:]
    assert list(ordered.filter(sid__lt=made[100])) == made[:100]


def test_a_page_by_key_is_a_page_by_age():
    account = make_account()
    steps = [0, 1, 2, 15, 16, 255, 256, 4095, 4096, 65_535, 65_536, 2**24, 2**32, 2**36]
    moments = [NOON + dt.timedelta(milliseconds=step) for step in steps]
    rows = [
        make_verification(account, serial, sid=sids.verification(moment), date_created=moment)
        for serial, moment in enumerate(moments)
    ]
    Verification.objects.bulk_create([*rows[::-2], *rows[-2::-2]])
    assert list(Verification.objects.order_by("sid")) == rows
    assert list(Verification.objects.order_by("date_created")) == rows
    for number, moment in enumerate(moments):
        bound = sids.first_at("VE", moment)
        assert Verification.objects.filter(sid__lt=bound).count() == number
        assert sids.moment_of(rows[number].sid) == moment


def test_it_is_written_to_a_file_and_read_again(account):
    text = serializers.serialize("json", [account, make_key(account)])
    assert f'"pk": "{SID}"' in text
    assert f'"account": "{SID}"' in text
    for row in serializers.deserialize("json", text):
        row.save()
    assert Account.objects.get().pk == SID


def test_a_uuid_is_no_sid(account):
    assert not Account.objects.filter(sid=uuid.UUID(SID[2:])).exists()


def test_a_migration_writes_the_prefix():
    field = SidField("AC", primary_key=True, verbose_name="key")
    _name, path, args, kwargs = field.deconstruct()
    assert path == "django_verify.models.fields.SidField"
    assert (args, kwargs) == (["AC"], {"primary_key": True, "verbose_name": "key"})
    assert (field.clone().prefix, field.clone().max_length) == ("AC", sids.LENGTH)


def test_empty_json_takes_no_room():
    account = make_account()
    row = make_verification(account)
    row.save()
    stored = Verification.objects.filter(lookup__isnull=True)
    assert stored.get().lookup == {}
    stored.update(lookup={"carrier": None})
    assert Verification.objects.get().lookup == {"carrier": None}
    Verification.objects.update(lookup={})
    assert stored.get() == row
    assert isinstance(Verification._meta.get_field("lookup"), models.JSONField)
