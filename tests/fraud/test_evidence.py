"""What the guard makes of sends and conversions: pure counting, no database."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from django_verify.fraud import bars
from django_verify.fraud.evidence import (
    AGAIN,
    AGES,
    LONG,
    OF_ATTACKS,
    SHORT,
    USUAL,
    Ledger,
)
from django_verify.fraud.tallies import Sent, country_key

BLOCK = "+4915112345"
HOUR = 3600.0


def make_ledger(price=0.05):
    return Ledger(lambda country, channel: price, lambda country: 2)


def send(ledger, number, at, converts_after=None, **values):
    ledger.advance(at)
    ledger.sent(Sent(number, at, number, values.pop("country", "DE"), **values))
    if converts_after is not None:
        ledger.converted(number, at + converts_after)


def line(number, block=BLOCK):
    return f"{block}{number:0{13 - len(block)}d}"


def spread(number):
    """A number of a block of its own."""
    return f"+49151{number * 9973 % 10**7:07d}"


def attacked(ledger, key, level="standard", **values):
    return bars.is_attacked(ledger, ledger.tallies[key], "DE", level, **values)


def suspect(ledger, key):
    return bars.is_suspect(ledger, ledger.tallies[key], "DE", "standard")


def crowded(ledger, number, at, *, level="standard", price=0.05, guarded=False, **callers):
    names = ledger.keys_of(number, "DE", **callers)
    return bars.Crowd(ledger, number, "DE", level, price, at, guarded=guarded).key(
        names, ledger.of_number(number)
    )


def let_out(ledger, numbers, at, **values):
    """Send to each number that is not held back, and return how many that were."""
    sent = 0
    for number in numbers:
        if not crowded(ledger, number, at, **values):
            ledger.sent(Sent(number, at, number, "DE"))
            sent += 1
    return sent


def people_in_blocks(ledger, blocks, each, *, since=0.0, every=30.0):
    """Let people of so many blocks convert, one after the other; return when the last has."""
    at = since
    for number in range(each):
        for block in range(blocks):
            if number * blocks + block:
                at += every
            to = f"+4917{block * 7919 % 10**5:05d}{number * 613 % 10**4:04d}"
            send(ledger, to, at, converts_after=20)
    return at + 20


events = st.lists(
    st.tuples(
        st.integers(0, 30),  # a number of the block
        st.floats(0, 2 * HOUR),
        st.one_of(st.none(), st.floats(1, 500)),
    ),
    max_size=60,
)


class TestCounting:
    @given(events)
    @settings(max_examples=60, deadline=None)
    def test_every_number_counts_once_however_often_it_is_tried(self, made):
        ledger, wanted = make_ledger(), {}
        for index, (number, at, _) in enumerate(sorted(made, key=lambda event: event[1])):
            ledger.advance(at)
            ledger.sent(Sent(f"VE{index}", at, line(number), "DE"))
            wanted.setdefault(number, at)
        ledger.advance(2 * HOUR)
        tally = ledger.tallies.get(country_key("DE"))
        assert (tally.wishes[1] if tally else 0) == len(wanted)
        assert (tally.wishes[0] if tally else 0) == sum(at > HOUR for at in wanted.values())

    @given(events)
    @settings(max_examples=60, deadline=None)
    def test_nothing_is_left_when_all_have_left_the_windows(self, made):
        ledger = make_ledger()
        for index, (number, at, after) in enumerate(sorted(made, key=lambda event: event[1])):
            ledger.advance(at)
            ledger.sent(Sent(f"VE{index}", at, line(number), "DE", "sms", "n", "d"))
            if after is not None:
                ledger.converted(f"VE{index}", at + after)
        ledger.advance(2 * HOUR + LONG + AGAIN)
        assert not ledger.tallies
        assert ledger.neighbours(line(15), 2 * HOUR) == 0
        assert not len(ledger)

    @given(events)
    @settings(max_examples=60, deadline=None)
    def test_conversions_never_outnumber_the_numbers_that_are_counted(self, made):
        ledger = make_ledger()
        for index, (number, at, after) in enumerate(sorted(made, key=lambda event: event[1])):
            ledger.advance(at)
            ledger.sent(Sent(f"VE{index}", at, line(number), "DE"))
            if after is not None:
                ledger.converted(f"VE{index}", at + after)
        for tally in ledger.tallies.values():
            for window in (0, 1):
                assert 0 <= tally.converted[window] <= tally.wishes[window]
                assert 0 <= tally.new[window] <= tally.wishes[window]
                failed = tally.wishes[window] - tally.converted[window]
                clustered = tally.short_clustered, tally.long_clustered
                assert 0 <= clustered[window] <= failed

    def test_a_resend_is_no_second_wish(self):
        ledger = make_ledger()
        ledger.sent(Sent("VE1", 0, line(1), "DE"))
        ledger.sent(Sent("VE1", 30, line(1), "DE"))
        assert ledger.tallies[country_key("DE")].wishes == (1, 1)
        assert ledger.of_number(line(1)).sends == 2

    def test_a_number_that_converted_may_be_verified_again(self):
        ledger = make_ledger()
        send(ledger, line(1), 0, converts_after=20)
        ledger.sent(Sent("VE2", HOUR / 2, line(1), "DE"))
        tally = ledger.tallies[country_key("DE")]
        assert (tally.wishes[0], tally.converted[0], tally.new[0]) == (2, 1, 1)

    def test_an_outcome_of_an_unknown_message_changes_nothing(self):
        ledger = make_ledger()
        ledger.converted("VE9", 10)
        ledger.undelivered("VE9", 10)
        ledger.not_sent("VE9", 10)
        assert not ledger.tallies

    @pytest.mark.parametrize("after", [5, 700, HOUR + 700])
    def test_a_message_that_did_not_leave_is_forgotten(self, after):
        ledger = make_ledger()
        ledger.sent(Sent("VE1", 0, line(1), "DE"))
        ledger.advance(after)
        ledger.not_sent("VE1", after)
        ledger.not_sent("VE1", after)
        assert not ledger.tallies
        assert not ledger.neighbours(line(2), after)
        ledger.advance(100 * HOUR)
        assert not len(ledger)

    def test_of_two_messages_one_that_did_not_leave_takes_nothing_from_the_other(self):
        ledger = make_ledger()
        for verification, at in (("VE1", 0), ("VE2", 60)):
            ledger.sent(Sent(verification, at, line(1), "DE"))
        ledger.not_sent("VE2", 70)
        ledger.not_sent("VE2", 70)
        assert ledger.tallies[country_key("DE")].wishes == (1, 1)


class TestWeight:
    def test_a_young_message_says_nothing(self):
        ledger = make_ledger()
        send(ledger, line(1), 0)
        ledger.advance(AGES[0] - 1)
        assert ledger.tallies[country_key("DE")].values == (0.0, 0.0)

    def test_an_old_one_says_what_the_shares_of_conversion_make_of_it(self):
        ledger = make_ledger()
        send(ledger, line(1), 0)
        ledger.advance(AGES[-1])
        (said, _) = ledger.tallies[country_key("DE")].values
        assert math.isclose(said, math.log((1 - OF_ATTACKS) / (1 - USUAL)), rel_tol=0.01)

    def test_a_conversion_weighs_more_than_a_failure(self):
        ledger = make_ledger()
        send(ledger, line(1), 0)
        send(ledger, line(2), 1, converts_after=20)
        ledger.advance(AGES[-1] + 1)
        assert ledger.tallies[country_key("DE")].values[0] < 0

    def test_an_attack_does_not_make_itself_normal(self):
        ledger = make_ledger()
        for number in range(500):
            send(ledger, spread(number), number)
        ledger.advance(HOUR / 2)
        assert ledger.normal("DE") >= 0.35

    def test_slow_people_are_waited_for(self):
        slow, quick = make_ledger(), make_ledger()
        for number in range(200):
            send(slow, spread(number), number, converts_after=250)
            send(quick, spread(number), number, converts_after=15)
        assert slow.by_then(1) < 0.2 < 0.9 < quick.by_then(1)

    def test_what_did_not_arrive_says_little_where_people_convert(self):
        def said(proved):
            ledger = make_ledger()
            for number in range(proved):
                send(ledger, spread(number), number, converts_after=20)
            before = ledger.tallies[country_key("DE")].values[0] if proved else 0.0
            ledger.sent(Sent("lost", 1000, line(7), "DE"))
            ledger.advance(1000 + AGES[-1])
            ledger.undelivered("lost", 1000 + AGES[-1])
            return ledger.tallies[country_key("DE")].values[0] - before

        assert said(40) < 0.2 * said(0)


class TestBlocks:
    def test_a_block_in_which_nobody_converts_is_closed(self):
        ledger = make_ledger()
        for number in range(12):
            send(ledger, line(number * 137), 20.0 * number)
        ledger.advance(600)
        assert attacked(ledger, f"DE {line(0)[:-4]}")

    def test_a_block_whose_people_convert_is_not(self):
        ledger = make_ledger()
        for number in range(60):
            after = 25 if number % 3 else None
            send(ledger, line(number * 137), 20.0 * number, converts_after=after)
        ledger.advance(2000)
        assert not any(attacked(ledger, key) for key in ledger.tallies)

    def test_one_bad_block_is_no_bad_country(self):
        ledger = make_ledger()
        for number in range(50):
            send(ledger, line(number * 137), 10.0 * number)
        ledger.advance(1000)
        assert attacked(ledger, f"DE {line(0)[:-4]}")
        assert not attacked(ledger, country_key("DE"))

    def test_many_bad_blocks_of_a_country_without_people_are_a_bad_country(self):
        ledger = make_ledger()
        for number in range(bars.FEWEST_NEW + 10):
            digits = f"+49{1 + number % 9}{number * 9973 % 10**9:09d}"
            send(ledger, digits, 10.0 * number)
        ledger.advance(1200)
        assert attacked(ledger, country_key("DE"))

    def test_a_range_with_people_is_guarded_and_not_closed(self):
        ledger = make_ledger()
        for number in range(300):
            send(ledger, spread(number), 400.0 * number, converts_after=25)
        begin = 300 * 400.0
        for number in range(60):
            send(ledger, spread(1000 + number), begin + 5.0 * number)
        ledger.advance(begin + 900)
        assert any(suspect(ledger, key) for key in ledger.tallies)
        assert not any(attacked(ledger, key) for key in ("DE +49151", country_key("DE")))

    def test_a_spike_of_people_is_neither(self):
        ledger = make_ledger()
        for number in range(50):
            send(ledger, spread(number), 1000.0 * number, converts_after=25)
        begin = 60_000.0
        for number in range(600):
            after = 20 + number % 40 if number % 3 else None
            send(ledger, spread(5000 + number), begin + 0.5 * number, converts_after=after)
            ledger.advance(begin + 0.5 * number)
            assert not suspect(ledger, country_key("DE"))
        assert not any(attacked(ledger, key) for key in ledger.tallies)

    def test_a_slow_drip_is_seen_in_the_long_window(self):
        ledger = make_ledger()
        for number in range(12):
            send(ledger, line(number * 137), 2 * HOUR * number)
        ledger.advance(2 * HOUR * 12)
        assert attacked(ledger, f"DE {line(0)[:-4]}")

    def test_a_network_of_which_nothing_converts_is_closed(self):
        ledger = make_ledger()
        for number in range(14):
            send(ledger, spread(number), 20.0 * number, network="aa")
        ledger.advance(1000)
        assert attacked(ledger, "network aa")

    def test_dear_messages_are_stopped_on_less_evidence(self):
        def needed(price):
            ledger = make_ledger(price)
            for number in range(40):
                send(ledger, line(number * 137), 700.0 * number)
                ledger.advance(700.0 * (number + 1))
                if attacked(ledger, f"DE {line(0)[:-4]}"):
                    return number
            return 40

        assert needed(0.30) < needed(0.05) <= needed(0.005)

    def test_levels_ask_for_less_and_less(self):
        ledger = make_ledger()
        send(ledger, line(1), 0)
        tally = ledger.tallies[country_key("DE")]
        basic, standard, most = (bars.bar(tally, level) for level in ("basic", "standard", "max"))
        assert basic > standard > most

    def test_a_device_is_closed_on_less_than_a_network(self):
        def needed(**caller):
            ledger = make_ledger()
            (key,) = (f"{kind} {name}" for kind, name in caller.items())
            for number in range(30):
                send(ledger, spread(number), 130.0 * number, **caller)
                ledger.advance(130.0 * (number + 1))
                if attacked(ledger, key):
                    return number
            return 30

        assert needed(device="dd") < needed(network="aa") < 20

    def test_a_network_of_people_is_not_closed_for_an_attack_that_is_over(self):
        ledger = make_ledger()
        for number in range(6):
            send(ledger, spread(number), 60.0 * number, converts_after=20, network="aa")
        for number in range(60):
            send(ledger, spread(100 + number), 1000.0 + number, network="aa")
        ledger.advance(1600)
        assert attacked(ledger, "network aa")
        ledger.advance(1600 + 2 * HOUR)
        assert not attacked(ledger, "network aa")

    def test_a_part_of_a_block_of_people_may_fail_by_chance(self):
        def closed(people):
            ledger = make_ledger()
            for number in range(people):
                send(ledger, line(1000 + 97 * number), 200.0 * number, converts_after=20)
            begin = 40 * 200.0
            for number in range(4):
                send(ledger, line(37 * number), begin + 200.0 * number)
            ledger.advance(begin + 1200)
            return attacked(ledger, f"DE {line(0)[:-3]}")

        assert closed(0)
        assert not closed(40)

    def test_a_new_site_closes_no_country_at_once(self):
        def closed(age):
            ledger = make_ledger()
            ledger.sent(Sent("old", 0.0, "+4930123456", "DE"))
            for number in range(40):
                digits = f"+49{1 + number % 9}{number * 9973 % 10**9:09d}"
                send(ledger, digits, age + 10.0 * number)
            ledger.advance(age + 1000)
            return attacked(ledger, country_key("DE"))

        assert not closed(HOUR)
        assert closed(25 * HOUR)


class TestPeople:
    """How many people are expected of a block, from those who have converted."""

    def test_hardly_anybody_where_numbers_are_spread(self):
        ledger = make_ledger()
        people_in_blocks(ledger, 300, 1)
        assert ledger.people_in_a_block("DE") < 0.2

    def test_more_where_blocks_have_two(self):
        sparse, dense = make_ledger(), make_ledger()
        people_in_blocks(sparse, 120, 1)
        people_in_blocks(dense, 60, 2)
        assert dense.people_in_a_block("DE") > 3 * sparse.people_in_a_block("DE")

    def test_a_block_with_people_by_its_own(self):
        ledger = make_ledger()
        people_in_blocks(ledger, 300, 1)
        for number in range(20):
            to = f"+491511234{number * 491:04d}"
            send(ledger, to, 9100.0 + number, converts_after=20)
        block, part = (ledger.tallies[f"DE +491511234{digit}"] for digit in ("", "0"))
        assert part.wishes[1] == 3
        assert ledger.people_in(block, "DE") > 10
        assert math.isclose(ledger.people_in(part, "DE"), ledger.people_in(block, "DE") * 3 / 20)


class TestCrowds:
    """What may be out at once, before there is evidence."""

    def test_a_block_where_nobody_lives_gets_few(self):
        ledger = make_ledger()
        at = people_in_blocks(ledger, 100, 1)
        numbers = [line(137 * number) for number in range(50)]
        assert let_out(ledger, numbers, at) == 6

    def test_fewer_when_guarded_or_dear_and_more_at_basic(self):
        def out(**values):
            ledger = make_ledger()
            at = people_in_blocks(ledger, 100, 1)
            return let_out(ledger, [line(137 * number) for number in range(50)], at, **values)

        assert out(guarded=True) == 1
        assert out(price=0.15) < out() < out(price=0.01) < 15
        assert out(level="max") < out() < out(level="basic")

    def test_a_block_of_people_gets_more(self):
        ledger = make_ledger()
        at = people_in_blocks(ledger, 100, 1)
        for number in range(40):
            send(ledger, line(137 * number), at + 60.0 * number, converts_after=20)
        at += 60.0 * 40
        numbers = [line(137 * number + 61) for number in range(50)]
        assert let_out(ledger, numbers, at) > 10

    def test_until_people_are_known_a_block_gets_what_they_may_need(self):
        ledger = make_ledger()
        assert let_out(ledger, [line(137 * number) for number in range(50)], 0.0) >= 20

    def test_who_asks_again_is_not_held_back_by_the_first_message(self):
        ledger = make_ledger()
        at = people_in_blocks(ledger, 100, 1)
        assert not crowded(ledger, line(1), at, guarded=True)
        ledger.sent(Sent("VE1", at, line(1), "DE"))
        assert not crowded(ledger, line(1), at + 60, guarded=True)
        assert crowded(ledger, line(700), at + 60, guarded=True)

    def test_the_third_of_a_run_is_held_back_and_neighbours_who_convert_are_not(self):
        ledger = make_ledger()
        at = people_in_blocks(ledger, 100, 1)
        run = [line(500 + number) for number in range(8)]
        assert let_out(ledger, run, at) == 2
        for number in run[:2]:
            ledger.converted(number, at + 20)
        assert not crowded(ledger, run[3], at + 30)

    def test_a_network_and_a_device_get_few_that_do_not_convert(self):
        def out(**callers):
            ledger = make_ledger()
            at = people_in_blocks(ledger, 100, 1)
            sent = 0
            for number in range(60):
                to = spread(number)
                if not crowded(ledger, to, at, **callers):
                    ledger.sent(Sent(to, at, to, "DE", "sms", **callers))
                    sent += 1
            return sent

        assert out(device="dd") == 4
        assert out(network="aa") == 20

    def test_numbers_in_the_same_blocks_guard_a_range_before_they_are_old(self):
        def guarded(blocks):
            ledger = make_ledger()
            at = people_in_blocks(ledger, 200, 1)
            for number in range(16):
                to = f"+491600{number % blocks:03d}{number * 613 % 10**4:04d}"
                ledger.sent(Sent(to, at + number, to, "DE"))
            return suspect(ledger, "DE +4916")

        assert guarded(4)
        assert not guarded(16)

    def test_a_guarded_range_gets_a_bounded_amount_however_it_is_spread(self):
        ledger = make_ledger()
        at = people_in_blocks(ledger, 100, 1)
        numbers = [f"+4916{number:04d}{number * 613 % 10**4:04d}" for number in range(400)]
        assert let_out(ledger, numbers, at, guarded=True) < 130
        ledger = make_ledger()
        people_in_blocks(ledger, 100, 1)
        assert let_out(ledger, numbers, at) == 400


class TestTime:
    def test_each_time_within_a_week_doubles_the_length(self):
        hours = [bars.length(times).total_seconds() / HOUR for times in range(6)]
        assert hours == [12, 24, 48, 96, 168, 168]

    def test_what_converts_late_shows_a_mistake(self):
        ledger = make_ledger()
        for number in range(10):
            ledger.sent(Sent(f"VE{number}", 1.0 * number, line(number * 137), "DE"))
        ledger.advance(400)
        tally = ledger.tallies[f"DE {line(0)[:-4]}"]
        assert not bars.is_mistaken(tally, 400)
        ledger.closed_at["standard", tally.key] = 400
        for number in range(8):
            ledger.converted(f"VE{number}", 410)
        assert bars.is_mistaken(tally, 400)

    def test_the_short_window_forgets_after_an_hour(self):
        ledger = make_ledger()
        send(ledger, line(1), 0)
        ledger.advance(SHORT + 1)
        tally = ledger.tallies[country_key("DE")]
        assert tally.wishes == (0, 1)
        assert math.isclose(tally.values[0], 0, abs_tol=1e-9)

    def test_a_number_that_is_tried_again_and_again_is_worn_out(self):
        ledger = make_ledger()
        for number in range(bars.OF_NUMBER):
            assert not bars.is_worn_out(ledger.of_number(line(1)))
            ledger.sent(Sent(f"VE{number}", 700.0 * number, line(1), "DE"))
        assert bars.is_worn_out(ledger.of_number(line(1)))

    def test_what_strangers_have_tried_leaves_others_half_of_the_tries(self):
        ledger = make_ledger()
        for number in range(bars.OF_NUMBER):
            ledger.sent(Sent(f"VE{number}", 700.0 * number, line(1), "DE", by_stranger=True))
        wish = ledger.of_number(line(1))
        assert bars.is_worn_out(wish)
        assert not bars.is_worn_out(wish, by_stranger=False)
        for number in range(bars.OF_NUMBER - bars.OF_STRANGERS):
            assert not bars.is_worn_out(wish, by_stranger=False)
            ledger.sent(Sent(f"VF{number}", 7000 + 700.0 * number, line(1), "DE"))
        assert bars.is_worn_out(wish, by_stranger=False)


class TestNewCountries:
    REGIONS = ("AZ", "TJ", "UZ", "KG", "LK", "BD", "PK", "NG", "EG", "DZ", "TN", "OM")

    def test_share_one_room(self):
        ledger, sent = make_ledger(), 0
        most = bars.room_of_new_countries(0.2, "standard")
        for number in range(240):
            country = self.REGIONS[number % len(self.REGIONS)]
            tally = ledger.tallies.get(country_key(country))
            if bars.is_unexplained(tally) and bars.new_countries(ledger) >= most:
                continue
            sent += 1
            send(
                ledger,
                f"+99{number % 12 + 10}{number * 7919 % 10**7:07d}",
                5.0 * number,
                country=country,
            )
        assert sent == most
        assert most < 240 / 5

    def test_of_which_one_where_people_confirm_takes_nothing(self):
        ledger = make_ledger()
        for number in range(30):
            to = f"+9955{number * 7919 % 10**7:07d}"
            send(ledger, to, 5.0 * number, converts_after=20, country="GE")
        assert bars.new_countries(ledger) == 0
        assert not bars.is_unexplained(ledger.tallies[country_key("GE")])
        assert bars.is_unexplained(None)
