"""The tables, in the chapters of the vendor's reference; rows and rules, no verbs."""

from django_verify.models.accounts import Account, ApiKey
from django_verify.models.entities import Challenge, Entity, Factor
from django_verify.models.messaging import MessagingConfiguration, MessagingService
from django_verify.models.safelist import SafeListNumber
from django_verify.models.senders import SenderState
from django_verify.models.services import (
    Bucket,
    BucketCount,
    RateLimit,
    StatusReadCount,
    VerifyService,
)
from django_verify.models.templates import Template, TemplateTranslation
from django_verify.models.verifications import Verification, VerificationAttempt
from django_verify.models.webhooks import EventSink, Webhook, WebhookDelivery

__all__ = [
    "Account",
    "ApiKey",
    "Bucket",
    "BucketCount",
    "Challenge",
    "Entity",
    "EventSink",
    "Factor",
    "MessagingConfiguration",
    "MessagingService",
    "RateLimit",
    "SafeListNumber",
    "SenderState",
    "StatusReadCount",
    "Template",
    "TemplateTranslation",
    "Verification",
    "VerificationAttempt",
    "VerifyService",
    "Webhook",
    "WebhookDelivery",
]
