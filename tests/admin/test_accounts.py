"""A secret is in one answer, and nowhere else."""

import re

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session
from django.urls import reverse

from django_verify.crypto import codes
from django_verify.models import Account, ApiKey
from tests.conftest import make_account, make_key, make_service

pytestmark = pytest.mark.django_db

ACCOUNTS = "/admin/django_verify/account/"
KEYS = "/admin/django_verify/apikey/"


def secret_on(response):
    return re.search(r'id="id_secret"[^>]* value="([^"]+)"', response.content.decode()).group(1)


def assert_kept_nowhere(client, secret, *pages):
    """The secret is in no stored thing and on no other page."""
    stored = [session.get_decoded() for session in Session.objects.all()]
    logged = list(LogEntry.objects.values())
    cookies = client.cookies.output()
    assert secret not in f"{stored} {logged} {cookies}"
    for page in pages:
        answer = client.get(page)
        assert answer.status_code == 200
        assert secret not in answer.content.decode()


def test_a_new_account_shows_its_token_once(boss):
    response = boss.post(f"{ACCOUNTS}add/", {"friendly_name": "Acme", "is_active": "on"})
    assert response.status_code == 200
    assert "no-store" in response["Cache-Control"]
    account = Account.objects.get()
    token = secret_on(response)
    assert codes.secret_matches(account.auth_token_hash, token)
    page = response.content.decode()
    assert account.sid in page
    assert "cannot be shown again" in page
    assert account.auth_token_hash not in page
    assert_kept_nowhere(
        boss, token, ACCOUNTS, f"{ACCOUNTS}{account.sid}/change/",
        f"{ACCOUNTS}{account.sid}/history/", reverse("admin:index"),
    )  # fmt: skip


def test_the_form_of_a_new_account_has_one_way_on(boss):
    page = boss.get(f"{ACCOUNTS}add/").content.decode()
    assert 'name="_save"' in page
    assert "_addanother" not in page
    assert "_continue" not in page
    assert "AC" + "0" not in page


def test_an_account_that_is_refused_makes_no_token(boss):
    response = boss.post(f"{ACCOUNTS}add/", {"friendly_name": ""})
    assert response.status_code == 200
    assert "id_secret" not in response.content.decode()
    assert not Account.objects.exists()


def test_a_new_key_shows_its_secret_once(boss, account):
    data = {"account": account.sid, "friendly_name": "key", "is_active": "on"}
    response = boss.post(f"{KEYS}add/", data)
    assert "no-store" in response["Cache-Control"]
    key = ApiKey.objects.get()
    secret = secret_on(response)
    assert codes.secret_matches(key.secret_hash, secret)
    assert_kept_nowhere(boss, secret, KEYS, f"{KEYS}{key.sid}/change/", f"{KEYS}{key.sid}/history/")


def test_the_account_of_a_key_is_chosen_without_popups(boss, account):
    page = boss.get(f"{KEYS}add/?account={account.sid}").content.decode()
    assert f'<option value="{account.sid}" selected' in page
    assert "add_id_account" not in page


@pytest.mark.parametrize("kind", ["account", "key"])
def test_a_secret_is_replaced_after_a_question(boss, account, kind):
    obj = account if kind == "account" else make_key(account)
    page = f"{ACCOUNTS if kind == 'account' else KEYS}{obj.sid}"
    hash_field = "auth_token_hash" if kind == "account" else "secret_hash"
    old = getattr(obj, hash_field)
    assert f"{page}/rotate/" in boss.get(f"{page}/change/").content.decode()
    question = boss.get(f"{page}/rotate/")
    assert question.status_code == 200
    assert "stops working at once" in question.content.decode()
    assert f"({obj.sid})" in question.content.decode()
    obj.refresh_from_db()
    assert getattr(obj, hash_field) == old

    response = boss.post(f"{page}/rotate/")
    assert "no-store" in response["Cache-Control"]
    secret = secret_on(response)
    obj.refresh_from_db()
    assert codes.secret_matches(getattr(obj, hash_field), secret)
    assert "Replaced the" in LogEntry.objects.get().get_change_message()
    assert_kept_nowhere(boss, secret, f"{page}/change/", f"{page}/rotate/", f"{page}/history/")


def test_replacing_needs_the_change_permission(clerk, account):
    viewer = clerk("view_account")
    page = f"{ACCOUNTS}{account.sid}"
    assert viewer.get(f"{page}/rotate/").status_code == 403
    assert viewer.post(f"{page}/rotate/").status_code == 403
    shown = viewer.get(f"{page}/change/")
    assert shown.status_code == 200
    assert "rotate" not in shown.content.decode()
    account.refresh_from_db()
    assert codes.secret_matches(account.auth_token_hash, account.token)


def test_replacing_needs_a_csrf_token(boss, account):
    boss.handler.enforce_csrf_checks = True
    assert boss.post(f"{ACCOUNTS}{account.sid}/rotate/").status_code == 403


def test_replacing_nothing_is_a_404(boss):
    assert boss.post(f"{ACCOUNTS}AC{'0' * 32}/rotate/").status_code == 404


def test_a_clerk_who_may_only_add_sees_the_secret(clerk, account):
    response = clerk("add_account").post(f"{ACCOUNTS}add/", {"friendly_name": "Acme"})
    assert secret_on(response)
    assert f"{ACCOUNTS}{'AC'}" not in response.content.decode()


def test_no_page_shows_a_hash(boss, account):
    key = make_key(account)
    for page in (
        ACCOUNTS, f"{ACCOUNTS}add/", f"{ACCOUNTS}{account.sid}/change/",
        f"{ACCOUNTS}{account.sid}/delete/", KEYS, f"{KEYS}add/", f"{KEYS}{key.sid}/change/",
    ):  # fmt: skip
        response = boss.get(page)
        assert response.status_code == 200, page
        text = response.content.decode()
        assert account.auth_token_hash not in text
        assert key.secret_hash not in text
        assert "_hash" not in text


def test_an_account_lists_its_keys(boss, account):
    key = make_key(account)
    text = boss.get(f"{ACCOUNTS}{account.sid}/change/").content.decode()
    assert f"{KEYS}{key.sid}/change/" in text
    assert f"<p>{key.sid}</p>" in text
    assert f"{KEYS}add/?account={account.sid}" in text


def test_saving_keeps_a_secret_that_was_replaced_meanwhile(boss, account, monkeypatch):
    from django_verify.admin.accounts import AccountAdmin

    inner = AccountAdmin.save_model

    def save_late(self, request, obj, form, change):
        other = Account.objects.get(sid=obj.sid)
        save_late.token = other.set_auth_token()
        other.save()
        inner(self, request, obj, form, change)

    monkeypatch.setattr(AccountAdmin, "save_model", save_late)
    boss.post(
        f"{ACCOUNTS}{account.sid}/change/",
        {"friendly_name": "New name", "api_keys-TOTAL_FORMS": 0, "api_keys-INITIAL_FORMS": 0},
    )
    account.refresh_from_db()
    assert account.friendly_name == "New name"
    assert not account.is_active
    assert codes.secret_matches(account.auth_token_hash, save_late.token)


@pytest.mark.parametrize(
    "query",
    [
        "auth_token_hash__startswith=s", "auth_token_hash__gt=s", "auth_token_hash=s",
        "services__friendly_name=Acme", "api_keys__secret_hash__startswith=s",
    ],
)  # fmt: skip
def test_an_account_cannot_be_found_by_its_hash(boss, account, query):
    make_service(account)
    assert boss.get(f"{ACCOUNTS}?{query}").status_code == 400


def test_the_lists_search_and_filter(boss, account):
    key = make_key(account)
    make_account("Other")
    found = boss.get(f"{ACCOUNTS}?q={account.sid}&is_active__exact=1")
    assert list(found.context["cl"].result_list) == [account]
    assert not boss.get(f"{KEYS}?is_active__exact=0").context["cl"].result_list
    assert list(boss.get(f"{KEYS}?q=acme").context["cl"].result_list) == [key]


def test_nobody_else_gets_in(client, account):
    response = client.get(f"{ACCOUNTS}{account.sid}/rotate/")
    assert response.status_code == 302
    assert "/login/" in response["Location"]
