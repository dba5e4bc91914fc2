"""The guard's pages: why a start was refused, what is closed, prices and caps."""

import datetime as dt
import re

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from django_verify import exceptions, fraud, sids, verifications
from django_verify.admin import labels
from django_verify.models import Currency, GuardDecision, GuardTrip, Price, SpendCap
from tests.conftest import PHONE

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def site():
    User.objects.create_superuser("root", "root@example.com", "secret")
    client = Client()
    client.login(username="root", password="secret")
    return client


def url(name, *args):
    return reverse(f"admin:django_verify_{name}", args=args)


def make_decision(service, **values):
    given = {
        "account_id": service.account_id,
        "service": service,
        "attempt_sid": sids.attempt(),
        "recipient_key": PHONE,
        "country": "US",
        "channel": "sms",
        "cause": "block",
        "outcome": "recorded",
        "reason": "14 of 14 numbers new, none confirmed",
    }
    return GuardDecision.objects.create(**{**given, **values})


def make_trip(service, **values):
    given = {
        "account_id": service.account_id,
        "level": "standard",
        "state": "closed",
        "kind": "block",
        "key": "US +1415555",
        "reason": "none confirmed",
        "started_at": timezone.now(),
        "ends_at": timezone.now() + dt.timedelta(hours=12),
    }
    return GuardTrip.objects.create(**{**given, **values})


def test_a_decision_is_found_with_its_reason_and_by_its_number(site, service):
    make_decision(service)
    make_decision(service, recipient_key="+4915112345678", reason="another")
    page = site.get(url("guarddecision_changelist"), {"q": PHONE}).content.decode()
    assert "14 of 14 numbers new" in page
    assert "another" not in page
    assert "a closed range" in page


def test_what_record_only_would_have_refused_is_a_filter(site, service):
    make_decision(service)
    make_decision(service, outcome="refused", reason="another")
    page = site.get(url("guarddecision_changelist"), {"outcome": "recorded"}).content.decode()
    assert "14 of 14 numbers new" in page
    assert "another" not in page


def test_viewers_without_leave_see_no_full_number(service):
    viewer = User.objects.create_user("viewer", password="secret", is_staff=True)
    for name in ("view_guarddecision", "view_verification"):
        viewer.user_permissions.add(Permission.objects.get(codename=name))
    client = Client()
    client.login(username="viewer", password="secret")
    block = PHONE[:-3]
    row = make_decision(service, reason=f"Numbers that begin with {block}: 14 of 14 numbers new")
    sid = verifications.start(service, PHONE).sid
    pages = [
        *(url("guarddecision_changelist"), url("guarddecision_change", row.pk)),
        *(url("guarddecision_export"), url("verification_change", sid)),
    ]
    for page in pages:
        text = client.get(page).getvalue().decode()
        assert "begin with +141*****: 14 of 14" in text
        assert block not in text


def export_link(page):
    (link,) = re.findall(r'href="([^"]*/export/[^"]*)"', page.content.decode())
    return link.replace("&amp;", "&")


@pytest.mark.parametrize(
    ("query", "lines"),
    [
        ({}, 3),
        ({"outcome": "recorded"}, 1),
        ({"outcome": "refused", "o": "1", "cause": "cap"}, 1),
        ({"country": "DE"}, 1),
        ({"q": PHONE}, 2),
        ({"date_created__lt": "2001-01-01 00:00:00+00:00"}, 0),
    ],
)
def test_the_file_has_what_search_and_filters_leave(site, service, monkeypatch, query, lines):
    monkeypatch.setattr("django_verify.admin.stretches.REACH", 1)
    make_decision(service)
    make_decision(service, outcome="refused", cause="cap")
    make_decision(service, outcome="refused", country="DE", recipient_key="+4915112345678")
    answer = site.get(export_link(site.get(url("guarddecision_changelist"), query)))
    assert len(answer.getvalue().decode().splitlines()) == 1 + lines


def test_a_file_of_what_cannot_be_filtered_leads_to_the_list(site):
    answer = site.get(url("guarddecision_export"), {"date_created__lt": "soon"})
    assert answer.status_code == 302
    assert answer["Location"].startswith(url("guarddecision_changelist"))
    assert site.get(url("guarddecision_export"), {"recipient_key": PHONE}).status_code == 400


def test_decisions_are_exported_without_recipients(site, service):
    make_decision(service)
    text = site.get(url("guarddecision_export")).getvalue().decode("utf-8-sig")
    assert "14 of 14 numbers new" in text
    assert PHONE not in text
    assert site.get(url("guarddecision_import")).status_code == 403


def test_a_verification_shows_the_decisions_about_its_recipient(site, service):
    row = verifications.start(service, PHONE)
    make_decision(service, reason="<b>none</b> confirmed")
    page = site.get(url("verification_change", row.sid)).content.decode()
    assert "recorded only: &lt;b&gt;none&lt;/b&gt; confirmed" in page


@pytest.mark.parametrize(
    ("values", "deed"),
    [
        ({"cause": "rule"}, "Change or delete the rule under “Prefix rules”."),
        ({"cause": "block"}, "open it under “Closed ranges”."),
        ({"cause": "crowd"}, "put the number on the safe list."),
        ({"cause": "cap"}, "Raise the cap under “Spend caps”"),
        ({"cause": "crowd", "outcome": "recorded"}, '<div class="readonly">-</div>'),
    ],
)
def test_a_blocked_start_says_in_words_what_it_was_and_what_to_do(site, service, values, deed):
    row = make_decision(service, **{"outcome": "refused", "level": "standard", **values})
    page = site.get(url("guarddecision_change", row.pk)).content.decode()
    assert deed in page
    assert "United States" in page
    assert ">US<" not in page
    assert ">sms<" not in page
    assert row.cause not in re.findall(r"<h[12]>(.*?)</h[12]>", page, re.DOTALL)[-1]


def test_every_cause_has_its_name_and_what_to_do_about_it():
    assert labels.CAUSES.keys() == labels.DEEDS.keys()


@pytest.mark.parametrize(
    ("kind", "key", "shown"),
    [
        ("country", "country GG", "Guernsey"),
        ("range", "GG +4479", "+4479 (Guernsey)"),
        ("network", "network 0123abcd", "0123abcd"),
    ],
)
def test_what_is_closed_is_called_by_its_name(site, service, kind, key, shown):
    trip = make_trip(service, kind=kind, key=key)
    for name, *args in (("guardtrip_changelist",), ("guardtrip_change", trip.pk)):
        page = site.get(url(name, *args)).content.decode()
        assert f">{shown}<" in page


def test_what_is_closed_can_be_opened_and_kept(site, service):
    trip = make_trip(service)
    data = {"action": "keep_selected", "_selected_action": [trip.pk]}
    site.post(url("guardtrip_changelist"), data, follow=True)
    trip.refresh_from_db()
    assert trip.ends_at is None
    page = site.post(
        url("guardtrip_changelist"), {**data, "action": "lift_selected"}, follow=True
    ).content.decode()
    trip.refresh_from_db()
    assert trip.is_over(timezone.now())
    assert "1 was opened." in page


def test_opening_needs_a_permission_of_its_own(service):
    viewer = User.objects.create_user("viewer", password="secret", is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename="view_guardtrip"))
    client = Client()
    client.login(username="viewer", password="secret")
    trip = make_trip(service)
    client.post(
        url("guardtrip_changelist"), {"action": "lift_selected", "_selected_action": [trip.pk]}
    )
    trip.refresh_from_db()
    assert not trip.is_over(timezone.now())


def test_prices_are_imported_and_replaced(site):
    from django.core.files.uploadedfile import SimpleUploadedFile

    Price.objects.create(country="DE", channel="sms", amount="1", currency="USD")
    lines = "country,channel,sender,price,currency\nde,sms,,0.075,eur\n*,call,,0.1,USD\n"
    file = SimpleUploadedFile("prices.csv", lines.encode())
    site.post(url("price_import"), {"file": file}, follow=True)
    found = {str(row): (f"{row.amount:.3f}", row.currency) for row in Price.objects.all()}
    assert found == {
        "Germany sms": ("0.075", "EUR"),
        "All other countries call": ("0.100", "USD"),
    }


def test_a_list_says_which_prices_do_not_count(site, settings):
    from django.core.files.uploadedfile import SimpleUploadedFile

    lines = "country,price,currency\nDE,0.07,EUR\nGB,0.05,GBP\nFR,0.06,EUR\nUS,0.01,USD\n"
    file = SimpleUploadedFile("prices.csv", lines.encode())
    page = site.post(url("price_import"), {"file": file}, follow=True).content.decode()
    assert "4 rows imported." in page
    assert "Prices in EUR, GBP do not count: add under Currencies what one is worth." in page
    Currency.objects.create(code="EUR", rate="1.1")
    page = site.get(url("price_changelist")).content.decode()
    assert "Prices in GBP do not count" in page
    settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "CURRENCY": "GBP"}
    assert "Prices in USD do not count" in site.get(url("price_changelist")).content.decode()
    Currency.objects.create(code="USD", rate="0.8")
    assert "do not count:" not in site.get(url("price_changelist")).content.decode()


def test_a_price_that_is_no_number_imports_nothing(site):
    from django.core.files.uploadedfile import SimpleUploadedFile

    file = SimpleUploadedFile("prices.csv", b"country,price,currency\nDE,cheap,USD\n")
    page = site.post(url("price_import"), {"file": file}).content.decode()
    assert "Line 2: The price must be a number" in page
    assert not Price.objects.exists()


def test_a_cap_and_a_level_are_set(site, account, service):
    site.post(
        url("spendcap_add"),
        {"account": account.sid, "service": "", "period": "day", "amount": "25"},
    )
    assert SpendCap.objects.get().scope == account.sid
    page = site.get(url("verifyservice_change", service.sid)).content.decode()
    assert 'name="guard_level"' in page
    assert 'name="guard_record_only"' in page


def test_every_page_says_what_it_does(site):
    for name in ("guarddecision", "guardtrip", "price", "currency", "spendcap"):
        assert site.get(url(f"{name}_changelist")).status_code == 200
    fraud.forget()


def test_an_account_goes_with_what_the_guard_has_written_about_it(site, service):
    make_decision(service)
    make_trip(service)
    answer = site.post(url("account_delete", service.account_id), {"post": "yes"})
    assert answer.status_code == 302
    assert not GuardDecision.objects.exists()
    assert not GuardTrip.objects.exists()


def test_a_list_without_prices_says_what_a_message_counts(site, account, service):
    SpendCap.objects.create(account=account, period="day", amount="0.05")
    page = site.get(url("price_changelist")).content.decode()
    assert "MESSAGE_PRICE" in page
    verifications.start(service, PHONE)
    with pytest.raises(exceptions.TooManyRequests):
        verifications.start(service, "+14155552699")


@pytest.mark.parametrize("name", ["", "own"])
def test_a_second_cap_of_a_period_is_refused_by_its_form(site, account, service, name):
    data = {
        "account": account.sid,
        "service": service.sid if name else "",
        "period": "day",
        "amount": "25",
    }
    for amount in ("25", "30"):
        answer = site.post(url("spendcap_add"), {**data, "amount": amount}, follow=True)
    page = answer.content.decode()
    assert "There is a cap for this day or month already: change that one." in page
    assert 'value="30"' in page
    assert "somebody else" not in page
    other = SpendCap.objects.create(account=account, period="month", amount="9")
    site.post(url("spendcap_change", other.pk), {**data, "period": "month"})
    other.refresh_from_db()
    assert other.amount == 25


@pytest.mark.parametrize("name", ["spendcap", "price"])
def test_the_amount_is_among_the_columns_that_a_phone_shows(name):
    model = {"spendcap": SpendCap, "price": Price}[name]
    assert "amount" in admin.site.get_model_admin(model).list_display[:3]
