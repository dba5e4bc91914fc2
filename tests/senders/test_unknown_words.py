"""What providers may add to their words at any time: an unknown one is logged, and nothing fails."""

import json
import time

import pytest

from django_verify.senders import Callback
from django_verify.senders.http import HttpSender
from tests.senders.providers import PROVIDERS

LISTED = [
    (name, received) for name, provider in PROVIDERS.items() for received in provider.received
]
WORDS = ("teleported", "READ_BY_NEIGHBOUR", "", "é", "14155552671", "x" * 5000)


def replaced(data, known, word):
    """The same data with another word wherever one of the provider's stood."""
    if isinstance(data, dict):
        return {name: replaced(value, known, word) for name, value in data.items()}
    if isinstance(data, list):
        return [replaced(value, known, word) for value in data]
    return word if isinstance(data, str | bool) and str(data).lower() in known else data


@pytest.mark.parametrize(("name", "received"), LISTED, ids=[name for name, _ in LISTED])
@pytest.mark.parametrize("word", WORDS, ids=lambda word: ascii(word[:20]))
def test_an_unknown_status_is_no_error(name, received, word, sender_of, clock, caplog):
    sender = sender_of(name)
    known = {status.lower() for status in sender.statuses}
    data = replaced(received.data, known, word)
    assert data != received.data, "the table's status is none that the sender knows"
    caplog.set_level("INFO", "django_verify")
    assert sender.reports(received.sign(data, time.time())) == []
    logged = word in {"teleported", "READ_BY_NEIGHBOUR"}
    assert (word.lower() in caplog.text.lower()) >= logged
    assert "14155552671" not in caplog.text
    assert "x" * 100 not in caplog.text


def test_the_tables_are_json():
    for _, received in LISTED:
        assert json.loads(json.dumps(received.data)) == received.data


@pytest.mark.parametrize("word", WORDS, ids=lambda word: ascii(word[:20]))
def test_an_unknown_status_of_a_gateway_is_logged_as_well(word, caplog):
    sender = HttpSender(
        "it",
        url="https://gateway.example.com/{callback_url}",
        fields={"to": "{to}"},
        callback={"status_path": "status", "statuses": {"DELIVRD": "delivered"}},
    )
    caplog.set_level("INFO", "django_verify")
    body = json.dumps({"status": word}).encode()
    assert sender.reports(Callback("https://example.org/", "POST", {}, body, "VL1")) == []
    logged = word in {"teleported", "READ_BY_NEIGHBOUR"}
    assert (word in caplog.text) >= logged
    assert "14155552671" not in caplog.text
    assert "x" * 100 not in caplog.text
