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


def test_weights_draw_the_first_sender_by_a_key_and_always_the_same(settings):
    use_routes(settings, sms={"first": 9, "second": 1})
    keys = [f"VE{number:032x}" for number in range(2000)]
    drawn = [tuple(senders.route("sms", key=key)) for key in keys]
    assert set(drawn) == {("first", "second"), ("second", "first")}
    # 200 of them, give or take five times the deviation of such a draw.
    assert 130 < drawn.count(("second", "first")) < 270
    assert drawn == [tuple(senders.route("sms", key=key)) for key in keys]


def test_the_others_follow_by_weight_and_all_of_them_do_without_a_key(settings):
    three = {"one": MEMORY, "two": MEMORY, "three": MEMORY}
    settings.DJANGO_VERIFY = {"SENDERS": three, "ROUTES": {"sms": {"one": 1, "two": 2, "three": 3}}}
    assert senders.route("sms") == ["three", "two", "one"]
    drawn = {tuple(senders.route("sms", key=str(number))) for number in range(100)}
    assert drawn == {
        ("three", "two", "one"),
        ("two", "three", "one"),
        ("one", "three", "two"),
    }


def test_weights_may_stand_for_a_country(settings):
    use_routes(settings, sms={"DE": {"first": 1, "second": 3}, "*": ["first"]})
    assert senders.route("sms", country="DE") == ["second", "first"]
    assert senders.route("sms", country="US", key="x") == ["first"]


def test_the_share_of_a_sender_that_cannot_be_used_is_the_others(settings):
    use_routes(settings, sms={"mail": 98, "gone": 1, "second": 1})
    assert {tuple(senders.route("sms", key=str(n))) for n in range(20)} == {("second",)}
    use_routes(settings, sms={"mail": 98})
    assert senders.route("sms", key="x") == []


def test_a_service_that_names_its_senders_is_under_no_weights(settings):
    use_routes(settings, sms={"first": 1, "second": 99})
    service = VerifyService(senders={"sms": ["first"]})
    assert delivery.route(service, "sms", verification_sid="VE1") == ["first"]
    assert delivery.route(VerifyService(), "sms", verification_sid="") == ["second", "first"]


def test_a_route_reads_no_more_than_its_country(settings):
    """A site may name two hundred countries; each start asks for the route of one."""

    class Countries(dict):
        read = 0

        def values(self):
            Countries.read += 1
            return super().values()

    use_routes(settings, sms=Countries({"DE": ["first"], "*": ["second"]}))
    assert senders.route("sms", country="DE") == ["first"]
    before = Countries.read
    assert senders.route("sms", country="FR") == ["second"]
    assert Countries.read == before
