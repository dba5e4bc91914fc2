"""Push credentials as an operator keeps them: the secret goes in and is never seen again."""

import json

import pytest
from django.contrib.admin.models import LogEntry

from django_verify.crypto import codes
from django_verify.models import PushCredential
from tests.push_senders.test_contract import ACCOUNT, P8

pytestmark = pytest.mark.django_db

PAGES = "/admin/django_verify/pushcredential/"


def form(account, **changes):
    return {
        "friendly_name": "Ours", "account": account.sid, "type": "apn", "team_id": "TEAM123456",
        "key_id": "KEY1234567", "topic": "", "secret": P8.strip().replace("\n", "\r\n"), **changes,
    }  # fmt: skip


def opened(row):
    key_id, _, box = row.sealed_secret.partition("$")
    return codes.unseal(box, bound_to=row.sid, key_id=key_id)


def assert_shown_nowhere(client, secret, *pages):
    line = (
        secret.splitlines()[1][:40] if "\n" in secret else json.loads(secret)["private_key"][60:90]
    )
    for page in pages:
        text = client.get(page).content.decode()
        assert line not in text
        assert "sealed" not in text
    assert line not in str(list(LogEntry.objects.values()))


@pytest.mark.parametrize(("kind", "secret"), [("apn", P8), ("fcm", ACCOUNT)])
def test_a_credential_is_added_and_its_secret_is_sealed(boss, account, kind, secret):
    response = boss.post(f"{PAGES}add/", form(account, type=kind, secret=secret))
    assert response.status_code == 302, response.context["adminform"].form.errors
    row = PushCredential.objects.get()
    assert row.sid.startswith("CR")
    assert opened(row).splitlines() == secret.strip().splitlines()
    assert_shown_nowhere(
        boss, secret, PAGES, f"{PAGES}{row.sid}/change/", f"{PAGES}{row.sid}/history/"
    )
    assert row.sid in boss.get(PAGES, {"type__exact": kind}).content.decode()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"secret": ""}, "secret"),
        ({"secret": "nonsense that was typed"}, "secret"),
        ({"type": "fcm"}, "secret"),
        ({"secret": ACCOUNT}, "secret"),
        ({"secret": "x" * 8193}, "secret"),
        ({"team_id": ""}, "team_id"),
        ({"key_id": ""}, "key_id"),
        ({"type": "gcm"}, "type"),
        ({"friendly_name": ""}, "friendly_name"),
    ],
)
def test_a_credential_that_is_refused_gives_nothing_back(boss, account, changes, field):
    response = boss.post(f"{PAGES}add/", form(account, **changes))
    assert list(response.context["adminform"].form.errors) == [field]
    page = response.content.decode()
    for secret in (P8.splitlines()[1], "nonsense that was typed", "x" * 100):
        assert secret not in page
    assert not PushCredential.objects.exists()


def test_an_empty_secret_keeps_the_one_there_is(boss, account):
    boss.post(f"{PAGES}add/", form(account))
    row = PushCredential.objects.get()
    page = f"{PAGES}{row.sid}/change/"
    kept = {"friendly_name": "New", "team_id": "T", "key_id": "K", "topic": "com.example"}
    assert boss.post(page, {**kept, "sandbox": "on", "secret": ""}).status_code == 302
    changed = PushCredential.objects.get()
    assert (changed.friendly_name, changed.sandbox, changed.account_id) == (
        "New",
        True,
        account.sid,
    )
    assert changed.sealed_secret == row.sealed_secret
    assert boss.post(page, {**kept, "secret": P8}).status_code == 302
    again = PushCredential.objects.get()
    assert again.sealed_secret != row.sealed_secret
    assert opened(again).strip() == P8.strip()
    assert boss.post(page, {**kept, "secret": "nonsense"}).status_code == 200


def test_a_viewer_has_no_secret_to_type(boss, clerk, account):
    boss.post(f"{PAGES}add/", form(account))
    row = PushCredential.objects.get()
    client = clerk("view_pushcredential")
    page = client.get(f"{PAGES}{row.sid}/change/")
    assert page.status_code == 200
    assert 'name="secret"' not in page.content.decode()
    assert client.post(f"{PAGES}{row.sid}/change/", {"secret": P8}).status_code == 403
    assert client.get(f"{PAGES}add/").status_code == 403
    assert_shown_nowhere(client, P8, PAGES, f"{PAGES}{row.sid}/change/")


def test_the_list_answers_nothing_about_the_secret(boss, account):
    boss.post(f"{PAGES}add/", form(account))
    answer = boss.get(PAGES, {"sealed_secret__startswith": "s"})
    assert answer.status_code in {302, 400}
