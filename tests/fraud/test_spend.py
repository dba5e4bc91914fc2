"""Prices, currencies, caps and their warnings; what a receipt corrects, and what a command prints."""

import datetime as dt
from io import StringIO
from unittest.mock import Mock

import pytest
from django.core.management import call_command
from django.db import connections
from django.test import override_settings
from django.utils import timezone

from django_verify import fraud, signals, verifications
from django_verify.exceptions import TooManyRequests, VerifyError
from django_verify.fraud import guard, policies, spend, table
from django_verify.fraud.spend import Cap, Prices
from django_verify.models import (
    Currency,
    GeoPermission,
    GuardCount,
    GuardDecision,
    PrefixRule,
    Price,
    SafeListNumber,
    SpendCap,
    SpendWarning,
    VerificationAttempt,
)
from django_verify.senders import Receipt, SendError
from django_verify.senders.locmem import LocmemSender
from django_verify.verifications import clients, verbs
from django_verify.verifications.clients import Caller
from tests.conftest import THREADS, make_service

pytestmark = pytest.mark.django_db(transaction=True)


def number(place):
    return f"+49151{place * 99_991 % 10**8:08d}"


def cap(account, amount, period="day", service=None):
    found = SpendCap.objects.create(account=account, service=service, period=period, amount=amount)
    fraud.forget()
    return found


def sends(service, times, first=0):
    """Start so often, each to a block of its own; return how many were sent."""
    done = 0
    for place in range(first, first + times):
        try:
            verifications.start(service, number(place))
        except TooManyRequests:
            continue
        done += 1
    return done


class TestPrices:
    def test_the_row_that_names_most_holds(self):
        prices = Prices(
            {
                ("*", "", ""): 0.01,
                ("DE", "", ""): 0.02,
                ("DE", "sms", ""): 0.03,
                ("DE", "sms", "acme"): 0.04,
                ("*", "call", ""): 0.05,
            }
        )
        asked = [("DE", "sms", "acme"), ("DE", "sms", ""), ("DE", "call", ""), ("FR", "call", "x")]
        assert [prices.of(*one) for one in asked] == [0.04, 0.03, 0.02, 0.05]
        assert prices.of("FR", "sms") == 0.01

    @override_settings(DJANGO_VERIFY={"MESSAGE_PRICE": 0.11})
    def test_without_a_row_it_is_the_sites(self):
        assert Prices({}).of("DE", "sms") == 0.11

    def test_other_currencies_are_converted_and_unknown_ones_left_out(self):
        Currency.objects.create(code="EUR", rate="1.25")
        Price.objects.create(country="DE", amount="0.08", currency="EUR")
        Price.objects.create(country="FR", amount="9", currency="XXX")
        Price.objects.create(country="ES", amount="0.07", currency="USD")
        fraud.forget()
        prices = table.current().prices
        found = [prices.of(country, "sms") for country in ("DE", "FR", "ES")]
        assert found == pytest.approx([0.10, 0.05, 0.07])


class TestCaps:
    @pytest.mark.parametrize("level", ["off", "standard"])
    def test_starts_beyond_it_are_refused_and_say_when_to_come_again(self, account, clock, level):
        service = make_service(account, guard_level=level)
        cap(account, "0.25")
        assert sends(service, 9) == 5
        with pytest.raises(TooManyRequests) as refused:
            verifications.start(service, number(50))
        assert (refused.value.code, refused.value.status) == (20429, 429)
        assert refused.value.retry_after == 12 * 3600
        assert GuardDecision.objects.first().cause == "cap"
        clock.shift(12 * 3600)
        assert sends(service, 2, first=60) == 2

    @pytest.mark.parametrize("amount", ["0", "0.04"])
    def test_one_below_the_price_of_a_message_lets_none_pass(self, account, amount, outbox):
        cap(account, amount)
        assert sends(make_service(account), 3) == 0
        assert outbox == []
        assert GuardDecision.objects.filter(cause="cap").count() == 3

    def test_a_rate_that_is_wrong_fails_no_start(self, account):
        Currency.objects.create(code="VND", rate="25000")
        Price.objects.create(country="DE", amount="1000", currency="VND")
        cap(account, "1")
        assert sends(make_service(account), 2) == 0
        assert GuardDecision.objects.first().price == 999_999

    def test_a_start_that_is_written_after_midnight_counts_in_the_new_day(
        self, account, clock, monkeypatch
    ):
        service = make_service(account, guard_level="standard")
        cap(account, "0.05")
        assert sends(service, 1) == 1
        clock.move_to("2026-03-01T23:59:58Z")
        monkeypatch.setattr(verbs, "look_up", lambda start: clock.shift(4))
        assert sends(service, 1, first=9) == 1
        assert sends(service, 1, first=10) == 0
        assert set(GuardDecision.objects.values_list("cause", flat=True)) == {"cap"}

    @override_settings(USE_TZ=False)
    def test_one_that_is_full_says_so_where_times_are_naive(self, account):
        cap(account, "0.05")
        assert sends(make_service(account), 2) == 1

    def test_a_month_ends_with_the_month(self):
        month = Cap("AC1", "month", 5)
        moment = dt.datetime(2026, 12, 31, 23, 0, tzinfo=dt.UTC)
        assert month.label(moment) == "2026-12"
        assert month.ends_at(moment) == dt.datetime(2027, 1, 1, tzinfo=dt.UTC)

    def test_a_services_cap_leaves_others_alone(self, account):
        one, other = make_service(account), make_service(account)
        cap(account, "0.10", service=one)
        assert (sends(one, 4), sends(other, 4, first=10)) == (2, 4)

    def test_safe_listed_numbers_and_vouched_starts_count(self, account):
        service = make_service(account, guard_level="standard")
        cap(account, "0.05")
        SafeListNumber.objects.create(account=account, phone_number=number(1))
        assert sends(service, 1, first=1) == 1
        with pytest.raises(TooManyRequests):
            verifications.start(service, number(2), risk_check=False)

    def test_one_that_is_full_refuses_what_is_withheld_too(self, account):
        service = make_service(account, guard_level="standard", client_enabled=True)
        PrefixRule.objects.create(prefix="+491511", action="block")
        cap(account, "0.05")
        blocked, other = "+4915112345678", "+491701234567"
        caller = Caller(ip="198.51.100.7")
        clients.start(service, blocked, "sms", caller=caller)
        clients.start(service, other, "sms", caller=caller)
        for to in (blocked, other):
            with pytest.raises(TooManyRequests) as refused:
                clients.start(service, to, "sms", caller=caller)
            assert "spend cap" in refused.value.message

    def test_mail_costs_nothing(self, account):
        cap(account, "0.00")
        verifications.start(make_service(account), "jane@example.com", "email")

    @pytest.mark.postgres
    @pytest.mark.races
    def test_parallel_starts_do_not_overrun_it(self, account, aligned):
        service = make_service(account, guard_level="standard")
        cap(account, "0.50")
        table.current()

        def one(place):
            try:
                verifications.start(service, number(place))
            except VerifyError:
                return False
            return True

        found = aligned([lambda place=place: one(place) for place in range(THREADS)])
        assert sum(found) == 10
        assert VerificationAttempt.objects.count() == 10
        assert connections["default"] is not None


class TestWarnings:
    def test_come_once_at_each_percentage(self, account):
        seen = []

        def keep(cap, percent, period, **_):
            seen.append((percent, period))

        signals.spend_warning.connect(keep)
        try:
            cap(account, "0.50")
            service = make_service(account)
            sends(service, 14)
        finally:
            signals.spend_warning.disconnect(keep)
        today = timezone.now().astimezone(dt.UTC).strftime("%Y-%m-%d")
        assert seen == [(50, today), (80, today), (100, today)]

    def test_percentages_are_passed_once(self):
        tenth = Cap("AC1", "day", 1.0)
        passed = [spend.passed(tenth, 0.1, level / 10) for level in range(1, 11)]
        assert [one for some in passed for one in some] == [50, 80, 100]


class TestReceipts:
    def test_correct_what_was_counted(self, account, monkeypatch):
        real = LocmemSender.send

        def dearer(self, message):
            real(self, message)
            return Receipt(provider_sid="1", price_value="-0.20", price_currency="USD")

        monkeypatch.setattr(LocmemSender, "send", dearer)
        cap(account, "1.00")
        sends(make_service(account), 1)
        row = GuardCount.objects.get(key__startswith="cap")
        assert row.level == pytest.approx(0.20)

    def test_that_bring_a_cap_past_a_percentage_warn_too(self, account, monkeypatch):
        dearer = Receipt(provider_sid="1", price_value="-0.30", price_currency="USD")
        monkeypatch.setattr(LocmemSender, "send", lambda self, message: dearer)
        cap(account, "1.00")
        assert sends(make_service(account), 6) == 4
        found = SpendWarning.objects.order_by("percent").values_list("percent", flat=True)
        assert list(found) == [50, 80, 100]

    @pytest.mark.parametrize(
        ("value", "currency"),
        [
            ("9", "XXX"),
            *((value, "USD") for value in ("NaN", "sNaN", "-inf", "1e400", "1e99999", "free")),
        ],
    )
    def test_that_say_no_price_change_nothing(self, account, monkeypatch, value, currency):
        receipt = Receipt(provider_sid="1", price_value=value, price_currency=currency)
        monkeypatch.setattr(LocmemSender, "send", lambda self, message: receipt)
        cap(account, "1.00")
        sends(make_service(account), 1)
        assert GuardCount.objects.get(key__startswith="cap").level == pytest.approx(0.05)


class TestFallbacks:
    WISHES = {"whatsapp": {"enabled": True}, "sms": {"enabled": True}}

    def start(self, service, place):
        wishes = self.WISHES
        verifications.start(service, number(place), "whatsapp", channel_configuration=wishes)

    @pytest.fixture
    def level(self, account):
        for channel, price in (("whatsapp", "0.01"), ("sms", "0.5")):
            Price.objects.create(country="DE", channel=channel, amount=price, currency="USD")
        cap(account, "0.9")
        return lambda: GuardCount.objects.get(key__startswith="cap").level

    def test_a_cap_holds_for_the_dearer_channel_until_the_message_has_left(
        self, account, level, monkeypatch
    ):
        monkeypatch.setattr(LocmemSender, "send", failing("whatsapp", "sms"))
        self.start(make_service(account), 1)
        assert level() == pytest.approx(0.5)
        with pytest.raises(TooManyRequests):
            self.start(make_service(account), 2)

    def test_what_left_by_the_first_channel_is_counted_by_it(self, account, level):
        self.start(make_service(account), 1)
        assert level() == pytest.approx(0.01)

    def test_what_left_by_the_fallback_is_counted_by_it(self, account, level, monkeypatch):
        monkeypatch.setattr(LocmemSender, "send", failing("whatsapp"))
        self.start(make_service(account), 1)
        assert VerificationAttempt.objects.get().via_channel == "sms"
        assert level() == pytest.approx(0.5)

    def test_one_that_the_sites_policy_leaves_out_is_not_counted(self, account, level, monkeypatch):
        policy = Mock(review=lambda asked, found: fraud.demand("whatsapp"))
        monkeypatch.setattr(policies, "BACKENDS", Mock(single=policy))
        self.start(make_service(account), 1)
        assert level() == pytest.approx(0.01)

    def test_one_that_is_refused_is_not_counted(self, account, level):
        GeoPermission.objects.create(account=account, country="DE", channel="sms", action="block")
        fraud.forget()
        self.start(make_service(account), 1)
        assert level() == pytest.approx(0.01)


def failing(*names):
    """Return a sender's `send` that fails for some channels."""

    def send(self, message):
        if message.channel in names:
            raise SendError("out of order")
        return Receipt(provider_sid="1")

    return send


def test_the_command_prints_what_was_spent(account):
    service = make_service(account)
    sends(service, 3)
    text = StringIO()
    call_command("verifyspend", "--account", account.sid, "--days", "9" * 11, stdout=text)
    header, line, total = text.getvalue().splitlines()
    assert header.split() == ["service", "country", "channel", "sender", "messages", "cost"]
    assert line.split() == [service.sid, "DE", "sms", "memory", "3", "0.1500"]
    assert total == "0.1500 USD in all"


def test_a_service_without_caps_has_none(account):
    assert guard.caps_of(table.current(), make_service(account)) == []
