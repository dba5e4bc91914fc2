"""What a purge deletes and wipes, in which order and how it is stopped; and that traffic goes on."""

import datetime as dt

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_verify import conf, exceptions, retention, verifications
from django_verify.crypto import codes
from django_verify.models import (
    BucketCount,
    Challenge,
    ClientVerification,
    Entity,
    Factor,
    Notification,
    Verification,
    VerificationAttempt,
)
from django_verify.retention import purging
from django_verify.verifications import clients, devices, guess_budget, rekeying
from django_verify.verifications.clients import Caller
from tests.conftest import PHONE, make_service, wrong

pytestmark = pytest.mark.django_db

DAY = 86_400
PHONES = [f"+1415555{number:04}" for number in range(2600, 2700)]


def purge(*names, **options):
    """What became of each kind, as pairs of deleted and wiped rows; nothing of those with none."""
    kinds = [kind for kind in retention.KINDS if not names or kind.name in names]
    found = retention.purge(kinds, share=1, **options)
    return {o.kind.name: (o.deleted, o.wiped) for o in found if o.deleted or o.wiped}


def start(service, *phones, **values):
    return [verifications.start(service, phone, **values) for phone in phones]


def approve(service, row):
    return verifications.check(service, codes.reveal(row), verification_sid=row.sid)


def fail(service, row, times=1):
    for number in range(1, times + 1):
        verifications.check(service, wrong(codes.reveal(row), number), verification_sid=row.sid)


def sent():
    """Every message has been settled, as a worker leaves it."""
    VerificationAttempt.objects.update(due_at=None, message_status="sent", lease="")


def with_settings(settings, **given):
    settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, **given}


def test_nothing_goes_before_its_time_and_then_everything(service, clock):
    start(service, *PHONES[:5])
    sent()
    clock.shift(30 * DAY)
    assert purge() == {}
    clock.shift(601)
    assert purge() == {"attempts": (5, 0), "verifications": (5, 0)}
    assert not VerificationAttempt.objects.exists()
    assert not Verification.objects.exists()
    assert purge() == {}


@pytest.mark.parametrize("batch", [1, 2, 3, 5, 6, 1000])
def test_a_batch_of_any_size_takes_all(batch, service, clock):
    rows = start(service, *PHONES[:5])
    approve(service, rows[0])
    verifications.cancel(service, rows[1].sid)
    sent()
    clock.shift(31 * DAY)
    assert purge(batch=batch) == {"attempts": (5, 0), "verifications": (5, 0)}


@pytest.mark.parametrize("name", ["VERIFICATION", "ATTEMPT", "CLIENT", "CHALLENGE"])
def test_days_whose_rows_budgets_need_have_a_least(name, settings):
    with_settings(settings, **{f"{name}_RETENTION_DAYS": 1})
    with pytest.raises(conf.ImproperlyConfigured, match=f"{name}_RETENTION_DAYS"):
        conf.current()
    with_settings(settings, **{f"{name}_RETENTION_DAYS": 2})
    assert conf.current()


def test_what_is_live_is_never_deleted(service, clock, settings):
    with_settings(settings, VERIFICATION_RETENTION_DAYS=2, ATTEMPT_RETENTION_DAYS=2)
    (row,) = start(service, PHONE)
    sent()
    # A lifetime that no service may have: it is the end that counts.
    Verification.objects.update(expires_at=timezone.now() + dt.timedelta(days=60))
    clock.shift(59 * DAY)
    assert purge() == {}
    assert approve(service, row).valid


def test_days_that_are_none_keep_for_good(service, clock, settings):
    with_settings(settings, VERIFICATION_RETENTION_DAYS=None)
    start(service, *PHONES[:2])
    sent()
    clock.shift(5000 * DAY)
    assert purge() == {"attempts": (2, 0)}
    verifications.start(service, PHONES[0])


def test_a_message_that_some_worker_still_has_keeps_its_verification(service, clock):
    start(service, *PHONES[:2])
    sent()
    VerificationAttempt.objects.filter(verification__to=PHONES[0]).update(due_at=timezone.now())
    clock.shift(31 * DAY)
    assert purge() == {"attempts": (1, 0), "verifications": (1, 0)}
    assert Verification.objects.get().to == PHONES[0]


def test_attempts_that_are_kept_longer_keep_their_verifications(service, clock, settings):
    with_settings(settings, ATTEMPT_RETENTION_DAYS=60)
    start(service, PHONE)
    sent()
    clock.shift(31 * DAY)
    assert purge() == {}
    assert VerificationAttempt.objects.get().verification.to == PHONE


class TestWrongGuesses:
    """What still counts is kept, without what it said of a person."""

    def test_they_outlive_their_verification(self, service, clock):
        (row,) = start(service, PHONE)
        fail(service, row, 3)
        sent()
        clock.shift(31 * DAY)
        assert purge() == {"attempts": (1, 0), "verifications": (0, 1)}
        assert purge() == {}
        kept = Verification.objects.get()
        assert (kept.to, kept.nonce, kept.send_log, kept.checks) == ("", "", "", 3)
        assert kept.recipient_key == PHONE
        past = guess_budget.history(service, PHONE, timezone.now())
        assert sum(charge.guesses for charge in past.since_approval(timezone.now())) == 3

    def test_they_go_with_the_approval_that_ended_them(self, service, clock):
        (row,) = start(service, PHONE)
        fail(service, row, 3)
        clock.shift(601)
        (again,) = start(service, PHONE)
        approve(service, again)
        sent()
        clock.shift(31 * DAY)
        assert purge() == {"attempts": (2, 0), "verifications": (2, 0)}

    def test_a_later_approval_lets_what_was_kept_go(self, service, clock):
        (row,) = start(service, PHONE)
        fail(service, row)
        sent()
        clock.shift(31 * DAY)
        purge()
        (again,) = start(service, PHONE)
        approve(service, again)
        sent()
        assert purge() == {"verifications": (1, 0)}
        assert Verification.objects.get().valid

    def test_a_release_lets_them_go(self, service, clock):
        (row,) = start(service, PHONE)
        fail(service, row)
        sent()
        clock.shift(31 * DAY)
        purge()
        assert verifications.release(Verification.objects.get()) == 1
        assert purge() == {"verifications": (1, 0)}

    def test_a_wiped_row_keeps_its_recipient_under_a_new_table(self, service, clock):
        (row,) = start(service, PHONE)
        fail(service, row)
        sent()
        clock.shift(31 * DAY)
        purge()
        Verification.objects.update(recipient_key="+1 of old")
        Verification.objects.update(recipient_key=PHONE)
        assert [moved for _, moved in rekeying.verifications()] == [0]
        assert Verification.objects.get().recipient_key == PHONE


def test_a_payment_is_wiped_after_a_day(account, clock):
    service = make_service(account, psd2_enabled=True)
    start(service, *PHONES[:2], amount="€39.99", payee="Acme")
    start(make_service(account), PHONES[2])
    clock.shift(600 + DAY - 1)
    assert purge() == {}
    clock.shift(1)
    assert purge() == {"payments": (0, 2)}
    assert set(Verification.objects.values_list("amount", "payee")) == {(None, None)}
    assert purge() == {}


class TestClients:
    """A known device stays known for as long as the settings say."""

    CALLER = Caller(ip="192.0.2.1")

    @pytest.fixture
    def service(self, account):
        return make_service(account, client_enabled=True)

    def started(self, service):
        return clients.start(service, PHONE, caller=self.CALLER)

    def approved(self, service):
        state = self.started(service)
        code = codes.reveal(ClientVerification.objects.get(sid=state.sid).verification)
        return clients.check(state.sid, state.secret, code, caller=self.CALLER), state.secret

    def test_a_known_device_outlives_its_verification(self, service, clock):
        state, secret = self.approved(service)
        sent()
        clock.shift(31 * DAY)
        assert purge("attempts", "clients", "verifications") == {
            "attempts": (1, 0),
            "clients": (0, 1),
            "verifications": (0, 1),
        }
        assert devices.recognize(state.device_token, service, PHONE)
        with pytest.raises(exceptions.NotFound):
            clients.fetch(state.sid, secret, caller=self.CALLER)
        clock.shift(151 * DAY)
        assert purge("clients", "verifications") == {"clients": (1, 0), "verifications": (1, 0)}

    def test_a_stranger_goes_and_so_does_a_device_that_is_forgotten(self, service, clock):
        self.started(service)
        clock.shift(601)
        self.approved(service)
        assert devices.forget(Verification.objects.order_by("-serial").first()) == 1
        sent()
        clock.shift(31 * DAY)
        assert purge("attempts", "clients", "verifications") == {
            "attempts": (2, 0),
            "clients": (2, 0),
            "verifications": (2, 0),
        }

    def test_clients_that_are_kept_longer_can_still_read(self, service, clock, settings):
        with_settings(settings, CLIENT_RETENTION_DAYS=90)
        state, secret = self.approved(service)
        sent()
        clock.shift(31 * DAY)
        assert purge("attempts", "clients", "verifications") == {"attempts": (1, 0)}
        assert clients.fetch(state.sid, secret, caller=self.CALLER).to == PHONE


def make_challenges(service, count, ends):
    """Challenges of one factor, the newest with a notification, and one of no factor."""
    entity = Entity.objects.create(
        account=service.account, service=service, identity="who", identity_key="who"
    )
    factor = Factor.objects.create(
        account=service.account, service=service, entity=entity, factor_type="push"
    )
    values = {"account": service.account, "service": service, "expiration_date": ends}
    rows = [
        Challenge(entity=entity, factor=factor, serial=number, details={"message": "?"}, **values)
        for number in range(1, count + 1)
    ]
    Challenge.objects.bulk_create([*rows, Challenge(factor_type="passkeys", **values)])
    for row in rows[0], rows[-1]:
        Notification.objects.create(challenge=row, ttl=60, expires_at=ends)
    return factor


def test_the_newest_challenge_of_a_factor_is_kept_and_wiped(service, clock):
    ends = timezone.now()
    make_challenges(service, 4, ends)
    clock.shift(30 * DAY)
    assert purge() == {}
    clock.shift(1)
    assert purge(batch=2) == {"challenges": (4, 1)}
    kept = Challenge.objects.get()
    assert (kept.serial, kept.details, kept.status) == (4, None, "pending")
    assert Notification.objects.get().challenge_id == kept.sid
    assert purge() == {}


def test_old_counts_of_one_moment_are_deleted_in_batches(db):
    ends = timezone.now() - dt.timedelta(hours=2)
    BucketCount.objects.bulk_create(
        BucketCount(key=f"{number:03}", count=1, max=1, ends_at=ends) for number in range(25)
    )
    assert purge(batch=4) == {"rate limit counts": (25, 0)}


def test_a_dry_run_counts_and_changes_nothing(service, clock):
    rows = start(service, *PHONES[:4])
    fail(service, rows[0])
    sent()
    clock.shift(31 * DAY)
    VerificationAttempt.objects.all().delete()
    with CaptureQueriesContext(connection) as captured:
        assert purge(dry_run=True) == {"verifications": (3, 1)}
    assert {query["sql"].split()[0] for query in captured} == {"SELECT"}
    assert purge() == {"verifications": (3, 1)}


def test_it_stops_after_a_batch_and_the_next_run_goes_on(service, clock):
    start(service, *PHONES[:5])
    sent()
    clock.shift(31 * DAY)
    assert purge(batch=2, stop=lambda: True) == {"attempts": (2, 0)}
    assert purge(batch=2, seconds=0) == {"attempts": (2, 0)}
    assert purge(batch=2) == {"attempts": (1, 0), "verifications": (5, 0)}


def test_a_batch_that_fails_is_undone_and_the_others_stay_done(service, clock, monkeypatch):
    """As a kill at any point leaves it: each batch is a transaction of its own."""
    start(service, *PHONES[:6])
    sent()
    clock.shift(31 * DAY)
    real, left = purging._delete, [1, 1, 0]

    def dying(rows):
        done = real(rows)
        if not left.pop(0):
            raise KeyboardInterrupt
        return done

    monkeypatch.setattr(purging, "_delete", dying)
    with pytest.raises(KeyboardInterrupt):
        purge("attempts", batch=2)
    assert VerificationAttempt.objects.count() == 2
    monkeypatch.setattr(purging, "_delete", real)
    assert purge() == {"attempts": (2, 0), "verifications": (6, 0)}


def test_it_sleeps_in_proportion_to_its_work(monkeypatch):
    moments, slept = iter([0, 2, 10, 11, 20, 20]), []
    monkeypatch.setattr(purging.time, "monotonic", lambda: next(moments))
    monkeypatch.setattr(purging.time, "sleep", slept.append)
    assert list(purging._paced(iter([(1, 0), (2, 0)]), 0.25)) == [(1, 0), (2, 0)]
    assert slept == [6, 3]


def test_nothing_is_read_along_foreign_keys(service, clock):
    start(service, *PHONES[:50])
    sent()
    clock.shift(31 * DAY)
    with CaptureQueriesContext(connection) as captured:
        purge("attempts", "verifications", batch=100)
    statements = [query["sql"].split()[0] for query in captured]
    assert statements.count("DELETE") <= 3  # a page of attempts, one of verifications, and again
    # The hours are looked at, too, whose lines must not be counted again.
    assert statements.count("SELECT") <= 12


def test_what_lost_its_service_goes_by_its_age(service, clock):
    start(service, PHONE)
    sent()
    service.delete()
    clock.shift(31 * DAY)
    assert purge() == {"attempts": (1, 0), "verifications": (1, 0)}


@pytest.mark.skipif(connection.vendor != "postgresql", reason="PostgreSQL's plans")
def test_every_statement_of_a_batch_goes_by_an_index(service, clock):
    make_challenges(service, 3, timezone.now())
    start(service, *PHONES[:4])
    sent()
    clock.shift(31 * DAY)
    with CaptureQueriesContext(connection) as captured:
        purge(batch=2)
    statements = [q["sql"] for q in captured if q["sql"].startswith(("SELECT", "DELETE", "UPDATE"))]
    assert len(statements) > 20
    with connection.cursor() as cursor:
        for sql in statements:
            cursor.execute(f"EXPLAIN {sql}")
            plan = [line for (line,) in cursor.fetchall()]
            cursor.execute("SHOW enable_seqscan")
            assert cursor.fetchone() == ("off",)
            assert not [line for line in plan if "Seq Scan" in line], (sql, plan)
