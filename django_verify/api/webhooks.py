"""Webhooks of a service: kept and validated here, called by `events.post`."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, router
from rest_framework import serializers

from django_verify.api import fields, wire
from django_verify.api.resource import (
    Create,
    Delete,
    Fetch,
    List,
    ServiceResource,
    Update,
    save_changes,
)
from django_verify.db import savepoints
from django_verify.exceptions import InvalidFactorParameter, InvalidParameter, NotFound
from django_verify.models import Webhook
from django_verify.models.webhooks import EVENT_TYPES


class WebhookParameters(wire.Parameters):
    """Of create and update; the model's validators know event types and URLs."""

    FriendlyName = wire.Text(64, allow_blank=False)
    EventTypes = wire.Many(wire.Text())
    WebhookUrl = wire.Text(4096)
    Status = fields.OneOf(*Webhook.Status.values, required=False)
    Version = fields.OneOf(*Webhook.Version.values, required=False)


class WebhookAnswer(wire.Answer):
    """A webhook."""

    sid = wire.SidOf("YW")
    service_sid = wire.SidOf("VA")
    account_sid = wire.SidOf("AC")
    friendly_name = serializers.CharField()
    event_types = serializers.ListField(child=serializers.ChoiceField(EVENT_TYPES))
    status = serializers.ChoiceField(Webhook.Status.values)
    version = serializers.ChoiceField(Webhook.Version.values)
    webhook_url = serializers.CharField()
    webhook_method = serializers.ChoiceField(["POST"])
    date_created = serializers.DateTimeField()
    date_updated = serializers.DateTimeField()
    url = serializers.URLField()


class WebhookViewSet(Create, Fetch, List, Update, Delete, ServiceResource):
    """`/Services/{ServiceSid}/Webhooks`: all five operations."""

    path = "Services/<str:service_sid>/Webhooks"
    prefix = "YW"
    key = "webhooks"
    model = Webhook
    parameters = WebhookParameters
    answer = WebhookAnswer

    def perform_create(self, **values: Any) -> Webhook:
        """Write a new webhook of the service. Raises NotFound when there is no such service."""
        return _save(Webhook(service=self.loaded_service(), **_once_each(values)))

    def perform_update(self, webhook: Webhook, **values: Any) -> Webhook:
        """Change what was sent."""
        if "status" in values:
            # Who enables a webhook again gives it a fresh start.
            values |= {"disabled_reason": "", "failing_since": None}
        for name, value in _once_each(values).items():
            setattr(webhook, name, value)
        return _save(webhook, [*values, "date_updated"])

    def represent(self, webhook: Webhook) -> dict[str, Any]:
        """Return the contract's object; webhooks and their service have one account."""
        return {
            "sid": webhook.sid,
            "service_sid": webhook.service_id,
            "account_sid": self.account.sid,
            "friendly_name": webhook.friendly_name,
            "event_types": webhook.event_types,
            "status": webhook.status,
            "version": webhook.version,
            "webhook_url": webhook.webhook_url,
            "webhook_method": webhook.webhook_method,
            "date_created": wire.timestamp(webhook.date_created),
            "date_updated": wire.timestamp(webhook.date_updated),
            "url": self.link(f"Services/{webhook.service_id}/Webhooks/{webhook.sid}"),
        }


def _once_each(values: dict[str, Any]) -> dict[str, Any]:
    """Return the values, with a repeated event type kept once."""
    if "event_types" in values:
        values = {**values, "event_types": list(dict.fromkeys(values["event_types"]))}
    return values


def _save(webhook: Webhook, names: list[str] | None = None) -> Webhook:
    try:
        webhook.clean_fields(exclude=["service"])
    except ValidationError as error:
        name, reasons = next(iter(error.message_dict.items()))
        if name == "event_types":
            raise InvalidFactorParameter(name, reasons[0]) from None
        raise InvalidParameter(name, reasons[0]) from None
    if names is not None:
        save_changes(webhook, names)
        return webhook
    try:
        with savepoints.atomic(router.db_for_write(Webhook)):
            webhook.save(force_insert=True)
    except IntegrityError:
        raise NotFound from None  # the service was deleted meanwhile
    return webhook
