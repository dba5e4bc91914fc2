"""The levels of the guard over `verifications.start` and `check`: what is closed, for whom, how long."""

import datetime as dt
from unittest.mock import Mock

import pytest
from django.db import IntegrityError, connection
from django.test import override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_verify import fraud, sids, signals, verifications
from django_verify.crypto import codes
from django_verify.db import queries, statements
from django_verify.exceptions import FraudBlocked
from django_verify.fraud import bars, guard, places, sightings, trips, waiting
from django_verify.fraud.tallies import Tally
from django_verify.models import (
    EventSink,
    GuardCount,
    GuardDecision,
    GuardTrip,
    SafeListNumber,
    SendOutcome,
    SpendCap,
    Verification,
    VerificationAttempt,
    WebhookDelivery,
)
from django_verify.senders import SendError
from django_verify.senders.locmem import LocmemSender
from django_verify.verifications import clients, store
from django_verify.verifications.clients import Caller
from tests.conftest import fill, make_account, make_service, purged

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def guarded(account):
    return make_service(account, guard_level="standard")


def line(number):
    """One of the ten thousand numbers of a block."""
    return f"+491511234{number * 7:04d}"


def start(service, to, **options):
    return verifications.start(service, to, **options)


def confirm(service, row):
    row = Verification.objects.get(sid=row.sid)
    return verifications.check(service, codes.reveal(row), verification_sid=row.sid)


def attack(service, clock, number=14, first=0, **options):
    """Sends to one block whose codes nobody enters; return how many were refused."""
    refused = 0
    for place in range(first, first + number):
        clock.shift(20)
        try:
            start(service, line(place), **options)
        except FraudBlocked:
            refused += 1
    clock.shift(600)
    return refused


def is_refused(service, to, **options):
    try:
        start(service, to, **options)
    except FraudBlocked:
        return True
    return False


def test_a_number_that_was_tried_too_often_gets_codes_the_next_day(guarded, clock):
    for _ in range(bars.OF_NUMBER):
        start(guarded, line(1))
        clock.shift(660)
    assert is_refused(guarded, line(1))
    clock.shift(18 * 3600)
    assert is_refused(guarded, line(1))
    clock.shift(6 * 3600)
    assert not is_refused(guarded, line(1))


def test_a_resend_that_somebody_vouches_for_is_no_evidence(guarded, clock):
    for vouched in (False, True, True):
        start(guarded, line(1), risk_check=not vouched)
        clock.shift(5)
    start(guarded, line(900))
    ledger = sightings.now_known().ledgers[guarded.account_id]
    assert ledger.of_number(line(1)).sends == 1


def test_what_did_not_leave_is_no_evidence(guarded, clock, monkeypatch):
    with monkeypatch.context() as outage:
        outage.setattr(LocmemSender, "send", Mock(side_effect=SendError("out of credit")))
        for place in range(30):
            clock.shift(30)
            start(guarded, line(place * 40), network="203.0.113.9")
    clock.shift(600)
    start(guarded, line(7), network="203.0.113.9")
    clock.shift(3)
    start(guarded, line(77), network="203.0.113.9")
    assert not GuardDecision.objects.exists()
    assert not GuardTrip.objects.exists()
    tally = sightings.now_known().ledgers[guarded.account_id].tallies["country DE"]
    assert tally.wishes == (1, 1)


@pytest.mark.every_case
@pytest.mark.parametrize("column", ["network", "device", "channel"])
def test_a_row_of_the_host_s_with_a_space_stops_no_other(guarded, clock, column):
    start(guarded, line(1))
    VerificationAttempt.objects.update(**{column: "a b"})
    clock.shift(5)
    start(guarded, line(400))
    clock.shift(5)
    start(guarded, line(800))
    ledger = sightings.now_known().ledgers[guarded.account_id]
    assert ledger.of_number(line(1)) is None
    assert ledger.of_number(line(400)).sends == 1


def test_a_process_that_starts_reads_a_bounded_number_of_outcomes(
    guarded, account, clock, monkeypatch
):
    start(guarded, line(1))
    moment = timezone.now().timestamp()
    for number in range(9):
        SendOutcome.objects.create(
            account_sid=account.sid,
            verification_sid=f"VE{number:032x}",
            kind="c",
            happened_at=moment - number,
        )
    monkeypatch.setattr(sightings, "MOST", 3)
    seen = sightings.Sightings(queries.database())
    events = list(sightings._events(seen, sightings._rows(seen, moment - 60), moment))
    assert sorted(moment - at for at, _, kind, _ in events if kind == "c") == [0, 1, 2]


def test_what_an_operator_keeps_closed_stays_so_at_another_level(guarded, clock):
    now, key = timezone.now(), f"DE {line(1)[:-4]}"
    assert trips.close(guarded.account_id, "standard", "closed", "block", key, "attack", now)
    trip = GuardTrip.objects.get()
    trips.keep(trip)
    for level in ("max", "basic"):
        guarded.guard_level = level
        guarded.save()
        fraud.forget()
        assert is_refused(guarded, line(90))
    assert trips.lift(trip.account_id, trip.slot, trip.key, timezone.now())


class TestClosing:
    def test_a_block_under_attack_is_closed_and_another_is_not(self, guarded, clock):
        attack(guarded, clock)
        with pytest.raises(FraudBlocked) as refused:
            start(guarded, line(90))
        assert (refused.value.code, refused.value.status) == (60410, 403)
        assert not is_refused(guarded, "+4917612345678")

    def test_another_process_whose_clock_is_ahead_makes_no_code_late(
        self, guarded, clock, monkeypatch
    ):
        for place in range(8):
            start(guarded, line(place))
        mint = sids.attempt
        monkeypatch.setattr(sids, "attempt", lambda at: mint(at + dt.timedelta(minutes=30)))
        start(guarded, "+4917612345678")
        monkeypatch.setattr(sids, "attempt", mint)
        clock.shift(10)
        fraud.forget()
        assert not is_refused(guarded, line(90))
        assert not GuardTrip.objects.exists()

    def test_people_who_enter_their_codes_are_never_refused(self, guarded, clock):
        for place in range(60):
            clock.shift(15)
            row = start(guarded, line(place))
            clock.shift(10)
            if place % 3:
                confirm(guarded, row)
        assert not GuardTrip.objects.filter(state="closed").exists()

    def test_opens_by_itself_and_is_closed_for_longer_the_next_time(self, guarded, clock):
        attack(guarded, clock)
        assert is_refused(guarded, line(90))
        lengths = []
        for again in range(3):
            trip = GuardTrip.objects.get(state="closed", key="DE +4915112340")
            lengths.append(trip.ends_at - trip.started_at)
            clock.move_to(trip.ends_at + dt.timedelta(seconds=1))
            for other in GuardTrip.objects.all():
                other.ends_at = min(other.ends_at, trip.ends_at)
                other.save()
            fraud.forget()
            assert not is_refused(guarded, line(20 + 20 * again))
            attack(guarded, clock, 8, first=21 + 20 * again)
            assert is_refused(guarded, line(100 + again))
        assert lengths[0] == dt.timedelta(hours=12)
        assert lengths[1] > lengths[0]

    def test_each_process_goes_by_what_one_has_closed(self, guarded, clock):
        attack(guarded, clock)
        assert is_refused(guarded, line(90))
        fraud.forget()  # as another process, which starts
        assert is_refused(guarded, line(91))

    def test_another_account_is_left_alone(self, guarded, clock):
        attack(guarded, clock)
        assert is_refused(guarded, line(90))
        assert not is_refused(make_service(make_account("Other"), guard_level="max"), line(90))

    def test_late_conversions_open_it_again(self, guarded, clock):
        rows = []
        for place in range(14):
            clock.shift(1)
            rows.append(start(guarded, line(place)))
        clock.shift(200)
        is_refused(guarded, "+4917612345678")
        assert is_refused(guarded, line(90))
        for row in rows:
            clock.shift(1)
            confirm(guarded, row)
        clock.shift(5)
        is_refused(guarded, "+4917612345679")
        clock.shift(5)
        assert not is_refused(guarded, line(91))

    def test_a_number_that_was_verified_before_passes(self, guarded, clock):
        confirm(guarded, start(guarded, line(50)))
        clock.shift(80 * 3600)
        attack(guarded, clock)
        assert is_refused(guarded, line(90))
        assert not is_refused(guarded, line(50))

    def test_one_number_again_and_again_is_refused(self, guarded, clock):
        found = []
        for _ in range(12):
            clock.shift(700)
            found.append(is_refused(guarded, "+4917612345678"))
        assert found == [False] * 10 + [True] * 2

    def test_what_strangers_ask_for_leaves_the_owner_half(self, account, clock):
        service = make_service(account, guard_level="standard", client_enabled=True)
        number = "+4917612345678"
        confirm(service, start(service, number))
        without = {"number": [[1000, 60]], "prefix": [[1000, 60]]}
        with override_settings(DJANGO_VERIFY={"CLIENT_LIMITS": without, "SHOW_FRAUD_BLOCKS": True}):
            clock.shift(90_000)
            found = []
            for place in range(12):
                clock.shift(700)
                caller = Caller(ip=f"203.0.{place}.9")
                try:
                    clients.start(service, number, caller=caller)
                except FraudBlocked:
                    found.append(place)
        assert found == [10, 11]
        tries = []
        for _ in range(7):
            clock.shift(700)
            tries.append(is_refused(service, number))
        assert tries == [False] * 5 + [True] * 2

    def test_a_burst_to_a_fresh_block_sends_less_than_fifty(self, guarded, clock):
        sent = sum(not is_refused(guarded, line(place)) for place in range(80))
        assert sent == places.AT_ONCE
        assert GuardDecision.objects.filter(cause="burst").count() == 80 - sent

    def test_a_network_that_verifies_nobody_is_closed(self, guarded, clock):
        for place in range(16):
            clock.shift(20)
            is_refused(guarded, f"+49176{10_000_000 + place * 4_999_999}", network="192.0.2.7/32")
        clock.shift(400)
        assert is_refused(guarded, "+4916012345678", network="192.0.2.200/32")
        assert not is_refused(guarded, "+4916012345678", network="198.51.100.1/32")


class TestWhoPasses:
    def test_a_safe_listed_number(self, guarded, account, clock):
        attack(guarded, clock)
        SafeListNumber.objects.create(account=account, phone_number=line(90))
        assert not is_refused(guarded, line(90))
        assert is_refused(guarded, line(91))

    def test_a_start_that_the_account_vouches_for(self, guarded, clock):
        attack(guarded, clock)
        assert not is_refused(guarded, line(90), risk_check=False)

    def test_everybody_where_the_level_is_off(self, account, clock):
        off = make_service(account, guard_level="off")
        assert attack(off, clock, 60) == 0
        assert not GuardTrip.objects.exists()
        assert not GuardDecision.objects.exists()

    def test_mail_is_not_looked_at(self, guarded):
        start(guarded, "jane@example.com", channel="email")
        assert not GuardDecision.objects.exists()

    @override_settings(DJANGO_VERIFY={"GUARD_LEVEL": "max"})
    def test_a_service_without_a_level_has_the_sites(self, account):
        assert guard.level_of(make_service(account)) == "max"
        assert guard.level_of(make_service(account, guard_level="basic")) == "basic"


class TestWhoPassesWhatIsCountedAsItIsWritten:
    def test_a_number_that_was_verified_before(self, guarded, clock):
        confirm(guarded, start(guarded, line(1)))
        fill(guarded.account, "DE")
        clock.shift(60)
        assert not is_refused(guarded, line(1))
        assert is_refused(guarded, line(2))

    def test_a_safe_listed_number(self, guarded, account):
        SafeListNumber.objects.create(account=account, phone_number=line(1))
        fill(account, "DE")
        assert not is_refused(guarded, line(1))
        assert is_refused(guarded, line(2))

    def test_a_safe_listed_number_whose_block_fills_up_meanwhile(
        self, guarded, account, monkeypatch
    ):
        SafeListNumber.objects.create(account=account, phone_number=line(1))
        fills_up_meanwhile(monkeypatch)
        assert not is_refused(guarded, line(1))
        fills_up_meanwhile(monkeypatch)
        assert is_refused(guarded, line(2))

    def test_a_try_that_is_undone_takes_its_decision_along(self, account, monkeypatch):
        service = make_service(account, guard_level="standard", client_enabled=True)
        fill(account, "DE")
        insert, tries = statements.insert, []

        def lose_once(using, *rows, **given):
            tries.append(rows)
            if len(tries) == 1:
                raise IntegrityError("UNIQUE constraint failed")
            return insert(using, *rows, **given)

        monkeypatch.setattr(store.statements, "insert", lose_once)
        clients.start(service, line(1), caller=Caller("10.1.2.3"))
        assert len(tries) > 1
        attempt = VerificationAttempt.objects.get()
        assert attempt.withheld == "blocked"
        assert GuardDecision.objects.get().attempt_sid == attempt.sid

    def test_what_is_withheld_from_a_client_spends_nothing(self, account):
        service = make_service(account, guard_level="standard", client_enabled=True)
        cap = SpendCap.objects.create(account=account, period="day", amount="0.05")
        fill(account, "DE")
        fraud.forget()
        warned = []

        def keep(**values):
            warned.append(values["percent"])

        signals.spend_warning.connect(keep)
        try:
            clients.start(service, line(1), caller=Caller("10.1.2.3"))
        finally:
            signals.spend_warning.disconnect(keep)
        assert VerificationAttempt.objects.get().withheld == "blocked"
        assert GuardCount.objects.get(key__contains=f"cap {cap.scope}").level == 0
        assert warned == []


def fills_up_meanwhile(monkeypatch):
    """Let the block of the next start have room when it is decided about, and none after."""
    asked = []

    def once(*args):
        asked.append(args)
        return None if len(asked) == 1 else guard.Finding(guard.BURST, "key", "full")

    monkeypatch.setattr(guard, "burst", once)


class TestRecordOnly:
    def test_sends_all_and_writes_what_would_be_refused(self, account, clock, outbox):
        service = make_service(account, guard_level="standard", guard_record_only=True)
        assert attack(service, clock, 20) == 0
        assert not is_refused(service, line(90))
        decision = GuardDecision.objects.first()
        assert (decision.outcome, decision.cause) == ("recorded", "block")
        attempt = VerificationAttempt.objects.get(sid=decision.attempt_sid)
        assert (attempt.guard, attempt.withheld) == ("recorded", "")
        assert len(outbox) == 21

    def test_decides_as_the_level_does(self, clock):
        found = []
        for values in ({}, {"guard_record_only": True}):
            account = make_account()
            service = make_service(account, guard_level="standard", **values)
            fraud.forget()
            for place in range(25):
                clock.shift(20)
                is_refused(service, line(place))
            rows = GuardDecision.objects.filter(account=account).order_by("id")
            found.append(list(rows.values_list("recipient_key", "cause")))
            clock.shift(100 * 3600)
        assert found[0] == found[1] != []

    def test_what_it_would_refuse_counts_in_no_bound(self, account, clock):
        service = make_service(account, guard_level="standard", guard_record_only=True)
        attack(service, clock, 20)
        counted = GuardCount.objects.get(key=f"cold {account.sid} DE").level
        placed = Verification.objects.filter(guard_place__isnull=False).count()
        recorded = GuardDecision.objects.filter(outcome="recorded").count()
        assert is_recorded(service, line(90))
        assert GuardDecision.objects.count() == recorded + 1
        assert GuardCount.objects.get(key=f"cold {account.sid} DE").level <= counted
        assert Verification.objects.filter(guard_place__isnull=False).count() == placed


def is_recorded(service, to):
    row = start(service, to)
    return VerificationAttempt.objects.get(verification=row).guard == "recorded"


class TestClients:
    @pytest.fixture
    def service(self, account):
        return make_service(account, guard_level="standard", client_enabled=True)

    def test_get_the_answer_of_a_success_and_no_message(self, service, clock, outbox):
        attack(service, clock)
        sent = len(outbox)
        state = clients.start(service, line(90), caller=Caller(ip="203.0.113.9"))
        assert (state.status, len(outbox)) == ("pending", sent)
        assert GuardDecision.objects.first().outcome == "withheld"

    def test_get_a_refusal_where_the_site_says_so(self, service, clock):
        attack(service, clock)
        shown = override_settings(DJANGO_VERIFY={"SHOW_FRAUD_BLOCKS": True})
        with shown, pytest.raises(FraudBlocked):
            clients.start(service, line(90), caller=Caller(ip="203.0.113.9"))

    def test_have_network_and_device_counted_as_digests(self, service):
        clients.start(service, line(1), caller=Caller(ip="203.0.113.9", device_id="phone"))
        attempt = VerificationAttempt.objects.get()
        assert len(attempt.network) == len(attempt.device) == 16
        assert "203" not in attempt.network or "phone" not in attempt.device


class TestReports:
    def test_a_decision_says_why_in_words_and_numbers(self, guarded, clock):
        attack(guarded, clock)
        assert is_refused(guarded, line(90))
        reason = GuardDecision.objects.first().reason
        assert "numbers new, none confirmed in an hour, normally 65%" in reason
        assert reason.startswith("Numbers that begin with +4915")

    @pytest.mark.parametrize(
        ("key", "words"),
        [
            ("country DE", "Germany"),
            ("country ", "Numbers of no country"),
            ("DE +491511234", "Numbers that begin with +491511234"),
            ("network 0123", "One network"),
        ],
    )
    def test_a_reason_begins_with_where(self, key, words):
        kind = "block" if key.startswith("DE") else key.partition(" ")[0]
        assert guard._where(Tally(kind, key)) == words

    def test_signals_fire_once_a_trip_and_for_each_start(self, guarded, clock):
        tripped, blocked = [], []
        keep = [
            lambda trip, **_: tripped.append(trip.key),
            lambda decision, **_: blocked.append(decision.pk),
        ]
        signals.guard_tripped.connect(keep[0])
        signals.start_blocked.connect(keep[1])
        try:
            attack(guarded, clock)
            for place in range(3):
                is_refused(guarded, line(90 + place))
        finally:
            signals.guard_tripped.disconnect(keep[0])
            signals.start_blocked.disconnect(keep[1])
        assert len(tripped) == len(set(tripped)) > 0
        assert len(blocked) == GuardDecision.objects.count() >= 3

    def test_the_event_sinks_are_told(self, guarded, account, clock):
        guarded.verify_event_subscription_enabled = True
        guarded.save()
        EventSink.objects.create(account=account, url="https://example.com/", status="enabled")
        attack(guarded, clock)
        assert is_refused(guarded, line(90))
        kinds = set(WebhookDelivery.objects.values_list("event_type", flat=True))
        assert {kind.rpartition("verify.")[2] for kind in kinds} >= {
            "guard.tripped",
            "guard.start-blocked",
        }

    def test_one_that_is_closed_again_after_a_quiet_week_is_another_event(self, account, clock):
        EventSink.objects.create(account=account, url="https://example.com/", status="enabled")
        for _ in range(2):
            key = (account.sid, "standard", "closed", "block", "DE +49151", "none confirmed")
            assert trips.close(*key, timezone.now())
            clock.shift(9 * 24 * 3600)
        events = WebhookDelivery.objects.values_list("event_id", flat=True)
        assert len(events) == len(set(events)) == 2

    def test_an_approval_is_an_outcome_and_one_of_mail_is_none(self, guarded):
        confirm(guarded, start(guarded, line(1)))
        confirm(guarded, start(guarded, "jane@example.com", channel="email"))
        waiting.write()
        assert SendOutcome.objects.get().kind == "c"

    def test_old_records_are_purged(self, guarded, clock):
        attack(guarded, clock)
        is_refused(guarded, line(90))
        confirm(guarded, start(guarded, "+4917612345678"))
        waiting.write()
        kinds = {
            "guard decisions": GuardDecision,
            "guard trips": GuardTrip,
            "guard outcomes": SendOutcome,
            "guard counts": GuardCount,
        }
        assert all(model.objects.exists() for model in kinds.values())
        assert [purged(name) for name in kinds] == [0, 0, 0, 0]
        clock.shift(31 * 86_400)
        assert all(purged(name) for name in kinds)
        assert not any(model.objects.exists() for model in kinds.values())

    def test_what_an_operator_keeps_closed_is_not_purged(self, guarded, clock):
        attack(guarded, clock)
        kept = GuardTrip.objects.filter(state="closed").first()
        trips.keep(kept)
        clock.shift(100 * 86_400)
        purged("guard trips")
        assert GuardTrip.objects.get() == kept


class TestOperators:
    def test_lift_and_keep(self, guarded, clock):
        attack(guarded, clock)
        assert is_refused(guarded, line(90))
        for trip in GuardTrip.objects.all():
            trips.keep(trip)
        clock.shift(200 * 3600)
        assert is_refused(guarded, line(90))
        for trip in GuardTrip.objects.all():
            assert trips.lift(trip.account_id, trip.slot, trip.key, timezone.now())
        fraud.forget()
        assert not is_refused(guarded, line(91))


class TestCost:
    def sql(self, call):
        with CaptureQueriesContext(connection) as captured:
            call()
        return [query["sql"] for query in captured]

    def count(self, call):
        kinds = ("SELECT", "INSERT", "UPDATE", "(SELECT")
        return len([sql for sql in self.sql(call) if sql.startswith(kinds)])

    def reads(self, call):
        """How often a start has read the lists, and the sightings."""
        found = self.sql(call)
        return [sum(name in sql for sql in found) for name in ("prefixrule", "sendoutcome")]

    def statements(self, service, to):
        start(service, to)  # what a process reads once
        return self.count(lambda: start(service, to[:-1] + "9"))

    def test_a_resend_that_lost_its_race_is_counted_once(self, guarded, clock, monkeypatch):
        start(guarded, line(1))
        clock.shift(20)
        unchanged = queries.unchanged

        def lost(**conditions):
            monkeypatch.setattr(queries, "unchanged", unchanged)
            return unchanged(**{**conditions, "sends": 99})

        monkeypatch.setattr(queries, "unchanged", lost)
        start(guarded, line(1))
        assert VerificationAttempt.objects.count() == 2
        assert 1 < GuardCount.objects.get().level < 2  # it has drained a little
        # The place that the second try may have left empty counts as well.
        assert 1 < Verification.objects.get().guard_level < 3

    def test_a_start_to_a_new_country_costs_one_statement_more(self, account, clock):
        off = self.statements(make_service(account, guard_level="off"), "+4915112345670")
        on = self.statements(make_service(account, guard_level="standard"), "+4915112345770")
        recording = make_service(account, guard_level="standard", guard_record_only=True)
        recorded = self.statements(recording, "+4915112345870")
        assert (on, recorded) == (off + 1, off + 1)

    def test_what_is_not_judged_is_no_evidence(self, account, guarded, clock):
        off = make_service(account, guard_level="off")
        start(off, line(1))
        start(guarded, line(2), risk_check=False)
        start(guarded, line(3))
        clock.shift(3)
        start(guarded, line(4))
        ledger = sightings.now_known().ledgers[account.sid]
        assert ledger.of_number(line(3)) is not None
        assert ledger.of_number(line(1)) is ledger.of_number(line(2)) is None

    def test_a_process_reads_what_is_new_once_in_a_while(self, guarded, clock):
        start(guarded, line(1))
        assert self.reads(lambda: start(guarded, line(2))) == [0, 0]
        clock.shift(3)
        assert self.reads(lambda: start(guarded, line(3))) == [1, 1]
        assert sightings.now_known() is not None
