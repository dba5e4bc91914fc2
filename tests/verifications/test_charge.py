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
from tests.conftest import (
    OTHER_PHONE,
    PHONE,
    ROUNDS,
    Api,
    make_account,
    make_key,
    make_service,
    wrong,
)

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


def last_and_right(site):
    enter_the_code(site)
    change_row(checks=4)(site)


def seal_a_code(site):
    row = Verification.objects.get(pk=site.pk)
    change_row(sealed_code=codes.seal("271828", bound_to=row.sid, key_id=row.key_id))(site)
    site.form["Code"] = "271828"


def last_of_a_sealed_code(site):
    seal_a_code(site)
    change_row(checks=4)(site)


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


def starts_of_another_account(site):
    """Its verifications of this recipient have numbers of their own."""
    service = make_service()
    for _ in range(2):
        verifications.cancel(service, verifications.start(service, site.to).sid)


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
    "the last guess": (change_row(checks=4), {}, True),
    "the last guess, with the right code": (last_and_right, {}, True),
    "the last guess, which is an event": (change_row(checks=4, reports=True), {}, False),
    "the last guess at a code of the caller's": (last_of_a_sealed_code, {}, False),
    "a guess at a code of the caller's": (seal_a_code, {}, True),
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
    "another account started since": (starts_of_another_account, {}, True),
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


@on_postgresql
@pytest.mark.parametrize("seconds", [0, 599, 600], ids="after {} s".format)
@pytest.mark.parametrize("case", CASES)
def test_it_decides_as_the_general_statements_do(
    case, seconds, clock, taken, unbounded, monkeypatch
):
    at_once = checked(case, clock, seconds)
    charged = [row for row in taken if row is not None]
    if CASES[case][2] is not None:
        assert len(charged) == (seconds < 600 and CASES[case][2])
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


# Of the aligned tests: callers that their process knows, with a connection of their own.
CALLERS = 40


@pytest.fixture
def callers(outbox):
    """An account, what calls it, by its token and by a key in turns, and the key."""
    account = make_account()
    key = make_key(account)
    pairs = ((account.sid, account.token), (key.sid, key.secret))
    return account, [Api(*pairs[number % 2]) for number in range(CALLERS)], key


@pytest.fixture
def compared(monkeypatch):
    """Every code that was compared, as a list that grows."""
    seen, real = [], codes.matches
    monkeypatch.setattr(codes, "matches", lambda *a: seen.append(a[1]) or real(*a))
    return seen


def round_of(account, apis, **values):
    """A service, the path of its checks, and the code of a verification that all callers know of."""
    service = make_service(account, **values)
    root = f"Services/{service.sid}"
    for api in apis[:2]:
        api.post(f"{root}/Verifications", {"To": OTHER_PHONE, "Channel": "sms"})
    Verification.objects.all().delete()
    form = {"To": PHONE, "Channel": "sms"}
    assert apis[0].post(f"{root}/Verifications", form).status == 201
    return root, codes.reveal(Verification.objects.get(service=service))


def checks_of(path, apis, code_of):
    forms = [{"To": PHONE, "Code": code_of(number)} for number in range(len(apis))]
    return [
        lambda api=api, form=form: api.post(path, form)
        for api, form in zip(apis, forms, strict=True)
    ]


def test_aligned_wrong_codes_of_known_callers_compare_as_many_as_there_are(
    callers, compared, taken, aligned
):
    account, apis, _ = callers
    for most in range(ROUNDS):
        taken.clear()
        root, code = round_of(account, apis)
        Verification.objects.update(max_checks=5 - most)
        compared.clear()
        calls = checks_of(f"{root}/VerificationCheck", apis, lambda n, c=code: wrong(c, n + 1))
        answers = aligned(calls)
        row = Verification.objects.get()
        assert len(compared) == row.checks == 5 - most
        assert row.status == "max_attempts_reached"
        assert sorted(a.status for a in answers) == [200] * (5 - most) + [429] * (35 + most)
        if connection.vendor == "postgresql":
            assert len([each for each in taken if each is not None]) == 5 - most


def test_aligned_right_codes_of_known_callers_approve_once(callers, compared, aligned):
    account, apis, _ = callers
    for _ in range(ROUNDS):
        root, code = round_of(account, apis)
        compared.clear()
        answers = aligned(
            checks_of(f"{root}/VerificationCheck", apis[:20], lambda _, code=code: code)
        )
        assert [a.data["status"] for a in answers].count("approved") == 1
        assert {a.status for a in answers} <= {200, 404, 429}
        row = Verification.objects.get()
        assert row.status == "approved"
        assert len(compared) <= 5


def test_a_code_that_is_replaced_meanwhile_is_right_no_more(callers, compared, aligned):
    """Each guess is at the code that the row had as it was charged."""
    account, apis, _ = callers
    for _ in range(ROUNDS):
        root, code = round_of(account, apis, custom_code_enabled=True)
        custom = wrong(code, 5)
        form = {"To": PHONE, "Channel": "sms", "CustomCode": custom}
        compared.clear()
        path = f"{root}/VerificationCheck"
        calls = checks_of(path, apis[1:], lambda n, code=code: wrong(code, 6 + n))
        calls.append(lambda form=form, root=root: apis[0].post(f"{root}/Verifications", form))
        *answers, resent = aligned(calls)
        row = Verification.objects.get()
        assert len(compared) == row.checks <= 5
        assert not any(a.data.get("status") == "approved" for a in answers)
        assert resent.status in {201, 404, 429}
        if resent.status == 201 and row.status == "pending":
            assert codes.reveal(row) == custom


def test_a_key_that_was_revoked_is_refused_at_the_next_request(callers, compared, aligned):
    account, apis, key = callers
    root, code = round_of(account, apis)
    compared.clear()
    path, by_key = f"{root}/VerificationCheck", apis[1::2]
    answers = aligned(
        [
            ApiKey.objects.filter(pk=key.pk).delete,
            *checks_of(path, by_key[:4], lambda n: wrong(code, n + 1)),
        ]
    )
    # Each of these was before the revocation or after it; all that follow are after.
    assert {a.status for a in answers[1:]} <= {200, 401}
    assert len(compared) == Verification.objects.get().checks
    before = len(compared)
    late = aligned(checks_of(path, by_key, lambda _: code))
    assert {a.status for a in late} == {401}
    assert len(compared) == before
    assert Verification.objects.get().status == "pending"
