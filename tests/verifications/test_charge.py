"""A check that finds and charges its row by one statement decides as the general statements do."""

from types import SimpleNamespace

import pytest
from django.conf import settings as site_settings
from django.db import DatabaseError, connection

from django_verify import conf, verifications
from django_verify.crypto import codes
from django_verify.db import queries
from django_verify.db.config_cache import Known
from django_verify.models import Account, ApiKey, Verification, VerifyService
from django_verify.verifications import clients
from django_verify.verifications.clients import Caller
from tests.conftest import OTHER_PHONE, PHONE, Api, make_account, make_key, make_service, wrong

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.every_case]

on_postgresql = pytest.mark.skipif(
    connection.vendor != "postgresql", reason="no other database is sent this statement"
)

ADDRESS = "Ada.Lovelace@example.com"


def started(to=PHONE, by_key=False, **values):
    """A verification that was asked for over the API, by a caller that the process knows since."""
    account = make_account()
    service, key = make_service(account, **values), make_key(account)
    api = Api(key.sid, key.secret) if by_key else Api(account.sid, account.token)
    site = SimpleNamespace(account=account, service=service, key=key, api=api, to=to)
    amount = {"Amount": "€ 7", "Payee": "Acme"} if values.get("psd2_enabled") else {}
    channel = "email" if "@" in to else "sms"
    form = {"To": to, "Channel": channel, **amount}
    assert api.post(f"Services/{service.sid}/Verifications", form).status == 201
    row = Verification.objects.get(service=service)
    site.pk, site.form = row.pk, {"To": to, "Code": wrong(codes.reveal(row))}
    return site


def change_row(**columns):
    return lambda site: Verification.objects.filter(pk=site.pk).update(**columns)


def change_key(**columns):
    return lambda site: ApiKey.objects.filter(pk=site.key.pk).update(**columns)


def enter(**fields):
    return lambda site: site.form.update(fields)


def enter_the_code(site):
    site.form["Code"] = codes.reveal(Verification.objects.get(pk=site.pk))


def name_its_sid(site):
    site.form["VerificationSid"] = site.pk


def new_token(site):
    site.account.set_auth_token()
    site.account.save()


def new_secret(site):
    site.key.set_secret()
    site.key.save()


def start_of_another_service(site):
    verifications.start(make_service(site.account), site.to)


def older_one_of_another_service(site):
    Verification.objects.filter(pk=site.pk).update(serial=7)
    start_of_another_service(site)
    Verification.objects.exclude(pk=site.pk).filter(account=site.account).update(serial=6)


def start_of_another_account(site):
    verifications.start(make_service(), site.to)


def cancel_and_start_again(site):
    verifications.cancel(site.service, site.pk)
    verifications.start(site.service, site.to)


def start_of_a_client(site):
    VerifyService.objects.filter(pk=site.service.pk).update(client_enabled=True)
    service = VerifyService.objects.get(pk=site.service.pk)
    Verification.objects.filter(pk=site.pk).update(status="canceled")
    clients.start(service, site.to, caller=Caller(ip="192.0.2.1"))


#: What has changed, what was asked for, and whether one statement charges the guess on PostgreSQL.
CASES = {
    "nothing": (lambda site: None, {}, True),
    "nothing, by a key": (lambda site: None, {"by_key": True}, True),
    "the right code": (enter_the_code, {}, True),
    "the right code, by a key": (enter_the_code, {"by_key": True}, True),
    "the guess before the last": (change_row(checks=3), {}, True),
    "the last guess": (change_row(checks=4), {}, False),
    "no guess left": (change_row(checks=5, status="max_attempts_reached"), {}, False),
    "more guesses than it has": (change_row(checks=6), {}, False),
    "it is approved": (change_row(status="approved"), {}, False),
    "it is canceled": (change_row(status="canceled"), {}, False),
    "it is being expired": (change_row(status="expired"), {}, False),
    "it has gone": (lambda site: Verification.objects.filter(pk=site.pk).delete(), {}, False),
    "no service is its own": (change_row(service=None), {}, False),
    "a client's own": (change_row(client="CL" + "0" * 32), {}, False),
    "a client started since": (start_of_a_client, {}, False),
    "another service started since": (start_of_another_service, {}, False),
    "another service started before": (older_one_of_another_service, {}, True),
    "another account started since": (start_of_another_account, {}, True),
    "it was started again": (cancel_and_start_again, {}, True),
    "another number": (enter(To=OTHER_PHONE), {}, False),
    "another spelling": (enter(To=ADDRESS.lower()), {"to": ADDRESS}, False),
    "an address": (lambda site: None, {"to": ADDRESS}, True),
    "a payment that is not named": (lambda site: None, {"psd2_enabled": True}, False),
    "a payment": (enter(Amount="€ 7", Payee="Acme"), {"psd2_enabled": True}, False),
    "an amount that nobody asked for": (enter(Amount="€ 7", Payee="Acme"), {}, False),
    "its SID as well": (name_its_sid, {}, False),
    "the service was changed": (lambda site: site.service.save(), {}, True),
    "the service has gone": (lambda site: site.service.delete(), {}, False),
    "the account was changed": (lambda site: site.account.save(), {}, False),
    "the account was changed, by a key": (
        lambda site: site.account.save(),
        {"by_key": True},
        False,
    ),
    "the account has another token": (new_token, {}, False),
    "the account is off": (lambda site: Account.objects.update(is_active=False), {}, False),
    "the account is off, by a key": (
        lambda site: Account.objects.update(is_active=False),
        {"by_key": True},
        False,
    ),
    "the key was changed": (lambda site: site.key.save(), {"by_key": True}, False),
    "the key has another secret": (new_secret, {"by_key": True}, False),
    "the key is off": (change_key(is_active=False), {"by_key": True}, False),
    "the key has gone": (lambda site: site.key.delete(), {"by_key": True}, False),
    "a key of the account has gone": (lambda site: site.key.delete(), {}, None),
}


def checked(case, clock, seconds=0):
    """What a check answers, and what is written by then."""
    change, values, _ = CASES[case]
    site = started(**values)
    change(site)
    clock.shift(seconds)
    answer = site.api.post(f"Services/{site.service.sid}/VerificationCheck", site.form)
    data = answer.data
    said = (answer.status, data.get("code"), data.get("status"), data.get("valid"))
    rows = Verification.objects.filter(account=site.account).order_by("serial")
    return said, [(row.checks, row.status, row.date_updated) for row in rows]


@pytest.fixture
def taken(monkeypatch):
    """What `queries.charge` has returned: a row each time, or None."""
    found, real = [], queries.charge
    monkeypatch.setattr(queries, "charge", lambda *a: found.append(real(*a)) or found[-1])
    return found


@pytest.fixture
def unbounded(settings):
    limits = {name: [] for name in conf.CLIENT_LIMITS}
    settings.DJANGO_VERIFY = {**site_settings.DJANGO_VERIFY, "CLIENT_LIMITS": limits}


@pytest.mark.parametrize("seconds", [0, 599, 600], ids="after {} s".format)
@pytest.mark.parametrize("case", CASES)
def test_it_decides_as_the_general_statements_do(
    case, seconds, clock, taken, unbounded, monkeypatch
):
    at_once = checked(case, clock, seconds)
    charged = [row for row in taken if row is not None]
    can = connection.vendor == "postgresql" and seconds < 600
    if CASES[case][2] is not None:
        assert len(charged) == (can and CASES[case][2])
    clock.move_to("2026-03-01T12:00:00.250Z")
    Account.objects.update(is_active=True)
    monkeypatch.setattr(queries, "charge", lambda *_: None)
    assert checked(case, clock, seconds) == at_once


@on_postgresql
def test_the_row_is_what_the_table_has(service, clock):
    """Every column, and its service without a look at the database."""
    site = started()
    clock.shift(1)
    credential = queries.credential(site.account.sid)
    known = Known(credential)
    now = Verification.objects.get(pk=site.pk).date_updated
    row = queries.charge(site.service, PHONE, PHONE, known, now)
    stored = Verification.objects.get(pk=site.pk)
    for field in Verification._meta.concrete_fields:
        assert getattr(row, field.attname) == getattr(stored, field.attname), field
    assert (row.checks, row._state.adding, row._state.db) == (1, False, "default")
    assert row.account_version == credential.account.version
    assert known.is_confirmed


@on_postgresql
def test_a_charge_that_may_have_been_taken_is_not_asked_for_again(clock, monkeypatch):
    """Its answer was lost: the request fails, and does not take another guess."""
    site = started()
    real, asked = queries._CHARGE[False].rows, []

    def lost(*args, **values):
        asked.append(real(*args, **values))
        raise DatabaseError("the connection was lost")

    monkeypatch.setattr(queries._CHARGE[False], "rows", lost)
    answer = site.api.post(f"Services/{site.service.sid}/VerificationCheck", site.form)
    assert (answer.status, len(asked)) == (500, 1)
    assert Verification.objects.get(pk=site.pk).checks == 1
