"""The console sender: readable, in one piece, for development."""

import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from django_verify.senders import Message
from django_verify.senders.console import ConsoleSender

RULE = "-" * 72


def message(channel="sms", to="+14155552671", body="Your code is: 904716", **values):
    return Message(channel, to, body, "VL1", "en", **values)


@pytest.mark.parametrize(
    ("given", "lines"),
    [
        (message(), ["sms to +14155552671 (VL1, en)", "Your code is: 904716"]),
        (
            message("call", body="It is: 9, 0.", prompt="Press any key."),
            ["call to +14155552671 (VL1, en)", "Press any key.", "It is: 9, 0."],
        ),
        (
            message("email", "jane@example.com", "Code 904716\n\nBye\n", subject="Your code"),
            [
                "email to jane@example.com (VL1, en)",
                "Your code",
                "Code 904716",
                "",
                "Bye",
                "",
            ],
        ),
        (message(body="رمز 904716"), ["sms to +14155552671 (VL1, en)", "رمز 904716"]),
    ],
    ids=["sms", "call", "email", "arabic"],
)
def test_it_shows_the_message_above_a_rule(given, lines, capsys):
    receipt = ConsoleSender("console").send(given)
    out, err = capsys.readouterr()
    assert out == "\n".join([*lines, RULE, ""])
    assert err == ""
    assert receipt.provider_sid == "VL1"


def test_messages_of_several_threads_are_not_mixed(monkeypatch):
    written = []

    class Stdout:
        write = staticmethod(written.append)
        flush = staticmethod(lambda: None)

    monkeypatch.setattr(sys, "stdout", Stdout())
    sender = ConsoleSender("console")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: sender.send(message(body=f"Code {number}")), range(40)))
    assert len(written) == 40
    assert all(text.endswith(RULE + "\n") for text in written)


def test_it_is_for_development():
    assert ConsoleSender("console").development is True
