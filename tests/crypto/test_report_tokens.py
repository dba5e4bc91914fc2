"""Tokens of recipients for reports: short, of one attempt and one sender, and not to be made up."""

import datetime as dt
import secrets

import pytest

from django_verify import sids
from django_verify.crypto import report_tokens

KEYS = {"new": "n" * 40, "old": "o" * 40}


@pytest.fixture(autouse=True)
def ring(settings):
    settings.DJANGO_VERIFY = {"KEYS": KEYS}


def test_a_token_is_short_and_opens_under_its_sender_alone(clock):
    sid = sids.attempt()
    token = report_tokens.issue(sid, "a")
    assert len(token) == report_tokens.LENGTH == 22
    assert report_tokens.read(token, ["b", "a"]) == ("a", sid)
    assert report_tokens.read(token, ["b"]) is None
    assert report_tokens.read(token, []) is None
    assert report_tokens.issue(sid, "b") != token


def test_a_token_opens_under_every_key_of_the_ring(settings):
    sid = sids.attempt()
    token = report_tokens.issue(sid, "a")
    settings.DJANGO_VERIFY = {"KEYS": {"newest": "x" * 40, **KEYS}}
    assert report_tokens.issue(sid, "a") != token
    assert report_tokens.read(token, ["a"]) == ("a", sid)
    settings.DJANGO_VERIFY = {"KEYS": {"newest": "x" * 40}}
    assert report_tokens.read(token, ["a"]) is None


def test_a_token_ends_with_the_reports(clock):
    token = report_tokens.issue(sids.attempt(), "a")
    clock.shift(report_tokens.OLDEST.total_seconds() - 60)
    assert report_tokens.read(token, ["a"])
    clock.shift(120)
    assert report_tokens.read(token, ["a"]) is None


def test_no_made_up_token_is_one():
    assert not [
        token
        for token in (secrets.token_urlsafe(16) for _ in range(2000))
        if report_tokens.read(token, ["a", "b"])
    ]


@pytest.mark.parametrize("text", ["", "a", "A" * 21, "A" * 23, "é" * 22, "A" * 21 + "\n", "+" * 22])
def test_what_has_not_the_shape_of_one(text):
    assert report_tokens.read(text, ["a"]) is None


def test_a_token_has_one_spelling():
    token = report_tokens.issue(sids.attempt(), "a")
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    last = letters.index(token[-1])
    others = [token[:-1] + letters[last ^ bits] for bits in range(1, 16)]
    assert not [other for other in others if report_tokens.read(other, ["a"])]


def test_a_sid_of_another_day_reads_the_same_way(clock):
    clock.shift(-dt.timedelta(days=30).total_seconds())
    sid = sids.attempt()
    token = report_tokens.issue(sid, "a")
    clock.shift(dt.timedelta(days=30).total_seconds())
    assert report_tokens.read(token, ["a"]) == ("a", sid)
