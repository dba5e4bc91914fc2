"""Event Grid in front of the callback address: its handshake, and events of other kinds."""

import json

import pytest
from django.test import Client

from tests.senders.apis import AZURE_KEY, SECRET

pytestmark = pytest.mark.django_db
PATH = "/verify/callbacks/azure"
VALIDATION = {
    "id": "2d1781af-3a4c-4d7c-bd0c-e34b19da4e66",
    "topic": "/subscriptions/x",
    "subject": "",
    "data": {
        "validationCode": "512d38b6-c7b8-40c8-89fe-f46f9e9622b6",
        "validationUrl": "https://rp-eastus2.eventgrid.azure.net:553/eventsubscriptions/x/validate",
    },
    "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent",
    "eventTime": "2026-03-01T12:00:00.0000000Z",
    "metadataVersion": "1",
    "dataVersion": "1",
}


@pytest.fixture(autouse=True)
def configured(settings):
    options = {"endpoint": "https://acme.communication.azure.com", "access_key": AZURE_KEY}
    options |= {"sender": "+18335550100", "callback_token": SECRET}
    azure = {"BACKEND": "django_verify.senders.azure.AzureSender", "OPTIONS": options}
    settings.DJANGO_VERIFY = {
        "SENDERS": {"azure": azure},
        "BASE_URL": "https://verify.example.org",
    }


def post(events, token=SECRET, **headers):
    body = events if isinstance(events, bytes) else json.dumps(events)
    query = f"?token={token}" if token else ""
    return Client(enforce_csrf_checks=True).post(
        PATH + query, body, content_type="application/json", headers=headers
    )


def test_the_handshake_of_a_subscription_is_answered():
    answer = post([VALIDATION], aeg_event_type="SubscriptionValidation")
    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/json"
    assert answer.json() == {"validationResponse": "512d38b6-c7b8-40c8-89fe-f46f9e9622b6"}


@pytest.mark.parametrize("token", ["", "another"])
def test_a_handshake_without_the_token_is_refused(token):
    assert post([VALIDATION], token).status_code == 403
    assert post([VALIDATION], f"{SECRET}&token={SECRET}").status_code == 403


@pytest.mark.parametrize(
    "event",
    [
        {"eventType": "Microsoft.Communication.SMSReceived", "data": {"Message": "STOP"}},
        {"eventType": "Microsoft.Communication.AnEventOfTomorrow", "data": {}},
        {"eventType": 5},
        {},
        {
            "eventType": "Microsoft.Communication.SMSDeliveryReportReceived",
            "data": {"MessageId": "Outgoing_1", "DeliveryStatus": "AStatusOfTomorrow"},
        },
        {"eventType": "Microsoft.Communication.SMSDeliveryReportReceived", "data": "odd"},
    ],
    ids=str,
)
def test_an_event_of_another_kind_is_no_error(event):
    answer = post([event])
    assert (answer.status_code, answer.content) == (200, b"")


def test_a_cloud_event_is_read_as_well():
    event = {"type": "Microsoft.Communication.SMSDeliveryReportReceived", "specversion": "1.0"}
    event["data"] = {"messageId": "Outgoing_1", "deliveryStatus": "Delivered"}
    assert post(event).status_code == 200


@pytest.mark.parametrize("body", [b"", b"[1]", b"nonsense", b"[" * 100_000, b'"x"', b"\xff"])
def test_what_is_no_event_is_refused(body):
    assert post(body).status_code == 403
