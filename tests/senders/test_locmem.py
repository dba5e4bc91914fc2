"""The locmem sender: a list of what was sent."""

from django_verify.senders import Message
from django_verify.senders.locmem import LocmemSender


def message(number):
    return Message("sms", "+14155552671", f"Code {number}", f"VL{number}", "en")


def test_messages_are_kept_in_order_whatever_the_sender(outbox):
    one, other = LocmemSender("one"), LocmemSender("other")
    for number in range(6):
        sender = other if number % 2 else one
        assert sender.send(message(number)).provider_sid == f"VL{number}"
    assert outbox == [message(number) for number in range(6)]


def test_each_test_begins_with_nothing_sent(outbox):
    assert outbox == []


def test_it_is_for_development():
    assert LocmemSender("memory").development is True
