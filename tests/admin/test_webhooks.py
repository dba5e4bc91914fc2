"""The receivers of events and their deliveries: secrets shown once, contents never, replay."""

import re

import pytest
from django.contrib.admin.models import LogEntry
from django.utils import timezone

from django_verify.models import EventSink, Webhook, WebhookDelivery
from tests.admin.conftest import received
from tests.conftest import PHONE, make_account

pytestmark = pytest.mark.django_db

HOOKS = "/admin/django_verify/webhook/"
SINKS = "/admin/django_verify/eventsink/"
DELIVERIES = "/admin/django_verify/webhookdelivery/"
HOOK = {
    "friendly_name": "Hook", "webhook_url": "https://example.com/", "event_types": ["*"],
    "status": "enabled", "version": "v2",
}  # fmt: skip


def secret_on(response):
    assert response.status_code == 200
    assert "no-store" in response["Cache-Control"]
    return re.search(r'id="id_secret"[^>]* value="([^"]+)"', response.content.decode()).group(1)


@pytest.fixture
def hook(service):
    return Webhook.objects.create(
        service=service, friendly_name="Hook", event_types=["*"], webhook_url="https://example.com/"
    )


@pytest.fixture
def make_row(hook):
    def make(**values):
        payload = [["entity_identity", PHONE]]
        return WebhookDelivery.objects.create(
            webhook=hook, event_type="factor.created", payload=payload, **values
        )

    return make


@pytest.mark.parametrize("kind", ["webhook", "sink"])
def test_a_secret_is_shown_when_it_is_made_and_when_it_is_replaced(boss, service, kind):
    if kind == "webhook":
        root, model, form = HOOKS, Webhook, {**HOOK, "service": service.sid}
    else:
        root, model = SINKS, EventSink
        form = {"account": service.account_id, "service": service.sid, "friendly_name": "Sink",
                "url": "https://example.com/", "status": "enabled"}  # fmt: skip
    secret = secret_on(boss.post(f"{root}add/", form))
    obj = model.objects.get()
    now = timezone.now()
    assert obj.open_secrets(now) == [secret]
    page = f"{root}{obj.pk}"
    assert f"{page}/rotate/" in boss.get(f"{page}/change/").content.decode()
    question = boss.get(f"{page}/rotate/").content.decode()
    assert "For 24 hours" in question
    assert "stops working at once" not in question
    answer = boss.post(f"{page}/rotate/")
    assert "password" not in answer.content.decode().split("<main")[-1]
    new = secret_on(answer)
    obj.refresh_from_db()
    assert obj.open_secrets(now) == [new, secret]
    for path in (root, f"{page}/change/", f"{page}/history/", f"{page}/rotate/"):
        text = boss.get(path).content.decode()
        assert secret not in text
        assert new not in text
        assert obj.sealed_secret not in text


def test_a_sink_of_another_account_is_refused(boss, service):
    form = {"account": make_account("Other").sid, "service": service.sid, "friendly_name": "Sink",
            "url": "https://example.com/", "status": "enabled"}  # fmt: skip
    response = boss.post(f"{SINKS}add/", form)
    assert "another account" in str(response.context["adminform"].form.errors)


def test_the_health_of_a_receiver(boss, hook):
    page = f"{HOOKS}{hook.pk}/change/"
    assert "failing" not in boss.get(HOOKS).content.decode().split("result_list")[-1]
    Webhook.objects.update(failing_since=timezone.now())
    assert "failing" in boss.get(HOOKS).content.decode().split("result_list")[-1]
    Webhook.objects.update(status="disabled", disabled_reason="gone", failing_since=None)
    for path in (HOOKS, page):
        assert "it answered 410 Gone" in boss.get(path).content.decode()
    assert boss.post(page, HOOK).status_code == 302
    hook.refresh_from_db()
    assert (hook.status, hook.disabled_reason) == ("enabled", "")


def test_no_page_shows_what_an_event_states(boss, make_row):
    row = make_row(error="it answered 500", response_status=500)
    for path in (DELIVERIES, f"{DELIVERIES}{row.pk}/change/", f"{HOOKS}{row.webhook_id}/delete/"):
        response = boss.get(path)
        assert response.status_code == 200
        assert PHONE not in response.content.decode()
    assert boss.post(f"{DELIVERIES}{row.pk}/change/", {}).status_code == 403
    assert boss.get(f"{DELIVERIES}add/").status_code == 403


@pytest.mark.parametrize("query", ["payload__contains=1", "webhook__sealed_secret__startswith=s"])
def test_a_list_answers_no_other_filter(boss, make_row, query):
    make_row()
    assert boss.get(f"{DELIVERIES}?{query}").status_code in {302, 400}


def test_a_list_searches_and_filters(boss, make_row):
    row, dead = make_row(), make_row(status="dead")
    for term, found in ((row.sid, 1), (dead.webhook_id, 2), ("x", 0)):
        assert boss.get(DELIVERIES, {"q": term}).context["cl"].result_count == found
    listed = boss.get(DELIVERIES, {"status": "dead"}).context["cl"].result_list
    assert list(listed) == [dead]


def test_what_was_given_up_is_replayed_after_a_question(boss, clerk, make_row):
    dead = make_row(status="dead", tries=11, error="it answered 500")
    done = make_row(status="delivered")
    form = {"action": "replay_selected", "_selected_action": [dead.sid, done.sid]}
    viewer = clerk("view_webhookdelivery")
    assert viewer.post(DELIVERIES, {**form, "confirmed": "yes"}).status_code == 403
    question = boss.post(DELIVERIES, form)
    assert "Replay these deliveries?" in question.content.decode()
    dead.refresh_from_db()
    assert dead.status == "dead"
    response = clerk("view_webhookdelivery", "replay_webhook").post(
        DELIVERIES, {**form, "confirmed": "yes"}, follow=True
    )
    assert received(response) == ["1 delivery is due again. 1 stays as it is: it was not given up."]
    dead.refresh_from_db()
    done.refresh_from_db()
    assert (dead.status, dead.tries, done.status) == ("pending", 0, "delivered")
    assert LogEntry.objects.get().object_id == dead.sid


def test_a_service_with_deliveries_can_be_deleted(clerk, make_row, service):
    row = make_row()
    client = clerk("delete_webhook", "view_webhook")
    assert client.post(f"{HOOKS}{row.webhook_id}/delete/", {"post": "yes"}).status_code == 302
    assert not WebhookDelivery.objects.exists()
