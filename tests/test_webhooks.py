"""Events of factors and challenges: recorded in the caller's transaction, and delivered."""

import pytest
from django.db import IntegrityError, transaction

from django_verify import webhooks
from django_verify.models import EventSink, Webhook, WebhookDelivery

pytestmark = pytest.mark.django_db(transaction=True)

FACTOR = {
    "identity": "user-7",
    "factor_sid": "YF" + "0" * 32,
    "factor_type": "push",
    "friendly_name": "Phone",
}
CHALLENGE = {
    **FACTOR,
    "challenge_sid": "YC" + "0" * 32,
    "details": '{"message": "Log in?"}',
    "hidden_details": '{"ip": "192.0.2.1"}',
    "metadata": "{}",
}


def make_webhook(service, **values):
    values = {"friendly_name": "Hook", "event_types": ["*"], **values}
    values.setdefault("webhook_url", "https://hooks.example.com/verify?tenant=1")
    return Webhook.objects.create(service=service, **values)


def tell(service, kind="created"):
    ids = {"account_sid": service.account_id, "service_sid": service.sid}
    if kind in {"approved", "denied"}:
        return webhooks.challenge_event(kind, **ids, **CHALLENGE)
    return webhooks.factor_event(kind, **ids, **FACTOR)


@pytest.fixture
def woken(monkeypatch):
    calls = []
    monkeypatch.setattr(webhooks, "wake", lambda: calls.append(1))
    return calls


def test_each_webhook_that_asks_gets_a_row(service, woken, django_assert_num_queries):
    every = make_webhook(service)
    deleted = make_webhook(service, event_types=["factor.deleted"])
    make_webhook(service, status="disabled")
    with transaction.atomic():
        assert tell(service, "deleted") == 2
        assert woken == []
    assert woken == [1]
    rows = WebhookDelivery.objects.all()
    assert {row.webhook_id for row in rows} == {every.sid, deleted.sid}
    assert len({row.event_id for row in rows}) == 1
    assert tell(service, "verified") == 1
    with django_assert_num_queries(1):
        assert webhooks.record("VA" + "0" * 32, "factor.created", {}) == 0


def test_what_a_report_says(service):
    make_webhook(service)
    tell(service, "approved")
    row = WebhookDelivery.objects.get()
    assert dict(row.payload) == {
        "uuid": str(row.event_id),
        "type": "challenge.approved",
        "account_sid": service.account_id,
        "service_sid": service.sid,
        "entity_identity": "user-7",
        "factor_sid": FACTOR["factor_sid"],
        "factor_type": "push",
        "factor_friendly_name": "Phone",
        "challenge_sid": CHALLENGE["challenge_sid"],
        "challenge_details": CHALLENGE["details"],
        "challenge_hidden_details": CHALLENGE["hidden_details"],
        "challenge_metadata": "{}",
    }
    assert row.event_type == "challenge.approved"


def test_a_rollback_records_nothing(service, woken):
    make_webhook(service)
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        tell(service)
        1 / 0  # noqa: B018
    assert not WebhookDelivery.objects.exists()
    assert woken == []


def test_a_delivery_has_one_receiver(service):
    sink = EventSink.objects.create(
        account=service.account, url="https://x.example", friendly_name="x"
    )
    for receivers in ({}, {"sink": sink, "webhook": make_webhook(service)}):
        with pytest.raises(IntegrityError), transaction.atomic():
            WebhookDelivery.objects.create(event_type="x", **receivers)
    WebhookDelivery.objects.create(event_type="x", sink=sink)
