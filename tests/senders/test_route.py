"""The look-up of senders: by alias, by channel, and in which order."""

import pytest

from django_verify import delivery, senders
from django_verify.models import VerifyService
from django_verify.senders.email import EmailSender
from django_verify.senders.locmem import LocmemSender

MEMORY = {"BACKEND": "django_verify.senders.locmem.LocmemSender"}
CONSOLE = {"BACKEND": "django_verify.senders.console.ConsoleSender"}
EMAIL = {"BACKEND": "django_verify.senders.email.EmailSender"}
SENDERS = {"first": MEMORY, "mail": EMAIL, "second": CONSOLE}


@pytest.fixture(autouse=True)
def three_senders(settings):
    settings.DJANGO_VERIFY = {"SENDERS": SENDERS}


def use_routes(settings, **routes):
    settings.DJANGO_VERIFY = {"SENDERS": SENDERS, "ROUTES": routes}


def test_senders_are_known_by_alias():
    assert list(senders.configured()) == ["first", "mail", "second"]
    assert isinstance(senders.get("first"), LocmemSender)
    assert isinstance(senders.get("mail"), EmailSender)
    assert senders.get("second").alias == "second"


@pytest.mark.parametrize(
    ("channel", "aliases"),
    [
        ("sms", ["first", "second"]),
        ("call", ["first", "second"]),
        ("whatsapp", ["first", "second"]),
        ("email", ["first", "mail", "second"]),
        ("sna", []),
        ("pigeon", []),
    ],
)
def test_without_routes_every_sender_of_the_channel_is_tried_in_order(channel, aliases):
    assert senders.route(channel) == aliases


@pytest.mark.parametrize(
    ("route", "aliases"),
    [
        (["second", "first"], ["second", "first"]),
        (("first",), ["first"]),
        ([], []),
        (["mail", "second"], ["second"]),
        (["third", "second"], ["second"]),
        (["third"], []),
    ],
    ids=str,
)
def test_the_sites_routes_come_first_and_leave_out_whom_they_cannot_use(route, aliases, settings):
    use_routes(settings, sms=route)
    assert senders.route("sms") == aliases


def test_a_channel_that_the_routes_do_not_name_has_no_sender(settings):
    use_routes(settings, sms=["first"])
    assert senders.route("email") == []


@pytest.mark.parametrize(
    ("preferred", "aliases"),
    [
        (["first"], ["first"]),
        (["first", "second"], ["first", "second"]),
        ([], ["second"]),
        ((), ["second"]),
        (["mail", "first"], ["first"]),
        (["third", "first"], ["first"]),
        (["third"], []),
    ],
    ids=str,
)
def test_a_services_own_list_comes_before_the_routes(preferred, aliases, settings):
    use_routes(settings, sms=["second"])
    assert senders.route("sms", preferred) == aliases
    service = VerifyService(senders={"sms": list(preferred)})
    assert delivery.route(service, "sms") == aliases


def test_a_service_that_names_no_senders_uses_the_sites():
    assert delivery.route(VerifyService(), "sms") == ["first", "second"]
    assert delivery.route(VerifyService(senders={"email": ["mail"]}), "email") == ["mail"]


def test_an_override_is_seen_at_once(settings):
    assert senders.route("sms") == ["first", "second"]
    settings.DJANGO_VERIFY = {"SENDERS": {"only": MEMORY}}
    assert senders.route("sms") == ["only"]
    settings.DJANGO_VERIFY = {"SENDERS": {}}
    assert senders.route("sms") == []
