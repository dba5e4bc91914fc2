"""Events of factors and challenges to the webhooks of a service: recorded, signed, delivered.

An event is recorded with what it tells of, in the caller's transaction, as one row for each
webhook that asks for it; it is posted after the commit, by `sweep`, and never in a request.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from typing import Literal

from django.db import router, transaction

from django_verify.models import Webhook, WebhookDelivery

# What the older form of a report has: these, and the challenge's own SID.
V1 = (
    *("uuid", "type", "account_sid", "service_sid", "entity_identity"),
    *("factor_sid", "factor_type", "challenge_sid"),
)


def record(service_sid: str, event_type: str, params: Mapping[str, str]) -> int:
    """Write an event for each enabled webhook that asks for it; return how many.

    Call it inside the transaction that makes the event true: the rows stand and fall with it. The
    parameter `uuid` is the event's id, the same on every try. One query where no webhook asks.
    """
    using = router.db_for_write(Webhook)
    enabled = Webhook.objects.using(using).filter(
        service_id=service_sid, status=Webhook.Status.ENABLED
    )
    asked = [
        sid
        for sid, names in enabled.order_by().values_list("sid", "event_types")
        if "*" in names or event_type in names
    ]
    event_id = uuid.UUID(params["uuid"]) if "uuid" in params else uuid.uuid4()
    named = {"uuid": str(event_id), "type": event_type, **params}
    pairs = [[name, value] for name, value in named.items()]
    return enqueue(
        WebhookDelivery(webhook_id=sid, event_id=event_id, event_type=event_type, payload=pairs)
        for sid in asked
    )


def enqueue(deliveries: Iterable[WebhookDelivery]) -> int:
    """Write deliveries, and wake the dispatcher once they are committed; return how many."""
    rows = list(deliveries)
    if rows:
        using = router.db_for_write(WebhookDelivery)
        WebhookDelivery.objects.using(using).bulk_create(rows)
        transaction.on_commit(wake, using=using)
    return len(rows)


def wake() -> None:
    """Tell whoever delivers that there is something new; `deliverwebhooks` needs no telling."""


def factor_event(
    kind: Literal["created", "verified", "deleted"],
    *,
    account_sid: str,
    service_sid: str,
    identity: str,
    factor_sid: str,
    factor_type: str,
    friendly_name: str = "",
) -> int:
    """Record what became of a factor, as `record` does; return how many webhooks will be told."""
    params = {
        "account_sid": account_sid,
        "service_sid": service_sid,
        "entity_identity": identity,
        "factor_sid": factor_sid,
        "factor_type": factor_type,
        "factor_friendly_name": friendly_name,
    }
    return record(service_sid, f"factor.{kind}", params)


def challenge_event(
    kind: Literal["approved", "denied"],
    *,
    account_sid: str,
    service_sid: str,
    identity: str,
    factor_sid: str,
    factor_type: str,
    challenge_sid: str,
    details: str = "",
    hidden_details: str = "",
    metadata: str = "",
    friendly_name: str = "",
) -> int:
    """Record the answer to a challenge, as `record` does; return how many webhooks will be told.

    The details and the metadata are JSON texts, as the challenge has them.
    """
    params = {
        "account_sid": account_sid,
        "service_sid": service_sid,
        "entity_identity": identity,
        "factor_sid": factor_sid,
        "factor_type": factor_type,
        "factor_friendly_name": friendly_name,
        "challenge_sid": challenge_sid,
        "challenge_details": details,
        "challenge_hidden_details": hidden_details,
        "challenge_metadata": metadata,
    }
    return record(service_sid, f"challenge.{kind}", params)
