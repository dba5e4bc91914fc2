"""One try to post one event: signed, sent to a public IP, accepted by the status of the answer.

Nothing is recorded here, and nothing of the answer is kept but its status.
"""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from urllib.parse import urlencode

from django.db import router
from django.db.models import QuerySet
from django.views.decorators.debug import sensitive_variables

from django_verify.crypto import codes
from django_verify.events import signatures
from django_verify.models import Webhook, WebhookDelivery
from django_verify.models.webhooks import Receiver
from django_verify.net import client
from django_verify.net.times import read_retry_after

TIMEOUT = 15
# The longest that a receiver's Retry-After is heeded.
PATIENCE = 86_400

# What the older form of a report has: these, and the challenge's own SID.
V1 = (
    *("uuid", "type", "account_sid", "service_sid", "entity_identity"),
    *("factor_sid", "factor_type", "challenge_sid"),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one try.

    `retry_after` is in seconds, 0 where the receiver named none; `final` that it wants no further
    post, and `ours` that it was not asked at all.
    """

    accepted: bool = False
    status: int | None = None
    error: str = ""
    retry_after: int = 0
    final: bool = False
    ours: bool = False


def receivers(model: type[Receiver]) -> QuerySet[Receiver]:
    """Return all webhooks, or all event sinks, in no order."""
    return model._default_manager.using(router.db_for_write(model)).order_by()  # noqa: SLF001


def _mint(receiver: Receiver) -> None:
    """Give a receiver its first secret, which nobody has seen, unless it has got one meanwhile."""
    sealed = receiver.seal_secret(signatures.new_secret())
    rows = receivers(type(receiver)).filter(pk=receiver.pk)
    rows.filter(sealed_secret="").update(sealed_secret=sealed)
    receiver.refresh_from_db(using=rows.db)


@sensitive_variables()
def _seal_anew(receiver: Receiver, secret: str) -> None:
    """Move a secret to the newest key of the ring, so that the old key can be dropped one day."""
    if not receiver.sealed_secret.startswith(f"{codes.current_key_id()}$"):
        rows = receivers(type(receiver)).filter(sealed_secret=receiver.sealed_secret)
        rows.filter(pk=receiver.pk).update(sealed_secret=receiver.seal_secret(secret))


@sensitive_variables()
def post(row: WebhookDelivery, receiver: Receiver, now: dt.datetime) -> Outcome:
    """Sign and post; nothing of the answer but its status is kept."""
    try:
        if not receiver.sealed_secret:
            _mint(receiver)
        keys = receiver.open_secrets(now)
        _seal_anew(receiver, keys[0])
    except LookupError:
        error = "the key that opens the signing secret is no longer configured"
        return Outcome(error=error, ours=True)
    url, body, headers = _signed(row, receiver, keys, now)
    try:
        answer = client.call(
            "POST",
            url,
            body=body,
            headers=headers,
            public=True,
            connect=5,
            read=TIMEOUT,
            total=TIMEOUT,
            # A body could be endless, and the owner of the URL would look by it into the site's
            # network.
            max_bytes=0,
        )
    except client.HostRefused:
        return Outcome(error="its URL, or an IP of its host, is not allowed")
    except client.NotSent:
        return Outcome(error="it could not be reached")
    except client.TransportError:
        return Outcome(error="it did not answer in time")
    except Exception as fault:  # noqa: BLE001 - the lease must be finished, whatever happens
        return Outcome(error=f"{type(fault).__name__} while it was called")
    if 200 <= answer.status < 300:
        return Outcome(accepted=True, status=answer.status)
    retry_after = 0
    if answer.status in {429, 503}:
        retry_after = read_retry_after(answer.headers.get("retry-after"), PATIENCE) or 0
    # By 410 Gone a receiver asks for no more, as Standard Webhooks has it.
    error = f"it answered {answer.status}"
    return Outcome(
        status=answer.status, error=error, retry_after=retry_after, final=answer.status == 410
    )


@sensitive_variables()
def _signed(
    row: WebhookDelivery, receiver: Receiver, keys: list[str], now: dt.datetime
) -> tuple[str, bytes, dict[str, str]]:
    """Return URL, body and headers of one try."""
    timestamp = int(now.timestamp())
    if isinstance(receiver, Webhook):
        old = receiver.version == Webhook.Version.V1
        # Some form parsers drop empty values, and would then compute another signature.
        pairs = [(n, v) for n, v in row.payload if v and (not old or n in V1)]
        url = signatures.canonical_url(receiver.url_called)
        body, content_type = urlencode(pairs).encode(), "application/x-www-form-urlencoded"
    else:
        pairs = []
        body, content_type = json.dumps([row.payload]).encode(), "application/json"
        url = signatures.with_body_hash(signatures.canonical_url(receiver.url_called), body)
    event_id = str(row.event_id)
    return (
        url,
        body,
        {
            "content-type": content_type,
            "x-twilio-signature": signatures.url_signature(keys[0], url, pairs),
            "webhook-id": event_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": signatures.standard_signature(keys, event_id, timestamp, body),
        },
    )
