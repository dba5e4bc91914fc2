"""The providers' pages: every configured sender, what is known of it, and what may be done."""

import datetime as dt

import pytest
from django.contrib.admin.models import LogEntry
from django.utils import timezone

from django_verify import sids, verifications
from django_verify.delivery import circuit_breakers, providers
from django_verify.models import Price, SenderState, VerificationAttempt
from tests.conftest import PHONE, make_service
from tests.scripted import BUSY, Scripted, configured

pytestmark = [pytest.mark.django_db, pytest.mark.portable]

LIST = "/admin/django_verify/senderstate/"
NUMBERS = [f"+1415555{number}" for number in range(2600, 2650)]


@pytest.fixture(autouse=True)
def two_senders(settings, monkeypatch):
    monkeypatch.setattr(Scripted, "script", {})
    monkeypatch.setattr(Scripted, "asked", [])
    settings.DJANGO_VERIFY = configured(
        aliases=("telco", "backup"), reporting=("telco",), BASE_URL="https://shop.example"
    )


def page(alias, name="change"):
    return f"{LIST}{alias}/{name}/"


def text_of(response):
    return " ".join(response.content.decode().replace("\xa0", " ").split())


def sent(service, alias="telco", status="sent", seconds=0.0, ago=0.0, **values):
    """A message of one sender that began so many seconds ago, and took some."""
    begun = timezone.now() - dt.timedelta(seconds=ago)
    row = verifications.start(service, NUMBERS[VerificationAttempt.objects.count()])
    attempt = row.attempts.get()
    values = {"provider_sid": "SM1", "price_value": "", "price_currency": "", **values}
    VerificationAttempt.objects.filter(sid=attempt.sid).update(
        sender=alias,
        message_status=status,
        date_created=begun,
        date_updated=begun + dt.timedelta(seconds=seconds),
        **values,
    )
    return attempt


def provider(alias="telco"):
    (found,) = providers.providers([alias])
    return found


def test_every_configured_sender_is_listed_though_it_never_failed(clerk):
    response = clerk("view_senderstate").get(LIST)
    shown = [(row["provider"].alias, row["state"]) for row in response.context["providers"]]
    assert shown == [("telco", "Never used"), ("backup", "Never used")]
    assert not SenderState.objects.exists()
    for alias in ("telco", "backup"):
        assert page(alias) in response.content.decode()
        assert clerk("view_senderstate").get(page(alias)).status_code == 200


def test_a_site_without_senders_is_told_how_to_have_one(boss, settings):
    settings.DJANGO_VERIFY = {"SENDERS": {}}
    assert "No sender is configured." in text_of(boss.get(LIST))


def test_the_pages_need_their_permission(clerk, client):
    stranger = clerk("view_verification")
    assert stranger.get(LIST).status_code == 403
    assert stranger.get(page("telco")).status_code == 403
    assert client.get(LIST).status_code == 302
    assert clerk("view_senderstate").get(page("nobody")).status_code == 404


@pytest.mark.parametrize("alias", ["gone", "a\0b"])
def test_a_sender_that_is_no_longer_configured_has_no_page(boss, alias):
    SenderState.objects.create(alias="gone", failures=1)
    assert boss.get(page(alias)).status_code == 404


def test_shares_and_latencies_are_those_of_each_window(service):
    for status, seconds, ago in (
        ("delivered", 2, 60), ("delivered", 4, 120), ("undelivered", 9, 180),
        ("sent", 1, 240), ("failed", 0, 300), ("delivered", 30, 7200), ("delivered", 30, 90_000),
    ):  # fmt: skip
        sent(service, "telco", status, seconds, ago, provider_sid="" if status == "failed" else "x")
    hour, day = provider().hour, provider().day
    assert (hour.messages, hour.accepted, hour.arrived, hour.latency) == (5, 4, 2, 3)
    assert (hour.accepted_share, hour.arrived_share) == (80, 50)
    assert (day.messages, day.arrived, day.latency) == (6, 3, 4)
    assert provider("backup").day.messages == 0
    assert provider("backup").day.latency is None


def test_a_sender_without_reports_is_measured_by_its_acceptance(service):
    sent(service, "backup", "sent", 0.5, 60)
    assert (provider("backup").hour.latency, provider("backup").reported) == (0.5, False)


def test_what_was_withheld_or_is_on_its_way_does_not_count(service):
    sent(service, "telco", "canceled", 1, 60, withheld="blocked")
    sent(service, "telco", "queued", 1, 60)
    sent(service, "telco", "sending", 1, 60)
    assert provider().day.messages == 0


def test_a_success_is_found_and_a_report_is(service):
    row = sent(service, "telco", "delivered", 2, 60)
    found = provider()
    assert found.reported
    assert found.last_success == VerificationAttempt.objects.get(sid=row.sid).date_updated
    assert found.state == "working"


def test_prices_are_those_reported_and_those_listed(service, clerk):
    sent(service, price_value="-0.0070", price_currency="USD")
    sent(service, price_value="0.0080", price_currency="USD")
    sent(service, price_value="free", price_currency="USD")
    Price.objects.create(country="DE", channel="sms", sender="telco", amount="0.09", currency="EUR")
    Price.objects.create(country="*", sender="", amount="0.05", currency="EUR")
    found = provider()
    assert {currency: float(amount) for currency, amount in found.prices.items()} == {"USD": 0.0075}
    assert [str(price) for price in found.listed_prices] == ["Germany sms telco"]
    shown = text_of(clerk("view_senderstate").get(page("telco")))
    assert "0.0075 USD a message, as the provider reports it" in shown
    assert "Germany, Text message (SMS): 0.09 EUR" in shown


def test_the_statements_do_not_grow_with_senders_or_messages(service, django_assert_num_queries):
    for number in range(4):
        sent(service, "telco" if number % 2 else "backup")
    with django_assert_num_queries(3):
        providers.providers()


def test_no_more_than_the_newest_messages_are_looked_at(service, monkeypatch):
    sent(service, "backup", "sent", 0, 60)
    sent(service, "telco", "sent", 0, 30)
    monkeypatch.setattr(providers, "SAMPLE", 1)
    assert (provider("backup").hour.messages, provider("telco").hour.messages) == (0, 1)


STATES = [
    ({}, "Never used"),
    ({"failures": 1, "last_error": "x", "last_error_at": 5}, "Failing"),
    ({"failures": 9, "open_until": -30, "last_error": "x"}, "Failing, and used last"),
    ({"paused_at": 5}, "Paused"),
    ({"paused_at": 5, "paused_until": -60}, "Paused"),
    ({"paused_at": 600, "paused_until": 60}, "Never used"),
    ({"last_error": "x", "last_error_at": 90_000}, "Working"),
]


@pytest.mark.parametrize(("values", "word"), STATES)
def test_the_state_of_a_sender(clerk, values, word):
    def moment(value):
        return timezone.now() - dt.timedelta(seconds=value)

    values = {
        name: moment(value)
        if name in {"last_error_at", "open_until"} or "paused" in name
        else value
        for name, value in values.items()
    }
    SenderState.objects.create(alias="telco", **values)
    viewer = clerk("view_senderstate")
    assert viewer.get(LIST).context["providers"][0]["state"] == word
    assert word in text_of(viewer.get(page("telco")))


def test_a_sender_that_fails_does_so_since_its_first_failure(service, clock):
    began = timezone.now()
    circuit_breakers.failed("telco", "busy", "503")
    clock.shift(3600)
    circuit_breakers.failed("telco", "busy", "503")
    assert (provider().state, provider().since) == ("failing", began)
    sent(service, "telco", "delivered", 1, 60)
    assert (provider().state, provider().since) == ("failing", None)


def test_the_last_error_stands_in_plain_words_with_its_code(clerk):
    SenderState.objects.create(
        alias="telco",
        failures=2,
        failing_since=timezone.now(),
        last_error="the provider did not accept the account",
        last_code="401",
        last_error_at=timezone.now(),
    )
    viewer = clerk("view_senderstate")
    assert "Wrong credentials" in text_of(viewer.get(LIST))
    shown = text_of(viewer.get(page("telco")))
    assert "telco refuses our credentials. Compare the key" in shown
    assert "<code>401</code>" in shown
    assert "the provider did not accept the account" in shown


def test_the_address_of_reports_is_shown_without_a_secret(clerk, settings):
    viewer = clerk("view_senderstate")
    address = "https://shop.example/verify/callbacks/telco"
    shown = text_of(viewer.get(page("telco")))
    assert f'value="{address}"' in shown
    assert "No report has come" in shown
    assert "It gives none" in text_of(viewer.get(page("backup")))
    settings.DJANGO_VERIFY = {
        "BASE_URL": "https://shop.example",
        "SENDERS": {
            "telco": {
                "BACKEND": "django_verify.senders.africastalking.AfricasTalkingSender",
                "OPTIONS": {
                    "username": "u",
                    "api_key": "k3y",
                    "callback_token": "t0ken-of-reports",
                },
            }
        },
    }
    shown = text_of(viewer.get(page("telco")))
    assert "Enter this address in the provider's console. Add ?token=" in shown.replace(
        "&#x27;", "'"
    )
    assert "t0ken" not in shown
    assert "k3y" not in shown
    settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "BASE_URL": ""}
    assert "BASE_URL is not set" in text_of(viewer.get(page("telco")))


ROUTES = [
    (None, None),
    ({"sms": ["telco"]}, None),
    ({"sms": ["backup"]}, []),
    ({}, []),
    ({"sms": {"DE": ["telco"], "*": ["backup"]}}, ["DE"]),
    ({"sms": {"DE": ["backup"], "*": ["telco"]}}, ["*"]),
    ({"sms": {"*": ["telco"]}}, None),
]


@pytest.mark.parametrize(("routes", "countries"), ROUTES)
def test_the_countries_are_those_of_the_routes(settings, clerk, routes, countries):
    settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "ROUTES": routes}
    assert provider().countries["sms"] == countries
    shown = text_of(clerk("view_senderstate").get(page("telco")))
    names = {None: "every country", (): "none by the settings", ("DE",): "Germany"}
    expected = names.get(None if countries is None else tuple(countries), "all other countries")
    assert f"Text message (SMS): {expected}" in shown.replace("&#x27;", "'")


def test_the_share_of_a_sender_is_shown_where_a_route_has_weights(settings, clerk):
    viewer = clerk("view_senderstate")
    settings.DJANGO_VERIFY |= {"ROUTES": {"sms": {"telco": 2, "backup": 1}}}
    assert "Text message (SMS): every country (67 %)" in text_of(viewer.get(page("telco")))
    routes = {"DE": {"telco": 1, "backup": 9}, "FR": ["telco"], "*": {"telco": 90, "backup": 10}}
    settings.DJANGO_VERIFY |= {"ROUTES": {"sms": routes}}
    shown = text_of(viewer.get(page("telco")))
    assert "(SMS): France, Germany (10 %), all other countries (90 %)" in shown


ACTIONS = [
    ("pause", "pause_sender"),
    ("resume", "pause_sender"),
    ("close", "close_breaker"),
    ("test", "test_sender"),
]


@pytest.mark.parametrize(("name", "permission"), ACTIONS)
def test_each_action_needs_its_permission_and_is_asked_for_first(clerk, name, permission):
    SenderState.objects.create(
        alias="telco", failures=3, paused_at=timezone.now() if name == "resume" else None
    )
    url = page("telco", name)
    viewer = clerk("view_senderstate")
    assert url not in viewer.get(page("telco")).content.decode()
    assert viewer.get(url).status_code == 403
    assert viewer.post(url, {"duration": "hour"}).status_code == 403
    actor = clerk("view_senderstate", permission)
    assert url in actor.get(page("telco")).content.decode()
    assert actor.get(url).status_code == 200
    assert not LogEntry.objects.exists()
    assert clerk(permission).get(url).status_code == 403
    assert actor.get(page("nobody", name)).status_code == 404


@pytest.mark.parametrize(("duration", "hours"), [("hour", 1), ("day", 24), ("open", None)])
def test_a_sender_is_paused_and_resumed(clerk, clock, duration, hours):
    actor = clerk("view_senderstate", "pause_sender")
    response = actor.post(page("telco", "pause"), {"duration": duration}, follow=True)
    row, now = SenderState.objects.get(), timezone.now()
    assert row.is_paused(now)
    assert row.paused_until == (hours and now + dt.timedelta(hours=hours))
    assert "Paused" in text_of(response)
    entry = LogEntry.objects.get()
    assert (entry.object_id, "Paused" in entry.get_change_message()) == ("telco", True)
    actor.post(page("telco", "resume"), follow=True)
    assert SenderState.objects.get().paused_at is None
    assert LogEntry.objects.count() == 2
    assert LogEntry.objects.latest("pk").get_change_message() == "Resumed."
    assert actor.get(page("telco", "history")).status_code == 200


def test_a_pause_wants_a_duration(clerk):
    actor = clerk("view_senderstate", "pause_sender")
    response = actor.post(page("telco", "pause"), {"duration": "for ever"})
    assert response.context["form"].errors
    assert not SenderState.objects.exists()


def test_the_confirmation_says_which_channels_have_no_other_sender(clerk):
    actor = clerk("view_senderstate", "pause_sender")
    assert not actor.get(page("telco", "pause")).context["warning"]
    SenderState.objects.create(alias="backup", paused_at=timezone.now())
    warning = str(actor.get(page("telco", "pause")).context["warning"])
    assert "Text message (SMS)" in warning
    assert "dropped when they expire" in warning


def test_a_breaker_is_closed(clerk):
    SenderState.objects.create(alias="telco", failures=9, open_until=timezone.now())
    actor = clerk("view_senderstate", "close_breaker")
    actor.post(page("telco", "close"))
    row = SenderState.objects.get()
    assert (row.failures, row.open_until) == (0, None)
    assert LogEntry.objects.get().get_change_message() == "Put back in its place."
    assert page("telco", "close") not in actor.get(page("telco")).content.decode()


def test_nothing_is_added_changed_or_deleted(boss):
    assert boss.get(f"{LIST}add/").status_code == 403
    SenderState.objects.create(alias="telco")
    assert boss.post(page("telco", "delete"), {"post": "yes"}).status_code == 403


# A test message by one sender


@pytest.fixture
def tries(clerk):
    def send(service, alias="backup", channel="sms", recipient=PHONE):
        data = {"service": service.sid, "channel": channel, "recipient": recipient}
        actor = clerk("view_senderstate", "test_sender")
        return actor.post(page(alias, "test"), data, follow=True)

    return send


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("dispatch", ["inline", "tests.delivery.test_attempts.nobody"])
def test_a_message_goes_by_the_sender_that_is_tested(tries, service, settings, dispatch):
    settings.DJANGO_VERIFY = {
        **settings.DJANGO_VERIFY, "DISPATCH": dispatch, "ROUTES": {"sms": ["telco"]}
    }  # fmt: skip
    SenderState.objects.create(alias="backup", paused_at=timezone.now())
    response = tries(service)
    assert Scripted.asked == ["backup"]
    assert response.context["outcome"].level == "success"
    assert VerificationAttempt.objects.get().sender == "backup"
    assert LogEntry.objects.get().get_change_message() == "Sent a test message (sms)."
    assert PHONE[4:] not in LogEntry.objects.get().object_repr


@pytest.mark.django_db(transaction=True)
def test_a_test_that_fails_is_explained_and_goes_by_no_other_sender(tries, service):
    Scripted.script = {"backup": BUSY}
    outcome = tries(service).context["outcome"]
    assert Scripted.asked == ["backup"]
    assert (outcome.level, outcome.problem.cause) == ("error", "provider_down")
    attempt = VerificationAttempt.objects.get()
    assert (attempt.message_status, attempt.due_at) == ("failed", None)


def test_a_test_goes_by_a_channel_of_both(tries, settings):
    service = make_service(channels=["email"])
    assert "channel" in tries(service).context["form"].errors
    assert "service" in tries(VerificationAttempt(sid=sids.attempt())).context["form"].errors
    assert not VerificationAttempt.objects.exists()
