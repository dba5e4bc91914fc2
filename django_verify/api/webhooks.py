"""Webhooks of a service: kept and validated here, called by `events.post`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from django_verify.api import fields, wire
from django_verify.api.mixins import AllVerbs
from django_verify.api.resource import ServiceResource
from django_verify.api.rows import fault_of
from django_verify.exceptions import InvalidFactorParameter, InvalidParameter
from django_verify.models import Webhook
from django_verify.models.webhooks import EVENT_TYPES
from django_verify.rest.answers import Answer, Time


class EventTypes(wire.Many):
    """Names of events; one that is repeated is kept once."""

    def to_internal_value(self, data: Any) -> list[str]:
        """Return the names."""
        return list(dict.fromkeys(super().to_internal_value(data)))


class WebhookParameters(wire.Parameters):
    """Of create and update; the model's validators know event types and URLs."""

    FriendlyName = wire.Text(64, allow_blank=False)
    EventTypes = EventTypes(wire.Text())
    WebhookUrl = wire.Text(4096)
    Status = fields.OneOf(*Webhook.Status.values, required=False)
    Version = fields.OneOf(*Webhook.Version.values, required=False)


class WebhookAnswer(Answer):
    """A webhook."""

    sid = wire.SidOf("YW")
    service_sid = wire.SidOf("VA", source="service_id")
    account_sid = wire.CallersSid()
    friendly_name = serializers.CharField()
    event_types = serializers.ListField(child=serializers.ChoiceField(EVENT_TYPES))
    status = serializers.ChoiceField(Webhook.Status.values)
    version = serializers.ChoiceField(Webhook.Version.values)
    webhook_url = serializers.CharField()
    webhook_method = serializers.ChoiceField(["POST"])
    date_created = Time()
    date_updated = Time()
    url = wire.Link()


class WebhookViewSet(AllVerbs, ServiceResource):
    """`/Services/{ServiceSid}/Webhooks`: all five operations."""

    path = "Services/<str:service_sid>/Webhooks"
    prefix = "YW"
    key = "webhooks"
    model = Webhook
    parameters = WebhookParameters
    answer = WebhookAnswer

    def perform_update(self, webhook: Webhook, /, **values: Any) -> Webhook:
        """Change what was sent."""
        if "status" in values:
            # Who enables a webhook again gives it a fresh start.
            values |= {"disabled_reason": "", "failing_since": None}
        updated: Webhook = super().perform_update(webhook, **values)
        return updated

    def validate(self, webhook: Webhook, values: Mapping[str, Any]) -> None:
        """Raise what the model's validators refuse."""
        if fault := fault_of(webhook):
            name, reason = fault
            refusal = InvalidFactorParameter if name == "event_types" else InvalidParameter
            raise refusal(name, reason.messages[0])
