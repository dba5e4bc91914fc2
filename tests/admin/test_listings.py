"""The admin of the safe list and of webhooks."""

import pytest

from django_verify.models import SafeListNumber, Webhook
from tests.conftest import PHONE, make_account, make_service

pytestmark = pytest.mark.django_db

SAFE = "/admin/django_verify/safelistnumber/"
HOOKS = "/admin/django_verify/webhook/"
HOOK = {
    "friendly_name": "Hook", "webhook_url": "https://example.com/", "event_types": ["*"],
    "status": "enabled", "version": "v2",
}  # fmt: skip


def errors(response):
    return str(response.context["adminform"].form.errors)


def test_a_number_is_added_once(boss, account):
    form = {"account": account.sid, "phone_number": "+1 (415) 555-2671"}
    assert boss.post(f"{SAFE}add/", form).status_code == 302
    entry = SafeListNumber.objects.get()
    assert (entry.number, entry.key) == (PHONE, PHONE)
    for number in (PHONE, "+1 415 555 2671"):
        response = boss.post(f"{SAFE}add/", {**form, "phone_number": number})
        assert "on the list already" in errors(response)
    other = make_account("Other")
    assert boss.post(f"{SAFE}add/", {**form, "account": other.sid}).status_code == 302


@pytest.mark.parametrize("typed", ["+18001234567", "+1 (800) 123-4567", "tel:+1-800-123-4567"])
def test_a_number_of_no_plan_is_added_and_found(boss, account, typed):
    form = {"account": account.sid, "phone_number": typed}
    assert boss.post(f"{SAFE}add/", form).status_code == 302
    entry = SafeListNumber.objects.get()
    assert (entry.number, entry.key) == ("+18001234567", "+18001234567")
    assert "on the list already" in errors(boss.post(f"{SAFE}add/", form))
    assert boss.get(SAFE, {"q": typed}).context["cl"].result_count == 1
    assert boss.get(f"{SAFE}{entry.pk}/change/").status_code == 200


@pytest.mark.parametrize("number", ["", "x", "415 555 2671", "+1"])
def test_what_is_no_number_is_refused(boss, account, number):
    response = boss.post(f"{SAFE}add/", {"account": account.sid, "phone_number": number})
    assert response.status_code == 200
    assert errors(response)
    assert not SafeListNumber.objects.exists()


def test_numbers_are_masked_and_not_edited(boss, clerk, account):
    entry = SafeListNumber.objects.create(account=account, phone_number=PHONE)
    page = f"{SAFE}{entry.pk}/change/"
    viewer = clerk("view_safelistnumber")
    for path in (SAFE, page):
        text = viewer.get(path).content.decode()
        assert "+141*******71".replace("*", "") not in text
        assert PHONE not in text
        assert PHONE in boss.get(path).content.decode()
        assert (
            PHONE in clerk("view_safelistnumber", "see_full_recipients").get(path).content.decode()
        )
    assert boss.post(page, {"phone_number": "+15017122661"}).status_code == 403
    assert boss.post(f"{SAFE}{entry.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not SafeListNumber.objects.exists()


@pytest.mark.parametrize(
    ("term", "found"), [("", 1), (PHONE, 1), ("+1415", 0), ("4155552671", 0), ("GN", 0)]
)
def test_a_search_wants_the_whole_number(boss, account, term, found):
    entry = SafeListNumber.objects.create(account=account, phone_number=PHONE)
    response = boss.get(SAFE, {"q": term})
    assert response.context["cl"].result_count == found
    assert boss.get(SAFE, {"q": entry.sid}).context["cl"].result_count == 1


def test_a_list_answers_no_other_filter(boss, account):
    SafeListNumber.objects.create(account=account, phone_number=PHONE)
    assert boss.get(SAFE, {"key__startswith": "+1"}).status_code in {302, 400}
    assert boss.get(HOOKS, {"webhook_url__startswith": "https"}).status_code in {302, 400}


def test_a_webhook_is_added_and_changed(boss, service):
    made = boss.post(f"{HOOKS}add/", {**HOOK, "service": service.sid})
    assert 'value="whsec_' in made.content.decode()
    hook = Webhook.objects.get()
    assert (hook.event_types, hook.service) == (["*"], service)
    page = f"{HOOKS}{hook.pk}/change/"
    form = {**HOOK, "event_types": ["factor.created", "factor.deleted"], "status": "disabled"}
    assert boss.post(page, form).status_code == 302
    hook.refresh_from_db()
    assert (hook.event_types, hook.status) == (["factor.created", "factor.deleted"], "disabled")
    assert 'value="factor.created" ' in boss.get(page).content.decode()
    assert boss.get(HOOKS, {"status__exact": "disabled"}).context["cl"].result_count == 1


@pytest.mark.parametrize(
    "change",
    [
        {"webhook_url": "https://127.0.0.1/"},
        {"webhook_url": "http://example.com/"},
        {"event_types": ["x"]},
        {"event_types": []},
        {"friendly_name": ""},
    ],
)
def test_bad_webhooks(boss, service, change):
    response = boss.post(f"{HOOKS}add/", {**HOOK, "service": service.sid, **change})
    assert next(iter(change)) in errors(response)
    assert not Webhook.objects.exists()


def test_a_webhook_stays_with_its_service(boss, service, account):
    hook = Webhook.objects.create(
        service=service, friendly_name="Hook", event_types=["*"], webhook_url="https://example.com/"
    )
    other = make_service(account)
    boss.post(f"{HOOKS}{hook.pk}/change/", {**HOOK, "service": other.sid})
    hook.refresh_from_db()
    assert hook.service_id == service.sid


@pytest.mark.parametrize(
    "typed", ["+52 1 55 1234-0001", "+٥٢ ٥٥ ١٢٣٤ ٠٠٠١", "\u200e+52 [55] 1234ー0001 "]
)
def test_a_number_is_added_and_found_as_it_is_typed(boss, account, typed):
    answer = boss.post(f"{SAFE}add/", {"account": account.pk, "phone_number": typed})
    assert answer.status_code == 302
    assert SafeListNumber.objects.get().number == "+525512340001"
    found = boss.get(SAFE, {"q": typed}).context["cl"].queryset
    assert [row.key for row in found] == ["+525512340001"]
    again = boss.post(f"{SAFE}add/", {"account": account.pk, "phone_number": "+525512340001"})
    assert "on the list already" in again.content.decode()
    wrong = boss.post(f"{SAFE}add/", {"account": account.pk, "phone_number": "12 abc"})
    assert "complete phone number" in wrong.content.decode()
    assert list(boss.get(SAFE, {"q": "nonsense"}).context["cl"].queryset) == []
