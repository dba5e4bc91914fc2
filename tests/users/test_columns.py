"""Our columns hold E.164 whatever the host sets for its own."""

import itertools

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import connection

from django_verify import checks
from django_verify.contact import phones
from django_verify.models import SafeListNumber
from django_verify.users import verified_phones
from django_verify.users.models import VerifiedPhone
from tests.conftest import make_account

pytestmark = pytest.mark.django_db(transaction=True)

FORMATS = ("E164", "INTERNATIONAL", "NATIONAL", "RFC3966")
REGIONS = (None, "US", "MX", "DE", "GB")
NUMBERS = ("+525512345678", "+4915123456789", "+14155552671", "+80012345678", "+390549886377")

every_host = pytest.mark.parametrize(
    ("form", "shown", "region"), [*itertools.product(FORMATS, ("E164", "NATIONAL"), REGIONS)]
)


def configure(settings, form, shown, region):
    settings.PHONENUMBER_DB_FORMAT = form
    settings.PHONENUMBER_DEFAULT_FORMAT = shown
    settings.PHONENUMBER_DEFAULT_REGION = region


def stored(model, column):
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {column} FROM {model._meta.db_table} ORDER BY {column}")
        return [row[0] for row in cursor.fetchall()]


@every_host
def test_a_users_number_is_the_same_under_every_host(settings, form, shown, region):
    configure(settings, form, shown, region)
    user = get_user_model().objects.create_user("ann")
    for number in NUMBERS:
        row = verified_phones.confirm(user, number)
        again = VerifiedPhone.objects.get(pk=row.pk)
        assert (again.e164, again.claim) == (number, phones.parse(number).key)
        assert str(again) == phones.mask(number)
        assert VerifiedPhone.objects.filter(number=number).get() == row
        verified_phones.release(again)
        verified_phones.confirm(user, number)
    assert stored(VerifiedPhone, "number") == sorted(NUMBERS)


@every_host
def test_a_safe_listed_number_is_the_same_under_every_host(settings, form, shown, region):
    configure(settings, form, shown, region)
    account = make_account()
    for number in NUMBERS:
        entry = SafeListNumber(account=account, phone_number=number)
        entry.full_clean()
        entry.save()
        assert SafeListNumber.objects.get(pk=entry.pk).number == number
    assert stored(SafeListNumber, "phone_number") == sorted(NUMBERS)


def overwrite(model, column, values):
    with connection.cursor() as cursor:
        for value in values:
            cursor.execute(f"UPDATE {model._meta.db_table} SET {column} = %s", [value])


@pytest.mark.parametrize("former", ["55 1234 5678", "+52 55 1234 5678", "tel:+52-55-1234-5678"])
def test_a_table_of_before_is_found_and_written_anew(settings, former, capsys):
    configure(settings, "NATIONAL", "E164", "US")
    row = verified_phones.confirm(get_user_model().objects.create_user("ann"), "+525512345678")
    entry = SafeListNumber.objects.create(account=make_account(), phone_number="+525512345678")
    assert checks.check_phone_columns(databases=["default"]) == []
    overwrite(VerifiedPhone, "number", [former])
    overwrite(SafeListNumber, "phone_number", [former])
    row.refresh_from_db()
    assert row.e164 in {former, "+525512345678"}  # and not +15512345678
    found = checks.check_phone_columns(databases=["default"])
    assert [message.id for message in found] == ["django_verify.W046"] * 2
    call_command("rekeyrecipients")
    row.refresh_from_db()
    entry.refresh_from_db()
    assert (row.e164, entry.number) == ("+525512345678", "+525512345678")
    assert checks.check_phone_columns(databases=["default"]) == []


def test_other_databases_are_not_looked_at():
    assert checks.check_phone_columns(databases=[]) == []
    assert checks.check_phone_columns() == []


def test_two_owners_of_one_folder_are_reported(monkeypatch):
    assert checks.check_phone_library() == []
    monkeypatch.setattr(checks.configuration, "version", lambda package: "9.0")
    assert [message.id for message in checks.check_phone_library()] == ["django_verify.W045"]
