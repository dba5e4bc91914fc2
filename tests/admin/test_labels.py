"""What operators call things: times near and far, names, and numbers in their language."""

import datetime as dt
from decimal import Decimal

import pytest
from django.utils import timezone, translation

from django_verify.admin import labels

NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "just now"),
        (-59, "just now"),
        (30, "in a moment"),
        (-60, "1\xa0minute ago"),
        (-7300, "2\xa0hours ago"),
        (400, "in 6\xa0minutes"),
    ],
)
def test_how_long_ago(seconds, text):
    assert labels.relative(NOW + dt.timedelta(seconds=seconds), NOW) == text


def test_an_element_has_the_moment_itself():
    assert labels.ago(None, NOW) == "-"
    assert labels.ago(NOW - dt.timedelta(minutes=5), NOW) == (
        '<time datetime="2026-03-01T11:55:00+00:00" title="March 1, 2026, 11:55:00">'
        "5\xa0minutes ago</time>"
    )
    naive = timezone.make_naive(NOW)
    assert "just now" in labels.ago(naive, NOW)


def test_names():
    assert labels.country("AT") == "Austria"
    assert labels.country("*") == "All other countries"
    assert labels.country("") == labels.channel("") == "-"
    assert [str(labels.channel(name)) for name in ("sms", "whatsapp", "new")] == [
        "SMS",
        "WhatsApp",
        "new",
    ]


@pytest.mark.parametrize(
    ("language", "count", "part", "amount", "each"),
    [
        ("en", "1,234,567", "33.3\xa0%", "50,000.05", "0.0667"),
        ("de", "1.234.567", "33,3\xa0%", "50.000,05", "0,0667"),
    ],
)
def test_numbers_as_the_language_writes_them(language, count, part, amount, each):
    with translation.override(language):
        assert labels.number(1_234_567) == count
        assert labels.percent(1 / 3) == part
        assert labels.money(50_000.049) == amount
        assert labels.price(Decimal("0.06667")) == each
    assert labels.percent(None) == labels.money(None) == labels.price(None) == "–"
